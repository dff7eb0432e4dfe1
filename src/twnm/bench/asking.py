"""One recording put to one system: its questions under each control, the replies scored, a row of results for each. Nothing a system does ends the run."""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from twnm.bench.controls import CONTROLS, controlled_audio, controlled_item, other_place
from twnm.bench.data import Benchmark
from twnm.bench.results import NOT_APPLICABLE, UNSCORED
from twnm.bench.score import SCORER_VERSION, evidence_known, score, score_choice
from twnm.bench.systems.base import AnswersTogether, Kind, Labels, Question, Recording, Reply, System
from twnm.corpora.shared import UnansweredItem
from twnm.errors import InputError
from twnm.questions.evidence import Heard, heard_of
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of
from twnm.scene import Scene

Load = Callable[[str, Path], System]
Audio = Float32[np.ndarray, "channels samples"]
_MOST_TEXT = 20_000  # characters of a reply that are kept


@dataclass(frozen=True)
class Wanted:
    """One question under one control, and the hash of all that the reply depends on."""

    control: str
    item: Item | UnansweredItem
    input_hash: str


@dataclass(frozen=True)
class Ask:
    """What is wanted of one system about one recording."""

    system: str
    file_name: str
    place: int
    wanted: tuple[Wanted, ...]


def input_hash(audio_hash: str, control: str, item: Item | UnansweredItem) -> str:
    """A hash of the audio, the transform, the question, the options, the control and the scorer."""
    parts = (audio_hash, item.transform, item.question, *item.options, control, SCORER_VERSION)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@functools.lru_cache(maxsize=1)
def loaded(load: Load, name: str, data: Path) -> System:
    """The system of this process: one at a time, because some fill the memory."""
    return load(name, data)


def answered(load: Load, data: Path, split: str, ask: Ask) -> list[dict[str, Any]]:
    """Rows for what is wanted. Raises what `load` raises, and nothing else but what ends a process."""
    system, benchmark = loaded(load, ask.system, data), _benchmark(data, split)
    if benchmark.kind != "foa":
        refused, ask = _apart(system, benchmark.kind, ask)
        return refused + (_asked(system, benchmark, ask) if ask.wanted else [])
    return _asked(system, benchmark, ask)


def _apart(system: System, kind: Kind, ask: Ask) -> tuple[list[dict[str, Any]], Ask]:
    """Rows for what is not applicable to a recording of two channels, and what is left to ask."""
    reasons = [(one, _unfit(system, kind, one)) for one in ask.wanted]
    rows = [_row(ask.system, system.labels, one, None) | {"outcome": NOT_APPLICABLE, "error": reason} for one, reason in reasons if reason]
    return rows, replace(ask, wanted=tuple(one for one, reason in reasons if not reason))


def _unfit(system: System, kind: Kind, wanted: Wanted) -> str:
    """Why a question about a recording of two channels cannot be put to a system; empty if it can."""
    if system.labels.input not in ("none", "metadata") and not getattr(system, "two_channels", False):
        return f"the system needs four channels, and the recordings are {kind}"
    if not CONTROLS[wanted.control].two_channels:
        return f"the control {wanted.control} needs four channels, and the recordings are {kind}"
    return f"the transform {wanted.item.transform} needs four channels, and the recordings are {kind}" if wanted.item.transform else ""


def _asked(system: System, benchmark: Benchmark, ask: Ask) -> list[dict[str, Any]]:
    """Rows for replies to what is applicable."""
    try:
        audio, scene = benchmark.recording(ask.file_name)
    except InputError as error:
        return failed(ask, str(error), system.labels)
    rows: list[dict[str, Any]] = []
    parts: list[_Part] = []
    for control in dict.fromkeys(wanted.control for wanted in ask.wanted):
        for transform in dict.fromkeys(wanted.item.transform for wanted in ask.wanted):
            wanted = tuple(one for one in ask.wanted if one.control == control and one.item.transform == transform)
            if wanted:
                here = Ask(ask.system, ask.file_name, ask.place, wanted)
                try:
                    given = Transform.of(transform).audio(audio) if transform else audio
                    parts.append(_part(system, benchmark, here, given, scene and _twin(scene, transform)))
                except Exception as error:
                    rows += failed(here, _reason(error), system.labels)
    for part, answer in zip(parts, _answers(system, parts), strict=True):
        rows += failed(part.ask, _reason(answer), system.labels) if isinstance(answer, Exception) else _rows(system, part, answer)
    return rows


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def failed(ask: Ask, reason: str, labels: Labels | None = None) -> list[dict[str, Any]]:
    """Rows that say why there are no replies."""
    return [_row(ask.system, labels, wanted, None) | {"error": reason} for wanted in ask.wanted]


@functools.lru_cache(maxsize=1)
def _benchmark(data: Path, split: str) -> Benchmark:
    return Benchmark(data, split)


def _twin(scene: Scene, transform: str) -> Scene:
    return twin_of(scene, Transform.of(transform)) if transform else scene


@dataclass(frozen=True)
class _Part:
    """Questions that share a recording, a transform and a control, as they are put to a system, and the scene that is heard."""

    ask: Ask
    items: tuple[Item | UnansweredItem, ...]
    recording: Recording
    scene: Scene | None

    @property
    def asked(self) -> tuple[Recording, list[Question]]:
        return self.recording, [Question.of(item) for item in self.items]


