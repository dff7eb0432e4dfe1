"""One recording put to one system: its questions under each control, the replies scored, a row of results for each. Nothing a system does ends the run."""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from twnm.bench.controls import controlled_audio, controlled_item, other_place
from twnm.bench.data import Benchmark
from twnm.bench.score import SCORER_VERSION, score
from twnm.bench.systems.base import Labels, Question, Recording, Reply, System
from twnm.errors import InputError
from twnm.questions.evidence import heard_of
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of
from twnm.scene import Scene

Load = Callable[[str, Path], System]
_MOST_TEXT = 20_000  # characters of a reply that are kept


@dataclass(frozen=True)
class Wanted:
    """One question under one control, and the hash of all that the reply depends on."""

    control: str
    item: Item
    input_hash: str


@dataclass(frozen=True)
class Ask:
    """What is wanted of one system about one recording."""

    system: str
    file_name: str
    place: int
    wanted: tuple[Wanted, ...]


def input_hash(audio_hash: str, control: str, item: Item) -> str:
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
    try:
        foa, scene = benchmark.recording(ask.file_name)
    except InputError as error:
        return failed(ask, str(error), system.labels)
    rows = []
    for control in dict.fromkeys(wanted.control for wanted in ask.wanted):
        for transform in dict.fromkeys(wanted.item.transform for wanted in ask.wanted):
            part = tuple(wanted for wanted in ask.wanted if wanted.control == control and wanted.item.transform == transform)
            if part:
                here = Ask(ask.system, ask.file_name, ask.place, part)
                rows += _rows(system, benchmark, here, Transform.of(transform).audio(foa), scene and _twin(scene, transform))
    return rows


def failed(ask: Ask, reason: str, labels: Labels | None = None) -> list[dict[str, Any]]:
    """Rows that say why there are no replies."""
    return [_row(ask.system, labels, wanted, None) | {"error": reason} for wanted in ask.wanted]


@functools.lru_cache(maxsize=1)
def _benchmark(data: Path, split: str) -> Benchmark:
    return Benchmark(data, split)


def _twin(scene: Scene, transform: str) -> Scene:
    return twin_of(scene, Transform.of(transform)) if transform else scene


def _rows(system: System, benchmark: Benchmark, ask: Ask, foa: Float32[np.ndarray, "4 samples"], scene: Scene | None) -> list[dict[str, Any]]:
    """Rows for questions that share a recording, a transform and a control."""
    control = ask.wanted[0].control
    items = tuple(controlled_item(control, wanted.item) for wanted in ask.wanted)
    names = benchmark.file_names

    def other() -> Float32[np.ndarray, "4 samples"]:
        return benchmark.recording(names[other_place(items[0], ask.place, len(names))])[0]

    try:
        audio = controlled_audio(control, foa, items[0], other)
        recording = Recording(audio, scene, items) if system.labels.input == "metadata" else Recording(audio)
        started_s = time.perf_counter()
        replies = _checked(system.answer(recording, [Question.of(item) for item in items]), len(items))
        each_s = (time.perf_counter() - started_s) / len(items)
    except Exception as error:
        return failed(ask, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}", system.labels)
    heard = () if scene is None else heard_of(scene)
    renderer = "" if scene is None else scene.renderer
    rows = []
    for wanted, item, reply in zip(ask.wanted, items, replies, strict=True):
        if reply.error:
            missed = {"error": " ".join(reply.error.split())[:500], "seconds": round(reply.seconds, 4), "renderer": renderer}
            rows.append(_row(ask.system, system.labels, wanted, item) | missed)
            continue
        scored = score(item, reply.text, reply.evidence, heard)
        figures = {"outcome": scored.outcome, "read": scored.read, "right": scored.right, "grounded": scored.grounded}
        said = {"reply": reply.text[:_MOST_TEXT], "evidence": reply.evidence and reply.evidence[:_MOST_TEXT]}
        used = {"seconds": round(reply.seconds or each_s, 4), "tokens": reply.tokens, "renderer": renderer}
        rows.append(_row(ask.system, system.labels, wanted, item) | figures | said | used)
    return rows


def _checked(replies: Any, count: int) -> Sequence[Reply]:
    if not isinstance(replies, Sequence) or len(replies) != count or not all(isinstance(reply, Reply) and isinstance(reply.text, str) for reply in replies):
        raise TypeError(f"the system must give {count} replies of type Reply")
    return replies


def _row(system: str, labels: Labels | None, wanted: Wanted, item: Item | None) -> dict[str, Any]:
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
        "grounded": False,
        "reply": "",
        "evidence": None,
        "error": "",
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
