"""A Scene: everything that is true of one piece of spatial audio. Labels, questions, rewards and evidence are functions of it.

Positions are metres in the room's frame (x front, y left, z up when the listener's yaw is 0; the origin is a floor corner of the room). Angles are
degrees relative to the listener: azimuth 0 in front, +90 to the left; elevation positive upwards. Levels are dB re full scale, of the active parts
of a sound (see `Event.level_db`). All models are frozen, refuse unknown keys and go through JSON unchanged.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, model_validator

from twnm.ambisonics import angles_deg
from twnm.errors import InputError

BAND_CENTRES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
MIN_DISTANCE_M = 0.3
Position = tuple[float, float, float]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Directivity = Literal["omni", "subcardioid", "cardioid", "talker"]


def speed_of_sound_m_s(temperature_c: float = 20.0) -> float:
    """Speed of sound in air: 343.2 m/s at 20 °C, as the root of the absolute temperature (ISO 9613-1)."""
    return 343.2 * math.sqrt((temperature_c + 273.15) / 293.15)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Room(_Model):
    """Where the sound is, and the air in it.

    `shoebox`: six walls; `ground`: outdoors, one reflecting plane at z = 0; `free`: no surface at all; `measured`: each event is heard through a
    measured room response (`Event.response`); `unknown`: a recording whose room was not described.
    """

    kind: Literal["shoebox", "ground", "free", "measured", "unknown"] = "shoebox"
    size_m: tuple[Positive, Positive, Positive] | None = None
    absorption: tuple[tuple[Annotated[float, Field(gt=0, le=1)], ...], ...] | None = Field(
        default=None,
        description="energy absorption of the walls x0, x1, y0, y1, z0 (floor), z1 (ceiling), or of the ground alone; seven octave bands from 125 Hz",
    )
    materials: tuple[str, ...] = Field(default=(), description="what the walls are made of, in the order of absorption; empty if it was not chosen by name")
    scattering: Annotated[float, Field(ge=0, le=1)] = 0.3
    rt60_s: tuple[Positive, ...] | None = Field(
        default=None, description="reverberation time per octave band, seconds: Eyring with air for a shoebox, measured for a measured room"
    )
    temperature_c: Annotated[float, Field(ge=-30, le=60)] = 20.0
    humidity_percent: Annotated[float, Field(ge=1, le=100)] = 50.0

    @model_validator(mode="after")
    def _whole(self) -> "Room":
        surfaces = {"shoebox": 6, "ground": 1}.get(self.kind, 0)
        if self.kind == "shoebox" and (self.size_m is None or self.absorption is None or self.rt60_s is None):
            raise ValueError("a shoebox room needs size_m, absorption and rt60_s")
        if self.kind == "ground" and self.absorption is None:
            raise ValueError("a ground needs its absorption")
        if self.kind != "shoebox" and self.size_m is not None:
            raise ValueError(f"a room of kind {self.kind!r} has no size_m")
        if self.absorption is not None and (len(self.absorption) != surfaces or any(len(wall) != len(BAND_CENTRES_HZ) for wall in self.absorption)):
            raise ValueError(f"absorption of a room of kind {self.kind!r} needs {surfaces} surfaces of 7 octave bands")
        if self.materials and len(self.materials) != surfaces:
            raise ValueError(f"materials of a room of kind {self.kind!r} needs {surfaces} names")
        if self.rt60_s is not None and len(self.rt60_s) != len(BAND_CENTRES_HZ):
            raise ValueError("rt60_s needs 7 octave bands")
        return self

    @property
    def speed_of_sound_m_s(self) -> float:
        """In this room's air: 343.2 m/s at 20 °C, as the root of the absolute temperature (ISO 9613-1)."""
        return speed_of_sound_m_s(self.temperature_c)

    @property
    def volume_m3(self) -> float | None:
        """Volume in cubic metres, None without walls."""
        return None if self.size_m is None else float(np.prod(self.size_m))

    @property
    def mid_rt60_s(self) -> float | None:
        """Mean reverberation time of the 500 Hz and 1 kHz bands, seconds; None without walls."""
        return None if self.rt60_s is None else 0.5 * (self.rt60_s[2] + self.rt60_s[3])


