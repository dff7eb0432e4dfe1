"""Generated sounds of air, water and fire: turbulence, drops, bubbles and shock waves."""

import numpy as np
from scipy.signal import lfilter

from twnm.sounds.signals import Signal, decay, noise, place, random_onsets, swell, times

RATE = 24_000


def _bubble(rng: np.random.Generator, low_hz: float, high_hz: float) -> Signal:
    """A bubble rings at f = 3.26 m/s / radius (Minnaert 1933), radiates its energy within some tens of periods and rises in pitch at the surface."""
    frequency_hz = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz)))
    t = times(int(min(0.2, 40 / frequency_hz) * RATE))
    rise = rng.uniform(0.0, 3.0)
    return np.asarray(np.exp(-t * frequency_hz * 0.13) * np.sin(2 * np.pi * frequency_hz * t * (1 + rise * t)))


def running_water(rng: np.random.Generator, samples: int) -> Signal:
    """Bubbles of 0.5 to 8 mm (Minnaert's resonance), hundreds a second, over the weak hiss of turbulence."""
    track: Signal = 0.06 * noise(rng, samples, 400, 6000) * swell(rng, samples, 3.0)
    for onset_s in random_onsets(rng, samples / RATE, rng.uniform(150, 350)):
        place(track, rng.exponential(0.4) * _bubble(rng, 400, 6000), float(onset_s))
    return track


def rain(rng: np.random.Generator, samples: int) -> Signal:
    """Drops on a surface: very many small impacts merge to a hiss, a few large near ones click; 1-11 kHz dominates (Nystuen 1986)."""
    track = rng.uniform(0.3, 0.7) * noise(rng, samples, rng.uniform(600, 1500), 11_000) * (0.8 + 0.2 * swell(rng, samples, 1.0))
    for onset_s in random_onsets(rng, samples / RATE, rng.uniform(20, 120)):
        length = int(0.01 * RATE)
        place(track, rng.exponential(1.0) * noise(rng, length, 1500, 9000) * decay(length, 0.0003, 0.0015), float(onset_s))
    return track


def water_splash(rng: np.random.Generator, samples: int) -> Signal:
    """A body enters water: slap, noise of the sheet thrown up, then bubbles of the closing cavity, large ones first."""
    track = np.zeros(samples)
    length = min(samples, int(0.9 * RATE))
    place(track, noise(rng, length, 500, 8000) * decay(length, 0.015, rng.uniform(0.12, 0.3)), 0.0)
    for onset_s in 0.08 + rng.exponential(0.3, rng.integers(40, 120)):
        place(track, rng.uniform(0.2, 1.0) * np.exp(-onset_s) * _bubble(rng, 250 + 400 * onset_s, 2500), float(onset_s))
    return track


def wind(rng: np.random.Generator, samples: int) -> Signal:
    """Turbulence falls towards high frequencies; gusts move the strength, and edges add an aeolian whistle near f = 0.2 speed / width."""
    gust = swell(rng, samples, 0.8) ** 1.5
    low = noise(rng, samples, 60, rng.uniform(350, 700))
    centre_hz = rng.uniform(350, 900)
    whistle = noise(rng, samples, centre_hz * 0.92, centre_hz * 1.08)
    return np.asarray(gust * low + rng.uniform(0.15, 0.5) * gust**2 * whistle)


def thunder(rng: np.random.Generator, samples: int) -> Signal:
    """A tortuous channel: N-waves of its segments arrive over seconds, each low-passed the more the later (farther) it is."""
    track = np.zeros(samples)
    for onset_s in np.append(0.0, rng.exponential(rng.uniform(0.6, 1.2), 40)):
        length = int(0.5 * RATE)
        clap = noise(rng, length, 40, 180 + 2200 * np.exp(-3.0 * onset_s)) * decay(length, 0.01, 0.12)
        place(track, rng.uniform(0.2, 1.0) * np.exp(-0.6 * onset_s) * clap, float(onset_s))
    return track


def explosion(rng: np.random.Generator, samples: int) -> Signal:
    """A blast (Friedlander's wave, p = (1 - t/T) exp(-t/T)) followed by the noise of the burning cloud, ever lower, and debris."""
    t = times(samples)
    push_s = rng.uniform(0.008, 0.03)
    blast = 4 * (1 - t / push_s) * np.exp(-t / push_s)
    cloud = noise(rng, samples, 40, 300) * decay(samples, 0.01, rng.uniform(0.5, 1.0)) + noise(rng, samples, 200, 4000) * decay(samples, 0.003, 0.15)
    for onset_s in rng.uniform(0.1, 1.2, 25):
        place(cloud, 0.3 * noise(rng, 480, 500, 5000) * decay(480, 0.0005, 0.005), float(onset_s))
    return np.asarray(blast + cloud)


def gunshot(rng: np.random.Generator, samples: int) -> Signal:
    """Muzzle blast: Friedlander's wave of 0.3-1 ms, the gas jet's wide-band noise, and echoes of the surroundings."""
    track = np.zeros(samples)
    length = int(0.25 * RATE)
    t = times(length)
    push_s = rng.uniform(3e-4, 1e-3)
    shot = 3 * (1 - t / push_s) * np.exp(-t / push_s) + noise(rng, length, 150, 8000) * decay(length, 0.0003, rng.uniform(0.02, 0.05))
    place(track, shot, 0.0)
    for delay_s in rng.uniform(0.03, 0.3, 6):
        place(track, 0.2 * np.exp(-3 * delay_s) * lfilter([0.3], [1, -0.7], shot), float(delay_s))
    return track


def fire_crackling(rng: np.random.Generator, samples: int) -> Signal:
    """Steam bursts open wood cells: short clicks with strengths over a wide range (a power law), above the low roar of the flames."""
    track: Signal = 0.12 * noise(rng, samples, 50, 500) * swell(rng, samples, 6.0) + 0.02 * noise(rng, samples, 1000, 8000)
    for onset_s in random_onsets(rng, samples / RATE, rng.uniform(12, 35)):
        length = int(0.02 * RATE)
        low_hz = rng.uniform(800, 3000)
        click = noise(rng, length, low_hz, low_hz * 3) * decay(length, 0.0002, rng.uniform(0.0008, 0.004))
        place(track, min(2.0, 0.15 * rng.pareto(1.3) + 0.1) * click, float(onset_s))
    return track
