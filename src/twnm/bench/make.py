"""Bench v1: what systems are measured on, made from a sound bank by a fixed recipe and fixed seeds; the same bytes from the same bank.

    OUT/val, OUT/test-native, OUT/test-foreign    data sets of scenes; half of the test is rendered by pyroomacoustics
    OUT/items-val.jsonl, items-test.jsonl         1,000 and 3,000 items, as many of each level, and their twins
    OUT/items-val-open.jsonl, items-test-open.jsonl    questions without options about the same scenes, of the same tasks where these have such a form
    OUT/items-train.jsonl                         items of the train split for systems that learn from texts; they have no recordings
    OUT/benchmark.json  README.md  SHA256SUMS     what it was made from, its card, checksums (written last)

Clips, rooms and wordings of validation and test occur in no training. Made in parts that are kept when the work is killed: run again, it goes on.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import twnm
from twnm.bench.choose import RECIPE, choose, open_items, scene_index, trained_readers, training_texts
from twnm.bench.data import SPLITS, items_path, training_items
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, sha256_file, write_checksums
from twnm.questions.ask import read_questions
from twnm.questions.reader import TextReader
from twnm.questions.schema import Item
from twnm.simulate import dataset
from twnm.sounds.catalogue import Catalogue

NAME: Final = "benchmark.json"
FORMAT: Final = "twnm-bench-1"
ITEMS: Final = {"val": 1000, "test": 3000}
TRAIN_PER_TASK: Final = 400
_TRAIN_SEED: Final = 7_000_000
Progress = Callable[[Iterator[int], int], Iterator[int]]


@dataclass(frozen=True)
class Part:
    """A data set of the benchmark: its folder, the split of its sounds, who renders it, its seed, its share of the split's items."""

    name: str
    split: str
    renderer: str
    seed: int
    share: float


PARTS: Final = (
    Part("val", "val", "native", 7_000_001, 1.0),
    Part("test-native", "test", "native", 7_000_002, 0.5),
    Part("test-foreign", "test", "pyroomacoustics", 7_000_003, 0.5),
)


def make(
    out: Path | str,
    bank: Catalogue,
    splits: Sequence[str] = SPLITS,
    workers: int = 1,
    items: Mapping[str, int] = ITEMS,
    train_per_task: int = TRAIN_PER_TASK,
    parts: Sequence[Part] = PARTS,
    progress: Progress | None = None,
) -> Path:
    """Make the benchmark, or complete it.

    Args:
        out: a new folder, or one that an earlier call with the same bank began.
        bank: the dry sounds.
        splits: which of "val" and "test" to make.
        workers: processes that render.
        items: how many items each split has beside the twins; less for a trial.
        train_per_task: how many training items of each task.
        parts: the data sets.
        progress: as in `dataset.write`.

    Raises:
        InputError: an argument is out of range, the bank gives too few questions, or `out` holds a benchmark of another kind.
        OSError, RuntimeError: as `dataset.write`.
    """
    out = Path(out)
    if not splits or set(splits) - set(SPLITS) or train_per_task < 1 or any(items.get(split, 0) < 1 for split in splits):
        raise InputError(f"splits {tuple(splits)} with {dict(items)} items, {train_per_task} to train: choose from {', '.join(SPLITS)}, with 1 item or more")
    made = _begin(out, bank)

    made = _texts(out, made, "train", train_per_task, functools.partial(training_texts, bank, _TRAIN_SEED, train_per_task))
    readers = functools.cache(lambda: trained_readers(training_items(out)))
    for split in splits:
        its = [part for part in parts if part.split == split]
        made = _texts(out, made, split, items[split], functools.partial(_items, bank, its, items[split], readers))
        made = _texts(out, made, f"{split}-open", items[split], functools.partial(_open_items, out, bank, its))
        for part in its:
            scenes = sorted({scene_index(item) for item in read_questions(items_path(out, split)) if item.file_name.startswith(f"{part.name}/")})
            if not scenes:  # a trial so small that this part has no items
                continue
            dataset.write(out / part.name, scenes, part.seed, RECIPE, bank, split, workers, renderer=part.renderer, progress=progress)
            made["parts"] = made["parts"] | {part.name: asdict(part) | {"scenes": len(scenes)}}
            _write_json(out / NAME, made)
    with atomic_write(out / "README.md") as temporary:
        temporary.write_text(_card(made), encoding="utf-8")
    write_checksums(out)
    return out


