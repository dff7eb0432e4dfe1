"""The late, diffuse part of a shoebox room's first-order response.

From the mixing time on, the images are replaced by noise with their mean energy. Per band and channel the density of images times their energy is
E(t) = c/V * integral over directions u of w(u) exp(-c t (sum |u_i| A_i / L_i + m)), A_i = -ln(beta_i0 beta_i1), with w = 1, u_y^2, u_z^2, u_x^2 for
W, Y, Z, X. It is continued after the mixing time with scattering: at every reflection the share s leaves its direction and joins an isotropic pool,
which decays with Eyring's rate. The noise of a channel is the same in all its bands, so that equal bands give white noise.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import BAND_CENTRES_HZ, Position, Room, speed_of_sound_m_s
from twnm.simulate.absorption import eyring_per_m
from twnm.simulate.images import air_neper_per_m, band_hats
from twnm.simulate.kernels import COLUMNS, kernel, mix_bands

ECHOES_PER_S = 24_000.0
CROSSFADE_S = 0.016
DIRECTIONS = 32
KNOTS = 32
EARLY_KNOTS, LATE_KNOTS, EXPECTED_DIRECTIONS = 16, 64, 16  # for the expected reverberation time
POOL_SAMPLES = 1 << 17
POOL_SEED = 24_000
MOST_KNOT_SAMPLES = 4096


def mixing_time_s(volume_m3: float, speed_m_s: float = speed_of_sound_m_s()) -> float:
    """Time at which images arrive at 24,000 per second, seconds."""
    return math.sqrt(ECHOES_PER_S * volume_m3 / (4 * math.pi * speed_m_s**3))


@dataclass(frozen=True)
class Tail:
    """Amplitudes of the noise (root of energy per sample) at equally spaced times from `mixing_s` to `stop_s`, in the room's axes."""

    mixing_s: float
    stop_s: float
    amplitude: Float32[np.ndarray, "knots 4 columns"]


@functools.cache
def _octant(per_angle: int) -> tuple[Float32[np.ndarray, "3 directions"], Float32[np.ndarray, "4 directions"]]:
    """Midpoint directions of one octant with equal solid angles, and the weights of W, Y, Z, X; by symmetry they stand for the sphere (4 pi)."""
    height = (np.arange(per_angle) + 0.5) / per_angle
    azimuth = 0.5 * np.pi * height
    z, turn = (grid.ravel() for grid in np.meshgrid(height, azimuth, indexing="ij"))
    x, y = np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn)
    weights = np.stack([np.ones_like(x), y**2, z**2, x**2]) * 4 * np.pi / x.size
    return np.stack([x, y, z]).astype(np.float32), weights.astype(np.float32)


@kernel
def _fill_all(response, first, mixing, knot_samples, amplitude, pool, starts):  # type: ignore[no-untyped-def]  # pragma: no cover
    begin_amplitude, rise = np.empty(7, np.float32), np.empty(7, np.float32)
    for knot in range(amplitude.shape[0] - 1):
        begin = max(first, math.ceil(mixing + knot * knot_samples)) if knot else first
        end = min(response.shape[1], math.ceil(mixing + (knot + 1) * knot_samples))
        if knot == amplitude.shape[0] - 2:
            end = response.shape[1]
        if end <= begin:
            continue
        part = (begin - mixing) / knot_samples - knot
        for c in range(4):
            at = (starts[c] + begin) % POOL_SAMPLES
            for b in range(7):
                difference = amplitude[knot + 1, c, b] - amplitude[knot, c, b]
                begin_amplitude[b] = amplitude[knot, c, b] + np.float32(part) * difference
                rise[b] = difference / np.float32(knot_samples)
            mix_bands(response[c, begin:end], begin_amplitude, rise, pool[:, at : at + end - begin])


