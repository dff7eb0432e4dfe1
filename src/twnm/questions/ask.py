"""Asking: all tasks by name, items from one scene, and the questions of a whole folder of scenes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.questions.answer import LETTERS
from twnm.questions.facts import Facts, facts_of
from twnm.questions.level1 import TASKS_L1
from twnm.questions.level2 import TASKS_L2
from twnm.questions.level3 import TASKS_L3
from twnm.questions.options import shuffled
from twnm.questions.schema import Draft, Item, Task
from twnm.questions.wordings import wording
from twnm.scene import Scene

TASKS: Mapping[str, Task] = MappingProxyType(TASKS_L1 | TASKS_L2 | TASKS_L3)
AUDIO_SUFFIXES = (".flac", ".wav")


def ask_one(scene: Scene, task: str, rng: np.random.Generator, split: str = "train", file_name: str = "") -> Item | None:
    """One item of a task about a scene, or None.

    None means that the scene does not allow the question within the margins, or not with the answer that was drawn: where a task has few answers
    (yes and no, say) the answer is drawn first, which keeps the answers equally likely over many scenes. So do not ask again until it succeeds.
    Raises InputError for an unknown task or split.
    """
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}; allowed: {', '.join(TASKS)}")
    return _item(scene, facts_of(scene), task, rng, split, file_name, 0)


def ask_all(scene: Scene, rng: np.random.Generator, per_task: int = 1, split: str = "train", file_name: str = "") -> list[Item]:
    """Up to `per_task` items of every task about a scene, in the order of TASKS; the same generator state gives the same items."""
    facts = facts_of(scene)
    items: list[Item] = []
    for task in TASKS:
        found: dict[tuple[str, ...], Item] = {}
        for number in range(per_task):
            item = _item(scene, facts, task, rng, split, file_name, number)
            if item is not None:
                found.setdefault((item.question, *sorted(item.options)), item)
        items.extend(found.values())
    return items


def write_questions(folder: Path | str, *, per_task: int = 1, seed: int = 0) -> Path:
    """Ask about every scene of a simulated data set (`scenes/*.json`, `audio/*`) and write `questions.jsonl` into it.

    The items of a scene depend on its id and `seed` only. Returns the path of the file. Raises InputError if there is no scene, a scene cannot be read,
    or its audio is missing.
    """
    folder = Path(folder)
    paths = sorted((folder / "scenes").glob("*.json"))
    if not paths:
        raise InputError(f"{folder} has no scenes/*.json; give a folder that `twnm simulate` wrote")
    rows = []
    for path in paths:
        scene = Scene.from_json(path.read_bytes())
        rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(scene.scene_id.encode()).digest()[:8])])
        split = "train" if scene.split == "none" else scene.split
        rows += [item.to_row() for item in ask_all(scene, rng, per_task, split, _audio_of(folder, path.stem))]
    target = folder / "questions.jsonl"
    with atomic_write(target) as temporary:
        temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return target


def read_questions(path: Path | str) -> list[Item]:
    """The items of a `questions.jsonl`. Raises InputError naming the line that is not an item."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; write it with `twnm questions FOLDER`")
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            items.append(Item.from_row(json.loads(line)))
        except (ValueError, AttributeError) as error:
            raise InputError(f"{path} line {number}: {error}") from None
    return items


def _audio_of(folder: Path, stem: str) -> str:
    for suffix in AUDIO_SUFFIXES:
        if (folder / "audio" / f"{stem}{suffix}").is_file():
            return f"audio/{stem}{suffix}"
    raise InputError(f"{folder}/audio has no {stem}{AUDIO_SUFFIXES[0]} or {stem}{AUDIO_SUFFIXES[1]}; simulate the data set again")


def _item(scene: Scene, facts: Facts, task: str, rng: np.random.Generator, split: str, file_name: str, number: int) -> Item | None:
    sentence = wording(task, split, rng)
    draft: Draft | None = TASKS[task].draft(facts, rng)
    if draft is None:
        return None
    options = shuffled(rng, draft.options)
    return Item(
        sample_id=f"{scene.scene_id}-{task}-{number}",
        scene_id=scene.scene_id,
        file_name=file_name,
        level=TASKS[task].level,
        task=task,
        family=TASKS[task].family,
        question=sentence.format(**draft.words),
        options=tuple(options),
        answer_letter=LETTERS[options.index(draft.answer)],
        answer_text=draft.answer,
        derivation=draft.why,
        evidence=tuple(it.line() for it in draft.evidence),
    )
