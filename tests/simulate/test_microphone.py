"""Microphone imperfections are those that are described: computed here by hand from the geometry of the capsules."""

import itertools
import math

import numpy as np
import pytest
from scipy.signal import csd, welch

from twnm.ambisonics import encode, intensity_direction, unit_vector
from twnm.scene import Microphone
from twnm.simulate.microphone import FROM_CAPSULES, TO_CAPSULES, draw_microphone, record

RATE = 24_000
SILENT = (-300.0,) * 4
CAPSULES = {"left-front-up": (1, 1, 1), "right-front-down": (1, -1, -1), "left-back-down": (-1, 1, -1), "right-back-up": (-1, -1, 1)}  # x, y, z


def white(samples: int = 2 * RATE, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def level_db(audio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.mean(audio.astype(float) ** 2, axis=-1))


def test_an_unblemished_microphone_changes_nothing() -> None:
    foa = encode(white(), 130.0, -20.0)
    np.testing.assert_allclose(record(foa, Microphone(), rng()), foa, atol=1e-5)  # its noise of -120 dB
    np.testing.assert_allclose(record(foa, Microphone(self_noise_db=SILENT), rng()), foa, atol=1e-6)


def test_capsules_are_cardioids_on_a_regular_tetrahedron() -> None:
    aims = np.array(list(CAPSULES.values())) / math.sqrt(3)
    for aim, row in zip(aims, TO_CAPSULES, strict=True):
        for azimuth_deg, elevation_deg in itertools.product((0, 70, 200), (-50, 0, 90)):
            direction = unit_vector(azimuth_deg, elevation_deg)
            foa = encode(np.ones(1), azimuth_deg, elevation_deg)[:, 0]
            assert row @ foa == pytest.approx(0.5 + 0.5 * aim @ direction, abs=1e-6)
    np.testing.assert_allclose(FROM_CAPSULES @ TO_CAPSULES, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("capsule", range(4))
@pytest.mark.parametrize("azimuth_deg", [0.0, 55.0, -140.0])
def test_a_capsule_that_is_too_loud_pulls_the_direction_as_computed_by_hand(capsule: int, azimuth_deg: float) -> None:
    gain_db = [0.0] * 4
    gain_db[capsule] = 2.0
    heard = record(encode(white(), azimuth_deg, 10.0), Microphone(self_noise_db=SILENT, gain_db=tuple(gain_db)), rng())
    aims = np.array(list(CAPSULES.values())) / math.sqrt(3)
    signals = (0.5 + 0.5 * aims @ unit_vector(azimuth_deg, 10.0)) * 10 ** (np.array(gain_db) / 20)
    x, y, z = 1.5 * signals @ aims  # the sum over the aims of a cardioid's gain times the aim is 2/3 of the direction
    assert intensity_direction(heard)[:2] == pytest.approx((math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))), abs=0.05)
    assert abs(intensity_direction(heard)[0] - azimuth_deg) > 0.5 or abs(intensity_direction(heard)[1] - 10.0) > 0.5
    assert level_db(heard)[0] - level_db(white()) == pytest.approx(20 * math.log10(signals.sum() / 2), abs=0.01)


def test_equal_delays_only_delay_and_fractions_of_a_sample_count() -> None:
    foa = encode(white(), 40.0, 20.0)
    heard = record(foa, Microphone(self_noise_db=SILENT, delay_us=(1e6 / RATE * 3.25,) * 4), rng())
    frequency_hz, cross = csd(foa[0], heard[0], RATE, nperseg=512)
    band = (frequency_hz > 500) & (frequency_hz < 11_000)
    slope = np.polyfit(frequency_hz[band], np.unwrap(np.angle(cross[band])), 1)[0]
    assert -slope / (2 * np.pi) * RATE == pytest.approx(3.25, abs=0.01)
    np.testing.assert_allclose(level_db(heard), level_db(foa), atol=0.02)


