"""An endless stream of labelled scenes for training: drawn, rendered and featurised by worker processes, in the same order for any number of them.

Scene i is a pure function of (seed, i). Chunks of scenes are dealt to the workers in turn and taken from them in turn, so the stream
can begin at any chunk: that is how training resumes. With a `cache`, chunks once made are kept in files and read again by other runs on the same stream.
"""

import contextlib
import functools
import hashlib
import multiprocessing
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty, Full
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors.numpy import load_file, save_file

from twnm.files import atomic_write
from twnm.model.features import LABEL_RATE_HZ, frame_count, spatial_features
from twnm.scene import Scene
from twnm.simulate.recipe import Fidelity
from twnm.sounds.catalogue import Catalogue, load_catalogue
from twnm.train.slot_loss import SlotTargets
from twnm.train.variants import varied

Made = TypeVar("Made")
MAX_EVENTS = 4
_PARENT_CHECK_S = 2.0
ROOM_SIZE = 4
BAND_GROUPS = ((0, 1), (2, 3), (4, 5, 6))  # octave bands: 125 and 250 Hz, 500 Hz and 1 kHz, 2 to 8 kHz
LOG_VOLUME = 4.0
CACHE_FORMAT = 1
_DIRECTION_ERROR = 0.1  # standard deviation along each axis of a unit vector
_EMPTY_SHARE = 0.05  # scenes with ambience alone, so that silence is learnt as silence


@dataclass(frozen=True)
class Chunk:
    """Scenes ready for training, in half precision, and the truth.

    Attributes:
        features: (n, 7, frames, 64).
        semantic: (n, patches, size), heard on W.
        beams: (n, events, 2, size), heard on beams towards the true events, whose directions are known badly.
        targets: by the names of `SlotTargets`.
        audio: (n, 4, samples) where it is asked for, else empty.
    """

    features: np.ndarray
    semantic: np.ndarray
    beams: np.ndarray
    targets: dict[str, np.ndarray]
    audio: np.ndarray


@dataclass(frozen=True)
class StreamSpec:
    """What defines a stream.

    Attributes:
        sounds: where the dry sounds lie.
        recipe: a recipe's name, or several with weights: "indoor 6, moving 1".
        split, seed, chunk: of the scenes; how many make a chunk.
        classes: labels in the order of the targets.
        variants: how many variants of each training clip there are (`variants.VariedCatalogue`).
        cache: folder in which chunks are kept; empty: nowhere.
        audio: whether chunks hold their audio.
        fidelity: how much of the physics the simulator has (`render.Fidelity`).
    """

    sounds: str
    recipe: str
    split: str
    seed: int
    chunk: int
    classes: tuple[str, ...]
    variants: int = 0
    cache: str = ""
    audio: bool = False
    fidelity: Fidelity = "microphone"


def scene_targets(scene: Scene, classes: tuple[str, ...], frames: int) -> dict[str, np.ndarray]:
    """The truth of one scene as padded arrays; keys are those of `SlotTargets`."""
    walls = scene.room.rt60_s is not None and scene.room.volume_m3 is not None
    out: dict[str, np.ndarray] = {
        "present": np.zeros(MAX_EVENTS, bool),
        "label": np.zeros(MAX_EVENTS, np.int64),
        "activity": np.zeros((MAX_EVENTS, frames), np.float32),
        "direction": np.zeros((MAX_EVENTS, frames, 3), np.float32),
        "log_distance": np.zeros((MAX_EVENTS, frames), np.float32),
        "moves": np.zeros(MAX_EVENTS, bool),
        "room": np.zeros(ROOM_SIZE, np.float32),
        "walls": np.array(walls),
        "has_room": np.array(scene.room.kind not in ("measured", "unknown")),
    }
    for row, event in enumerate(scene.events):
        track = scene.track(event, LABEL_RATE_HZ)
        azimuth, elevation = np.radians(track.azimuth_deg), np.radians(track.elevation_deg)
        out["present"][row] = True
        out["label"][row] = classes.index(event.label)
        out["activity"][row] = track.active[:frames]
        if not track.active.any():  # shorter than half a frame: the frame in which it begins
            out["activity"][row, min(frames - 1, int(event.onset_s * LABEL_RATE_HZ))] = 1.0
        out["direction"][row] = np.stack([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)], axis=-1)[:frames]
        out["log_distance"][row] = np.log(track.distance_m[:frames])
        out["moves"][row] = event.moving or scene.listener.moving
    if scene.room.rt60_s is not None and scene.room.volume_m3 is not None:
        bands = np.log(scene.room.rt60_s)
        out["room"][:] = *(bands[list(group)].mean() for group in BAND_GROUPS), np.log(scene.room.volume_m3) - LOG_VOLUME
    return out


