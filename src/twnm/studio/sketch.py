"""Scenes as an editor draws them: a room by size and reverberation time, sounds by class; and their way to a whole Scene and back.

A Scene says more than an editor shows (absorption of every wall, the clip that is played, when it is played again): `scene_of` works that out, with the
sketch's seed where something must be drawn.
"""

import math
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Listener, Position, Room, Scene, Waypoint
from twnm.simulate.rooms import ground, shoebox
from twnm.sounds.catalogue import Catalogue, Clip

MOST_PLACES: Final = 64
MOST_PLAYS: Final = 1000
FARTHEST_M: Final = 500.0
LARGEST_M: Final = 50.0
LONGEST_RT60_S: Final = 5.0
LOUDEST_DB: Final = 60.0
_CLIP_STREAM: Final = 7
_NO_EVENT_DB: Final = -30.0
_SHORTEST_S: Final = 0.05
Coordinate = Annotated[float, Field(ge=-200, le=200, allow_inf_nan=False)]
Place = tuple[Coordinate, Coordinate, Coordinate]
Side = Annotated[float, Field(ge=1.5, le=LARGEST_M, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShoeboxSketch(_Part):
    """A room with six walls: length (to the front), width, height; one reverberation time."""

    kind: Literal["shoebox"] = "shoebox"
    size_m: tuple[Side, Side, Side]
    rt60_s: Annotated[float, Field(ge=0.05, le=3, allow_inf_nan=False)] = 0.4


class GroundSketch(_Part):
    """Outdoors."""

    kind: Literal["ground"]
    surface: Annotated[str, Field(max_length=40)] = "grass"


class FreeSketch(_Part):
    """No surface at all."""

    kind: Literal["free"]


class ListenerSketch(_Part):
    """Where the microphone is and where it looks; yaw to the left."""

    position_m: Place
    yaw_deg: Annotated[float, Field(ge=-720, le=720, allow_inf_nan=False)] = 0.0


class PointSketch(_Part):
    """A place of a source at a time."""

    time_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0.0
    position_m: Place


class EventSketch(_Part):
    """A sound. Without `clip` one of its class is drawn; without `offset_s` it lasts as long as the clip; `repeat` plays the clip until `offset_s`."""

    label: Annotated[str, Field(min_length=1, max_length=80)]
    clip: Annotated[str | None, Field(max_length=500)] = None
    onset_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0.0
    offset_s: Annotated[float | None, Field(gt=0, le=3600, allow_inf_nan=False)] = None
    level_db: Annotated[float, Field(ge=-80, le=0, allow_inf_nan=False)] = -30.0
    repeat: bool = False
    path: Annotated[tuple[PointSketch, ...], Field(min_length=1, max_length=MOST_PLACES)]


class Sketch(_Part):
    """A scene in the making. `ambience_snr_db`: pink noise that many dB below the loudest sound; None for none."""

    scene_id: Annotated[str, Field(min_length=1, max_length=200)] = "sketch"
    seed: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 53)], ...], Field(max_length=8)] = (0,)
    duration_s: Annotated[float, Field(ge=0.5, le=3600, allow_inf_nan=False)] = 5.0
    room: Annotated[ShoeboxSketch | GroundSketch | FreeSketch, Field(discriminator="kind")]
    listener: ListenerSketch
    ambience_snr_db: Annotated[float | None, Field(ge=-20, le=100, allow_inf_nan=False)] = 40.0
    events: Annotated[tuple[EventSketch, ...], Field(max_length=64)] = ()