def test_a_late_capsule_turns_high_frequencies_out_of_phase() -> None:
    """With delay d of the first capsule W becomes W + s (exp(-i w d) - 1) / 2, with s what that capsule hears of a wave that it points at: W itself."""
    delay_s = 20e-6
    azimuth_deg, elevation_deg = 45.0, math.degrees(math.asin(1 / math.sqrt(3)))
    foa = encode(white(), azimuth_deg, elevation_deg)
    heard = record(foa, Microphone(self_noise_db=SILENT, delay_us=(delay_s * 1e6, 0, 0, 0)), rng())
    frequency_hz, power = welch(foa[0], RATE, nperseg=512)
    transfer = csd(foa[0], heard[0], RATE, nperseg=512)[1] / power
    expected = 1 + 0.5 * (np.exp(-2j * np.pi * frequency_hz * delay_s) - 1)
    np.testing.assert_allclose(transfer[5:-5], expected[5:-5], atol=0.01)


def test_self_noise_is_white_with_the_levels_that_follow_from_the_capsules() -> None:
    silence = np.zeros((4, 10 * RATE), np.float32)
    equal = record(silence, Microphone(self_noise_db=(-60.0,) * 4), rng())
    np.testing.assert_allclose(level_db(equal), [-60.0, -55.23, -55.23, -55.23], atol=0.1)  # 10 log10 of 4/4 and of 4 * 9/12
    assert np.abs(np.corrcoef(equal) - np.eye(4)).max() < 0.02
    spectrum_db = 10 * np.log10(welch(equal[0], RATE, nperseg=256)[1][2:-2])
    assert np.ptp(spectrum_db) < 1.0
    one = record(silence, Microphone(self_noise_db=(-60.0, -300.0, -300.0, -300.0)), rng())
    np.testing.assert_allclose(level_db(one), [-66.02, -61.25, -61.25, -61.25], atol=0.1)  # a quarter of it


def test_noise_follows_from_the_generator() -> None:
    foa = encode(white(2000), 0.0, 0.0)
    noisy = Microphone(self_noise_db=(-60.0,) * 4)
    first, again, other = (record(foa, noisy, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 1e-3


def test_channels_leak_only_above_the_aliasing_frequency_and_rise_over_two_octaves() -> None:
    leak = [[0.0] * 4 for _ in range(4)]
    leak[1][0] = 0.4  # Y gains from W
    foa = encode(white(10 * RATE), 0.0, 0.0)  # nothing in Y
    heard = record(foa, Microphone.model_validate({"self_noise_db": SILENT, "aliasing_hz": 2000.0, "encoding_error": leak}), rng())
    frequency_hz, power = welch(heard[0], RATE, nperseg=1024)
    transfer = np.abs(csd(heard[0], heard[1], RATE, nperseg=1024)[1]) / power
    assert transfer[(frequency_hz > 100) & (frequency_hz < 1950)].max() < 1e-4
    for octaves, share in ((0.5, 0.146), (1.0, 0.5), (1.5, 0.854), (2.0, 1.0), (2.4, 1.0)):  # raised cosine
        assert np.interp(2000 * 2**octaves, frequency_hz, transfer) == pytest.approx(0.4 * share, abs=0.005)
    np.testing.assert_allclose(heard[[0, 2, 3]], foa[[0, 2, 3]], atol=1e-6)


def test_a_drawn_microphone_lies_in_the_ranges_and_json_keeps_it() -> None:
    drawn = [draw_microphone(np.random.default_rng(seed), (-90.0, -74.0), 0.7, 3.0, (6000.0, 10_000.0)) for seed in range(200)]
    assert all(Microphone.model_validate_json(one.model_dump_json()) == one for one in drawn)
    noise_db, gain_db, delay_us = (np.array([getattr(one, name) for one in drawn]) for name in ("self_noise_db", "gain_db", "delay_us"))
    assert -90.5 <= noise_db.min() < -88 and -76 < noise_db.max() <= -73.5 and np.ptp(noise_db, axis=1).max() <= 1.0
    assert gain_db.std() == pytest.approx(0.7, rel=0.1) and delay_us.std() == pytest.approx(3.0, rel=0.1)
    assert np.abs(gain_db.mean(axis=1)).max() < 0.01 and np.abs(delay_us.mean(axis=1)).max() < 0.001
    aliasing_hz = [one.aliasing_hz or 0.0 for one in drawn]
    assert 6000 <= min(aliasing_hz) < 6300 and 9700 < max(aliasing_hz) <= 10_000
    assert np.std([one.encoding_error for one in drawn]) == pytest.approx(0.3, rel=0.05)
    assert len({one.model_dump_json() for one in drawn}) == 200
