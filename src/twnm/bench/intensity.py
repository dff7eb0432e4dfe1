"""Sounds from time-frequency pseudo-intensity: where the energy flows from, bin by bin, without anything learned.

Each bin of the short-time spectrum has an active intensity I = Re(conj(W) (X, Y, Z)) and an energy density E = (|W|² + |X|² + |Y|² + |Z|²) / 2, both
averaged over neighbouring bins and frames; one plane wave has |I| = E and points at its source, a diffuse field has no net flow: the diffuseness is
1 - |I| / E (Merimaa and Pulkki, JAES 2005). Bins of little diffuseness, above the noise, that do not decay are taken for direct sound; each votes for its
direction on a grid of the sphere. Peaks of the smoothed votes start a mixture of von Mises-Fisher densities over a uniform one, refined by expectation
and maximisation (Banerjee et al., JMLR 2005); the votes of a component in time are its activity.

Distances are coarse. The diffuseness while a source sounds gives its reverberant-to-direct ratio, the root of which is the distance over the critical
distance 0.057 sqrt(V / RT60) (Kuttruff, "Room Acoustics"), here of a room of 100 m³, and twice that because short sounds do not fill a room. The
reverberation time is that of the fastest decays (a high quantile of the falls over 0.1 s, median of six bands): no sound can decay faster than its room
lets it. Where there is little diffuseness there is no room, and only a typical distance can be given.
The constants were set by hand on forty scenes of the train split.
"""

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.ndimage import uniform_filter, uniform_filter1d

from twnm.ambisonics import angles_deg, gains
from twnm.audio import SAMPLE_RATE_HZ

WINDOW, HOP = 1024, 480
FRAME_S: Final = HOP / SAMPLE_RATE_HZ
LOWEST_HZ, HIGHEST_HZ = 150.0, 5000.0
AVERAGED = (3, 3)  # bins and frames
DIRECT_BELOW = 0.4  # diffuseness
NOISE_QUANTILE, OVER_NOISE, OF_LOUDEST = 0.1, 10.0, 1e-5
RISE_FRAMES, DECAYS_BELOW = 2, 0.7  # direct sound has at least this part of the energy two frames ago
FEWEST_BINS, SILENCE = 20, 1e-9
GRID = 1000
SPREAD_DEG, APART_DEG, LEAST_PEAK, MOST = 13.0, 36.0, 0.1, 4
ROUNDS, KAPPA, KAPPA_RANGE, LEAST_SHARE = 8, 30.0, (15.0, 200.0), 0.04
ACTIVE_PART, ACTIVE_FRAMES = 0.1, 5
ENDS_S, ENDS_WITHIN_DEG = 0.4, 70.0
DECAY_FRAMES, DECAY_QUANTILE, DECAY_OVER_DB, BANDS = 5, 0.98, 6.0, 6
ROOM_FROM = 0.18  # mean diffuseness
ROOM_M3, SHORT_SOUNDS, OUTDOORS_M, NEAREST_M, FARTHEST_M = 100.0, 2.0, 4.0, 0.5, 8.0
Vectors = Float[np.ndarray, "bins 3"]


@dataclass(frozen=True)
class Place:
    """A source: its direction (azimuth, elevation) in degrees on the whole, at its begin and at its end, distance in metres, times in seconds."""

    direction_deg: tuple[float, float]
    begin_deg: tuple[float, float]
    end_deg: tuple[float, float]
    distance_m: float
    onset_s: float
    offset_s: float


