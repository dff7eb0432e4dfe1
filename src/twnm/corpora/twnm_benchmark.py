"""The benchmark of the paper's authors (arXiv 2601.02954), as on the Hugging Face hub: KonoyoBC/TWNM-FOA-Benchmark, shuitata618/twnm-benchmark-foa.

    DIR/data/dev/metadata.jsonl     one question a line; also metadata.csv, also directly in DIR
    DIR/data/dev/...                the recordings that `file_name` names, relative to the metadata
    DIR/data/test-00000-of-00001.parquet     or: questions with the recordings' bytes in the column `audio`

Fields: file_name, sample_id, question, option_a ... option_d, answer_letter, answer_text, level (L1, L2, L3), task. The split `test` has no answers. Questions
and options are kept word for word; dev is our val. Azimuths in them are counted from 0 to 360, in a sense of rotation that is found out from the recordings.
"""

import csv
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from twnm.ambisonics import from_ambix
from twnm.audio import read_foa
from twnm.corpora.convention import Convention, Place, convention_of, places_in
from twnm.corpora.shared import Clip, Corpus, Split, UnansweredItem, audio_below, audio_name, check_audio, check_folder, family_of, make_item, safe_name
from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.schema import Item

OPTIONS: Final = ("option_a", "option_b", "option_c", "option_d")
REQUIRED: Final = ("sample_id", "question", *OPTIONS[:2], "level", "task")
LISTENED_TO: Final = 200


@dataclass(frozen=True)
class _Source:
    """A file of questions: where recordings named in it lie, and what names it in errors."""

    path: Path
    split: str

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Its rows, each with a name for errors."""
        rows = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}[self.path.suffix](self.path)
        for number, row in enumerate(rows, 1):
            yield f"{self.path} row {number}", row


def read_twnm_benchmark(folder: Path | str, split: str = "", layout: str = "ambix") -> Corpus:
    """Read the authors' benchmark.

    Args:
        folder: as above.
        split: "dev", "test", or whatever the folder has; empty: all.
        layout: of the recordings (`twnm.ambisonics.LAYOUTS`).

    Returns:
        One clip for each recording. `notes` has what the recordings say of their convention (`convention_of`).

    Raises:
        InputError: no questions, a row that is no question, a recording that is missing or has not four channels.
    """
    folder = Path(folder)
    check_folder(folder)
    sources = [source for source in _sources(folder) if split in ("", source.split)]
    if not sources:
        known = ", ".join(dict.fromkeys(source.split for source in _sources(folder)))
        wanted = f"the split {split!r}; it has: {known}" if known else "questions; wanted: metadata.jsonl, metadata.csv or .parquet files"
        raise InputError(f"{folder} has not {wanted}")
    clips = [clip for source in sources for clip in _clips(source, layout)]
    return Corpus("twnm-benchmark", "foa", clips, {"convention": _listen(clips, layout).to_json()})


def _sources(folder: Path) -> list[_Source]:
    found = {path.parent: path for name in ("metadata.csv", "metadata.jsonl") for path in sorted(folder.rglob(name))}
    files = [_Source(path, "all" if parent == folder else parent.name) for parent, path in sorted(found.items())]
    return files + [_Source(path, path.stem.partition("-0")[0]) for path in sorted(folder.rglob("*.parquet"))]


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is no JSON object: {line[:60]!r}; copy it again")
        yield row


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from csv.DictReader(stream)


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=16):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({' '.join(str(error).split())[:120]}); copy it again") from None


def _clips(source: _Source, layout: str) -> Iterator[Clip]:
    """Questions about one recording make one clip; rows of a Parquet file have a recording each."""
    by_file: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for where, row in source.rows():
        missing = [name for name in REQUIRED if row.get(name) in (None, "")]
        if missing:
            raise InputError(f"{where} lacks {', '.join(missing)}; is it the metadata of the TWNM benchmark?")
        audio = row.get("audio") if isinstance(row.get("audio"), dict) else None
        if audio is not None and audio.get("bytes"):
            name = f"{source.split}-{safe_name(str(row['sample_id']))}"
            _check_bytes(where, audio["bytes"])
            yield Clip(
                name, _use(source.split), partial(_read_bytes, where, source.path, str(row["sample_id"]), layout), (_item(where, row, source.split, name),)
            )
            continue
        file_name = row.get("file_name") or (audio or {}).get("path")
        if not file_name:
            raise InputError(f"{where} names no recording: it has neither file_name nor audio")
        by_file.setdefault(str(file_name), []).append((where, row))
    for file_name, rows in by_file.items():
        path = audio_below(source.path.parent, file_name)
        check_audio(path, "foa")
        name = f"{source.split}-{safe_name(str(Path(file_name).with_suffix('')))}"
        yield Clip(name, _use(source.split), partial(read_foa, path, layout=layout), tuple(_item(where, row, source.split, name) for where, row in rows))


def _use(split: str) -> Split:
    return "train" if split == "train" else "val" if split in ("dev", "val", "validation") else "test"


def _item(where: str, row: dict[str, Any], split: str, name: str) -> Item | UnansweredItem:
    options = tuple(str(row[key]) for key in OPTIONS if row.get(key) not in (None, ""))
    letter = row.get("answer_letter") or None
    text = row.get("answer_text")
    if letter is not None and text and letter in LETTERS[: len(options)] and options[LETTERS.index(letter)] != str(text):
        raise InputError(f"{where}: the option {letter} is {options[LETTERS.index(letter)]!r}, but answer_text is {text!r}")
    return make_item(
        where,
        None if letter is None else str(letter),
        sample_id=f"{split}-{row['sample_id']}",
        scene_id=name,
        file_name=audio_name(name),
        level=row["level"],
        task=str(row["task"]),
        family=family_of(str(row["task"])),
        question=str(row["question"]),
        options=options,
    )


def _decoded(where: str, data: bytes, use: Callable[[Path], Any]) -> Any:
    """What `use` makes of the bytes as a file; its errors name the row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio"
        path.write_bytes(data)
        try:
            return use(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), f"the audio of {where}")) from None


def _check_bytes(where: str, data: bytes) -> None:
    _decoded(where, data, lambda path: check_audio(path, "foa"))


def _read_bytes(where: str, path: Path, sample_id: str, layout: str) -> Float32[np.ndarray, "4 samples"]:
    """The recording of a row, found again in its file, so that no corpus has to fit in memory."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            ids = pc.cast(file.read_row_group(group, columns=["sample_id"])["sample_id"], "string")
            place = pc.index(ids, sample_id).as_py()
            if place >= 0:
                data = file.read_row_group(group, columns=["audio"])["audio"][place].as_py()["bytes"]
                return _decoded(where, data, lambda audio: read_foa(audio, layout=layout))
    raise InputError(f"{path} has lost the row {sample_id!r} while it was read; leave it alone during an import")


def _listen(clips: list[Clip], layout: str) -> Convention:
    """What the recordings say of their convention: those of which a right answer states places, at most LISTENED_TO; the first ones if there are none."""
    stated = [(clip, places) for clip in clips if (places := _stated(clip))]
    heard: list[tuple[Clip, tuple[Place, ...]]] = stated or [(clip, ()) for clip in clips]
    return convention_of((from_ambix(clip.read(), layout), places) for clip, places in itertools.islice(heard, LISTENED_TO))


def _stated(clip: Clip) -> tuple[Place, ...]:
    return tuple(place for item in clip.items if isinstance(item, Item) for place in places_in(item.answer_text))
