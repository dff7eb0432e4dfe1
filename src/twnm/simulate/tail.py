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
from jaxtyping import Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Room
from twnm.simulate.images import COLUMNS, SPEED_OF_SOUND_M_S, air_neper_per_m, band_hats
from twnm.simulate.kernels import kernel
from twnm.simulate.rooms import eyring_per_m

ECHOES_PER_S = 24_000.0
CROSSFADE_S = 0.016
DIRECTIONS = 32
KNOTS = 32
POOL_SAMPLES = 1 << 17
POOL_SEED = 24_000


def mixing_time_s(volume_m3: float) -> float:
    """Time at which images arrive at 24,000 per second, seconds."""
    return math.sqrt(ECHOES_PER_S * volume_m3 / (4 * math.pi * SPEED_OF_SOUND_M_S**3))


@dataclass(frozen=True)
class Tail:
    """Amplitudes of the noise (root of energy per sample) at equally spaced times from `mixing_s` to `stop_s`, in the room's axes."""

    mixing_s: float
    stop_s: float
    amplitude: Float32[np.ndarray, "knots 4 columns"]


@functools.cache
def _octant() -> tuple[Float32[np.ndarray, "directions 3"], Float32[np.ndarray, "directions 4"]]:
    """Midpoint directions of one octant with equal solid angles, and the weights of W, Y, Z, X; by symmetry they stand for the sphere (4 pi)."""
    height = (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    azimuth = 0.5 * np.pi * height
    z, turn = (grid.ravel() for grid in np.meshgrid(height, azimuth, indexing="ij"))
    x, y = np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn)
    weights = np.stack([np.ones_like(x), y**2, z**2, x**2], axis=1) * 4 * np.pi / x.size
    return np.stack([x, y, z], axis=1).astype(np.float32), weights.astype(np.float32)


@kernel
def _fill(response, first, mixing, half_fade, knot_samples, amplitude, noise, starts):  # type: ignore[no-untyped-def]  # pragma: no cover
    mask = noise.shape[0] - 1
    for n in range(first, response.shape[1]):
        at = (n - mixing) / knot_samples
        knot = min(max(int(at), 0), amplitude.shape[0] - 2)
        part = np.float32(at - knot)
        fade = np.float32(math.sin(0.25 * math.pi * min(max((n - mixing) / half_fade + 1, 0.0), 2.0)))
        for c in range(4):
            at_noise = (starts[c] + n) & mask
            total = np.float32(0)
            for b in range(8):
                total += (amplitude[knot, c, b] + part * (amplitude[knot + 1, c, b] - amplitude[knot, c, b])) * noise[at_noise, b]
            response[c, n] += fade * total


@functools.cache
def _noise_pool() -> Float32[np.ndarray, "samples columns"]:
    """White noise of variance 1, circular, split into the octave bands."""
    white = np.random.default_rng(POOL_SEED).standard_normal(POOL_SAMPLES)
    bands = fft.irfft(fft.rfft(white)[:, None] * band_hats(POOL_SAMPLES), POOL_SAMPLES, axis=0)
    return np.ascontiguousarray(bands, np.float32)


def tail_of(room: Room, mixing_s: float, stop_s: float) -> Tail:
    """The tail of a shoebox room from `mixing_s` to `stop_s`: specular until the mixing time, with the room's scattering afterwards."""
    assert room.size_m is not None and room.absorption is not None
    size_m, walls, air = room.size_m, np.array(room.absorption), np.array(air_neper_per_m())
    directions, weights = _octant()
    step_m = SPEED_OF_SOUND_M_S * (stop_s - mixing_s) / (KNOTS - 1)
    wall_loss = -0.5 * np.log(1 - np.minimum(walls, 0.999)).reshape(3, 2, -1).sum(axis=1)  # -ln(beta0 beta1) of each axis
    specular_per_m = directions @ (wall_loss / np.array(size_m)[:, None]) + air
    scatter_per_m = -math.log(1 - min(room.scattering, 0.99)) * (directions @ (1 / np.array(size_m)))
    tables = [np.exp(-SPEED_OF_SOUND_M_S * mixing_s * specular_per_m), np.exp(-step_m * (specular_per_m + scatter_per_m[:, None]))]
    pad = COLUMNS - air.size
    energy, step = (np.pad(table, ((0, 0), (0, pad))).astype(np.float32) for table in tables)
    collect = np.concatenate([weights, weights[:, :1] * scatter_per_m[:, None]], axis=1).T.astype(np.float32)
    out = np.empty((KNOTS, 5, COLUMNS), np.float32)
    for knot in range(KNOTS):
        np.matmul(collect, energy, out=out[knot])
        energy *= step
    out, pooled = out[:, :4], out[:, 4]
    per_step = np.exp(-step_m * np.pad(eyring_per_m(size_m, walls) + air, (0, pad)))
    pool = np.zeros(COLUMNS)
    for knot in range(1, KNOTS):
        pool = pool * per_step + 0.5 * step_m * (pooled[knot - 1] * per_step + pooled[knot])
        out[knot] += (pool * np.array([1, 1 / 3, 1 / 3, 1 / 3])[:, None]).astype(np.float32)
    per_sample = SPEED_OF_SOUND_M_S / math.prod(size_m) / SAMPLE_RATE_HZ
    return Tail(mixing_s, stop_s, np.sqrt(out * np.float32(per_sample)))


def add_tail(response: Float32[np.ndarray, "4 samples"], tail: Tail, rng: np.random.Generator) -> None:
    """Add the tail to a response in place, fading in by a quarter sine over the crossfade around the mixing time.

    The noise is read from a fixed pool at a drawn place, a quarter of the pool apart for each channel, with drawn signs.
    """
    starts = (int(rng.integers(POOL_SAMPLES)) + np.arange(4) * (POOL_SAMPLES // 4)).astype(np.int64)
    signs = (2 * rng.integers(0, 2, 4) - 1).astype(np.float32)
    mixing, half_fade = tail.mixing_s * SAMPLE_RATE_HZ, 0.5 * CROSSFADE_S * SAMPLE_RATE_HZ
    knot_samples = (tail.stop_s - tail.mixing_s) * SAMPLE_RATE_HZ / (KNOTS - 1)
    first = max(0, math.ceil(mixing - half_fade))
    _fill(response, first, mixing, half_fade, knot_samples, tail.amplitude * signs[:, None], _noise_pool(), starts)
