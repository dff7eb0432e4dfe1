"""Generated sounds of struck bodies: each is an excitation (the blow) and the modes of what is struck."""

import numpy as np

from twnm.sounds.signals import Signal, decay, modes, noise, place, random_onsets, steady_onsets, times

RATE = 24_000


def bell(rng: np.random.Generator, samples: int) -> Signal:
    """A church bell's partials: hum, prime, minor third, fifth, nominal and above, each doubled by imperfect symmetry (beats)."""
    nominal_hz = rng.uniform(350, 1400)
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17]) * rng.uniform(0.99, 1.01, 9)
    frequencies = np.concatenate([ratios, ratios * rng.uniform(1.0008, 1.003, 9)]) * nominal_hz
    decays = np.tile(rng.uniform(0.8, 2.0) / ratios**0.8, 2)
    return modes(samples, frequencies, decays, rng.uniform(0.3, 1.0, 18))


def piano(rng: np.random.Generator, samples: int) -> Signal:
    """Stiff strings, f_n = n f0 sqrt(1 + B n^2), two slightly mistuned strings a note, struck at 1/8 of their length; higher partials die sooner."""
    track = np.zeros(samples)
    for onset_s in steady_onsets(rng, samples / RATE, rng.uniform(0.3, 0.9), 0.3):
        fundamental_hz = 440 * 2 ** (rng.integers(-21, 16) / 12)
        n = np.arange(1, 25)
        frequencies = n * fundamental_hz * np.sqrt(1 + 4e-4 * n**2)
        gains = np.abs(np.sin(np.pi * n / 8)) / n ** rng.uniform(1.0, 1.5)
        decays = 1.6 * (261 / fundamental_hz) ** 0.4 / (1 + 0.15 * n)
        length = samples - int(onset_s * RATE)
        note = modes(length, frequencies, decays, gains) + modes(length, frequencies * 1.0007, decays * 1.2, gains * 0.7)
        place(track, note * decay(length, 0.002, 60.0) * rng.uniform(0.5, 1.0), onset_s)
    return track


def drums(rng: np.random.Generator, samples: int) -> Signal:
    """Circular membranes (zeros of Bessel functions: 1, 1.59, 2.14, 2.30 ...) whose pitch falls as tension relaxes, plus the snare's noise."""
    track = np.zeros(samples)
    interval_s = rng.uniform(0.15, 0.35)
    for number, onset_s in enumerate(steady_onsets(rng, samples / RATE, interval_s, 0.05)):
        length = int(0.5 * RATE)
        t = times(length)
        fundamental_hz = rng.uniform(55, 90) if number % 4 == 0 else rng.uniform(140, 260)
        phase = 2 * np.pi * fundamental_hz * (t + 0.03 * (1 - np.exp(-t / 0.03)))
        ratios = [1.0, 1.59, 2.14, 2.30, 2.65]
        hit = sum(np.exp(-t * ratio / 0.12) * np.sin(ratio * phase) / ratio for ratio in ratios) * decay(length, 0.001, 10.0)
        if number % 4 == 2:
            hit = 0.5 * hit + 1.2 * noise(rng, length, 1200, 9000) * decay(length, 0.001, 0.07)
        place(track, hit * rng.uniform(0.6, 1.0), onset_s)
    return track


def hammering(rng: np.random.Generator, samples: int) -> Signal:
    """A steel hammer on a nail in wood: contact of about 1 ms, high inharmonic modes of the steel, low ones of the board."""
    track = np.zeros(samples)
    steel, wood = rng.uniform(1800, 7000, 7), rng.uniform(180, 900, 5)
    interval_s = rng.uniform(0.35, 0.7)
    for onset_s in steady_onsets(rng, samples / RATE, interval_s, 0.1):
        length = int(0.3 * RATE)
        blow = modes(length, steel, np.full(7, 0.03), rng.uniform(0.2, 0.6, 7)) + modes(length, wood, np.full(5, 0.025), rng.uniform(0.5, 1.0, 5))
        blow += noise(rng, length, 500, 9000) * decay(length, 0.0003, 0.004)
        place(track, blow * rng.uniform(0.7, 1.0), onset_s)
    return track