def scene_of(sketch: Sketch, catalogue: Catalogue) -> Scene:
    """The whole scene of a sketch.

    Raises InputError for a class or clip that the sound bank lacks, an impossible reverberation time, and places outside the room or too near.
    """
    rng = np.random.default_rng([*sketch.seed, _CLIP_STREAM])
    try:
        scene = Scene(
            scene_id=sketch.scene_id,
            seed=sketch.seed,
            duration_s=sketch.duration_s,
            room=_room(sketch),
            listener=Listener(position_m=sketch.listener.position_m, yaw_deg=sketch.listener.yaw_deg),
            events=tuple(_event(event, sketch.duration_s, catalogue, rng) for event in sketch.events),
        )
    except ValidationError as error:
        raise InputError("; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())) from None
    return scene.model_copy(update={"ambience": _ambience(scene, sketch.ambience_snr_db)})


def _room(sketch: Sketch) -> Room:
    room = sketch.room
    if isinstance(room, GroundSketch):
        return ground(room.surface)
    return Room(kind="free") if isinstance(room, FreeSketch) else shoebox(room.size_m, room.rt60_s)


def _event(sketch: EventSketch, duration_s: float, catalogue: Catalogue, rng: np.random.Generator) -> Event:
    clip = _clip(sketch, catalogue, rng)
    length_s = catalogue.read(clip).size / SAMPLE_RATE_HZ
    if sketch.onset_s + _SHORTEST_S > duration_s:
        raise InputError(f"{sketch.label} begins at {sketch.onset_s:g} s, too late for a scene of {duration_s:g} s")
    wanted_s = duration_s if sketch.offset_s is None else min(sketch.offset_s, duration_s)
    longest_s = wanted_s - sketch.onset_s
    if longest_s < _SHORTEST_S:
        raise InputError(f"{sketch.label} lasts from {sketch.onset_s:g} to {wanted_s:g} s; it must end at least {_SHORTEST_S} s after it begins")
    plays = math.ceil(longest_s / length_s) if sketch.repeat and length_s < longest_s else 1
    sounding_s = min(longest_s, plays * length_s)
    return Event(
        label=clip.label,
        clip=clip.path,
        package=clip.package,
        licence=clip.licence,
        procedural=clip.procedural,
        onset_s=sketch.onset_s,
        offset_s=math.floor((sketch.onset_s + sounding_s) * 1000) / 1000,
        clip_starts_s=tuple(number * length_s for number in range(plays)),
        level_db=sketch.level_db,
        path=tuple(Waypoint(time_s=point.time_s, position_m=point.position_m) for point in sketch.path),
    )


def _clip(sketch: EventSketch, catalogue: Catalogue, rng: np.random.Generator) -> Clip:
    if sketch.clip is not None:
        return catalogue.clip(sketch.clip)
    clips = catalogue.of(sketch.label)
    if not clips:
        raise InputError(f"the sound bank has no {sketch.label!r}; it has {', '.join(catalogue.labels)}")
    return clips[int(rng.integers(len(clips)))]


def _ambience(scene: Scene, snr_db: float | None) -> Ambience:
    if snr_db is None:
        return Ambience()
    loudest_db = max((scene.received_db(event) for event in scene.events), default=_NO_EVENT_DB)
    return Ambience(kind="pink", level_db=round(loudest_db - snr_db, 2), snr_db=snr_db)


def sketch_of(scene: Scene) -> Sketch | None:
    """What an editor can show of a scene; None for rooms that it has no means for (measured, unknown) or values beyond its limits."""
    kind = scene.room.kind
    if kind not in ("shoebox", "ground", "free"):
        return None
    room: dict[str, object] = {"kind": kind}
    if kind == "shoebox":
        room |= {"size_m": scene.room.size_m, "rt60_s": round(scene.room.mid_rt60_s or 0.4, 3)}
    elif kind == "ground":
        room |= {"surface": scene.room.materials[0] if scene.room.materials else "grass"}
    try:
        return Sketch.model_validate(
            {
                "scene_id": scene.scene_id,
                "seed": scene.seed,
                "duration_s": scene.duration_s,
                "room": room,
                "listener": {"position_m": scene.listener.position_m, "yaw_deg": scene.listener.yaw_deg},
                "ambience_snr_db": scene.ambience.snr_db,
                "events": [_event_sketch(event) for event in scene.events],
            }
        )
    except ValidationError:
        return None


def _event_sketch(event: Event) -> dict[str, object]:
    return {
        "label": event.label,
        "clip": event.clip,
        "onset_s": event.onset_s,
        "offset_s": event.offset_s,
        "level_db": event.level_db,
        "repeat": len(event.clip_starts_s) > 1,
        "path": [{"time_s": point.time_s, "position_m": point.position_m} for point in event.path],
    }


def check_size(scene: Scene, duration_s: float, events: int) -> None:
    """Raise InputError for a scene that would take too long to render, or whose figures are beyond what sound can be."""
    if scene.duration_s > duration_s or len(scene.events) > events:
        raise InputError(f"a scene of {scene.duration_s:g} s with {len(scene.events)} sounds; at most {duration_s:g} s and {events} sounds are built here")
    if max((len(path) for path in (scene.listener.path, *(event.path for event in scene.events))), default=0) > MOST_PLACES:
        raise InputError(f"a path has more than {MOST_PLACES} places, which is the most that is built here")
    places: list[Position] = [point.position_m for event in scene.events for point in event.path]
    places += [scene.listener.position_m, *(pose.position_m for pose in scene.listener.path), *([scene.room.size_m] if scene.room.size_m else [])]
    if max(abs(axis) for place in places for axis in place) > FARTHEST_M or (scene.room.size_m and max(scene.room.size_m) > LARGEST_M):
        raise InputError(f"at most {FARTHEST_M:g} m from the origin, and rooms of at most {LARGEST_M:g} m a side, are built here")
    if scene.room.rt60_s is not None and max(scene.room.rt60_s) > LONGEST_RT60_S:
        raise InputError(f"a reverberation time of {max(scene.room.rt60_s):g} s; at most {LONGEST_RT60_S:g} s are built here")
    if any(len(event.clip_starts_s) > MOST_PLAYS for event in scene.events) or len(scene.ambience.clips) > MOST_PLAYS:
        raise InputError(f"a clip is played more than {MOST_PLAYS} times, which is the most that is built here")
    levels_db = [scene.ambience.level_db, *(event.level_db for event in scene.events), *(scene.microphone.self_noise_db if scene.microphone else ())]
    levels_db += scene.microphone.gain_db if scene.microphone else ()
    if max(levels_db) > LOUDEST_DB or any(number < 0 for number in scene.seed):
        raise InputError(f"levels above {LOUDEST_DB:g} dB and negative seeds are not built here")