def _part(system: System, benchmark: Benchmark, ask: Ask, given: Audio, scene: Scene | None) -> _Part:
    control, kind, names = ask.wanted[0].control, benchmark.kind, benchmark.file_names
    items = tuple(controlled_item(control, wanted.item) if isinstance(wanted.item, Item) else wanted.item for wanted in ask.wanted)

    def other() -> Audio:
        return benchmark.recording(names[other_place(items[0], ask.place, len(names))])[0]

    audio = controlled_audio(control, given, items[0], other)
    known: tuple[Scene | None, tuple[Item | UnansweredItem, ...]] = (scene, items) if system.labels.input == "metadata" else (None, ())
    recording = Recording(audio, *known) if kind == "foa" else Recording(None, *known, pair=audio, kind=kind)
    return _Part(ask, items, recording, scene)


def _answers(system: System, parts: Sequence[_Part]) -> list[list[Reply] | Exception]:
    """The replies to each part, timed, or why there are none; together if the system can, and each alone where that fails."""
    if isinstance(system, AnswersTogether) and len(parts) > 1:
        began = time.perf_counter()
        try:
            given = system.answer_together([part.asked for part in parts])
            if len(given) == len(parts):
                each_s = (time.perf_counter() - began) / sum(len(part.items) for part in parts)
                return [_checked(replies, len(part.items), each_s) for replies, part in zip(given, parts, strict=True)]
        except Exception:  # what one part brings about shall not fail the others
            pass
    return [_answer(system, part) for part in parts]


def _answer(system: System, part: _Part) -> list[Reply] | Exception:
    began = time.perf_counter()
    try:
        replies = system.answer(*part.asked)
        return _checked(replies, len(part.items), (time.perf_counter() - began) / len(part.items))
    except Exception as error:
        return error


def _rows(system: System, part: _Part, replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """Rows for the replies to a part."""
    ask, scene = part.ask, part.scene
    heard = () if scene is None else heard_of(scene)
    renderer = "" if scene is None else scene.renderer
    rows = []
    for wanted, item, reply in zip(ask.wanted, part.items, replies, strict=True):
        if reply.error:
            missed = {"error": " ".join(reply.error.split())[:500], "seconds": round(reply.seconds, 4), "renderer": renderer}
            rows.append(_row(ask.system, system.labels, wanted, item) | missed)
            continue
        figures = _figures(item, reply, heard)
        said = {"reply": reply.text[:_MOST_TEXT], "evidence": reply.evidence and reply.evidence[:_MOST_TEXT]}
        sure = None if reply.confidence is None else round(reply.confidence, 4)
        used = {"confidence": sure, "seconds": round(reply.seconds, 4), "tokens": reply.tokens, "renderer": renderer}
        rows.append(_row(ask.system, system.labels, wanted, item) | figures | said | used)
    return rows


def _figures(item: Item | UnansweredItem, reply: Reply, heard: tuple[Heard, ...]) -> dict[str, Any]:
    """What the scorer says of a reply; of an item without an answer only what was read."""
    if isinstance(item, UnansweredItem):
        _, letter = score_choice(reply.text, item.options, "")
        return {"outcome": "unparseable" if letter is None else UNSCORED, "read": letter}
    scored = score(item, reply.text, reply.evidence, heard)
    return {"outcome": scored.outcome, "read": scored.read, "right": scored.right, "grounded": scored.grounded}


def _checked(replies: Any, count: int, each_s: float) -> list[Reply]:
    """The replies, which took `each_s` each if they do not say so themselves; raises for anything else than one of type Reply to each question."""
    if not isinstance(replies, Sequence) or len(replies) != count or not all(isinstance(reply, Reply) and isinstance(reply.text, str) for reply in replies):
        raise TypeError(f"the system must give {count} replies of type Reply")
    if not all(reply.confidence is None or 0 <= reply.confidence <= 1 for reply in replies):
        raise ValueError(f"the confidences {[reply.confidence for reply in replies]} must lie between 0 and 1")
    return [reply if reply.seconds or reply.error else replace(reply, seconds=each_s) for reply in replies]


def _row(system: str, labels: Labels | None, wanted: Wanted, item: Item | UnansweredItem | None) -> dict[str, Any]:
    """A row of results as of a system that failed."""
    item = wanted.item if item is None else item
    return {
        "system": system,
        "control": wanted.control,
        "sample_id": item.sample_id,
        "input_hash": wanted.input_hash,
        "scorer": SCORER_VERSION,
        "labels": labels and asdict(labels),
        "outcome": "failed",
        "read": None,
        "right": False,
        "grounded": False if isinstance(item, Item) and evidence_known(item) else None,
        "reply": "",
        "evidence": None,
        "error": "",
        "confidence": None,
        "seconds": 0.0,
        "tokens": None,
        "level": item.level,
        "task": item.task,
        "family": item.family,
        "form": item.form,
        "scene_id": item.scene_id,
        "renderer": "",
        "transform": item.transform,
        "twin": item.twin,
        "chance": 1 / len(item.options) if item.options else 0.0,
    }
