"""Exact counterfactuals: the same recording turned or mirrored, the same question, another right answer.

Turning and mirroring are linear maps of the four channels, so a twin needs no new rendering and no labels: it also exists for a recording of the real
world. Who answers both items of a pair has heard where the sounds are. The scene of a twin is the physical one: the listener turned the other way, or
the whole room seen in a mirror.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from twnm.ambisonics import mirror, rotate, wrap_deg
from twnm.errors import InputError
from twnm.questions.facts import Facts
from twnm.questions.options import shuffled
from twnm.scene import Event, Listener, Position, Room, Scene

_NAME = re.compile(r"(mirror)? ?(flip)? ?(?:yaw (-?\d+(?:\.\d+)?))?")
_SWAP_STEP_DEG = 5.0


@dataclass(frozen=True)
class Transform:
    """Left and right exchanged (`mirrored`), up and down exchanged (`flipped`), then the sound field turned by `yaw_deg` to the left.

    `str()` gives its name ("mirror", "yaw 90", "mirror yaw 180", "" for none), `Transform.of` reads it.
    """

    yaw_deg: float = 0.0
    mirrored: bool = False
    flipped: bool = False

    def __str__(self) -> str:
        parts = ["mirror"] * self.mirrored + ["flip"] * self.flipped + [f"yaw {self.yaw_deg:g}"] * (self.yaw_deg != 0)
        return " ".join(parts)

    @classmethod
    def of(cls, name: str) -> "Transform":
        """The inverse of `str()`; raises InputError for a text that names no transform."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"unknown transform {name!r}; allowed: mirror, flip, yaw DEGREES, in this order, or nothing")
        return cls(float(match[3] or 0.0), match[1] is not None, match[2] is not None)

    def azimuth(self, azimuth_deg: float) -> float:
        """Where a sound from this azimuth is heard then, degrees."""
        return wrap_deg((-azimuth_deg if self.mirrored else azimuth_deg) + self.yaw_deg)

    def audio(self, foa: Float[np.ndarray, "4 samples"]) -> Float32[np.ndarray, "4 samples"]:
        """The recording transformed: AmbiX in, AmbiX out."""
        out = foa.astype(np.float32)
        out = mirror(out) if self.mirrored else out
        out = mirror(out, "up-down") if self.flipped else out
        return rotate(out, self.yaw_deg) if self.yaw_deg else out


def twin_of(scene: Scene, transform: Transform) -> Scene:
    """The scene of which `transform.audio` of the scene's recording is a recording; its `scene_id` ends with "~" and the transform's name.

    A turn of the sound field is a turn of the listener the other way; a mirror exchanges opposite walls of the room. `microphone` and `response` still
    describe what recorded the original. Raises InputError when up and down are exchanged over a ground, which would then be above the listener.
    """
    if transform.flipped and scene.room.kind == "ground":
        raise InputError(f"scene {scene.scene_id} stands on a ground, which cannot be above the listener; give a transform without flip")
    changes = {
        "scene_id": f"{scene.scene_id}~{str(transform).replace(' ', '')}",
        "room": _room(scene.room, transform),
        "listener": _listener(scene, transform),
        "events": tuple(_event(event, scene.room, transform) for event in scene.events),
    }
    return scene.model_copy(update=changes)


def _place(place_m: Position, room: Room, transform: Transform) -> Position:
    _, width_m, height_m = room.size_m or (0.0, 0.0, 0.0)
    x, y, z = place_m
    return x, width_m - y if transform.mirrored else y, height_m - z if transform.flipped else z


def _room(room: Room, transform: Transform) -> Room:
    order = [0, 1, *((3, 2) if transform.mirrored else (2, 3)), *((5, 4) if transform.flipped else (4, 5))]

    def swap(walls: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(walls[wall] for wall in order) if len(walls) == len(order) else walls

    return room.model_copy(update={"absorption": room.absorption and swap(room.absorption), "materials": swap(room.materials)})


def _listener(scene: Scene, transform: Transform) -> Listener:
    def yaw_deg(before_deg: float) -> float:
        return (-before_deg if transform.mirrored else before_deg) - transform.yaw_deg

    listener = scene.listener
    path = tuple(
        pose.model_copy(update={"position_m": _place(pose.position_m, scene.room, transform), "yaw_deg": yaw_deg(pose.yaw_deg)}) for pose in listener.path
    )
    return Listener(position_m=_place(listener.position_m, scene.room, transform), yaw_deg=yaw_deg(listener.yaw_deg), path=path)


def _event(event: Event, room: Room, transform: Transform) -> Event:
    if not (transform.mirrored or transform.flipped):
        return event
    path = tuple(point.model_copy(update={"position_m": _place(point.position_m, room, transform)}) for point in event.path)
    return event.model_copy(update={"path": path, "facing_deg": -event.facing_deg if transform.mirrored else event.facing_deg})


def candidates(facts: Facts, rng: np.random.Generator) -> Iterator[Transform]:
    """Transforms to try for a twin, plain ones first: quarter turns, the mirror, up and down, mirror with turn, then the mirrors that exchange a pair."""
    yield from shuffled(rng, (Transform(90.0), Transform(180.0), Transform(270.0), Transform(mirrored=True)))
    if facts.room != "ground":
        yield Transform(flipped=True)
    yield from shuffled(rng, [Transform(yaw_deg, mirrored=True) for yaw_deg in (90.0, 180.0, 270.0)])
    azimuths_deg: Sequence[float] = [source.heard.azimuth_deg for source in facts.placed]
    sums_deg = {first + second for index, first in enumerate(azimuths_deg) for second in azimuths_deg[:index]}
    for yaw_deg in sorted({_SWAP_STEP_DEG * round(total / _SWAP_STEP_DEG) % 360.0 for total in sums_deg} - {0.0, 90.0, 180.0, 270.0}):
        yield Transform(yaw_deg, mirrored=True)
