"""What may be asked about a scene: the audible objects, which of them have one clear name and place, and the margins of every comparison.

Inside a margin a question is not asked. The margins hold for the exact values; the derivations are computed from the rounded ones, which then agree.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from twnm.ambisonics import angle_between_deg, angles_deg, unit_vector, wrap_deg
from twnm.questions.evidence import SIDES, Heard, audible, sector8, side4
from twnm.scene import Event, Scene
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.classes import CLASSES, spoken

SECTOR_MARGIN_DEG = 10.0
SIDE_MARGIN_DEG = 10.0
DISTANCE_RATIO = 1.3
TIME_MARGIN_S = 0.5
ELEVATION_MARGIN_DEG = 15.0
MAX_ELEVATION_DEG = 60.0  # nearer to the zenith an azimuth means little
STEADY_DEG = 7.0
STEADY_RATIO = 1.15
MOMENT_S = 0.2
SHORTEST_MOTION_S = 1.0
WHERE: Final = MappingProxyType({"front": "in front of you", "left": "on your left", "back": "behind you", "right": "on your right"})


@dataclass(frozen=True)
class Motion:
    """A moving object at its begin, at its nearest and at its end; each lasts 0.2 s."""

    begin: Heard
    nearest: Heard
    end: Heard


@dataclass(frozen=True)
class Source:
    """An audible object: its exact values; whether no other event has its label; whether it stays about at its place, or exactly; how it moves.

    `motion` is None for an object that stands still, is too short to follow, or is heard by a listener who moves.
    """

    heard: Heard
    unique: bool
    steady: bool
    still: bool = True
    motion: Motion | None = None

    @property
    def label(self) -> str:
        """The spoken label."""
        return self.heard.label

    @functools.cached_property
    def shown(self) -> Heard:
        """The values as the evidence gives them."""
        return self.heard.rounded()

    @property
    def placed(self) -> bool:
        """True when it can be named and has one direction and distance."""
        return self.unique and self.steady and abs(self.heard.elevation_deg) <= MAX_ELEVATION_DEG


@dataclass(frozen=True)
class Facts:
    """A scene as the questions see it.

    `whole`: every event is audible and has a label of its own; `absent`: spoken labels of no event of the scene, with how probable each is as a sound
    that might have been there; `room`: "free", "ground", ... as in the scene, with its reverberation time in seconds.
    """

    sources: tuple[Source, ...]
    whole: bool
    absent: tuple[str, ...]
    absent_weights: tuple[float, ...]
    duration_s: float
    room: str = "unknown"
    rt60_s: float | None = None
    situation: str = ""
    classes: tuple[str, ...] = ()

    @functools.cached_property
    def named(self) -> tuple[Source, ...]:
        """The objects that a label identifies."""
        return tuple(source for source in self.sources if source.unique)

    @functools.cached_property
    def placed(self) -> tuple[Source, ...]:
        """The named objects with one clear place."""
        return tuple(source for source in self.sources if source.placed)

    @functools.cached_property
    def all_placed(self) -> bool:
        """True when the scene as a whole can be asked about places."""
        return self.whole and all(source.placed for source in self.sources)

    @functools.cached_property
    def shown(self) -> tuple[Heard, ...]:
        """All objects as the evidence gives them."""
        return tuple(source.shown for source in self.sources)

    def called(self, label: str) -> Source | None:
        """The named object with a label."""
        return next((source for source in self.named if source.label == label), None)

    def at(self, label: str) -> Source | None:
        """The object with a label, if it is named and has one clear place."""
        return next((source for source in self.placed if source.label == label), None)


def facts_of(scene: Scene, labels: Sequence[str] = CLASSES) -> Facts:
    """The facts of a scene, its objects ordered by onset.

    Args:
        scene: what is asked about.
        labels: all classes that scenes of this kind may hold; sounds that are named as absent come from them. A class that never sounds would
            always be a wrong option.
    """
    spoken_labels = [spoken(event.label) for event in scene.events]
    heard = audible(scene)
    sources = tuple(_source(scene, event, it, spoken_labels.count(it.label) == 1) for event, it in heard)
    whole = len(heard) == len(spoken_labels) == len(set(spoken_labels)) and bool(spoken_labels)
    here = {*(event.label for event in scene.events), *scene.ambience.labels}  # what sounds in the background is not absent
    belongs = SITUATIONS[scene.situation].weights if scene.situation in SITUATIONS else {}
    absent = [(label, belongs.get(label, 0.0 if belongs else 1.0)) for label in labels if label not in here]
    if belongs and sum(weight > 0 for _, weight in absent) < 3:  # too few that belong: any sound will do
        absent = [(label, 1.0) for label, _ in absent]
    fitting = [(spoken(label), weight) for label, weight in absent if weight > 0]
    return Facts(
        sources,
        whole,
        tuple(label for label, _ in fitting),
        tuple(weight for _, weight in fitting),
        scene.duration_s,
        scene.room.kind,
        scene.room.mid_rt60_s,
        scene.situation,
        tuple(event.label for event in scene.events),
    )


def _source(scene: Scene, event: Event, heard: Heard, unique: bool) -> Source:
    if not (event.moving or scene.listener.moving):
        return Source(heard, unique, steady=True)
    lasts_s = event.offset_s - event.onset_s
    inset_s = min(MOMENT_S / 2, lasts_s / 4)
    times_s = np.linspace(event.onset_s + inset_s, event.offset_s - inset_s, 17)
    places_m = scene.relative(event.position_at(times_s), times_s)
    distances_m = np.linalg.norm(places_m, axis=-1)
    turns_deg = angle_between_deg(places_m, unit_vector(heard.azimuth_deg, heard.elevation_deg))
    ratio = max(distances_m.max() / heard.distance_m, heard.distance_m / max(distances_m.min(), 1e-3))
    steady = bool(turns_deg.max() <= STEADY_DEG and ratio <= STEADY_RATIO)
    if lasts_s < SHORTEST_MOTION_S or scene.listener.moving:
        return Source(heard, unique, steady, still=False)
    azimuths_deg, elevations_deg = angles_deg(places_m)
    begin, nearest, end = (
        Heard(
            heard.label,
            float(azimuths_deg[frame]),
            float(elevations_deg[frame]),
            float(distances_m[frame]),
            float(times_s[frame]) - inset_s,
            float(times_s[frame]) + inset_s,
        )
        for frame in (0, int(distances_m.argmin()), 16)
    )
    return Source(heard, unique, steady, still=False, motion=Motion(begin, nearest, end))


def clear_sector(azimuth_deg: float) -> str | None:
    """The sector of eight, None within 10° of a border."""
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
