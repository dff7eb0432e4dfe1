"""Asking: all tasks by name, items and their twins from one scene, and the questions of a whole folder of scenes."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.questions.answer import LETTERS
from twnm.questions.facts import Facts, facts_of
from twnm.questions.level1 import TASKS_L1
from twnm.questions.level2 import TASKS_L2
from twnm.questions.level3 import TASKS_L3
from twnm.questions.options import shuffled
from twnm.questions.schema import Form, Item, Query, Task, Verdict
from twnm.questions.twins import Transform, candidates, twin_of
from twnm.questions.wordings import wording
from twnm.scene import Scene
from twnm.sounds.classes import CLASSES

TASKS: Mapping[str, Task] = MappingProxyType(TASKS_L1 | TASKS_L2 | TASKS_L3)


@dataclass(frozen=True)
class _Asked:
    """An item with the query behind it."""

    item: Item
    query: Query


def ask_one(
    scene: Scene, task: str, rng: np.random.Generator, split: str = "train", file_name: str = "", form: str = "choice", labels: Sequence[str] = CLASSES
) -> Item | None:
    """One item of a task about a scene, or None.

    None means that the scene does not allow the question within the margins, or not with the answer that was drawn: where a task has few answers
    (yes and no, say) the answer is drawn first, which keeps the answers about equally likely over many scenes. So do not ask again until it succeeds.

    Args:
        scene: what is asked about.
        task: a name of `TASKS`.
        rng: source of every choice.
        split: "train" for the wordings of training, "val" or "test" for the held-out ones.
        file_name: of the recording, kept in the item.
        form: "choice", or "open" for a question without options (None for a task that has no open form).
        labels: the classes that scenes of this kind may hold, from which absent sounds are named.

    Raises InputError for an unknown task, split or form.
    """
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}; allowed: {', '.join(TASKS)}")
    asked = _ask(scene, facts_of(scene, labels), task, rng, split, file_name, form, 0)
    return asked.item if asked else None


def ask_all(
    scene: Scene,
    rng: np.random.Generator,
    per_task: int = 1,
    split: str = "train",
    file_name: str = "",
    form: str = "choice",
    labels: Sequence[str] = CLASSES,
) -> list[Item]:
    """Up to `per_task` items of every task about a scene, in the order of TASKS; the same generator state gives the same items.

    Other arguments as for `ask_one`.
    """
    return [asked.item for asked in _ask_each(scene, facts_of(scene, labels), rng, per_task, split, file_name, form)]


def ask_twins(
    scene: Scene,
    rng: np.random.Generator,
    per_task: int = 1,
    split: str = "train",
    file_name: str = "",
    form: str = "choice",
    labels: Sequence[str] = CLASSES,
) -> list[tuple[Item, Item | None]]:
    """Items as `ask_all` gives them, each with its twin: the same question and options about the recording under `twin.transform`, another right answer.

    None where no turn or mirror changes the answer within the margins. Twins keep the `scene_id` and `file_name` of the recording that is transformed.
    """
    facts = facts_of(scene, labels)
    turned = functools.cache(lambda transform: facts_of(twin_of(scene, transform), labels))
    found: list[tuple[Item, Item | None]] = []
    for asked in list(_ask_each(scene, facts, rng, per_task, split, file_name, form)):
        item, twin = asked.item, None
        for transform in candidates(facts, rng):
            twin = _twin(asked, turned(transform), transform)
            if twin is not None:
                item = item.model_copy(update={"twin": twin.sample_id})
                break
        found.append((item, twin))
    return found


def _twin(asked: _Asked, turned: Facts, transform: Transform) -> Item | None:
    item = asked.item
    task = TASKS[item.task]
    verdict = task.verdict(turned, asked.query)
    if verdict is None or (verdict.answer == item.answer_text if item.form == "choice" else False):
        return None
    changes = _answer(task, turned, asked.query, verdict, item.options, item.form)
    if changes is None or changes["answer_text"] == item.answer_text or _agree(changes["answer_value"], item):
        return None
    named = {"sample_id": f"{item.sample_id}~{str(transform).replace(' ', '')}", "transform": str(transform), "twin": item.sample_id}
    return item.model_copy(update=changes | named)


def _agree(value: object, item: Item) -> bool:
    """Whether two open answers in figures are nearer than 45° or a factor of 1.5, so that one might pass for the other."""
    if item.answer_value is None or not isinstance(value, float):
        return False
    if item.unit == "deg":
        return abs((value - item.answer_value + 180) % 360 - 180) < 45
    return max(abs(value), abs(item.answer_value)) < 1.5 * min(abs(value), abs(item.answer_value))


def write_questions(folder: Path | str, *, per_task: int = 1, seed: int = 0) -> Path:
    """Ask about every scene of a simulated data set and write `questions.jsonl` into it; `file_name` of an item is that of the scene's row.

    The items of a scene depend on its id and `seed` only. Returns the path of the file. Raises InputError, and writes nothing, if `folder` is no data set
    or a shard of it is missing or damaged.
    """
    from twnm.simulate.dataset import SceneSet

    folder = Path(folder)
    data = SceneSet(folder)
    target = folder / "questions.jsonl"
    with atomic_write(target) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for file_name, scene in data.scenes():
            rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(scene.scene_id.encode()).digest()[:8])])
            split = "train" if scene.split == "none" else scene.split
            for item in ask_all(scene, rng, per_task, split, file_name, labels=data.config.classes):
                lines.write(json.dumps(item.to_row(), ensure_ascii=False) + "\n")
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


def _ask_each(scene: Scene, facts: Facts, rng: np.random.Generator, per_task: int, split: str, file_name: str, form: str) -> Iterator[_Asked]:
    for task in TASKS:
        seen = set()
        for number in range(per_task):
            asked = _ask(scene, facts, task, rng, split, file_name, form, number)
            key = asked and (asked.item.question, *sorted(asked.item.options))
            if asked is not None and key not in seen:
                seen.add(key)
                yield asked


def _ask(scene: Scene, facts: Facts, name: str, rng: np.random.Generator, split: str, file_name: str, form: str, number: int) -> _Asked | None:
    if form not in ("choice", "open"):
        raise InputError(f"unknown form {form!r}; allowed: choice, open")
    task, sentence = TASKS[name], wording(name, split, rng)
    asked = task.ask(facts, rng)
    if asked is None:
        return None
    query, verdict = asked
    options = tuple(shuffled(rng, query.options)) if form == "choice" else ()
    answer = _answer(task, facts, query, verdict, options, form)
    reply = query.reply or task.reply
    if answer is None or (form == "open" and not reply):
        return None
    question = sentence.format(**query.words)
    item = Item(
        sample_id=f"{scene.scene_id}-{name}-{number}" if form == "choice" else f"{scene.scene_id}-{name}-open-{number}",
        scene_id=scene.scene_id,
        file_name=file_name,
        level=task.level,
        task=name,
        family=task.family,
        question=question if form == "choice" else f"{question} {reply}",
        options=options,
        form=cast(Form, form),
        **answer,
    )
    return _Asked(item, query)


def _answer(task: Task, facts: Facts, query: Query, verdict: Verdict, options: tuple[str, ...], form: str) -> dict[str, Any] | None:
    """The fields of an item that depend on the answer; None for an open answer in figures that the scene does not have."""
    evidence = tuple(it.line() for it in verdict.evidence)
    if form == "choice":
        letter = LETTERS[options.index(verdict.answer)]
        return {"answer_letter": letter, "answer_text": verdict.answer, "derivation": verdict.why, "evidence": evidence, "answer_value": None}
    fields = {"evidence": evidence, "answer_letter": None}
    if task.number is None:
        return fields | {"answer_text": verdict.answer, "derivation": verdict.why, "tolerance": "text", "answer_value": None}
    number = task.number(facts, query)
    if number is None:
        return None
    figures = {"answer_value": number.value, "unit": number.unit, "tolerance": number.tolerance}
    return fields | {"answer_text": number.said, "derivation": number.why} | figures
