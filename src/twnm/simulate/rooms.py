"""Rooms: of a reverberation time, of named materials, grounds, and any of them drawn at random.

The reverberation time of a room is the one that is heard (`tail.expected_rt60_s`), per octave band.

Materials: typical published octave-band coefficients (Vorländer, Auralization,
appendix; Everest, Master Handbook of Acoustics, appendix, for grounds).
"""

import math

import numpy as np
from jaxtyping import Float

from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Position, Room, speed_of_sound_m_s
from twnm.simulate.absorption import eyring_rt60_s, share_absorption, solve_absorption
from twnm.simulate.images import air_neper_per_m
from twnm.simulate.tail import expected_rt60_s

BANDS = len(BAND_CENTRES_HZ)
ROOM_DRAWS = 300
SOLVING_ROUNDS = 4
SOLVED = 0.01
# Energy absorption at 125 Hz ... 8 kHz.
MATERIALS = {
    "concrete": (0.01, 0.01, 0.02, 0.02, 0.03, 0.04, 0.05),
    "brick": (0.03, 0.03, 0.03, 0.04, 0.05, 0.07, 0.08),
    "plaster": (0.03, 0.03, 0.03, 0.04, 0.05, 0.06, 0.07),
    "tiles": (0.01, 0.01, 0.01, 0.01, 0.02, 0.02, 0.02),
    "gypsum board": (0.29, 0.10, 0.06, 0.05, 0.04, 0.05, 0.05),
    "glass": (0.25, 0.15, 0.08, 0.05, 0.04, 0.03, 0.03),
    "wood panel": (0.25, 0.18, 0.12, 0.09, 0.08, 0.07, 0.07),
    "parquet": (0.05, 0.04, 0.06, 0.07, 0.07, 0.07, 0.08),
    "linoleum": (0.02, 0.03, 0.03, 0.03, 0.03, 0.02, 0.02),
    "carpet": (0.05, 0.08, 0.20, 0.30, 0.40, 0.50, 0.55),
    "curtain": (0.07, 0.25, 0.40, 0.50, 0.60, 0.60, 0.60),
    "bookshelf": (0.25, 0.30, 0.35, 0.35, 0.35, 0.35, 0.35),
    "acoustic panel": (0.15, 0.45, 0.80, 0.90, 0.90, 0.85, 0.80),
    "acoustic tile": (0.30, 0.50, 0.65, 0.75, 0.75, 0.70, 0.65),
}
WALLS = ("concrete", "brick", "plaster", "tiles", "gypsum board", "glass", "wood panel", "curtain", "bookshelf", "acoustic panel")
FLOORS = ("concrete", "tiles", "parquet", "linoleum", "carpet")
CEILINGS = ("concrete", "plaster", "gypsum board", "wood panel", "acoustic tile")
GROUNDS = {
    "asphalt": (0.02, 0.03, 0.03, 0.04, 0.04, 0.05, 0.06),
    "grass": (0.11, 0.26, 0.60, 0.69, 0.92, 0.98, 0.98),
    "gravel": (0.25, 0.60, 0.65, 0.70, 0.75, 0.80, 0.80),
    "sand": (0.15, 0.35, 0.40, 0.50, 0.55, 0.80, 0.80),
    "snow": (0.45, 0.75, 0.90, 0.95, 0.95, 0.95, 0.95),
    "soil": (0.15, 0.25, 0.40, 0.55, 0.60, 0.60, 0.60),
    "water": (0.008, 0.008, 0.013, 0.015, 0.02, 0.025, 0.025),
}
_WALL_TABLE, _FLOOR_TABLE, _CEILING_TABLE = (np.array([MATERIALS[name] for name in names]) for names in (WALLS, FLOORS, CEILINGS))


def shoebox(
    size_m: Position,
    rt60_s: float | tuple[float, ...],
    weights: Float[np.ndarray, "6 bands"] | None = None,
    scattering: float = 0.3,
    temperature_c: float = 20.0,
    humidity_percent: float = 50.0,
) -> Room:
    """A room of the given size with the given reverberation time (one for all octave bands, or seven).

    `weights` distributes the absorption over the walls; equal by default. Raises InputError when the time is impossible.
    """
    targets_s = np.full(BANDS, float(rt60_s)) if isinstance(rt60_s, int | float) else np.array(rt60_s)
    by_eyring_s = targets_s
    for _ in range(SOLVING_ROUNDS):
        mean = solve_absorption(size_m, tuple(by_eyring_s.tolist()), temperature_c, humidity_percent)
        walls = np.round(share_absorption(size_m, mean, np.ones((6, BANDS)) if weights is None else weights), 5)
        heard_s = expected_rt60_s(size_m, walls, scattering, temperature_c, humidity_percent)
        if np.all(np.abs(heard_s / targets_s - 1) < SOLVED):
            break
        by_eyring_s = by_eyring_s * targets_s / heard_s
    return _shoebox(size_m, walls, (), scattering, temperature_c, humidity_percent)


