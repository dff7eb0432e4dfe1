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
from twnm.simulate.kernels import kernel

# Signs of W, Y, Z, X at the capsules left-front-up, right-front-down, left-back-down, right-back-up.
_SIGNS = np.array([[1, 1, 1, 1], [1, -1, -1, 1], [1, 1, -1, -1], [1, -1, 1, -1]])
TO_CAPSULES: Float[np.ndarray, "capsules 4"] = 0.5 * _SIGNS * np.array([1, 3**-0.5, 3**-0.5, 3**-0.5])
FROM_CAPSULES: Float[np.ndarray, "4 capsules"] = np.linalg.inv(TO_CAPSULES)
RISE_OCTAVES = 2.0
NFFT = 2048
OVERLAP = 256  # a transfer function rings by less than -70 dB beyond it: delays are parts of a sample, and the error rises smoothly
_NOISE_SPREAD_DB = 0.5
_LEAK = 0.3


def record(foa: Float32[np.ndarray, "4 samples"], microphone: Microphone, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """What the microphone makes of an ideal field, AmbiX at 24 kHz; `rng` draws the capsules' noise.

    Equal noise of the capsules at s dB is noise of s dB on W and of s + 4.8 dB on each of Y, Z and X.
    """
    samples, hop = foa.shape[1], NFFT - OVERLAP
    blocks = -(-samples // hop)
    padded = np.zeros((4, blocks * hop + OVERLAP), np.float32)
    padded[:, OVERLAP // 2 : OVERLAP // 2 + samples] = foa
    frames = np.lib.stride_tricks.sliding_window_view(padded, NFFT, axis=1)[:, ::hop]
    spectra: Complex64[np.ndarray, "4 blocks frequencies"] = fft.rfft(frames, axis=-1, workers=1)
    mixed = np.empty_like(spectra)
    _mix(spectra, transfer(microphone), mixed)
    heard = fft.irfft(mixed, NFFT, axis=-1, workers=1)[:, :, OVERLAP // 2 : OVERLAP // 2 + hop].reshape(4, -1)[:, :samples]
    noise = FROM_CAPSULES * 10 ** (np.array(microphone.self_noise_db) / 20)
    return np.asarray(heard + noise.astype(np.float32) @ incoherent_noise("white", samples, rng), np.float32)


def transfer(microphone: Microphone) -> Complex64[np.ndarray, "4 4 frequencies"]:
    """What each of W, Y, Z, X of the ideal field (second axis) gives to each channel (first), on the frequencies of an FFT of `NFFT` samples."""
    frequency_hz = np.fft.rfftfreq(NFFT, 1 / SAMPLE_RATE_HZ)
    gain = 10 ** (np.array(microphone.gain_db) / 20)
    capsules = gain[:, None] * np.exp(-2e-6j * np.pi * frequency_hz * np.array(microphone.delay_us)[:, None])
    whole = np.einsum("ic,cf,cj->ijf", FROM_CAPSULES, capsules, TO_CAPSULES)
    if microphone.aliasing_hz is not None and microphone.encoding_error is not None:
        octaves = np.clip(np.log2(np.maximum(frequency_hz, 1.0) / microphone.aliasing_hz), 0, RISE_OCTAVES)
        error = (0.5 - 0.5 * np.cos(np.pi / RISE_OCTAVES * octaves)) * np.array(microphone.encoding_error)[:, :, None]
        whole = whole + np.einsum("ijf,jkf->ikf", error, whole)
    return np.ascontiguousarray(whole, np.complex64)


@kernel
def _mix(spectra, matrix, mixed):  # type: ignore[no-untyped-def]  # pragma: no cover
    for block in range(spectra.shape[1]):
        for i in range(4):
            for f in range(spectra.shape[2]):
                mixed[i, block, f] = (
                    matrix[i, 0, f] * spectra[0, block, f]
                    + matrix[i, 1, f] * spectra[1, block, f]
                    + matrix[i, 2, f] * spectra[2, block, f]
                    + matrix[i, 3, f] * spectra[3, block, f]
                )


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
