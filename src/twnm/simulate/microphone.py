"""A real first-order microphone: the ideal field as four unequal, noisy, not quite coincident cardioids hear it.

The field is turned into the signals of four cardioid capsules on a tetrahedron (A-format: left-front-up, right-front-down, left-back-down,
right-back-up), each with its own gain and delay, and back to W, Y, Z, X with the matrix of the ideal microphone. Above the aliasing frequency the
channels leak into one another. The capsules' own noise is added last: it is no sound and does not alias.

A-format: Craven and Gerzon, US patent 4,042,779 (1977); Adriaensen, A tetrahedral microphone processor for Ambisonic recording, LAC 2007.
"""

import math

import numpy as np
from jaxtyping import Complex64, Float, Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Microphone
from twnm.simulate.ambience import incoherent_noise

# Signs of W, Y, Z, X at the capsules left-front-up, right-front-down, left-back-down, right-back-up.
_SIGNS = np.array([[1, 1, 1, 1], [1, -1, -1, 1], [1, 1, -1, -1], [1, -1, 1, -1]])
TO_CAPSULES: Float[np.ndarray, "capsules 4"] = 0.5 * _SIGNS * np.array([1, 3**-0.5, 3**-0.5, 3**-0.5])
FROM_CAPSULES: Float[np.ndarray, "4 capsules"] = np.linalg.inv(TO_CAPSULES)
RISE_OCTAVES = 2.0
_PAD = 1024  # what a fractional delay rings beyond the ends, which would wrap around
_FINE = 256
_NOISE_SPREAD_DB = 0.5
_LEAK = 0.3


def record(foa: Float32[np.ndarray, "4 samples"], microphone: Microphone, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """What the microphone makes of an ideal field, AmbiX at 24 kHz; `rng` draws the capsules' noise.

    Equal noise of the capsules at s dB is noise of s dB on W and of s + 4.8 dB on each of Y, Z and X.
    """
    samples = foa.shape[1]
    nfft = fft.next_fast_len(samples + _PAD, real=True)
    gain = 10 ** (np.array(microphone.gain_db) / 20)
    capsules = (gain[:, None] * TO_CAPSULES).astype(np.float32) @ foa
    spectra: Complex64[np.ndarray, "4 frequencies"] = fft.rfft(capsules, nfft, axis=1, workers=1)
    if any(microphone.delay_us):
        spectra *= _delays(np.array(microphone.delay_us) * 1e-6, nfft)
    spectra = _mix(FROM_CAPSULES, spectra)
    if microphone.aliasing_hz is not None and microphone.encoding_error is not None:
        first = math.ceil(microphone.aliasing_hz * nfft / SAMPLE_RATE_HZ)
        above = spectra[:, first:]
        above += _rise(microphone.aliasing_hz, first, nfft) * _mix(np.array(microphone.encoding_error), above)
    heard = fft.irfft(spectra, nfft, axis=1, workers=1)[:, :samples]
    noise = FROM_CAPSULES * 10 ** (np.array(microphone.self_noise_db) / 20)
    return np.asarray(heard + noise.astype(np.float32) @ incoherent_noise("white", samples, rng), np.float32)


def _mix(matrix: Float[np.ndarray, "4 4"], spectra: Complex64[np.ndarray, "4 _"]) -> Complex64[np.ndarray, "4 _"]:
    """A real matrix on complex channels, as one product of real numbers."""
    return (matrix.astype(np.float32) @ np.ascontiguousarray(spectra).view(np.float32)).view(np.complex64)


def _delays(delay_s: Float[np.ndarray, " 4"], nfft: int) -> Complex64[np.ndarray, "4 frequencies"]:
    """Transfer functions of pure delays; as products of a coarse and a fine turn, because a complex exponential per frequency takes longer than the FFT."""
    count = nfft // 2 + 1
    step = -2j * np.pi * SAMPLE_RATE_HZ / nfft * delay_s[:, None]
    coarse = np.exp(step * _FINE * np.arange(-(-count // _FINE))).astype(np.complex64)
    fine = np.exp(step * np.arange(_FINE)).astype(np.complex64)
    return (coarse[:, :, None] * fine[:, None, :]).reshape(4, -1)[:, :count]


def _rise(aliasing_hz: float, first: int, nfft: int) -> Float32[np.ndarray, " frequencies"]:
    """Share of the encoding error from FFT bin `first` on: a raised cosine over two octaves above the aliasing frequency."""
    frequency_hz = np.arange(first, nfft // 2 + 1, dtype=np.float32) * np.float32(SAMPLE_RATE_HZ / nfft)
    octaves = np.clip(np.log2(frequency_hz / np.float32(aliasing_hz)), 0, RISE_OCTAVES)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi / RISE_OCTAVES * octaves), np.float32)


def draw_microphone(
    rng: np.random.Generator,
    self_noise_db: tuple[float, float],
    gain_spread_db: float,
    delay_spread_us: float,
    aliasing_hz: tuple[float, float],
) -> Microphone:
    """A microphone at random.

    Real tetrahedral microphones: capsules on a radius of 1.47 cm (Soundfield) lie 2.4 cm apart, half a wavelength at 7.1 kHz, and their makers call
    them coincident to about 10 kHz (Gerzon, The design of precisely coincident microphone arrays, AES 1975): aliasing from 6 to 10 kHz. Selected
    capsules agree within 0.5 to 1 dB. A misplacement of 1 mm is 3 microseconds. Capsules with 14 to 20 dB(A) of own noise, at a gain where 94 to
    104 dB of sound pressure is full scale, have a self-noise of -90 to -74 dB.

    Args:
        rng: generator of the draws.
        self_noise_db: range of the noise level, dB re full scale; the capsules differ from the drawn level by at most 0.5 dB.
        gain_spread_db: standard deviation of the capsules' gains around their mean, dB; the mean itself is 0, as it would only be a level.
        delay_spread_us: standard deviation of the capsules' delays around their mean, microseconds.
        aliasing_hz: range of the aliasing frequency.

    Returns:
        The microphone, rounded to what JSON keeps: 0.01 dB, 0.001 microseconds, 1 Hz; the entries of its encoding error have a standard deviation of 0.3.
    """
    noise_db = rng.uniform(*self_noise_db) + rng.uniform(-_NOISE_SPREAD_DB, _NOISE_SPREAD_DB, 4)
    gain_db = _around_mean(rng, gain_spread_db)
    delay_us = _around_mean(rng, delay_spread_us)
    return Microphone.model_validate(
        {
            "self_noise_db": np.round(noise_db, 2).tolist(),
            "gain_db": np.round(gain_db, 2).tolist(),
            "delay_us": np.round(delay_us, 3).tolist(),
            "aliasing_hz": round(float(rng.uniform(*aliasing_hz))),
            "encoding_error": np.round(_LEAK * rng.standard_normal((4, 4)), 3).tolist(),
        }
    )


def _around_mean(rng: np.random.Generator, spread: float) -> Float[np.ndarray, " 4"]:
    """Four normal numbers of mean 0; the factor makes up for the spread that the mean takes away."""
    drawn = rng.standard_normal(4)
    return (drawn - drawn.mean()) * spread * math.sqrt(4 / 3)
