"""Decay figures of responses whose decay is known: exponential noise, with and without a noise floor, cut short, and direct sounds of known energy."""

import numpy as np
import pytest

from twnm.scene import BAND_CENTRES_HZ
from twnm.simulate.decay import decay_of, direct_to_reverberant_db, in_bands, onset_sample, schroeder_db


def decaying_noise(rt60_s: float, duration_s: float, noise_db: float = -200.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    samples = round(duration_s * 24_000)
    return rng.standard_normal(samples) * 10 ** (-3 * np.arange(samples) / 24_000 / rt60_s) + rng.standard_normal(samples) * 10 ** (noise_db / 20)


def mean_rt60_s(rt60_s: float, duration_s: float, noise_db: float) -> np.ndarray:
    return np.mean([decay_of(decaying_noise(rt60_s, duration_s, noise_db, seed)).rt60_s for seed in range(6)], axis=0)


@pytest.mark.parametrize("rt60_s", [0.15, 0.4, 1.2])
@pytest.mark.parametrize(("length", "noise_db"), [(3.0, -200.0), (1.0, -200.0), (2.0, -60.0), (2.0, -45.0)])
def test_reverberation_time_is_found_whatever_the_length_and_the_noise(rt60_s: float, length: float, noise_db: float) -> None:
    np.testing.assert_allclose(mean_rt60_s(rt60_s, length * rt60_s, noise_db)[2:], rt60_s, rtol=0.06)


def test_noise_within_35_db_gives_no_reverberation_time() -> None:
    decay = decay_of(decaying_noise(0.6, 1.5, -25.0))
    assert np.isnan(decay.rt60_s).all() and np.isnan(decay.edt_s).all()
    assert np.all(decay.range_db < 35)


def test_a_range_of_40_db_falls_back_to_t20() -> None:
    decay = decay_of(decaying_noise(0.8, 2.0, -40.0, seed=3))
    assert np.all((decay.range_db[3:] > 36) & (decay.range_db[3:] < 44))
    np.testing.assert_allclose(decay.rt60_s[3:], 0.8, rtol=0.1)


def test_early_decay_differs_from_the_late_one_where_the_slope_bends() -> None:
    bent = decaying_noise(0.2, 2.0) + 0.05 * decaying_noise(1.5, 2.0, seed=1)
    decay = decay_of(bent)
    assert np.all(decay.edt_s[3:] < 0.35) and np.all(decay.rt60_s[3:] > 0.6)


def test_bands_have_their_own_times() -> None:
    bands = in_bands(decaying_noise(1e6, 3.0))[:, : 3 * 24_000]
    times_s = np.array([1.2, 1.0, 0.8, 0.6, 0.5, 0.4, 0.3])
    fall = 10 ** (-3 * np.arange(bands.shape[1]) / 24_000 / times_s[:, None])
    # A band's filter passes a quarter of its neighbours' energy at its edges: slower neighbours lengthen its decay somewhat.
    np.testing.assert_allclose(decay_of((bands * fall).sum(axis=0)).rt60_s[1:], times_s[1:], rtol=0.25)


def test_padding_keeps_the_filters_ringing_from_wrapping_around() -> None:
    late_click = np.zeros(4000)
    late_click[3990] = 1.0
    assert np.abs(in_bands(late_click)[:, :2000]).max() < 1e-3 * np.abs(in_bands(late_click)[-1]).max()


def test_bands_sum_to_the_signal_between_the_outer_centres() -> None:
    tone = np.sin(2 * np.pi * 700 * np.arange(24_000) / 24_000)
    np.testing.assert_allclose(in_bands(tone).sum(axis=0)[6000:18_000], tone[6000:18_000], atol=1e-3)


@pytest.mark.parametrize("drr_db", [-8.0, 0.0, 10.0])
def test_direct_to_reverberant_ratio_is_that_of_the_energies(drr_db: float) -> None:
    response = np.zeros(24_000)
    reverberation = decaying_noise(0.5, 0.9)
    response[2000 : 2000 + reverberation.size] = reverberation * 10 ** (-drr_db / 20) / np.linalg.norm(reverberation)
    response[1000] = 1.0
    response *= 0.05
    # Flat spectra: every band has the same ratio, up to the chance of the noise.
    assert np.mean(direct_to_reverberant_db(response)[3:]) == pytest.approx(drr_db, abs=0.7)


def test_onset_is_the_first_sample_within_20_db() -> None:
    response = np.zeros(3000)
    response[500], response[900], response[1200] = 0.05, 0.2, 1.0
    assert onset_sample(response) == 900
    assert onset_sample(np.zeros(10)) == 0


def test_schroeder_integral_of_an_exponential_is_a_line() -> None:
    energy = 10 ** (-6 * np.arange(24_000) / 12_000)
    beyond = float(energy[-1]) * 12_000 / (6 * np.log(10))
    level_db = schroeder_db(energy, beyond)
    np.testing.assert_allclose(level_db, -60 * np.arange(24_000) / 12_000, atol=0.01)


def test_silence_has_no_decay() -> None:
    decay = decay_of(np.zeros(5000))
    assert np.isnan(decay.rt60_s).all() and decay.range_db.tolist() == [0.0] * len(BAND_CENTRES_HZ)
