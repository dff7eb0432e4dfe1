import numpy as np
import pytest

from twnm.ambisonics import binaural_filters, decode_binaural, encode

RATE_HZ = 24_000


def ears(azimuth_deg: float, elevation_deg: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=RATE_HZ).astype(np.float32)
    return decode_binaural(encode(noise, azimuth_deg, elevation_deg))


def level_difference_db(both: np.ndarray) -> float:
    """How much louder the left ear is."""
    left, right = np.mean(both**2, axis=1)
    return float(10 * np.log10(left / right))


def time_difference_us(both: np.ndarray) -> float:
    """How much later the right ear is, below 1 kHz, where first order can carry time."""
    left, right = np.fft.rfft(both, 2 * both.shape[1])
    spectrum = np.where(np.arange(len(left)) < 1000 * 2 * both.shape[1] / RATE_HZ, right * np.conj(left), 0)
    correlation = np.fft.irfft(spectrum, 16 * both.shape[1])
    lag = np.argmax(np.roll(correlation, 200)[:400]) - 200
    return float(lag / (8 * RATE_HZ) * 1e6)


def test_filters_are_two_ears_by_four_channels_and_free_of_nan() -> None:
    filters = binaural_filters()
    assert filters.shape == (2, 4, 256)
    assert np.isfinite(filters).all()


@pytest.mark.parametrize(("azimuth_deg", "smallest_db", "smallest_us"), [(90, 6, 300), (60, 6, 200), (30, 3, 100), (-30, 3, 100), (-90, 6, 300)])
def test_the_nearer_ear_is_louder_and_earlier(azimuth_deg: float, smallest_db: float, smallest_us: float) -> None:
    both, side = ears(azimuth_deg), np.sign(azimuth_deg)
    assert side * level_difference_db(both) > smallest_db
    assert smallest_us < side * time_difference_us(both) < 900, "a head is at most 0.9 ms wide"


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(0, 0), (180, 0), (0, 60), (0, -30)])
def test_a_source_in_the_median_plane_is_equal_at_both_ears(azimuth_deg: float, elevation_deg: float) -> None:
    both = ears(azimuth_deg, elevation_deg)
    assert abs(level_difference_db(both)) < 1.0
    assert abs(time_difference_us(both)) < 30


def test_left_and_right_are_mirror_images() -> None:
    np.testing.assert_allclose(ears(50.0, 20.0), ears(-50.0, 20.0)[::-1], atol=0.05)


def test_a_diffuse_field_of_unit_power_comes_out_at_unit_power() -> None:
    # Fibonacci sphere: the mean over directions of the energy at each ear.
    index = np.arange(200) + 0.5
    azimuth_deg, elevation_deg = np.degrees(np.pi * (1 + 5**0.5) * index), np.degrees(np.arcsin(1 - 2 * index / 200))
    impulse = np.zeros(512, np.float32)
    impulse[0] = 1.0
    energy = [np.sum(decode_binaural(encode(impulse, a, e)) ** 2, axis=1) for a, e in zip(azimuth_deg, elevation_deg, strict=True)]
    np.testing.assert_allclose(10 * np.log10(np.mean(energy, axis=0)), 0.0, atol=1.0)