@dataclass(frozen=True)
class Field:
    """Energy and diffuseness of each bin and frame, and the bins of direct sound: their unit vectors (x, y, z) and frames."""

    energy: Float[np.ndarray, "frequencies frames"]
    diffuseness: Float[np.ndarray, "frequencies frames"]
    vectors: Vectors
    frames: Int[np.ndarray, " bins"]

    @classmethod
    def of(cls, foa: Float32[np.ndarray, "4 samples"]) -> "Field":
        """The sound field of a recording, AmbiX at 24 kHz."""
        w, y, z, x = spectrum = _spectrum(foa)
        flow = np.stack([uniform_filter((w.conj() * part).real, AVERAGED, mode="nearest") for part in (x, y, z)])
        energy = uniform_filter(0.5 * np.sum(np.abs(spectrum) ** 2, axis=0), AVERAGED, mode="nearest") + 1e-20
        size = np.linalg.norm(flow, axis=0)
        diffuseness = np.clip(1 - size / energy, 0, 1)
        direct = (diffuseness < DIRECT_BELOW) & _sounding(energy)
        vectors = (flow / np.maximum(size, 1e-20))[:, direct].T
        return cls(energy, diffuseness, vectors, np.nonzero(direct)[1])

    @functools.cached_property
    def rt60_s(self) -> float | None:
        """The reverberation time in seconds, None in the open."""
        if float(np.sum(self.diffuseness * self.energy) / np.sum(self.energy)) < ROOM_FROM:
            return None
        falls = []
        for band in np.array_split(self.energy, BANDS):
            level_db = 10 * np.log10(band.sum(axis=0))
            fall_db = (level_db[:-DECAY_FRAMES] - level_db[DECAY_FRAMES:])[level_db[DECAY_FRAMES:] > np.quantile(level_db, 0.05) + DECAY_OVER_DB]
            if fall_db.size > 2 * DECAY_FRAMES:
                falls.append(float(np.quantile(fall_db, DECAY_QUANTILE)) / (DECAY_FRAMES * FRAME_S))
        return float(np.clip(60 / max(np.median(falls), 1.0), 0.1, 3.0)) if falls else 0.5


def _spectrum(foa: Float32[np.ndarray, "4 samples"]) -> np.ndarray:
    """Spectra of the four channels between the lowest and highest frequency, (4, frequencies, frames)."""
    padded = np.pad(foa, ((0, 0), (WINDOW // 2, WINDOW // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::HOP]
    kept = slice(*np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ), [LOWEST_HZ, HIGHEST_HZ]))
    return np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=-1)[..., kept].transpose(0, 2, 1)


def _sounding(energy: Float[np.ndarray, "frequencies frames"]) -> Bool[np.ndarray, "frequencies frames"]:
    """Where there is more than noise, and no decay."""
    loud = (energy > OVER_NOISE * np.quantile(energy, NOISE_QUANTILE, axis=1, keepdims=True)) & (energy > OF_LOUDEST * energy.max())
    loud[:, RISE_FRAMES:] &= energy[:, RISE_FRAMES:] > DECAYS_BELOW * energy[:, :-RISE_FRAMES]
    return np.asarray(loud)


@functools.cache
def _grid() -> Vectors:
    """Directions spread evenly over the sphere on a Fibonacci spiral."""
    height = 1 - (2 * np.arange(GRID) + 1) / GRID
    turn = math.pi * (1 + math.sqrt(5)) * (np.arange(GRID) + 0.5)
    return np.stack([np.cos(turn) * np.sqrt(1 - height**2), np.sin(turn) * np.sqrt(1 - height**2), height], axis=-1)


@functools.cache
def _smoothing() -> Float[np.ndarray, "points points"]:
    return np.asarray(np.exp((_grid() @ _grid().T - 1) / math.radians(SPREAD_DEG) ** 2))


def peaks(vectors: Vectors) -> Float[np.ndarray, "peaks 3"]:
    """The directions with most votes, each more than 36° from those before and with at least a tenth of the first one's; at most four."""
    grid = _grid()
    votes = np.bincount((vectors @ grid.T).argmax(axis=1), minlength=GRID).astype(float)
    found: list[int] = []
    first = 0.0
    while len(found) < MOST:
        smooth = _smoothing() @ votes
        best = int(smooth.argmax())
        first = first or float(smooth[best])
        if smooth[best] <= LEAST_PEAK * first:
            break
        found.append(best)
        votes[grid @ grid[best] > math.cos(math.radians(APART_DEG))] = 0.0
    return grid[found]


def mixture(vectors: Vectors, means: Float[np.ndarray, "parts 3"]) -> tuple[Float[np.ndarray, "parts 3"], Float[np.ndarray, "bins parts"]]:
    """Mean directions and responsibilities of von Mises-Fisher densities over a uniform one, from the given means on."""
    kappa = np.full(len(means), KAPPA)
    shares = np.full(len(means) + 1, 1 / (len(means) + 1))
    for _ in range(ROUNDS):
        density = kappa / (2 * math.pi * (1 - np.exp(-2 * kappa))) * np.exp(kappa * (vectors @ means.T - 1))
        weights = np.concatenate([density * shares[:-1], np.full((len(vectors), 1), shares[-1] / (4 * math.pi))], axis=1)
        weights /= weights.sum(axis=1, keepdims=True)
        shares = weights.mean(axis=0)
        sums = weights[:, :-1].T @ vectors
        length = np.maximum(np.linalg.norm(sums, axis=1), 1e-12)
        means = sums / length[:, None]
        mean_length = np.minimum(length / np.maximum(weights[:, :-1].sum(axis=0), 1e-12), 0.9999)
        kappa = np.clip(mean_length * (3 - mean_length**2) / (1 - mean_length**2), *KAPPA_RANGE)
    return means, weights[:, :-1]


