"""RMS-AQA (arXiv 2610.00935, ICASSP 2027): questions in two stages about recordings of 10 s from homes; huggingface.co/datasets/PeacefulData/RMS-AQA.

    DIR/{train,dev}_QA/**/*.json        {"records": [...]}; metadata.json is not read
    DIR/{train,dev}_audio/**/*.wav      4 channels, 24 kHz; `dev-000000.json` is about `dev-000000.wav`, unless a record has an `audio_path`

The names are those in the organisers' description and code (github.com/rmsaqachallenge/rmsaqa-code), which unpacks the published archives to these folders. The
files themselves are given out on request only and were not at hand. A record has two questions: what is heard (stage 1), and one of six kinds (stage 2).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from twnm.audio import read_foa
from twnm.corpora.shared import Clip, Corpus, Split, UnansweredItem, audio_below, audio_name, check_audio, check_folder, make_item, read_json, safe_name
from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.schema import Family, Item, Level

STAGE_1: Final = "rms_aqa_stage_1"
KINDS: Final[Mapping[int, tuple[str, Level, Family]]] = {
    1: ("rms_aqa_sound_counting", "L1", "semantic"),
    2: ("rms_aqa_source_localization", "L1", "spatial"),
    3: ("rms_aqa_temporal_detection", "L1", "temporal"),
    4: ("rms_aqa_spatial_relations", "L2", "spatial"),
    5: ("rms_aqa_temporal_relations", "L2", "temporal"),
    6: ("rms_aqa_action_prediction", "L3", "mixed"),
}
"""The six kinds of stage 2 by `category_id`; level and family are ours."""
_TASKS: Final = frozenset({STAGE_1, *(task for task, _, _ in KINDS.values())})


@dataclass(frozen=True)
class TwoStage:
    """How many records there are, and the shares of them with stage 1, stage 2, and both right (grounded)."""

    records: int
    stage_1: float
    stage_2: float
    grounded: float


def read_rms_aqa(folder: Path | str, split: str = "", layout: str = "ambix") -> Corpus:
    """Read RMS-AQA; the items of a record share its `scene_id`, and their ids end in `-stage1` and `-stage2`.

    Args:
        folder: as above.
        split: "train", "dev", or empty for all there is.
        layout: of the recordings; the organisers do not state it.

    Raises:
        InputError: no questions, archives that are not unpacked, a record that has not one question for each stage, a recording that is missing or has not
            four channels.
    """
    folder = Path(folder)
    check_folder(folder)
    parts = [path for path in sorted(folder.glob("*_QA")) if path.is_dir() and split in ("", path.name.removesuffix("_QA"))]
    files = [(part, path) for part in parts for path in sorted(part.rglob("*.json")) if path.name.casefold() != "metadata.json"]
    if not files:
        packed = next(folder.rglob("*.tar.zst"), None)
        remedy = f"unpack {packed.name} and the others first (tar --zstd -xf)" if packed else "wanted: train_QA or dev_QA with .json files"
        raise InputError(f"{folder} has no questions{f' of the split {split!r}' if split else ''}; {remedy}")
    audio: dict[str, dict[str, Path]] = {}
    clips = []
    for part, path in files:
        name = part.name.removesuffix("_QA")
        known = audio.setdefault(name, {wav.stem: wav for wav in sorted((folder / f"{name}_audio").rglob("*.wav"))})
        clips += [_clip(folder, path, record, known, layout, "train" if name == "train" else "val") for record in _records(path)]
    return Corpus("rms-aqa", "foa", clips, {"levels_and_families": "by twnm; the corpus has none"})


def _records(path: Path) -> Iterator[dict[str, Any]]:
    content = read_json(path)
    records = content.get("records") if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) and record.get("segment_id") for record in records):
        raise InputError(f"{path} is no file of RMS-AQA: it needs a list `records` of objects with a `segment_id`")
    yield from records


def _clip(folder: Path, path: Path, record: dict[str, Any], known: Mapping[str, Path], layout: str, split: Split) -> Clip:
    segment = str(record["segment_id"]).removesuffix(".json")
    where = f"{path}, {segment}"
    if record.get("audio_path"):
        audio = audio_below(folder, str(record["audio_path"]))
    elif segment in known:
        audio = known[segment]
    else:
        raise InputError(f"{where}: there is no {segment}.wav; unpack the audio of this split beside its questions")
    check_audio(audio, "foa")
    name = safe_name(segment)
    stages = record.get("qa_pairs")
    by_stage = {pair.get("stage"): pair for pair in stages if isinstance(pair, dict)} if isinstance(stages, list) else {}
    if not isinstance(stages, list) or len(stages) != 2 or set(by_stage) != {1, 2}:
        raise InputError(f"{where}: `qa_pairs` needs one question of stage 1 and one of stage 2")
    return Clip(name, split, partial(read_foa, audio, layout=layout), tuple(_item(where, name, stage, by_stage[stage]) for stage in (1, 2)))


def _item(where: str, name: str, stage: int, pair: dict[str, Any]) -> Item | UnansweredItem:
    where = f"{where} stage {stage}"
    options = pair.get("options")
    if not isinstance(options, dict) or "".join(sorted(options)) != LETTERS[: len(options)]:
        raise InputError(f"{where}: `options` needs a text for each of the letters A, B, ...")
    task, level, family = (STAGE_1, "L1", "semantic") if stage == 1 else _kind(where, pair)
    return make_item(
        where,
        None if pair.get("answer") is None else str(pair["answer"]),
        sample_id=f"{name}-stage{stage}",
        scene_id=name,
        file_name=audio_name(name),
        level=level,
        task=task,
        family=family,
        question=str(pair.get("question", "")),
        options=tuple(str(options[letter]) for letter in sorted(options)),
    )


def _kind(where: str, pair: dict[str, Any]) -> tuple[str, Level, Family]:
    number = str(pair.get("category_id", ""))
    if not number.isdecimal() or int(number) not in KINDS:
        raise InputError(f"{where}: category_id {pair.get('category_id')!r} is unknown; allowed: 1 to {len(KINDS)}")
    return KINDS[int(number)]


@runtime_checkable
class Staged(Protocol):
    """An item, or a row of results about one."""

    @property
    def sample_id(self) -> str: ...
    @property
    def scene_id(self) -> str: ...
    @property
    def task(self) -> str: ...


def records_of(items: Iterable[Staged], right: Mapping[str, bool]) -> dict[str, list[tuple[str, bool, bool]]]:
    """The records of which both stages are there: each with whether stage 1 and stage 2 are right; all of them ("all"), and by the task of stage 2.

    `right` says it by `sample_id`; what is missing there counts as wrong.
    """
    groups: dict[str, list[tuple[str, bool, bool]]] = {}
    for name, stages in _stages(items).items():
        if len(stages) == 2:
            one, two = stages["stage_1"], stages["stage_2"]
            for group in ("all", two.task):
                groups.setdefault(group, []).append((name, right.get(one.sample_id, False), right.get(two.sample_id, False)))
    return groups


def _stages(items: Iterable[Staged]) -> dict[str, dict[str, Staged]]:
    records: dict[str, dict[str, Staged]] = {}
    for item in items:
        if item.task in _TASKS:
            records.setdefault(item.scene_id, {})["stage_1" if item.task == STAGE_1 else "stage_2"] = item
    return records


def two_stage_accuracy(items: Sequence[Item], right: Mapping[str, bool]) -> dict[str, TwoStage]:
    """The corpus' own accuracies: of all records ("all"), and of those of each kind of stage 2.

    Args:
        items: of this corpus.
        right: whether the answer is right, by `sample_id`; what is missing counts as wrong.

    Raises:
        InputError: an item whose record has not both stages.
    """
    for name, stages in _stages(items).items():
        if len(stages) != 2:
            raise InputError(f"the record {name} has only {next(iter(stages))}; give the items of whole records")
    shares = {}
    for group, records in records_of(items, right).items():
        hits = ([one for _, one, _ in records], [two for _, _, two in records], [one and two for _, one, two in records])
        shares[group] = TwoStage(len(records), *(sum(part) / len(records) for part in hits))
    return shares
