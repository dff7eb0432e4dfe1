"""An endless stream of labelled scenes for training: drawn, rendered and featurised by worker processes, in the same order for any number of them.

Scene i is a pure function of (seed, i). Chunks of scenes are dealt to the workers in turn and taken from them in turn, so the stream
can begin at any chunk: that is how training resumes.
"""

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from queue import Empty, Full
from typing import Any, TypeVar

import numpy as np
import torch

from twnm.model.features import LABEL_RATE_HZ, frame_count, spatial_features
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue, load_catalogue
from twnm.train.slot_loss import SlotTargets

Made = TypeVar("Made")
MAX_EVENTS = 4
_PARENT_CHECK_S = 2.0
_EMPTY_SHARE = 0.03  # scenes with ambience alone, so that silence is learnt as silence


@dataclass(frozen=True)
class Chunk:
    """Scenes ready for training: features (n, 7, frames, 64) and semantic vectors (n, patches, size) in half precision, and the truth."""

    features: np.ndarray
    semantic: np.ndarray
    targets: dict[str, np.ndarray]


@dataclass(frozen=True)
class StreamSpec:
    """What defines a stream: where the dry sounds lie, the recipe's name, the split, the seed and the chunk size."""

    sounds: str
    recipe: str
    split: str
    seed: int
    chunk: int
    classes: tuple[str, ...]


def scene_targets(scene: Scene, classes: tuple[str, ...], frames: int) -> dict[str, np.ndarray]:
    """The truth of one scene as padded arrays; keys are those of `SlotTargets`."""
    out: dict[str, np.ndarray] = {
        "present": np.zeros(MAX_EVENTS, bool),
        "label": np.zeros(MAX_EVENTS, np.int64),
        "activity": np.zeros((MAX_EVENTS, frames), np.float32),
        "direction": np.zeros((MAX_EVENTS, frames, 3), np.float32),
        "log_distance": np.zeros(MAX_EVENTS, np.float32),
        "room": np.zeros(2, np.float32),
        "has_room": np.array(scene.room.mid_rt60_s is not None),
    }
    for row, event in enumerate(scene.events):
        track = scene.track(event, LABEL_RATE_HZ)
        azimuth, elevation = np.radians(track.azimuth_deg), np.radians(track.elevation_deg)
        out["present"][row] = True
        out["label"][row] = classes.index(event.label)
        out["activity"][row] = track.active[:frames]
        out["direction"][row] = np.stack([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)], axis=-1)[:frames]
        out["log_distance"][row] = np.log(scene.place(event)[2])
    if scene.room.mid_rt60_s is not None and scene.room.volume_m3 is not None:
        out["room"][:] = np.log(scene.room.mid_rt60_s), np.log(scene.room.volume_m3) - 4.0
    return out


def to_targets(arrays: dict[str, np.ndarray]) -> SlotTargets:
    """Batched arrays of `scene_targets` as tensors."""
    return SlotTargets(**{field.name: torch.from_numpy(np.asarray(arrays[field.name])) for field in fields(SlotTargets)})


def draw_training_scene(catalogue: Catalogue, spec: StreamSpec, index: int) -> Scene:
    """Scene number `index` of a stream; a few have their events removed."""
    from twnm.simulate.sampler import draw_scene

    scene = draw_scene(catalogue, spec.recipe, spec.seed, index, split=spec.split)
    if spec.split == "train" and np.random.default_rng([spec.seed, index, 1]).random() < _EMPTY_SHARE:
        scene = scene.model_copy(update={"events": ()})
    return scene


class ChunkMaker:
    """Makes chunks of one stream in this process."""

    def __init__(self, spec: StreamSpec, catalogue: Catalogue | None = None) -> None:
        from twnm.model.semantic import default_semantic

        self.spec = spec
        self.catalogue = catalogue or load_catalogue(spec.sounds or None)
        self.semantic = default_semantic()

    def make(self, number: int) -> Chunk:
        """Chunk `number`: scenes number x chunk to (number + 1) x chunk - 1."""
        from twnm.simulate.render import render

        features, semantic, truths = [], [], []
        for index in range(number * self.spec.chunk, (number + 1) * self.spec.chunk):
            foa, scene = render(draw_training_scene(self.catalogue, self.spec, index), self.catalogue)
            audio = torch.from_numpy(foa)[None]
            with torch.inference_mode():
                features.append(spatial_features(audio)[0].half().numpy())
                semantic.append(self.semantic(audio)[0].half().numpy())
            truths.append(scene_targets(scene, self.spec.classes, frame_count(foa.shape[1])))
        return Chunk(np.stack(features), np.stack(semantic), {key: np.stack([truth[key] for truth in truths]) for key in truths[0]})


def _work(factory: Callable[[], Callable[[int], Any]], first: int, step: int, queue: "Queue[Any]") -> None:
    torch.set_num_threads(1)
    try:
        make = factory()
    except Exception as error:
        _put(queue, RuntimeError(f"the training stream could not start: {type(error).__name__}: {error}"))
        return
    number = first
    while True:
        try:
            item: Any = make(number)
        except Exception as error:
            item = RuntimeError(f"number {number} of the training stream failed: {type(error).__name__}: {error}")
        if not _put(queue, item) or isinstance(item, Exception):
            return
        number += step


def _put(queue: "Queue[Any]", item: Any) -> bool:
    """Hand an item over; False when the process that takes them is gone, so that a killed training leaves no worker behind."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        with contextlib.suppress(Full):
            queue.put(item, timeout=_PARENT_CHECK_S)
            return True
    queue.cancel_join_thread()
    return False


def _take(queue: "Queue[Any]", process: BaseProcess) -> Any:
    """The next item of a worker; an error when it died without one, as when memory ran out."""
    while True:
        with contextlib.suppress(Empty):
            return queue.get(timeout=_PARENT_CHECK_S)
        if not process.is_alive() and queue.empty():
            return RuntimeError(f"a worker of the training stream died with exit code {process.exitcode}")


def ordered_stream(factory: Callable[[], Callable[[int], Made]], first: int = 0, workers: int = 1, ahead: int = 12) -> Generator[Made]:
    """make(first), make(first + 1), ... for ever, made by `workers` processes that run at most `ahead` items ahead each.

    `factory` is called once in each process (so it must pickle) and gives the function `make`. Raises RuntimeError with the worker's message when
    an item cannot be made.
    """
    context = multiprocessing.get_context("spawn")
    queues: list[Queue[Any]] = [context.Queue(ahead) for _ in range(workers)]
    processes = [context.Process(target=_work, args=(factory, first + worker, workers, queues[worker]), daemon=True) for worker in range(workers)]
    for process in processes:
        process.start()
    try:
        while True:
            for queue, process in zip(queues, processes, strict=True):
                item = _take(queue, process)
                if isinstance(item, Exception):
                    raise item
                yield item
    finally:
        for process in processes:
            process.terminate()


def stream_chunks(spec: StreamSpec, first: int = 0, workers: int = 1) -> Generator[Chunk]:
    """Chunks first, first + 1, ... of a stream for ever."""
    return ordered_stream(functools.partial(_chunk_factory, spec), first, workers)


def _chunk_factory(spec: StreamSpec) -> Callable[[int], Chunk]:
    return ChunkMaker(spec).make
