"""Shoebox rooms: reverberation time from absorption and back, and rooms drawn at random.

Reverberation times follow Eyring with the absorption of air, per octave band; absorption is the area mean over the walls x0, x1, y0, y1, floor, ceiling.

Source: Eyring, JASA 1930; Kuttruff, Room Acoustics, chapter 5. Wall materials: typical published octave-band coefficients.
"""

import math

import numpy as np
from jaxtyping import Float

from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Position, Room
from twnm.simulate.images import SPEED_OF_SOUND_M_S, air_neper_per_m

MAX_ABSORPTION = 0.99
MAX_WALL_ABSORPTION = 0.98
BANDS = len(BAND_CENTRES_HZ)
# Energy absorption at 125 Hz ... 8 kHz.
MATERIALS = {
    "concrete": (0.01, 0.01, 0.02, 0.02, 0.03, 0.04, 0.05),
    "plaster": (0.03, 0.03, 0.03, 0.04, 0.05, 0.06, 0.07),
    "gypsum board": (0.29, 0.10, 0.06, 0.05, 0.04, 0.05, 0.05),
    "glass": (0.25, 0.15, 0.08, 0.05, 0.04, 0.03, 0.03),
    "wood panel": (0.25, 0.18, 0.12, 0.09, 0.08, 0.07, 0.07),
    "parquet": (0.05, 0.04, 0.06, 0.07, 0.07, 0.07, 0.08),
    "carpet": (0.05, 0.08, 0.20, 0.30, 0.40, 0.50, 0.55),
    "curtain": (0.07, 0.25, 0.40, 0.50, 0.60, 0.60, 0.60),
    "bookshelf": (0.25, 0.30, 0.35, 0.35, 0.35, 0.35, 0.35),
    "acoustic tile": (0.30, 0.50, 0.65, 0.75, 0.75, 0.70, 0.65),
}
WALLS = ("concrete", "plaster", "gypsum board", "glass", "wood panel", "curtain", "bookshelf")
FLOORS = ("concrete", "parquet", "carpet")
CEILINGS = ("concrete", "plaster", "gypsum board", "wood panel", "acoustic tile")


def wall_areas_m2(size_m: Position) -> Float[np.ndarray, " 6"]:
    """Areas of the walls x0, x1, y0, y1, floor and ceiling, square metres."""
    x, y, z = size_m
    return np.array([y * z, y * z, x * z, x * z, x * y, x * y])


def mean_absorption(size_m: Position, absorption: Float[np.ndarray, "6 bands"]) -> Float[np.ndarray, " bands"]:
    """Area mean of the absorption per band."""
    areas = wall_areas_m2(size_m)
    return np.asarray(areas @ np.asarray(absorption) / areas.sum())


def eyring_per_m(size_m: Position, absorption: Float[np.ndarray, "6 bands"]) -> Float[np.ndarray, " bands"]:
    """Decay of the energy of a diffuse field per metre of travel, by the walls alone, neper per metre per band."""
    return np.asarray(-np.log1p(-np.minimum(mean_absorption(size_m, absorption), MAX_ABSORPTION)) * wall_areas_m2(size_m).sum() / (4 * math.prod(size_m)))


def eyring_rt60_s(size_m: Position, absorption: Float[np.ndarray, "6 bands"]) -> tuple[float, ...]:
    """Eyring reverberation time with air, seconds per octave band."""
    per_m = eyring_per_m(size_m, absorption) + np.array(air_neper_per_m())
    return tuple(round(float(value), 5) for value in math.log(1e6) / (SPEED_OF_SOUND_M_S * per_m))


def solve_absorption(size_m: Position, rt60_s: tuple[float, ...]) -> Float[np.ndarray, " bands"]:
    """Mean absorption that gives the reverberation times `rt60_s` (one per octave band).

    Raises InputError when no absorption in (0, 0.99] does.
    """
    per_m = math.log(1e6) / (SPEED_OF_SOUND_M_S * np.asarray(rt60_s, float)) - np.array(air_neper_per_m())
    alpha = -np.expm1(-per_m * 4 * math.prod(size_m) / wall_areas_m2(size_m).sum())
    for band_hz, target_s, value in zip(BAND_CENTRES_HZ, rt60_s, alpha, strict=True):
        if not 0 < value <= MAX_ABSORPTION:
            why = (
                "the air alone absorbs more: ask for a shorter time"
                if value <= 0
                else "it would need absorption above 0.99: ask for a longer time or a smaller room"
            )
            raise InputError(f"RT60 of {target_s:.2f} s at {band_hz:.0f} Hz is impossible in a room of {' x '.join(f'{side:.1f}' for side in size_m)} m; {why}")
    return np.asarray(alpha)


