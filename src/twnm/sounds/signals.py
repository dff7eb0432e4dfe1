"""Building blocks of generated sounds: damped modes, coloured noise, envelopes, plucked strings, pulses placed in time. All at 24 kHz."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, lfilter, sosfilt

from twnm.audio import SAMPLE_RATE_HZ

Signal = Float[np.ndarray, " samples"]


def times(samples: int) -> Signal:
    """Give the times of the samples, seconds."""
    return np.arange(samples) / SAMPLE_RATE_HZ


def modes(samples: int, frequencies_hz: Sequence[float] | np.ndarray, decays_s: Sequence[float] | np.ndarray, gains: Sequence[float] | np.ndarray) -> Signal:
    """Sum damped sinusoids exp(-t / decay) sin(2 pi f t): a struck body rings in its modes. Modes above 11 kHz are left out."""
    t = times(samples)
    total = np.zeros(samples)
    for frequency_hz, decay_s, gain in zip(frequencies_hz, decays_s, gains, strict=True):
        if frequency_hz < 11_000:
            total += gain * np.exp(-t / decay_s) * np.sin(2 * np.pi * frequency_hz * t)
    return total


def noise(rng: np.random.Generator, samples: int, low_hz: float, high_hz: float) -> Signal:
    """Give white Gaussian noise through a fourth-order band-pass, RMS 1."""
    sections = butter(2, [max(low_hz, 20.0), min(high_hz, 11_500.0)], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    filtered = np.asarray(sosfilt(sections, rng.standard_normal(samples + 2400)))[2400:]
    rms: float = np.sqrt(np.mean(filtered**2))
    return filtered / (rms + 1e-12)


def swell(rng: np.random.Generator, samples: int, rate_hz: float) -> Signal:
    """Give a smooth random curve about 1 (standard deviation about 0.4, never below 0.05) that changes about `rate_hz` times a second."""
    knots = max(4, int(samples / SAMPLE_RATE_HZ * rate_hz) + 4)
    curve = np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), 1 + 0.4 * rng.standard_normal(knots))
    return np.maximum(curve, 0.05)


def decay(samples: int, attack_s: float, decay_s: float) -> Signal:
    """Give the envelope of an impact: linear rise over `attack_s`, then exp(-t / decay)."""
    t = times(samples)
    return np.minimum(t / max(attack_s, 1e-4), 1.0) * np.exp(-np.maximum(t - attack_s, 0) / decay_s)


def place(track: Signal, event: Float[np.ndarray, " length"], at_s: float) -> None:
    """Add an event to a track at a time, cut at the track's end."""
    start = int(at_s * SAMPLE_RATE_HZ)
    length = min(event.size, track.size - start)
    if start >= 0 and length > 0:
        track[start : start + length] += event[:length]


def steady_onsets(rng: np.random.Generator, duration_s: float, interval_s: float, jitter: float) -> list[float]:
    """Give onset times from 0 that follow one another after about `interval_s`, each interval off by a factor of 1 ± `jitter` (uniform)."""
    onsets = [0.0]
    while (following := onsets[-1] + interval_s * rng.uniform(1 - jitter, 1 + jitter)) < duration_s - 0.05:
        onsets.append(following)
    return onsets


def random_onsets(rng: np.random.Generator, duration_s: float, rate_hz: float) -> Float[np.ndarray, " events"]:
    """Give the onset times of a Poisson process, at least one at time 0."""
    count = rng.poisson(rate_hz * duration_s)
    return np.append(0.0, rng.uniform(0, duration_s, count))


def plucked(rng: np.random.Generator, samples: int, frequency_hz: float, decay_s: float, brightness: float) -> Signal:
    """Give a plucked string after Karplus and Strong (1983): a burst of noise runs round a delay line with a two-point average.

    Args:
        rng: draws the burst.
        samples: length.
        frequency_hz: fundamental.
        decay_s: time in which the fundamental falls by 60 dB.
        brightness: 0 (dull) to 1 (bright), by low-passing the burst.
    """
    period = max(2, round(SAMPLE_RATE_HZ / frequency_hz - 0.5))
    burst = lfilter([1.0], [1.0, -(1 - brightness) * 0.9], rng.standard_normal(period))
    loss = 10 ** (-3 * period / SAMPLE_RATE_HZ / decay_s)
    feedback = np.zeros(period + 2)
    feedback[0] = 1.0
    feedback[period:] = -0.5 * loss
    excitation = np.zeros(samples)
    excitation[: min(period, samples)] = (burst - burst.mean())[:samples]
    return np.asarray(lfilter([1.0], feedback, excitation))