def material_room(size_m: Position, materials: tuple[str, ...], scattering: float = 0.3, temperature_c: float = 20.0, humidity_percent: float = 50.0) -> Room:
    """A room whose walls x0, x1, y0, y1, floor and ceiling are made of the named materials; its reverberation time follows from them.

    Raises InputError for a material that is not in `MATERIALS`, or another number than six.
    """
    unknown = sorted(set(materials) - set(MATERIALS))
    if unknown or len(materials) != 6:
        raise InputError(f"materials {', '.join(materials)}: six are needed, each one of {', '.join(MATERIALS)}")
    walls = np.array([MATERIALS[name] for name in materials])
    return _shoebox(size_m, walls, materials, scattering, temperature_c, humidity_percent)


def _shoebox(
    size_m: Position, walls: Float[np.ndarray, "6 bands"], materials: tuple[str, ...], scattering: float, temperature_c: float, humidity_percent: float
) -> Room:
    return Room(
        kind="shoebox",
        size_m=size_m,
        absorption=tuple(map(tuple, walls.tolist())),
        materials=materials,
        scattering=scattering,
        rt60_s=tuple(np.round(expected_rt60_s(size_m, walls, scattering, temperature_c, humidity_percent), 5).tolist()),
        temperature_c=temperature_c,
        humidity_percent=humidity_percent,
    )


def ground(surface: str, temperature_c: float = 20.0, humidity_percent: float = 50.0) -> Room:
    """Outdoors above a named surface; raises InputError for one that is not in `GROUNDS`."""
    if surface not in GROUNDS:
        raise InputError(f"unknown ground {surface!r}; choose one of {', '.join(GROUNDS)}")
    return Room(kind="ground", absorption=(GROUNDS[surface],), materials=(surface,), temperature_c=temperature_c, humidity_percent=humidity_percent)


def draw_room(
    rng: np.random.Generator,
    length_m: tuple[float, float] = (3.0, 15.0),
    width_m: tuple[float, float] = (3.0, 12.0),
    height_m: tuple[float, float] = (2.3, 5.0),
    rt60_s: tuple[float, float] = (0.15, 1.2),
    scattering: tuple[float, float] = (0.15, 0.6),
    air: tuple[float, float] = (20.0, 50.0),
    materials_probability: float = 0.0,
) -> Room:
    """A room with sizes drawn uniformly from the ranges and a mid-band reverberation time within its range; `air`: temperature (°C) and humidity (%).

    With `materials_probability` its walls are of drawn materials and the reverberation time follows, if some within the range is found; otherwise the
    time is drawn uniformly, rises or falls towards low frequencies, falls with the air towards high ones, and mixtures of materials are scaled to give
    it. What is impossible is drawn again. Raises InputError when no room of these ranges can have such reverberation times.
    """
    named = bool(rng.random() < materials_probability)
    for draw in range(ROOM_DRAWS):
        x, y, z, scatter, mid_s = rng.random(5).tolist()
        size_m = (_within(length_m, x, 2), _within(width_m, y, 2), _within(height_m, z, 2))
        walls, floor, ceiling = rng.integers(len(WALLS), size=4), int(rng.integers(len(FLOORS))), int(rng.integers(len(CEILINGS)))
        table = np.concatenate([_WALL_TABLE[walls], _FLOOR_TABLE[floor, None], _CEILING_TABLE[ceiling, None]])
        surface = _within(scattering, scatter, 2)
        if named and draw < ROOM_DRAWS // 2:
            times_s = eyring_rt60_s(size_m, table, *air)
            if not rt60_s[0] <= 0.5 * (times_s[2] + times_s[3]) <= rt60_s[1]:
                continue  # by Eyring, which is quick to compute
            names = (*(WALLS[wall] for wall in walls), FLOORS[floor], CEILINGS[ceiling])
            room: Room | None = _shoebox(size_m, table, names, surface, *air)
        else:
            shape = np.interp(np.arange(BANDS), [0, 2.5, BANDS - 1], [rng.uniform(0.85, 1.4), 1.0, rng.uniform(0.75, 1.05)])
            room = _with_time(size_m, _within(rt60_s, mid_s, 4) * shape, table, surface, air)
        if room is not None and room.mid_rt60_s is not None and rt60_s[0] <= room.mid_rt60_s <= rt60_s[1]:
            return room
    raise InputError(f"no room of {length_m} x {width_m} x {height_m} m has a reverberation time within {rt60_s} s; widen the ranges")


def _with_time(
    size_m: Position, walls_only_s: Float[np.ndarray, " bands"], table: Float[np.ndarray, "6 bands"], scattering: float, air: tuple[float, float]
) -> Room | None:
    """A room whose walls alone would give about these times, with air on top as in a real room; None when that takes too much absorption."""
    air_per_s = speed_of_sound_m_s(air[0]) * np.array(air_neper_per_m(*air)) / math.log(1e6)
    targets_s = tuple((1 / (1 / walls_only_s + air_per_s)).tolist())
    try:
        mean = solve_absorption(size_m, targets_s, *air)
    except InputError:
        return None
    return _shoebox(size_m, np.round(share_absorption(size_m, mean, table + 0.05), 5), (), scattering, *air) if mean.max() < 0.85 else None


def _within(bounds: tuple[float, float], share: float, digits: int) -> float:
    """The value at `share` of the way through a range, rounded without leaving it."""
    return min(max(round(bounds[0] + share * (bounds[1] - bounds[0]), digits), bounds[0]), bounds[1])