def to_targets(arrays: dict[str, np.ndarray]) -> SlotTargets:
    """Batched arrays of `scene_targets` as tensors."""
    return SlotTargets(**{field.name: torch.from_numpy(np.asarray(arrays[field.name])) for field in fields(SlotTargets)})


def recipe_of(spec: StreamSpec, index: int) -> str:
    """The recipe of scene `index`: drawn by the weights that the stream's recipe gives."""
    names, weights = [], []
    for part in spec.recipe.split(","):
        name, _, weight = part.strip().partition(" ")
        names.append(name)
        weights.append(float(weight or 1))
    if len(names) == 1:
        return names[0]
    place = np.random.default_rng([spec.seed, index, 3]).random() * sum(weights)
    return names[min(int(np.searchsorted(np.cumsum(weights), place, side="right")), len(names) - 1)]


def draw_training_scene(catalogue: Catalogue, spec: StreamSpec, index: int) -> Scene:
    """Scene number `index` of a stream; a few have their events removed."""
    from twnm.simulate.sampler import draw_scene

    scene = draw_scene(catalogue, recipe_of(spec, index), spec.seed, index, split=spec.split)
    if spec.split == "train" and np.random.default_rng([spec.seed, index, 1]).random() < _EMPTY_SHARE:
        scene = scene.model_copy(update={"events": ()})
    return scene


class ChunkMaker:
    """Makes chunks of one stream in this process."""

    def __init__(self, spec: StreamSpec, catalogue: Catalogue | None = None) -> None:
        from twnm.model.semantic import default_semantic

        self.spec = spec
        self.catalogue = varied(catalogue or load_catalogue(spec.sounds or None), spec.variants)
        self.semantic = default_semantic()

    def make(self, number: int) -> Chunk:
        """Chunk `number`: scenes number x chunk to (number + 1) x chunk - 1; read from the cache if it is there."""
        if not self.spec.cache:
            return self._make(number)
        path = Path(self.spec.cache) / f"{stream_digest(self.spec, self.catalogue)}-{number:06d}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_chunk(path, self._make(number))
        return read_chunk(path)

    def _make(self, number: int) -> Chunk:
        rows = [self._scene(index) for index in range(number * self.spec.chunk, (number + 1) * self.spec.chunk)]
        features, semantic, beams, truths, audio = zip(*rows, strict=True)
        targets = {key: np.stack([truth[key] for truth in truths]) for key in truths[0]}
        return Chunk(np.stack(features), np.stack(semantic), np.stack(beams), targets, np.stack(audio))

    def _scene(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """Features, semantic vectors, beams, truth and audio of one scene."""
        from twnm.simulate.render import render

        foa, scene = render(draw_training_scene(self.catalogue, self.spec, index), self.catalogue, fidelity=self.spec.fidelity)
        audio = torch.from_numpy(foa)[None]
        with torch.inference_mode():
            features = spatial_features(audio)[0].half().numpy()
            semantic = self.semantic(audio)[0].half().numpy()
        truth = scene_targets(scene, self.spec.classes, frame_count(foa.shape[1]))
        known = misplaced(truth["direction"], np.random.default_rng([self.spec.seed, index, 4]))
        beams = self.semantic.hear_beams(foa, known, truth["activity"]).vectors.half().numpy()
        return features, semantic, beams, truth, foa.astype(np.float16) if self.spec.audio else np.zeros((0, 0), np.float16)


def misplaced(directions: Float[np.ndarray, "events time 3"], rng: np.random.Generator) -> Float[np.ndarray, "events time 3"]:
    """Directions as badly known as the slots know them: each event off by a constant vector of about 8 degrees."""
    off = directions + rng.normal(0.0, _DIRECTION_ERROR, (len(directions), 1, 3))
    known: np.ndarray = off / np.maximum(np.linalg.norm(off, axis=-1, keepdims=True), 1e-6)
    return known


@functools.lru_cache(maxsize=8)
def stream_digest(spec: StreamSpec, catalogue: Catalogue) -> str:
    """Names a stream in a cache: what defines it and the sound bank, not where they lie."""
    what = [spec.recipe, spec.split, spec.seed, spec.chunk, spec.classes, spec.variants, spec.audio, catalogue.digest(), CACHE_FORMAT]
    what += [] if spec.fidelity == "microphone" else [spec.fidelity]
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def write_chunk(path: Path, chunk: Chunk) -> None:
    """Keep a chunk in a file."""
    arrays = {name: getattr(chunk, name) for name in ("features", "semantic", "beams", "audio")}
    with atomic_write(path) as temporary:
        save_file(arrays | {f"targets.{name}": value for name, value in chunk.targets.items()}, temporary)


def read_chunk(path: Path) -> Chunk:
    """A chunk that `write_chunk` kept."""
    arrays = load_file(path)
    targets = {name.removeprefix("targets."): value for name, value in arrays.items() if name.startswith("targets.")}
    return Chunk(arrays["features"], arrays["semantic"], arrays["beams"], targets, arrays["audio"])


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
