"""The diffuse background of a scene."""

import functools

import numpy as np
from jaxtyping import Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Ambience
from twnm.sounds.catalogue import Catalogue

AMBIENCE_SAMPLES = 1 << 20
AMBIENCE_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}
AMBIENCE_HIGH_PASS_HZ = 40.0


@functools.cache
def _ambience_pool(kind: str) -> Float32[np.ndarray, " samples"]:
    """Circular noise of variance 1 with the spectrum of `kind`, above 40 Hz."""
    frequency_hz = np.maximum(fft.rfftfreq(AMBIENCE_SAMPLES, 1 / SAMPLE_RATE_HZ), 1e-3)
    shape = frequency_hz ** AMBIENCE_SLOPES[kind] / np.sqrt(1 + (AMBIENCE_HIGH_PASS_HZ / frequency_hz) ** 4)
    rng = np.random.default_rng([AMBIENCE_SAMPLES, list(AMBIENCE_SLOPES).index(kind)])
    noise = fft.irfft(fft.rfft(rng.standard_normal(AMBIENCE_SAMPLES)) * shape, AMBIENCE_SAMPLES)
    return np.asarray(noise / noise.std(), np.float32)


def ambience(description: Ambience, samples: int, rng: np.random.Generator, catalogue: Catalogue) -> Float32[np.ndarray, "4 samples"]:
    """A diffuse field: four uncorrelated noises, W at `level_db` and Y, Z, X 4.8 dB lower (SN3D).

    The noise is read from a fixed pool of 44 s at a drawn place, a quarter of the pool apart for each channel, with drawn signs.
    """
    if description.kind == "none":
        return np.zeros((4, samples), np.float32)
    pool = _ambience_pool(description.kind)
    starts = int(rng.integers(AMBIENCE_SAMPLES)) + np.arange(4) * (AMBIENCE_SAMPLES // 4)
    gains = (2 * rng.integers(0, 2, 4) - 1) * np.sqrt([1, 1 / 3, 1 / 3, 1 / 3]) * 10 ** (description.level_db / 20)
    noise = np.empty((4, samples), np.float32)
    for channel in range(4):
        np.take(pool, np.arange(starts[channel], starts[channel] + samples), mode="wrap", out=noise[channel])
        noise[channel] *= np.float32(gains[channel])
    return noise
