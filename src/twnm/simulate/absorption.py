"""Absorption of a shoebox's walls and reverberation time by Eyring's formula, with the absorption of air, per octave band.

Absorption is the area mean over the walls x0, x1, y0, y1, floor, ceiling. Source: Eyring, JASA 1930; Kuttruff, Room Acoustics, chapter 5.
"""

import math

import numpy as np
from jaxtyping import Float

from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Position, speed_of_sound_m_s
from twnm.simulate.images import air_neper_per_m

MAX_ABSORPTION = 0.99
MAX_WALL_ABSORPTION = 0.98


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


def eyring_rt60_s(size_m: Position, absorption: Float[np.ndarray, "6 bands"], temperature_c: float = 20.0, humidity_percent: float = 50.0) -> tuple[float, ...]:
    """Eyring reverberation time with air, seconds per octave band."""
    per_m = eyring_per_m(size_m, absorption) + np.array(air_neper_per_m(temperature_c, humidity_percent))
    return tuple(round(value, 5) for value in (math.log(1e6) / (speed_of_sound_m_s(temperature_c) * per_m)).tolist())


def solve_absorption(size_m: Position, rt60_s: tuple[float, ...], temperature_c: float = 20.0, humidity_percent: float = 50.0) -> Float[np.ndarray, " bands"]:
    """Mean absorption that gives the reverberation times `rt60_s` (one per octave band).

    Raises InputError when no absorption in (0, 0.99] does.
    """
    per_m = math.log(1e6) / (speed_of_sound_m_s(temperature_c) * np.asarray(rt60_s, float)) - np.array(air_neper_per_m(temperature_c, humidity_percent))
    alpha = -np.expm1(-per_m * 4 * math.prod(size_m) / wall_areas_m2(size_m).sum())
    for band_hz, target_s, value in zip(BAND_CENTRES_HZ, rt60_s, alpha.tolist(), strict=True):
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
    if np.any(mean >= MAX_WALL_ABSORPTION):
        return np.broadcast_to(mean, weights.shape).copy()
    share = (wall_areas_m2(size_m) / wall_areas_m2(size_m).sum())[:, None]
    full = np.zeros(weights.shape, bool)
    while True:  # walls that would exceed the limit stand at it and the others take the rest: at most six rounds
        scale = (mean - MAX_WALL_ABSORPTION * (share * full).sum(axis=0)) / (share * np.where(full, 0, weights)).sum(axis=0)
        beyond = ~full & (scale * weights > MAX_WALL_ABSORPTION)
        if not beyond.any():
            return np.where(full, MAX_WALL_ABSORPTION, scale * weights)
        full |= beyond