def share_absorption(size_m: Position, mean: Float[np.ndarray, " bands"], weights: Float[np.ndarray, "6 bands"]) -> Float[np.ndarray, "6 bands"]:
    """Absorption of each wall in proportion to its weight, at most 0.98, with the given area mean per band."""
    share = wall_areas_m2(size_m)[:, None] / wall_areas_m2(size_m).sum()
    if np.any(mean >= MAX_WALL_ABSORPTION):
        return np.broadcast_to(mean, weights.shape).copy()
    low, high = np.zeros(mean.size), MAX_WALL_ABSORPTION / weights.min(axis=0)
    for _ in range(50):
        scale = 0.5 * (low + high)
        too_much = (share * np.minimum(scale * weights, MAX_WALL_ABSORPTION)).sum(axis=0) > mean
        low, high = np.where(too_much, low, scale), np.where(too_much, scale, high)
    return np.asarray(np.minimum(0.5 * (low + high) * weights, MAX_WALL_ABSORPTION))


def shoebox(size_m: Position, rt60_s: float | tuple[float, ...], weights: Float[np.ndarray, "6 bands"] | None = None, scattering: float = 0.3) -> Room:
    """A room of the given size with the given reverberation time (one for all octave bands, or seven).

    `weights` distributes the absorption over the walls; equal by default. Raises InputError when the time is impossible.
    """
    targets_s = (float(rt60_s),) * BANDS if isinstance(rt60_s, int | float) else rt60_s
    mean = solve_absorption(size_m, targets_s)
    walls = np.round(share_absorption(size_m, mean, np.ones((6, BANDS)) if weights is None else weights), 5)
    return Room(
        kind="shoebox", size_m=size_m, absorption=tuple(tuple(map(float, wall)) for wall in walls), scattering=scattering, rt60_s=eyring_rt60_s(size_m, walls)
    )


def draw_room(
    rng: np.random.Generator,
    length_m: tuple[float, float] = (3.0, 15.0),
    width_m: tuple[float, float] = (3.0, 12.0),
    height_m: tuple[float, float] = (2.3, 5.0),
    rt60_s: tuple[float, float] = (0.15, 1.2),
) -> Room:
    """A room with sizes and a mid-band reverberation time drawn uniformly from the ranges; impossible pairs are drawn again.

    The walls' spectra are mixtures of materials; the reverberation rises or falls towards low frequencies and falls with the air towards high ones.
    Raises InputError when no room of these ranges can have such reverberation times.
    """
    for _ in range(200):
        size_m = (round(float(rng.uniform(*length_m)), 2), round(float(rng.uniform(*width_m)), 2), round(float(rng.uniform(*height_m)), 2))
        mid_s, low, high = rng.uniform(*rt60_s), rng.uniform(0.85, 1.4), rng.uniform(0.75, 1.05)
        shape = np.interp(np.arange(BANDS), [0, 2.5, BANDS - 1], [low, 1.0, high])
        walls_only = 1 / (mid_s * shape)  # the air comes on top of the walls, as in a real room
        targets_s = tuple(1 / (walls_only + SPEED_OF_SOUND_M_S * np.array(air_neper_per_m()) / math.log(1e6)))
        names = [*rng.choice(WALLS, 4), rng.choice(FLOORS), rng.choice(CEILINGS)]
        materials = np.array([MATERIALS[str(name)] for name in names]) + 0.05
        scattering = round(float(rng.uniform(0.15, 0.6)), 2)
        try:
            mean = solve_absorption(size_m, targets_s)
        except InputError:
            continue
        if mean.max() < 0.85:
            return shoebox(size_m, targets_s, materials, scattering)
    raise InputError(f"no room of {length_m} x {width_m} x {height_m} m has a reverberation time within {rt60_s} s; widen the ranges")