def _items(bank: Catalogue, parts: Sequence[Part], count: int, readers: Callable[[], dict[str, TextReader]]) -> list[Item]:
    counts = [int(part.share * count) for part in parts]
    counts[0] += count - sum(counts)
    return [item for part, its in zip(parts, counts, strict=True) if its for item in choose(bank, part.split, part.seed, part.name, its, readers())]


def _open_items(out: Path, bank: Catalogue, parts: Sequence[Part]) -> list[Item]:
    chosen = read_questions(items_path(out, parts[0].split))
    return [
        item
        for part in parts
        for item in open_items(bank, part.split, part.seed, [item for item in chosen if item.file_name.startswith(f"{part.name}/") and not item.transform])
    ]


def _begin(out: Path, bank: Catalogue) -> dict[str, Any]:
    """What is there already; raises InputError for a folder of something else."""
    common = {"format": FORMAT, "twnm": twnm.__version__, "recipe": RECIPE, "sound_bank": bank.digest()}
    path = out / NAME
    if out.is_dir() and any(not found.name.startswith(".twnm-") for found in out.iterdir()) and not path.is_file():
        raise InputError(f"{out} holds something else than a benchmark; choose another folder")
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{out} cannot be used ({' '.join(str(error).split())}); choose another folder") from None
    other = [name for name, value in common.items() if before and before.get(name) != value]
    if other:
        raise InputError(f"{out} holds a benchmark of another {', '.join(other)}; choose another folder or remove it")
    (out / CHECKSUMS_NAME).unlink(missing_ok=True)  # a folder with checksums is complete
    for leftover in out.glob(".twnm-*"):
        leftover.unlink(missing_ok=True)
    made = common | {"items": before.get("items", {}), "parts": before.get("parts", {})}
    _write_json(path, made)
    return made


def _texts(out: Path, made: dict[str, Any], split: str, asked: int, make_items: Callable[[], list[Item]]) -> dict[str, Any]:
    """Write the items of a split, unless they are there as recorded."""
    path, known = items_path(out, split), made["items"].get(split)
    if known and known["asked"] != asked:
        raise InputError(f"{out} was begun with {known['asked']} items for {split}, not {asked}; choose another folder or remove it")
    if known and path.is_file() and sha256_file(path) == known["sha256"]:
        return made
    items = make_items()
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(item.to_row(), ensure_ascii=False) + "\n" for item in items)
    scenes = Counter(file_name.partition("/")[0] for file_name in dict.fromkeys(item.file_name for item in items))
    twins = sum(bool(item.transform) for item in items)
    row = {"asked": asked, "items": len(items) - twins, "twins": twins, "scenes": scenes, "sha256": sha256_file(path)}
    made = made | {"items": made["items"] | {split: row}}
    _write_json(out / NAME, made)
    return made


def _write_json(path: Path, row: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


_CARD = """\
# Bench v1

Questions about simulated first-order Ambisonic scenes (AmbiX: W, Y, Z, X, SN3D; 24 kHz), made by twnm {twnm} from the recipe `{recipe}` and fixed seeds.

| split | items | twins | data sets (scenes) | SHA-256 of the items |
|---|---|---|---|---|
{splits}

Validation and test use clips, rooms and wordings that no training uses. An item's recording is the row `file_name` of the data set that `file_name` begins
with, after the item's `transform`. A twin has the same words about the recording turned or mirrored, and another answer. Training items (`train`) are
texts without recordings.

| data set | sounds of | renderer | seed | scenes |
|---|---|---|---|---|
{parts}

Sound bank: `{sound_bank}`. The same bank gives the same bytes: `twnm bench make OUT --sounds FOLDER`. Packages and licences of the sounds stand in the
card of each data set. `twnm verify` compares all files with `SHA256SUMS`.
"""


def _card(made: dict[str, Any]) -> str:
    splits = [
        f"| {split} | {row['items']} | {row['twins']} | {', '.join(f'{name} ({count})' for name, count in row['scenes'].items() if name != 'none') or 'none'} |"
        f" `{row['sha256']}` |"
        for split, row in made["items"].items()
    ]
    parts = [f"| {name} | {row['split']} | {row['renderer']} | {row['seed']} | {row['scenes']} |" for name, row in made["parts"].items()]
    return _CARD.format(**{name: made[name] for name in ("twnm", "recipe", "sound_bank")}, splits="\n".join(splits), parts="\n".join(parts))
