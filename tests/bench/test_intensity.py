import numpy as np
import pytest

from twnm.ambisonics import angle_between_deg, encode, rotate, unit_vector
from twnm.bench.intensity import Field, Place, mixture, peaks, places, separated

RATE_HZ = 24_000
SAMPLES = 5 * RATE_HZ


def bursts(rng: np.random.Generator, onset_s: float, offset_s: float) -> np.ndarray:
    """Noise between two times, in syllables of 0.2 s with pauses of 0.1 s."""
    times_s = np.arange(SAMPLES) / RATE_HZ
    on = (times_s >= onset_s) & (times_s < offset_s) & ((times_s - onset_s) % 0.3 < 0.2)
    return (0.1 * rng.standard_normal(SAMPLES) * on).astype(np.float32)


def scene(*sources: tuple[float, float, float, float], noise: float = 1e-4) -> np.ndarray:
    """Plane waves (azimuth, elevation, onset, offset) in a little diffuse noise."""
    rng = np.random.default_rng(1)
    waves = [encode(bursts(rng, onset_s, offset_s), azimuth_deg, elevation_deg) for azimuth_deg, elevation_deg, onset_s, offset_s in sources]
    return (np.sum(waves, axis=0) + noise * rng.standard_normal((4, SAMPLES))).astype(np.float32)


def room(direct: np.ndarray, rt60_s: float, azimuth_deg: float, reverberant: float) -> np.ndarray:
    """A plane wave and a diffuse tail that decays by 60 dB in `rt60_s`; `reverberant` is the tail's energy over that of the direct sound, on W."""
    rng = np.random.default_rng(2)
    length = round(rt60_s * RATE_HZ)
    tail = rng.standard_normal((4, length)) * 10 ** (-3 * np.arange(length) / length)
    tail *= np.array([1, 1, 1, 1])[:, None] / np.sqrt(np.sum(tail[0] ** 2)) * np.sqrt(reverberant * np.array([1, 1 / 3, 1 / 3, 1 / 3]))[:, None]
    spectrum = np.fft.rfft(direct, 2 * SAMPLES) * np.fft.rfft(tail, 2 * SAMPLES)
    return (encode(direct, azimuth_deg, 0.0) + np.fft.irfft(spectrum)[:, :SAMPLES]).astype(np.float32)


def test_directions_and_times_of_sources_in_turn_and_at_once() -> None:
    truth = [(60.0, 10.0, 0.5, 2.0), (-100.0, -20.0, 1.0, 3.5), (170.0, 0.0, 3.0, 4.8)]
    found = places(Field.of(scene(*truth)))
    assert len(found) == 3
    for it, (azimuth_deg, elevation_deg, onset_s, offset_s) in zip(found, truth, strict=True):
        assert angle_between_deg(unit_vector(*it.direction_deg), unit_vector(azimuth_deg, elevation_deg)) < 6
        assert it.onset_s == pytest.approx(onset_s, abs=0.15)
        assert it.offset_s == pytest.approx(offset_s, abs=0.25)


def test_directions_turn_with_the_recording() -> None:
    foa = scene((20.0, 0.0, 0.2, 4.0), (-80.0, 15.0, 0.6, 4.0))
    before, after = places(Field.of(foa)), places(Field.of(rotate(foa, 90.0)))
    for first, second in zip(before, after, strict=True):
        assert angle_between_deg(unit_vector(first.direction_deg[0] + 90, first.direction_deg[1]), unit_vector(*second.direction_deg)) < 3


def test_a_moving_source_begins_and_ends_elsewhere() -> None:
    rng = np.random.default_rng(3)
    sound = bursts(rng, 0.0, 5.0)
    azimuths_deg = np.linspace(-25, 25, SAMPLES)
    foa = np.stack([sound, sound * np.sin(np.radians(azimuths_deg)), 0 * sound, sound * np.cos(np.radians(azimuths_deg))]).astype(np.float32)
    (found,) = places(Field.of(foa + (1e-4 * rng.standard_normal(foa.shape)).astype(np.float32)))
    assert found.begin_deg[0] == pytest.approx(-23, abs=6)
    assert found.end_deg[0] == pytest.approx(23, abs=6)


def test_silence_has_no_source_and_sound_without_direction_has_one_of_known_time() -> None:
    assert places(Field.of(np.zeros((4, SAMPLES), np.float32))) == []
    flat = scene((90.0, 0.0, 1.0, 3.0))
    flat[1:] = 0
    (found,) = places(Field.of(flat))
    assert found.direction_deg == (0.0, 0.0)
    assert found.onset_s == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("rt60_s", [0.4, 0.8])
def test_reverberation_time_of_a_tail_within_a_third(rt60_s: float) -> None:
    foa = room(bursts(np.random.default_rng(4), 0.3, 1.9), rt60_s, 40.0, reverberant=2.0)
    field = Field.of((foa + 1e-5 * np.random.default_rng(5).standard_normal(foa.shape)).astype(np.float32))
    assert field.rt60_s == pytest.approx(rt60_s, rel=0.33)


def test_there_is_no_room_around_a_plane_wave() -> None:
    assert Field.of(scene((10.0, 0.0, 0.5, 4.0))).rt60_s is None


def test_more_reverberation_means_farther() -> None:
    sound = bursts(np.random.default_rng(6), 0.2, 4.0)
    distances_m = [places(Field.of(room(sound, 0.6, 40.0, reverberant)))[0].distance_m for reverberant in (0.6, 1.5, 4.0)]
    assert distances_m[0] < distances_m[1] < distances_m[2]


def test_a_beam_leaves_little_of_the_other_source() -> None:
    rng = np.random.default_rng(7)
    first, second = (0.1 * rng.standard_normal((2, RATE_HZ))).astype(np.float32)
    foa = encode(first, 30.0, 0.0) + encode(second, -60.0, 10.0)
    found = [Place((azimuth_deg, 10.0 * index), (0.0, 0.0), (0.0, 0.0), 1.0, 0.0, 1.0) for index, azimuth_deg in enumerate((30.0, -60.0))]
    for alone, wanted, other in zip(separated(foa, found), (first, second), (second, first), strict=True):
        assert alone @ wanted / (wanted @ wanted) == pytest.approx(1.0, abs=0.1)
        assert abs(alone @ other / (other @ other)) < 0.2


def test_peaks_and_mixture_find_the_means_of_drawn_directions() -> None:
    rng = np.random.default_rng(8)
    truth = unit_vector(np.array([0.0, 120.0]), np.array([0.0, 30.0]))
    drawn = np.concatenate([mean + 0.15 * rng.standard_normal((count, 3)) for mean, count in zip(truth, (2000, 700), strict=True)])
    scattered = rng.standard_normal((600, 3))
    vectors = np.concatenate([drawn, scattered])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    starts = peaks(vectors)
    means, weights = mixture(vectors, starts)
    nearest = angle_between_deg(truth[:, None], means[None])
    assert nearest.min(axis=1).max() < 2
    assert weights.shape == (3300, len(starts))
    assert weights[2700:].sum(axis=1).mean() < 0.5  # the scattered ones belong to the uniform part
