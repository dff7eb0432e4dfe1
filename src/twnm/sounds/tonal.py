"""Generated sounds with a pitch: engines, horns, alarms, strings and birds."""

import numpy as np
from scipy.signal import lfilter

from twnm.sounds.signals import Signal, decay, noise, place, plucked, steady_onsets, swell, times

RATE = 24_000


def _harmonics(phase: Signal, gains: np.ndarray) -> Signal:
    return np.asarray(sum(gain * np.sin(number * phase) for number, gain in enumerate(gains, 1)))


def engine(rng: np.random.Generator, samples: int) -> Signal:
    """Combustion pulses at rpm / 60 x cylinders / 2, unequal between cylinders, through the exhaust's resonances, with intake noise."""
    cylinders = int(rng.choice([1, 2, 4, 6]))
    turns_hz = rng.uniform(12, 45) * (1 + 0.15 * (swell(rng, samples, 0.7) - 1))
    cycle = np.cumsum(turns_hz / 2) / RATE
    firing = np.floor(cycle * cylinders).astype(int)
    strength = rng.uniform(0.6, 1.0, cylinders)[firing % cylinders]
    pulse = strength * np.exp(-6.0 * (cycle * cylinders - firing))
    exhaust = sum(lfilter([1], [1, -1.94 * np.cos(2 * np.pi * f / RATE), 0.9409], pulse - pulse.mean()) for f in rng.uniform(90, 900, 3))
    exhaust = np.asarray(exhaust) / (np.std(exhaust) + 1e-9)
    return np.asarray(exhaust + 0.3 * noise(rng, samples, 300, 4000) * pulse)


def aircraft(rng: np.random.Generator, samples: int) -> Signal:
    """A propeller: harmonics of the blade passing frequency falling by a few dB each, over the wide-band noise of the jet and the blades."""
    blade_hz = rng.uniform(70, 130)
    phase = 2 * np.pi * np.cumsum(blade_hz * (1 + 0.01 * (swell(rng, samples, 1.0) - 1))) / RATE
    tone = _harmonics(phase, 0.8 ** np.arange(20) * rng.uniform(0.6, 1.0, 20))
    return np.asarray(tone / tone.std() * (0.8 + 0.2 * swell(rng, samples, 4.0)) + 0.5 * noise(rng, samples, 100, 3000))


def alarm_phone(rng: np.random.Generator, samples: int) -> Signal:
    """An electronic alarm: a siren sweeping between two pitches, two alternating tones, or a telephone's gongs struck 20 times a second."""
    t = times(samples)
    kind, low_hz = rng.integers(3), rng.uniform(450, 1100)
    if kind == 0:
        sweep = low_hz * (1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.3, 3.0) * t))
        return _harmonics(2 * np.pi * np.cumsum(sweep) / RATE, np.array([1, 0.3, 0.3, 0.1, 0.1]))
    if kind == 1:
        high = (t * rng.uniform(1.5, 8.0)) % 1.0 < 0.5
        return _harmonics(2 * np.pi * np.cumsum(np.where(high, low_hz * rng.uniform(1.2, 1.5), low_hz)) / RATE, np.array([1, 0, 0.33, 0, 0.2]))
    track, gong_hz = np.zeros(samples), np.array([1.0, 1.25, 2.7, 3.4, 5.1]) * rng.uniform(900, 1600)
    for onset_s in steady_onsets(rng, samples / RATE, 0.05, 0.02):
        if onset_s % 2.0 < 1.1:
            length = int(0.4 * RATE)
            ring = sum(np.sin(2 * np.pi * f * times(length)) for f in gong_hz) * decay(length, 0.001, 0.08)
            place(track, np.asarray(ring), onset_s)
    return track


def horn(rng: np.random.Generator, samples: int) -> Signal:
    """A car or ship horn: one or two notes a third apart, many harmonics of a clipped membrane, a short rise as the air column starts."""
    t, base_hz = times(samples), rng.uniform(110, 440)
    track = np.zeros(samples)
    blow_s = rng.uniform(0.35, 1.3)
    for onset_s in steady_onsets(rng, samples / RATE, blow_s + rng.uniform(0.15, 0.5), 0.1):
        length = min(int(blow_s * RATE), samples)
        start = np.minimum(t[:length] / 0.03, 1.0)
        blow = sum(_harmonics(2 * np.pi * base_hz * ratio * np.cumsum(0.97 + 0.03 * start) / RATE, 0.82 ** np.arange(16)) for ratio in (1.0, 1.26))
        place(track, np.asarray(blow) * start * np.minimum((length - np.arange(length)) / (0.05 * RATE), 1.0), onset_s)
    return track


def guitar(rng: np.random.Generator, samples: int) -> Signal:
    """Six plucked strings (Karplus and Strong), strummed as a chord with 15-40 ms from string to string."""
    track = np.zeros(samples)
    shape = np.array([0, 7, 12, 16 if rng.random() < 0.5 else 15, 19, 24])
    brightness = rng.uniform(0.4, 0.9)
    for onset_s in steady_onsets(rng, samples / RATE, rng.uniform(0.5, 1.0), 0.1):
        root_hz = 82.41 * 2 ** (rng.integers(0, 8) / 12)
        for number, semitone in enumerate(shape if rng.random() < 0.7 else shape[::-1]):
            begin_s = onset_s + number * rng.uniform(0.015, 0.04)
            left = samples - int(begin_s * RATE)
            if left > RATE // 50:
                place(track, plucked(rng, left, root_hz * 2 ** (semitone / 12), rng.uniform(1.0, 3.0), brightness), begin_s)
    return track


def bird_song(rng: np.random.Generator, samples: int) -> Signal:
    """The syrinx gives almost pure tones of 2-7 kHz that glide and trill within 30-250 ms; a song repeats a few syllables."""
    track = np.zeros(samples)
    syllables = [(rng.uniform(2200, 6000), rng.uniform(-0.4, 0.4), rng.uniform(0, 0.08), rng.uniform(15, 45), rng.uniform(0.04, 0.22)) for _ in range(3)]
    at_s = 0.0
    while at_s < samples / RATE - 0.05:
        pitch_hz, glide, depth, trill_hz, length_s = syllables[rng.integers(3)]
        for _ in range(rng.integers(1, 6)):
            t = times(int(length_s * RATE))
            frequency = pitch_hz * (1 + glide * t / length_s + depth * np.sin(2 * np.pi * trill_hz * t))
            chirp = np.sin(2 * np.pi * np.cumsum(frequency) / RATE) * np.sin(np.pi * t / length_s) ** 0.7
            place(track, chirp * rng.uniform(0.6, 1.0), at_s)
            at_s += length_s + rng.uniform(0.02, 0.06)
        at_s += rng.uniform(0.1, 0.5)
    return track