class Waypoint(_Model):
    """A position of a source at a time; between waypoints it moves on a straight line at constant speed."""

    time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    position_m: tuple[Finite, Finite, Finite]


class Pose(Waypoint):
    """A position of the listener at a time and where it looks; the yaw is not wrapped: 170 to 190 is a turn of 20 degrees to the left."""

    yaw_deg: Finite = 0.0


def _check_increasing(name: str, path: Any) -> None:
    """`path` holds waypoints; it has no narrower type because run-time type checks would draw one of them at random."""
    times = [point.time_s for point in path]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError(f"{name}: the times of its path must increase")


def _along(path: Any, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
    if len(path) == 1:
        return np.full((times_s.size, 3), path[0].position_m)
    knots = np.array([point.time_s for point in path])
    places = np.array([point.position_m for point in path])
    return np.stack([np.interp(times_s, knots, places[:, axis]) for axis in range(3)], axis=-1)


class Listener(_Model):
    """The microphone: its position in the room and where it looks (yaw to the left, degrees).

    A listener that moves or turns has a `path`, whose first pose is `position_m` and `yaw_deg`; between poses it moves and turns at constant speed.
    """

    position_m: tuple[Finite, Finite, Finite] = (0.0, 0.0, 0.0)
    yaw_deg: Finite = 0.0
    path: tuple[Pose, ...] = ()

    @model_validator(mode="after")
    def _starts_here(self) -> "Listener":
        _check_increasing("listener", self.path)
        if self.path and (self.path[0].position_m, self.path[0].yaw_deg) != (self.position_m, self.yaw_deg):
            raise ValueError("the listener's path must begin at its position_m and yaw_deg")
        return self

    @property
    def moving(self) -> bool:
        """True when the listener changes its place or turns."""
        return any((pose.position_m, pose.yaw_deg) != (self.position_m, self.yaw_deg) for pose in self.path)

    def position_at(self, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
        """Positions in the room at the given times, metres."""
        return _along(self.path or (Waypoint(time_s=0.0, position_m=self.position_m),), times_s)

    def yaw_at(self, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
        """Yaw at the given times, degrees, not wrapped."""
        if not self.path:
            return np.full(times_s.shape, self.yaw_deg)
        return np.interp(times_s, [pose.time_s for pose in self.path], [pose.yaw_deg for pose in self.path])


def nearest_approach_m(path: Any, listener: Listener) -> float:
    """The smallest distance at any time, metres, between a source with these waypoints and the listener: both move on straight lines between theirs."""
    if len(path) == 1 and not listener.path:
        return math.dist(path[0].position_m, listener.position_m)
    times_s = np.array(sorted({point.time_s for points in (path, listener.path) for point in points}))
    apart = _along(path, times_s) - listener.position_at(times_s)
    first, step = apart[:-1], np.diff(apart, axis=0)
    part = np.clip(-(first * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12), 0.0, 1.0)
    between = np.linalg.norm(first + part[:, None] * step, axis=1)
    return float(min(between.min(initial=np.inf), np.linalg.norm(apart, axis=1).min()))


class Event(_Model):
    """One sound. `level_db` is the level of its active parts at 1 m in front of it in the free field, dB re full scale."""

    label: Annotated[str, Field(min_length=1)]
    clip: str = Field(description="the catalogue's path of the dry recording")
    package: str = ""
    licence: str = ""
    procedural: bool = False
    onset_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    offset_s: Positive
    clip_starts_s: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        default=(0.0,), description="times within the event at which the dry clip is played"
    )
    clips: tuple[str, ...] = Field(
        default=(), description="what is played at each of these times, `clip` first, as the steps of one walker; empty: `clip` always"
    )
    level_db: Finite = -30.0
    directivity: Directivity = "omni"
    facing_deg: Finite = Field(default=0.0, description="where the source's front points: azimuth in the room's frame, horizontally")
    response: str = Field(default="", description="in a measured room: the name of the response it is heard through")
    response_yaw_deg: Finite = Field(default=0.0, description="by how much that response was turned to the left")
    path: Annotated[tuple[Waypoint, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "Event":
        if self.offset_s <= self.onset_s:
            raise ValueError(f"event {self.label!r}: offset {self.offset_s} s is not after its onset {self.onset_s} s")
        if self.clips and (len(self.clips) != len(self.clip_starts_s) or self.clips[0] != self.clip):
            raise ValueError(f"event {self.label!r}: clips needs one clip for each of clip_starts_s, the first of them {self.clip!r}")
        _check_increasing(f"event {self.label!r}", self.path)
        return self

    @property
    def moving(self) -> bool:
        """True when the path has more than one place."""
        return any(point.position_m != self.path[0].position_m for point in self.path)

    def position_at(self, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
        """Positions in the room at the given times, metres."""
        return _along(self.path, times_s)


class Ambience(_Model):
    """Diffuse background: its kind, its level on W (dB re full scale), and the catalogue's paths of the clips it is made of, if it is."""

    kind: Literal["none", "white", "pink", "brown", "babble", "recording"] = "none"
    clips: tuple[str, ...] = ()
    labels: tuple[str, ...] = Field(default=(), description="the classes that its clips are of: heard, though from nowhere in particular")
    level_db: Finite = -120.0
    snr_db: Finite | None = Field(default=None, description="level of the loudest event at the listener over the ambience, dB")

    @model_validator(mode="after")
    def _made_of(self) -> "Ambience":
        if (self.kind in ("babble", "recording")) != bool(self.clips):
            raise ValueError("an ambience of kind 'babble' or 'recording' needs clips, another kind has none")
        return self


class Microphone(_Model):
    """How a real first-order microphone departs from an ideal one: four capsules on a tetrahedron, unequal, noisy, and not coincident.

    Capsules are left-front-up, right-front-down, left-back-down and right-back-up. Above `aliasing_hz` the spacing of the capsules mixes the channels
    W, Y, Z, X by the matrix `encoding_error` (row: the channel that gains, column: the one that leaks), which rises to its full size over two octaves.
    """

    self_noise_db: tuple[Finite, Finite, Finite, Finite] = Field(default=(-120.0,) * 4, description="level of each capsule's own noise, dB re full scale")
    gain_db: tuple[Finite, Finite, Finite, Finite] = Field(default=(0.0,) * 4, description="sensitivity of each capsule against its nominal one, dB")
    delay_us: tuple[Finite, Finite, Finite, Finite] = Field(default=(0.0,) * 4, description="delay of each capsule against their mean, microseconds")
    aliasing_hz: Positive | None = None
    encoding_error: tuple[tuple[Finite, Finite, Finite, Finite], ...] | None = None

    @model_validator(mode="after")
    def _both(self) -> "Microphone":
        if (self.aliasing_hz is None) != (self.encoding_error is None):
            raise ValueError("aliasing_hz and encoding_error go together")
        if self.encoding_error is not None and len(self.encoding_error) != 4:
            raise ValueError("encoding_error needs 4 rows of 4 numbers")
        return self


@dataclass(frozen=True)
class Track:
    """An event seen from the listener on a regular time grid; angles in degrees, distance in metres, activity per frame."""

    label: str
    times_s: Float[np.ndarray, " frames"]
    active: Bool[np.ndarray, " frames"]
    azimuth_deg: Float[np.ndarray, " frames"]
    elevation_deg: Float[np.ndarray, " frames"]
    distance_m: Float[np.ndarray, " frames"]


class Scene(_Model):
    """One recording's complete description."""

    scene_id: Annotated[str, Field(min_length=1)]
    seed: tuple[int, ...] = ()
    split: Literal["train", "val", "test", "none"] = "none"
    duration_s: Positive = 5.0
    sample_rate_hz: Literal[24000] = 24000
    room: Room = Room(kind="unknown")
    listener: Listener = Listener()
    events: tuple[Event, ...] = ()
    ambience: Ambience = Ambience()
    microphone: Microphone | None = Field(default=None, description="None: an ideal first-order microphone")
    situation: str = Field(default="", description="what the sounds were drawn together for, as 'kitchen' or 'farm'; empty: at random")
    renderer: str = "none"
    output_gain_db: Finite = Field(default=0.0, description="gain applied to all channels after rendering, so that nothing clips")

    @model_validator(mode="after")
    def _inside(self) -> "Scene":
        for event in self.events:
            if event.offset_s > self.duration_s + 1e-6:
                raise ValueError(f"event {event.label!r} ends at {event.offset_s} s, after the scene's {self.duration_s} s")
            if self.room.kind == "measured" and not event.response:
                raise ValueError(f"event {event.label!r} names no response, which a measured room needs")
            for point in event.path:
                self._check_in_room(event.label, point.position_m)
            if self.room.kind != "unknown":
                self._check_distance(event)
        for pose in (Pose(time_s=0.0, position_m=self.listener.position_m), *self.listener.path):
            self._check_in_room("listener", pose.position_m)
        return self

    def _check_distance(self, event: Event) -> None:
        distance_m = nearest_approach_m(event.path, self.listener)
        if distance_m < MIN_DISTANCE_M - 1e-9:
            raise ValueError(f"{event.label!r} comes within {distance_m:.2f} m of the microphone; at least {MIN_DISTANCE_M} m is needed")

    def _check_in_room(self, name: str, position_m: Position) -> None:
        if self.room.size_m is not None and not all(0 < place < size for place, size in zip(position_m, self.room.size_m, strict=True)):
            raise ValueError(f"{name!r} at {position_m} m is outside the room of {self.room.size_m} m")
        if self.room.kind == "ground" and position_m[2] <= 0:
            raise ValueError(f"{name!r} at {position_m} m is not above the ground")

    @field_serializer("seed")
    def _seed_list(self, seed: tuple[int, ...]) -> list[int]:
        return list(seed)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Scene":
        """Read a scene from JSON; raises InputError naming every wrong field."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'scene'}: {item['msg']}" for item in error.errors())
            raise InputError(f"not a valid scene: {problems}") from None

    def to_json(self) -> str:
        """The scene as JSON; `from_json` gives an equal scene."""
        return self.model_dump_json()

    def relative(self, positions_m: Float[np.ndarray, "times 3"], times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
        """Room positions as seen from the listener at those times: metres, x where it looks, y to its left, z up."""
        yaw = np.radians(self.listener.yaw_at(times_s))
        x, y, z = (positions_m - self.listener.position_at(times_s)).T
        return np.stack([x * np.cos(yaw) + y * np.sin(yaw), -x * np.sin(yaw) + y * np.cos(yaw), z], axis=-1)

    def track(self, event: Event, rate_hz: float = 10.0) -> Track:
        """The event on a grid of 1/rate_hz frames (times are frame centres); a frame is active when the event sounds in more than half of it."""
        frames = round(self.duration_s * rate_hz)
        times_s = (np.arange(frames) + 0.5) / rate_hz
        place = self.relative(event.position_at(times_s), times_s)
        azimuth_deg, elevation_deg = angles_deg(place)
        active = (times_s >= event.onset_s) & (times_s < event.offset_s)
        return Track(event.label, times_s, active, azimuth_deg, elevation_deg, np.linalg.norm(place, axis=-1))

    def tracks(self, rate_hz: float = 10.0) -> tuple[Track, ...]:
        """All events as tracks, in the order of `events`."""
        return tuple(self.track(event, rate_hz) for event in self.events)

    def place(self, event: Event) -> tuple[float, float, float]:
        """Azimuth and elevation in degrees and distance in metres of an event at the middle of its sounding time."""
        middle_s = np.array([0.5 * (event.onset_s + event.offset_s)])
        where = self.relative(event.position_at(middle_s), middle_s)[0]
        azimuth_deg, elevation_deg = angles_deg(where)
        return float(azimuth_deg), float(elevation_deg), float(np.linalg.norm(where))

    def received_db(self, event: Event) -> float:
        """Level of the direct sound at the listener in the middle of the event, dB re full scale, by the inverse distance law; as if it faced the listener."""
        middle_s = np.array([0.5 * (event.onset_s + event.offset_s)])
        distance_m = math.dist(event.position_at(middle_s)[0], self.listener.position_at(middle_s)[0])
        return event.level_db - 20 * math.log10(max(distance_m, 1e-3))

    def audibility_db(self, event: Event) -> float:
        """Level of the event's direct sound over the ambience, dB."""
        return self.received_db(event) - self.ambience.level_db

    def _repr_html_(self) -> str:
        """How a notebook shows the scene: the plan view and a table of its events."""
        from twnm.notebook import scene_html

        return scene_html(self)