def places(field: Field) -> list[Place]:
    """The sources of a sound field, by onset; one in front where sound flows from nowhere, none in silence."""
    if len(field.vectors) < FEWEST_BINS:
        return _one_somewhere(field)
    means, weights = mixture(field.vectors, peaks(field.vectors))
    kept = np.flatnonzero(weights.mean(axis=0) >= LEAST_SHARE)
    votes = np.stack([np.bincount(field.frames, weights[:, part], minlength=field.energy.shape[1]) for part in kept]) if kept.size else np.zeros((0, 1))
    active = [_active(row) for row in votes]
    found = []
    for row, part in enumerate(kept):
        others = np.delete(votes, row, axis=0).sum(axis=0)
        alone = active[row] & (votes[row] > 2 * others)
        heard = alone if alone.sum() > ACTIVE_FRAMES else active[row]
        found.append(_place(field, means[part], weights[:, part], np.flatnonzero(active[row]), float(np.median(field.diffuseness[:, heard]))))
    return sorted(found, key=lambda it: it.onset_s)


def _one_somewhere(field: Field) -> list[Place]:
    """All that sounds as one source in front, of which only the time is known."""
    if field.energy.max() <= SILENCE:
        return []
    active = np.flatnonzero(_active(np.sum(field.energy * _sounding(field.energy), axis=0)))
    front = np.array([1.0, 0.0, 0.0])
    return [_place(field, front, np.zeros(len(field.vectors)), active, float(np.median(field.diffuseness)))] if active.size else []


def _active(votes: Float[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    smooth = uniform_filter1d(votes, ACTIVE_FRAMES)
    if not smooth.any():
        return np.zeros(votes.shape, bool)
    return np.asarray(smooth > ACTIVE_PART * np.quantile(smooth[smooth > 0], 0.9))


def _place(field: Field, mean: Float[np.ndarray, " 3"], weights: Float[np.ndarray, " bins"], active: Int[np.ndarray, " frames"], diffuseness: float) -> Place:
    first, last = int(active[0]), int(active[-1]) + 1
    near = field.vectors @ mean > math.cos(math.radians(ENDS_WITHIN_DEG))
    ends = round(ENDS_S / FRAME_S)
    begin, end = (
        _mean_direction(field.vectors[chosen], weights[chosen] + 0.02, mean)
        for chosen in (near & (field.frames >= first) & (field.frames < first + ends), near & (field.frames < last) & (field.frames >= last - ends))
    )
    azimuth_deg, elevation_deg = angles_deg(mean)
    return Place(
        (float(azimuth_deg), float(elevation_deg)),
        begin,
        end,
        _distance_m(diffuseness, field.rt60_s),
        first * FRAME_S,
        min(last, len(field.energy[0]) - 1) * FRAME_S,
    )


def _mean_direction(vectors: Vectors, weights: Float[np.ndarray, " bins"], otherwise: Float[np.ndarray, " 3"]) -> tuple[float, float]:
    azimuth_deg, elevation_deg = angles_deg(weights @ vectors if len(vectors) > 2 else otherwise)
    return float(azimuth_deg), float(elevation_deg)


def _distance_m(diffuseness: float, rt60_s: float | None) -> float:
    if rt60_s is None:
        return OUTDOORS_M
    critical_m = 0.057 * math.sqrt(ROOM_M3 / rt60_s)
    return float(np.clip(SHORT_SOUNDS * critical_m * math.sqrt(diffuseness / max(1 - diffuseness, 1e-3)), NEAREST_M, FARTHEST_M))


def separated(foa: Float32[np.ndarray, "4 samples"], found: list[Place]) -> Float32[np.ndarray, "sources samples"]:
    """Each source by itself as far as four channels allow: beams of gain one at it and as little as may be at the others (regularised least squares)."""
    steering = np.stack([gains(*it.direction_deg) for it in found], axis=1)
    noise = 0.1 * np.diag([1.0, 1 / 3, 1 / 3, 1 / 3])  # a diffuse field in SN3D
    beams = steering.T @ np.linalg.inv(steering @ steering.T + noise)
    beams /= np.sum(beams * steering.T, axis=1, keepdims=True)
    return np.asarray(beams @ foa, np.float32)