def wood_chopping(rng: np.random.Generator, samples: int) -> Signal:
    """An axe into a log: a heavy thud (modes of the log, 90-500 Hz, strongly damped) and the crack of splitting fibres."""
    track = np.zeros(samples)
    log = np.sort(rng.uniform(90, 500, 6))
    interval_s = rng.uniform(0.8, 1.3)
    for onset_s in steady_onsets(rng, samples / RATE, interval_s, 0.1):
        length = int(0.4 * RATE)
        chop = modes(length, log, 0.05 * 90 / log + 0.015, rng.uniform(0.5, 1.0, 6)) + 0.8 * noise(rng, length, 700, 4500) * decay(length, 0.0005, 0.012)
        for crack_s in rng.uniform(0.01, 0.12, rng.integers(3, 9)):
            place(chop, 0.5 * noise(rng, 240, 1500, 8000) * decay(240, 0.0002, 0.002), crack_s)
        place(track, chop, onset_s)
    return track


def keyboard_typing(rng: np.random.Generator, samples: int) -> Signal:
    """Key strokes: the click of the switch, the key bottoming out on the plate 10-20 ms later, and its return after 60-120 ms."""
    track = np.zeros(samples)
    plate = rng.uniform(900, 4500, 6)
    for onset_s in steady_onsets(rng, samples / RATE, rng.uniform(0.11, 0.22), 0.6):
        for delay_s, gain in ((0.0, 0.5), (rng.uniform(0.01, 0.02), 1.0), (rng.uniform(0.06, 0.12), 0.45)):
            length = int(0.04 * RATE)
            click = modes(length, plate * rng.uniform(0.95, 1.05, 6), np.full(6, 0.005), rng.uniform(0.3, 1, 6))
            click += noise(rng, length, 1500, 10_000) * decay(length, 0.0003, 0.003)
            place(track, gain * rng.uniform(0.7, 1.0) * click, onset_s + delay_s)
    return track


def footsteps(rng: np.random.Generator, samples: int) -> Signal:
    """Two-phase steps: the heel's impact (low modes), the toe 60-120 ms later, and the grain of the ground, from smooth wood to gravel."""
    track = np.zeros(samples)
    ground_hz, grain = rng.uniform(70, 180), rng.uniform(0.1, 1.0)
    interval_s = rng.uniform(0.42, 0.68)
    for onset_s in steady_onsets(rng, samples / RATE, interval_s, 0.06):
        for delay_s, gain in ((0.0, 1.0), (rng.uniform(0.06, 0.12), 0.5)):
            length = int(0.15 * RATE)
            step = modes(length, ground_hz * np.array([1, 2.3, 3.9, 6.1]), [0.03, 0.02, 0.012, 0.008], [1.0, 0.6, 0.4, 0.3])
            step += grain * noise(rng, length, 600, 6000) * decay(length, 0.002, 0.02 + 0.03 * grain)
            place(track, gain * rng.uniform(0.8, 1.0) * step, onset_s + delay_s)
    return track


def coins(rng: np.random.Generator, samples: int) -> Signal:
    """Thin metal discs: bending modes at 1, 1.73, 2.33, 3.9 times 3-7 kHz ring for tens of ms; bounces follow at shrinking intervals."""
    track = np.zeros(samples)
    for onset_s in random_onsets(rng, samples / RATE, 4.0):
        disc_hz, gap_s, gain = rng.uniform(2800, 6500), rng.uniform(0.06, 0.14), 1.0
        while gain > 0.1:
            ring = modes(int(0.2 * RATE), disc_hz * np.array([1, 1.73, 2.33, 3.9]), [0.06, 0.045, 0.03, 0.02], rng.uniform(0.3, 1.0, 4))
            place(track, gain * ring, onset_s)
            onset_s, gap_s, gain = onset_s + gap_s, gap_s * 0.75, gain * 0.65
    return track


def glass_breaking(rng: np.random.Generator, samples: int) -> Signal:
    """Fracture: a burst of wide-band noise, then shards, each a small plate with high lightly damped modes, falling ever more rarely."""
    track = np.zeros(samples)
    place(track, 1.5 * noise(rng, int(0.2 * RATE), 1500, 11_000) * decay(int(0.2 * RATE), 0.0005, 0.03), 0.0)
    for onset_s in rng.exponential(rng.uniform(0.15, 0.35), rng.integers(40, 90)):
        length = int(0.25 * RATE)
        shard = modes(length, rng.uniform(2200, 10_000, 4), rng.uniform(0.008, 0.06, 4), rng.uniform(0.3, 1.0, 4))
        place(track, shard * rng.uniform(0.1, 0.8) * np.exp(-onset_s), float(onset_s))
    return track
