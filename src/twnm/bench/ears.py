"""What the encoder hears, scene by scene, as plain rows: the truth, the objects heard, and the objects heard without Y, Z and X.

A row is a pure function of (encoder, recipe, seed, index, renderer, responses), so that rows already written are never measured again. The scenes of
`KINDS` beside the ordinary ones have their events taken away ("noise": the background alone) or everything ("silence").
"""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from twnm.ambisonics import Layout
from twnm.errors import InputError
from twnm.files import atomic_write, sha256_file
from twnm.model.ears import Ears, load_ears
from twnm.model.hear import HeardObject
from twnm.model.loading import SHIPPED
from twnm.scene import Scene
from twnm.simulate.measured import Responses, load_responses, place_in
from twnm.simulate.render import Renderer, render
from twnm.simulate.sampler import Recipe, draw_scene
from twnm.sounds.catalogue import Catalogue, load_catalogue

SEED = 2_000_003  # apart from every training seed
KINDS = ("scene", "noise", "silence")
_LABEL_RATE_HZ = 10.0
Row = dict[str, Any]


@dataclass(frozen=True)
class EarsJob:
    """What is measured: an encoder's folder ("small": the shipped one), on which scenes, by which renderer, and whether also without Y, Z and X.

    `responses`: measured room responses, a folder or file of `layout`, into whose room the scenes are moved.
    """

    model: str = "small"
    sounds: str = ""
    recipe: str = "indoor"
    seed: int = 0
    renderer: Renderer = "native"
    control: bool = True
    responses: str = ""
    layout: Layout = "ambix"

    @property
    def folder(self) -> Path:
        """Where the encoder lies."""
        return SHIPPED if self.model == "small" else Path(self.model)

    def identity(self) -> dict[str, Any]:
        """What a folder of rows belongs to: all of this, with the encoder's own bytes in place of its name."""
        told = {name: value for name, value in asdict(self).items() if name not in ("model", "sounds", "responses", "layout")}
        if self.responses:
            told["responses"] = load_responses(self.responses, self.layout).digest()
        return told | {"encoder": sha256_file(self.folder / "encoder.safetensors"), "recipe": Recipe.of(self.recipe).model_dump(mode="json")}


def measure(
    job: EarsJob,
    scenes: int,
    alone: int = 0,
    out: Path | None = None,
    workers: int = 1,
    progress: Callable[[Iterator[Row], int], Iterator[Row]] | None = None,
) -> list[Row]:
    """Rows of `scenes` scenes and of `alone` backgrounds and silences each.

    Args:
        job: what is measured.
        scenes, alone: how many.
        out: a folder in which rows are kept; those that are there already are not measured again.
        workers: processes of one thread each.
        progress: wraps the iterator of new rows, given their number.

    Raises:
        InputError: there is no such encoder, or `out` holds the rows of another job.
    """
    load_ears(job.folder)
    wanted = [("scene", index) for index in range(scenes)] + [(kind, index) for kind in KINDS[1:] for index in range(alone)]
    kept = _Kept(out, job.identity())
    missing = [key for key in wanted if key not in kept.rows]
    if missing:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            made = pool.map(functools.partial(_row, job), *zip(*missing, strict=True))
            for row in progress(made, len(missing)) if progress else made:
                kept.add(row)
    return [kept.rows[key] for key in wanted]


class _Kept:
    """Rows in OUT/rows.jsonl beside OUT/job.json; in memory alone without a folder."""

    def __init__(self, out: Path | None, identity: dict[str, Any]) -> None:
        self.rows: dict[tuple[str, int], Row] = {}
        self.path = None if out is None else out / "rows.jsonl"
        if out is None or self.path is None:
            return
        out.mkdir(parents=True, exist_ok=True)
        told = out / "job.json"
        if told.is_file() and json.loads(told.read_text()) != json.loads(json.dumps(identity)):
            raise InputError(f"{out} holds the rows of another encoder, recipe, seed, renderer or responses; give another folder")
        with atomic_write(told) as temporary:
            temporary.write_text(json.dumps(identity, indent=1))
        if self.path.is_file():
            for line in self.path.read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):  # a line torn by a kill is measured again
                    row = json.loads(line)
                    self.rows[row["kind"], row["index"]] = row
            with atomic_write(self.path) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in self.rows.values()))

    def add(self, row: Row) -> None:
        self.rows[row["kind"], row["index"]] = row
        if self.path is not None:
            with self.path.open("a") as stream:
                stream.write(json.dumps(row) + "\n")


