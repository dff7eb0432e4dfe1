"""What may be asked about a scene: the audible objects, which of them have one clear name and place, and the margins of every comparison.

Inside a margin a question is not asked. The margins hold for the exact values; the derivations are computed from the rounded ones, which then agree.
"""

from dataclasses import dataclass

import numpy as np

from twnm.ambisonics import angle_between_deg, unit_vector, wrap_deg
from twnm.questions.evidence import SIDES, Heard, audible_events, heard_as, sector8, side4
from twnm.scene import Event, Scene
from twnm.sounds.classes import CLASSES, spoken

SECTOR_MARGIN_DEG = 7.0
SIDE_MARGIN_DEG = 10.0
DISTANCE_RATIO = 1.3
TIME_MARGIN_S = 0.5
ELEVATION_MARGIN_DEG = 15.0
MAX_ELEVATION_DEG = 60.0  # nearer to the zenith an azimuth means little
STEADY_DEG = 7.0
STEADY_RATIO = 1.15


@dataclass(frozen=True)
class Source:
    """An audible object: its exact values, whether no other event has its label, and whether it stays at its place while it sounds."""

    heard: Heard
    unique: bool
    steady: bool

    @property
    def label(self) -> str:
        """The spoken label."""
        return self.heard.label

    @property
    def shown(self) -> Heard:
        """The values as the evidence gives them."""
        return self.heard.rounded()

    @property
    def placed(self) -> bool:
        """True when it can be named and has one direction and distance."""
        return self.unique and self.steady and abs(self.heard.elevation_deg) <= MAX_ELEVATION_DEG


@dataclass(frozen=True)
class Facts:
    """A scene as the questions see it. `whole`: every event is audible and has a label of its own; `absent`: spoken labels of no event of the scene."""

    sources: tuple[Source, ...]
    whole: bool
    absent: tuple[str, ...]
    duration_s: float

    @property
    def named(self) -> tuple[Source, ...]:
        """The objects that a label identifies."""
        return tuple(source for source in self.sources if source.unique)

    @property
    def placed(self) -> tuple[Source, ...]:
        """The named objects with one clear place."""
        return tuple(source for source in self.sources if source.placed)

    @property
    def all_placed(self) -> bool:
        """True when the scene as a whole can be asked about places."""
        return self.whole and all(source.placed for source in self.sources)


def facts_of(scene: Scene) -> Facts:
    """The facts of a scene, its objects ordered by onset."""
    labels = [spoken(event.label) for event in scene.events]
    audible = audible_events(scene)
    heard = [heard_as(scene, event) for event in audible]
    sources = tuple(Source(it, labels.count(it.label) == 1, _steady(scene, event, it)) for event, it in zip(audible, heard, strict=True))
    whole = len(audible) == len(labels) == len(set(labels)) and bool(labels)
    absent = tuple(label for label in map(spoken, CLASSES) if label not in labels)
    return Facts(sources, whole, absent, scene.duration_s)


def _steady(scene: Scene, event: Event, heard: Heard) -> bool:
    if not event.moving:
        return True
    times_s = np.linspace(event.onset_s, event.offset_s, 17)
    places_m = scene.relative(event.position_at(times_s), times_s)
    distances_m = np.linalg.norm(places_m, axis=-1)
    turns_deg = angle_between_deg(places_m, unit_vector(heard.azimuth_deg, heard.elevation_deg))
    ratio = max(distances_m.max() / heard.distance_m, heard.distance_m / max(distances_m.min(), 1e-3))
    return bool(turns_deg.max() <= STEADY_DEG and ratio <= STEADY_RATIO)


def clear_sector(azimuth_deg: float) -> str | None:
    """The sector of eight, None within 7° of a border."""
    past_border = (azimuth_deg + 22.5) % 45.0
    return sector8(azimuth_deg) if SECTOR_MARGIN_DEG <= past_border <= 45.0 - SECTOR_MARGIN_DEG else None


def clear_side(azimuth_deg: float) -> str | None:
    """Front, left, back or right, None within 10° of a border."""
    side = side4(azimuth_deg)
    return side if on_side(azimuth_deg, side) else None


def on_side(azimuth_deg: float, side: str) -> bool | None:
    """Whether an azimuth is in the quarter `side`, None within 10° of its borders."""
    off_axis_deg = abs(wrap_deg(azimuth_deg - 90.0 * SIDES.index(side)))
    return None if abs(off_axis_deg - 45.0) < SIDE_MARGIN_DEG else off_axis_deg < 45.0