@functools.cache
def _noise_pool() -> Float32[np.ndarray, "bands samples"]:
    """White noise of variance 1, circular, split into the octave bands; its beginning is repeated at its end, for a knot that runs over it."""
    white = np.random.default_rng(POOL_SEED).standard_normal(POOL_SAMPLES)
    bands = fft.irfft(fft.rfft(white) * band_hats(POOL_SAMPLES)[:, : len(BAND_CENTRES_HZ)].T, POOL_SAMPLES)
    return np.concatenate([bands, bands[:, :MOST_KNOT_SAMPLES]], axis=1).astype(np.float32)


@kernel
def _weigh(energy, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    total = np.float32(0)
    for d in range(energy.size):
        total += weights[d] * energy[d]
    return total


@kernel
def _lattice(weights, energy, decay, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Energy per knot, weighting and band: the sum over all directions of energy, which decays from knot to knot, times weight."""
    for b in range(energy.shape[0]):
        for k in range(out.shape[0]):
            for c in range(weights.shape[0]):
                out[k, c, b] = _weigh(energy[b], weights[c])
            energy[b] *= decay[b]


def tail_of(room: Room, mixing_s: float, stop_s: float) -> Tail:
    """The tail of a shoebox room from `mixing_s` to `stop_s`: specular until the mixing time, with the room's scattering afterwards."""
    assert room.size_m is not None and room.absorption is not None
    knots = max(KNOTS, math.ceil((stop_s - mixing_s) * SAMPLE_RATE_HZ / MOST_KNOT_SAMPLES) + 1)
    air = np.array(air_neper_per_m(room.temperature_c, room.humidity_percent))
    energy = _energy(room.size_m, np.array(room.absorption), air, room.speed_of_sound_m_s, room.scattering, mixing_s, stop_s, knots)
    return Tail(mixing_s, stop_s, np.sqrt(energy))


def expected_rt60_s(
    size_m: Position, absorption: Float[np.ndarray, "6 bands"], scattering: float, temperature_c: float = 20.0, humidity_percent: float = 50.0
) -> Float[np.ndarray, " bands"]:
    """Reverberation time per octave band, seconds, of the mean response of a shoebox: T30 of Schroeder's integral over its expected energy.

    This, rather than Eyring's formula, is what is heard: images are specular until the mixing time, and a room whose walls differ decays more slowly
    than its mean absorption says.
    """
    speed_m_s = speed_of_sound_m_s(temperature_c)
    air = np.array(air_neper_per_m(temperature_c, humidity_percent))
    mixing_s = mixing_time_s(math.prod(size_m), speed_m_s)
    stop_s = mixing_s + 1.5 * math.log(1e6) / (speed_m_s * float((eyring_per_m(size_m, absorption) + air).min()))
    early = _energy(size_m, absorption, air, speed_m_s, 0.0, 0.0, mixing_s, EARLY_KNOTS, EXPECTED_DIRECTIONS)
    late = _energy(size_m, absorption, air, speed_m_s, scattering, mixing_s, stop_s, LATE_KNOTS, EXPECTED_DIRECTIONS)
    energy = np.concatenate([early, late])[:, 0, : len(BAND_CENTRES_HZ)].astype(float)
    times_s = np.concatenate([np.linspace(0.0, mixing_s, EARLY_KNOTS), np.linspace(mixing_s, stop_s, LATE_KNOTS)])
    areas = 0.5 * (energy[1:] + energy[:-1]) * np.diff(times_s)[:, None]
    left = np.cumsum(areas[::-1], axis=0)[::-1]
    level_db = 10 * np.log10(left / left[0] + 1e-30)
    fitted = ((level_db <= -5) & (level_db >= -35)).astype(float)
    weights = fitted / fitted.sum(axis=0)
    time_off_s = times_s[:-1, None] - (weights * times_s[:-1, None]).sum(axis=0)
    return np.asarray(-60 * (weights * time_off_s**2).sum(axis=0) / (weights * time_off_s * level_db).sum(axis=0))


def _energy(
    size_m: Position,
    absorption: Float[np.ndarray, "6 bands"],
    air_per_m: Float[np.ndarray, " bands"],
    speed_m_s: float,
    scattering: float,
    start_s: float,
    stop_s: float,
    knots: int,
    per_angle: int = DIRECTIONS,
) -> Float32[np.ndarray, "knots 4 columns"]:
    """Energy per sample at equally spaced times, of images that are specular until `start_s` and scattered afterwards."""
    sides_m = np.array(size_m)
    directions, weights = _octant(per_angle)
    step_m = speed_m_s * (stop_s - start_s) / (knots - 1)
    wall_loss = -0.5 * np.log(1 - np.minimum(absorption, 0.999)).reshape(3, 2, -1).sum(axis=1)  # -ln(beta0 beta1) of each axis
    loss_per_m = (wall_loss / sides_m[:, None]).astype(np.float32)[:, :, None]
    per_m = loss_per_m[0] * directions[0] + loss_per_m[1] * directions[1] + loss_per_m[2] * directions[2] + air_per_m[:, None].astype(np.float32)
    hits_per_m = np.sum((1 / sides_m).astype(np.float32)[:, None] * directions, axis=0)
    scatter_per_m = np.float32(-math.log(1 - min(scattering, 0.99))) * hits_per_m
    energy = np.exp(np.float32(-speed_m_s * start_s) * per_m)
    decay = np.exp(np.float32(-step_m) * (per_m + scatter_per_m))
    summed = np.zeros((knots, 5, COLUMNS), np.float32)
    _lattice(np.concatenate([weights, (weights[0] * scatter_per_m)[None]]), energy, decay, summed)
    out, pooled = summed[:, :4], summed[:, 4]
    if scattering:
        pool_step = np.pad(np.exp(-step_m * (eyring_per_m(size_m, absorption) + air_per_m)), (0, COLUMNS - air_per_m.size))
        pool = np.zeros((knots, COLUMNS))
        for knot in range(1, knots):
            pool[knot] = pool[knot - 1] * pool_step + 0.5 * step_m * (pooled[knot - 1] * pool_step + pooled[knot])
        out += (pool[:, None] * np.array([1, 1 / 3, 1 / 3, 1 / 3])[:, None]).astype(np.float32)
    out *= np.float32(speed_m_s / math.prod(size_m) / SAMPLE_RATE_HZ)
    return out


def tail_noise(tail: Tail, samples: int, rng: np.random.Generator, gain: Float32[np.ndarray, " columns"]) -> Float32[np.ndarray, "4 samples"]:
    """The tail as a response of `samples`, fading in by a quarter sine over the crossfade around the mixing time.

    The noise is read from a fixed pool at a drawn place, a quarter of the pool apart for each channel, with drawn signs. `gain` is the source's
    amplitude per band, the root mean square of its directivity over all directions.
    """
    starts = int(rng.integers(POOL_SAMPLES)) + np.arange(4) * (POOL_SAMPLES // 4)
    signs = (2 * rng.integers(0, 2, 4) - 1).astype(np.float32)
    mixing, half_fade = tail.mixing_s * SAMPLE_RATE_HZ, 0.5 * CROSSFADE_S * SAMPLE_RATE_HZ
    first, faded = max(0, math.ceil(mixing - half_fade)), math.ceil(mixing + half_fade)
    late = np.zeros((4, samples), np.float32)
    knot_samples = (tail.stop_s - tail.mixing_s) * SAMPLE_RATE_HZ / (tail.amplitude.shape[0] - 1)
    _fill_all(late, first, mixing, knot_samples, tail.amplitude * (signs[:, None] * gain), _noise_pool(), starts)
    late[:, first:faded] *= np.sin(0.25 * np.pi * ((np.arange(first, min(faded, samples)) - mixing) / half_fade + 1)).astype(np.float32)
    return late
