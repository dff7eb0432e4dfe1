"""How sources move: which sounds do, how fast, and the ways they take.

A way is horizontal and taken at constant speed from the event's onset to its offset. Its middle is the drawn place, so that moving and static sounds have
the same places; a source that comes or goes straight keeps its nearest point away from the listener.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from twnm.scene import Position
from twnm.simulate.recipe import NEAREST_M, Motion

STILL: Final = frozenset(
    {
        "alarm_phone",
        "bell",
        "coins",
        "door",
        "drums",
        "explosion",
        "fire_crackling",
        "glass_breaking",
        "guitar",
        "gunshot",
        "hammering",
        "keyboard_typing",
        "piano",
        "rain",
        "running_water",
        "sawing",
        "thunder",
        "water_splash",
        "wind",
        "wood_chopping",
    }
)
"""Classes whose sources stay where they are; other labels, also those of a user's own folder, may move."""
WALK_M_S: Final = (0.5, 2.0)
OUTDOOR_SPEEDS_M_S: Final = {
    "aircraft": (10.0, 30.0),
    "bird_song": (2.0, 10.0),
    "dog": (0.5, 5.0),
    "engine": (5.0, 20.0),
    "horn": (5.0, 20.0),
    "horse": (1.0, 8.0),
    "train": (5.0, 20.0),
}
"""What is faster than a walker where it has the room for it."""
ARC_STEP_S: Final = 0.1
ARC_STEP_DEG: Final = 5.0
FASTEST_TURN_DEG_S: Final = 120.0
Path = Sequence[tuple[float, Position]]
"""Times, seconds, and places, metres."""


def draw_speed_m_s(rng: np.random.Generator, label: str, outdoor: bool) -> float:
    """A speed that the source of such a sound has."""
    return float(rng.uniform(*(OUTDOOR_SPEEDS_M_S.get(label, WALK_M_S) if outdoor else WALK_M_S)))


def draw_path(
    rng: np.random.Generator, motion: Motion, middle_m: Position, listener_m: Position, length_m: float, span_s: tuple[float, float], farthest_m: float
) -> Path | None:
    """A way of the given kind and length, taken from the first to the second time of `span_s`, whose middle is at `middle_m`.

    `radial`: straight towards or away from the listener; when it would pass it, moved outwards so that it begins or ends 0.6 m away. None if its
    middle would then be farther than `farthest_m`, and for an arc that would turn faster than 120 degrees per second.
    """
    dx, dy = middle_m[0] - listener_m[0], middle_m[1] - listener_m[1]
    radius_m, bearing = math.hypot(dx, dy), math.atan2(dy, dx)
    sense = 1.0 if rng.random() < 0.5 else -1.0
    if motion == "arc":
        return _arc(middle_m, listener_m, radius_m, bearing, sense * length_m, *span_s)
    heading = {"linear": float(rng.uniform(-math.pi, math.pi)), "walk_by": bearing + 0.5 * math.pi, "radial": bearing}[motion]
    shift_m = max(0.0, NEAREST_M + 0.1 - (radius_m - 0.5 * length_m)) if motion == "radial" else 0.0
    if shift_m and radius_m + shift_m > farthest_m:
        return None
    ends = [_moved(middle_m, heading, along_m + shift_m) for along_m in (-0.5 * sense * length_m, 0.5 * sense * length_m)]
    return [(span_s[0], ends[0]), (span_s[1], ends[1])]


def _moved(place_m: Position, heading: float, along_m: float) -> Position:
    return round(place_m[0] + along_m * math.cos(heading), 4), round(place_m[1] + along_m * math.sin(heading), 4), place_m[2]


def _arc(middle_m: Position, centre_m: Position, radius_m: float, bearing: float, length_m: float, onset_s: float, offset_s: float) -> Path | None:
    turn_deg = math.degrees(length_m / max(radius_m, 1e-6))
    if abs(turn_deg) > FASTEST_TURN_DEG_S * (offset_s - onset_s):
        return None
    steps = max(1, math.ceil((offset_s - onset_s) / ARC_STEP_S), math.ceil(abs(turn_deg) / ARC_STEP_DEG))
    path = []
    for step in range(steps + 1):
        part = step / steps
        at = bearing + math.radians(turn_deg) * (part - 0.5)
        place = (round(centre_m[0] + radius_m * math.cos(at), 4), round(centre_m[1] + radius_m * math.sin(at), 4), middle_m[2])
        path.append((round(onset_s + part * (offset_s - onset_s), 4), place))
    return path