@functools.cache
def _tools(folder: Path, sounds: str) -> tuple[Ears, Catalogue]:
    torch.set_num_threads(1)
    return load_ears(folder), load_catalogue(Path(sounds) if sounds else None)


@functools.cache
def _room(responses: str, layout: Layout) -> Responses:
    return load_responses(responses, layout)


def _row(job: EarsJob, kind: str, index: int) -> Row:
    ears, catalogue = _tools(job.folder, job.sounds)
    scene = draw_scene(catalogue, job.recipe, SEED + job.seed, index, split="test")
    room = _room(job.responses, job.layout) if job.responses else None
    if room is not None:
        scene = place_in(scene, room, np.random.default_rng([SEED + job.seed, index]))
    if kind != "scene":
        scene = scene.model_copy(update={"events": ()})
    foa, scene = render(scene, catalogue, job.renderer, room)
    if kind == "silence":
        foa = np.zeros_like(foa)
    return {"kind": kind, "index": index} | hear_scene(ears, scene, foa, job.control and kind == "scene")


def hear_scene(ears: Ears, scene: Scene, foa: Float32[np.ndarray, "4 samples"], control: bool) -> Row:
    """The row of one rendered scene, without its kind and index."""
    clips = [foa, foa * np.array([[1], [0], [0], [0]], np.float32)] if control else [foa]
    heard = ears.hear(torch.from_numpy(np.stack(clips)))
    room = heard[0][1]
    return {
        "duration_s": scene.duration_s,
        "room": room_row(scene),
        "snr_db": scene.ambience.snr_db,
        "truth": [truth_row(scene, place) for place in range(len(scene.events))],
        "heard": [object_row(item) for item in heard[0][0]],
        "heard_room": None if room is None else asdict(room),
        "heard_flat": [object_row(item) for item in heard[1][0]] if control else None,
    }


def truth_row(scene: Scene, place: int) -> Row:
    """A true event: its label, span, place at its middle, motion, and track."""
    event = scene.events[place]
    track = scene.track(event, _LABEL_RATE_HZ)
    azimuth_deg, elevation_deg, distance_m = scene.place(event)
    frames = np.flatnonzero(track.active)
    return {
        "label": event.label,
        "onset_s": event.onset_s,
        "offset_s": event.offset_s,
        "azimuth_deg": azimuth_deg,
        "elevation_deg": elevation_deg,
        "distance_m": distance_m,
        "moves": event.moving or scene.listener.moving,
        "audibility_db": scene.audibility_db(event),
        "first_frame": int(frames[0]) if frames.size else 0,
        "azimuths_deg": np.round(track.azimuth_deg[frames], 1).tolist(),
        "elevations_deg": np.round(track.elevation_deg[frames], 1).tolist(),
        "distances_m": np.round(track.distance_m[frames], 3).tolist(),
    }


def object_row(item: HeardObject) -> Row:
    """A heard object, like a true one."""
    return asdict(item) | {"motion": item.motion, "first_frame": round(item.onset_s * _LABEL_RATE_HZ)}


def room_row(scene: Scene) -> Row:
    """The true room: kind, reverberation times of the three band groups, volume."""
    times = scene.room.rt60_s
    groups = None if times is None else [float(np.exp(np.mean(np.log([times[band] for band in group])))) for group in ((0, 1), (2, 3), (4, 5, 6))]
    return {"kind": scene.room.kind, "rt60_s": groups, "volume_m3": scene.room.volume_m3}
