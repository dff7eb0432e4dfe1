"""A Scene: everything that is true of one piece of spatial audio. Labels, questions, rewards and evidence are functions of it.

Positions are metres in the room's frame (x front, y left, z up when the listener's yaw is 0; the origin is a floor corner of the room). Angles are
degrees relative to the listener: azimuth 0 in front, +90 to the left; elevation positive upwards. Levels are dB re full scale, of the active parts
of a sound (see `Event.level_db`). All models are frozen, refuse unknown keys and go through JSON unchanged.
"""

import itertools
from dataclasses import dataclass
from typing import Annotated, Literal

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


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Room(_Model):
    """Where the sound is. `shoebox`: six walls; `free`: no walls; `unknown`: a recording whose room was not described."""

    kind: Literal["shoebox", "free", "unknown"] = "shoebox"
    size_m: tuple[Positive, Positive, Positive] | None = None
    absorption: tuple[tuple[Annotated[float, Field(gt=0, le=1)], ...], ...] | None = Field(
        default=None, description="energy absorption of the walls x0, x1, y0, y1, z0 (floor), z1 (ceiling), each in seven octave bands from 125 Hz"
    )
    scattering: Annotated[float, Field(ge=0, le=1)] = 0.3
    rt60_s: tuple[Positive, ...] | None = Field(default=None, description="reverberation time per octave band (Eyring, with air), seconds")

    @model_validator(mode="after")
    def _whole(self) -> "Room":
        if self.kind == "shoebox":
            if self.size_m is None or self.absorption is None or self.rt60_s is None:
                raise ValueError("a shoebox room needs size_m, absorption and rt60_s")
            if len(self.absorption) != 6 or any(len(wall) != len(BAND_CENTRES_HZ) for wall in self.absorption):
                raise ValueError("absorption needs 6 walls of 7 octave bands")
            if len(self.rt60_s) != len(BAND_CENTRES_HZ):
                raise ValueError("rt60_s needs 7 octave bands")
        return self

    @property
    def volume_m3(self) -> float | None:
        """Volume in cubic metres, None without walls."""
        return None if self.size_m is None else float(np.prod(self.size_m))

    @property
    def mid_rt60_s(self) -> float | None:
        """Mean reverberation time of the 500 Hz and 1 kHz bands, seconds; None without walls."""
        return None if self.rt60_s is None else 0.5 * (self.rt60_s[2] + self.rt60_s[3])


class Listener(_Model):
    """The microphone: its position in the room and where it looks (yaw to the left, degrees)."""

    position_m: tuple[Finite, Finite, Finite] = (0.0, 0.0, 0.0)
    yaw_deg: Finite = 0.0


class Waypoint(_Model):
    """A position of a source at a time; between waypoints it moves on a straight line at constant speed."""

    time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    position_m: tuple[Finite, Finite, Finite]


class Event(_Model):
    """One sound. `level_db` is the level of its active parts at 1 m in the free field, dB re full scale."""

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
    level_db: Finite = -30.0
    path: Annotated[tuple[Waypoint, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "Event":
        if self.offset_s <= self.onset_s:
            raise ValueError(f"event {self.label!r}: offset {self.offset_s} s is not after its onset {self.onset_s} s")
        times = [point.time_s for point in self.path]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError(f"event {self.label!r}: the times of its path must increase")
        return self

    @property
    def moving(self) -> bool:
        """True when the path has more than one place."""
        return any(point.position_m != self.path[0].position_m for point in self.path)

    def position_at(self, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
        """Positions in the room at the given times, metres."""
        knots = np.array([point.time_s for point in self.path])
        places = np.array([point.position_m for point in self.path])
        return np.stack([np.interp(times_s, knots, places[:, axis]) for axis in range(3)], axis=-1)


class Ambience(_Model):
    """Diffuse background: its kind and its level on W, dB re full scale."""

    kind: Literal["none", "white", "pink", "brown"] = "none"
    level_db: Finite = -120.0
    snr_db: Finite | None = Field(default=None, description="level of the loudest event at the listener over the ambience, dB")


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
    renderer: str = "none"
    output_gain_db: Finite = Field(default=0.0, description="gain applied to all channels after rendering, so that nothing clips")

    @model_validator(mode="after")
    def _inside(self) -> "Scene":
        for event in self.events:
            if event.offset_s > self.duration_s + 1e-6:
                raise ValueError(f"event {event.label!r} ends at {event.offset_s} s, after the scene's {self.duration_s} s")
            for point in event.path:
                self._check_place(event.label, point.position_m)
        if self.room.size_m is not None:
            self._check_in_room("listener", self.listener.position_m)
        return self

    def _check_place(self, name: str, position_m: Position) -> None:
        if self.room.size_m is not None:
            self._check_in_room(name, position_m)
        distance_m = float(np.linalg.norm(np.subtract(position_m, self.listener.position_m)))
        if self.room.kind != "unknown" and distance_m < MIN_DISTANCE_M - 1e-9:
            raise ValueError(f"{name!r} is {distance_m:.2f} m from the microphone; at least {MIN_DISTANCE_M} m is needed")

    def _check_in_room(self, name: str, position_m: Position) -> None:
        assert self.room.size_m is not None
        if not all(0 < place < size for place, size in zip(position_m, self.room.size_m, strict=True)):
            raise ValueError(f"{name!r} at {position_m} m is outside the room of {self.room.size_m} m")

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

    def relative(self, positions_m: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
        """Room positions as seen from the listener: metres, x where it looks, y to its left, z up."""
        yaw = np.radians(self.listener.yaw_deg)
        offset = np.asarray(positions_m, float) - np.asarray(self.listener.position_m)
        x, y, z = np.moveaxis(offset, -1, 0)
        return np.stack([x * np.cos(yaw) + y * np.sin(yaw), -x * np.sin(yaw) + y * np.cos(yaw), z], axis=-1)

    def track(self, event: Event, rate_hz: float = 10.0) -> Track:
        """The event on a grid of 1/rate_hz frames (times are frame centres); a frame is active when the event sounds in more than half of it."""
        frames = round(self.duration_s * rate_hz)
        times_s = (np.arange(frames) + 0.5) / rate_hz
        place = self.relative(event.position_at(times_s))
        azimuth_deg, elevation_deg = angles_deg(place)
        active = (times_s >= event.onset_s) & (times_s < event.offset_s)
        return Track(event.label, times_s, active, azimuth_deg, elevation_deg, np.linalg.norm(place, axis=-1))

    def tracks(self, rate_hz: float = 10.0) -> tuple[Track, ...]:
        """All events as tracks, in the order of `events`."""
        return tuple(self.track(event, rate_hz) for event in self.events)

    def place(self, event: Event) -> tuple[float, float, float]:
        """Azimuth and elevation in degrees and distance in metres of an event at the middle of its sounding time."""
        middle_s = np.array([0.5 * (event.onset_s + event.offset_s)])
        where = self.relative(event.position_at(middle_s))[0]
        azimuth_deg, elevation_deg = angles_deg(where)
        return float(azimuth_deg), float(elevation_deg), float(np.linalg.norm(where))

    def received_db(self, event: Event) -> float:
        """Level of the direct sound at the listener, dB re full scale, by the inverse distance law."""
        return event.level_db - 20 * float(np.log10(max(self.place(event)[2], 1e-3)))

    def audibility_db(self, event: Event) -> float:
        """Level of the event's direct sound over the ambience, dB."""
        return self.received_db(event) - self.ambience.level_db
