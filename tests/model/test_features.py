"""The features turn exactly as the recording does, know nothing of its level, and say where a plane wave comes from."""

import itertools

import numpy as np
import pytest
import torch

from twnm import ambisonics
from twnm.ambisonics import encode
from twnm.model.features import LearnedFront, frame_count, mel_matrix, spatial_features, turn_audio, turn_directions, turn_features

TURNS = list(itertools.product(range(4), [False, True], [False, True]))


def features_of(foa: np.ndarray) -> torch.Tensor:
    return spatial_features(torch.from_numpy(foa)[None])


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Two plane waves and diffuse noise, half a second."""
    rng = np.random.default_rng(0)
    waves = encode(rng.standard_normal(12_000), 25, 10) + encode(rng.standard_normal(12_000), -110, -40)
    return waves + 0.1 * rng.standard_normal((4, 12_000)).astype(np.float32)


def turned(foa: np.ndarray, quarter_turns: int, mirror: bool, flip: bool) -> np.ndarray:
    foa = ambisonics.rotate(foa, 90.0 * quarter_turns)
    foa = ambisonics.mirror(foa, "left-right") if mirror else foa
    return ambisonics.mirror(foa, "up-down") if flip else foa


@pytest.mark.parametrize(("quarter_turns", "mirror", "flip"), TURNS)
def test_turned_features_are_the_features_of_the_turned_recording(scene: np.ndarray, quarter_turns: int, mirror: bool, flip: bool) -> None:
    expected = features_of(turned(scene, quarter_turns, mirror, flip))
    torch.testing.assert_close(turn_features(features_of(scene), quarter_turns, mirror, flip), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("quarter_turns", "mirror", "flip"), TURNS)
def test_directions_turn_as_the_recording_does(quarter_turns: int, mirror: bool, flip: bool) -> None:
    azimuth, elevation, _ = ambisonics.intensity_direction(turned(encode(np.ones(8), 25, 10), quarter_turns, mirror, flip))
    before = torch.from_numpy(ambisonics.unit_vector(25.0, 10.0))
    after = turn_directions(before, quarter_turns, mirror, flip)
    np.testing.assert_allclose(after.numpy(), ambisonics.unit_vector(azimuth, elevation), atol=1e-6)


def test_the_level_of_a_recording_does_not_show(scene: np.ndarray) -> None:
    torch.testing.assert_close(features_of(scene * np.float32(0.01)), features_of(scene), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(0, 0), (90, 0), (-135, 30), (20, -60)])
def test_the_intensity_of_a_plane_wave_points_at_its_source_with_length_three_quarters(azimuth_deg: float, elevation_deg: float) -> None:
    foa = encode(np.random.default_rng(1).standard_normal(12_000), azimuth_deg, elevation_deg)
    y, z, x = features_of(foa)[0, 4:].numpy()
    expected = 0.75 * ambisonics.unit_vector(azimuth_deg, elevation_deg)
    # Bands of a single bin may be nearly empty in a frame, where the floor shortens the vector.
    np.testing.assert_allclose(np.median(np.stack([x, y, z]), axis=(1, 2)), expected, atol=1e-3)
    lengths = np.sqrt(x**2 + y**2 + z**2)
    assert lengths.max() < 0.75 + 1e-5
    assert np.mean(lengths > 0.74) > 0.98


def test_a_tone_fills_the_mel_bands_around_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(12_000) / 24_000)
    loudest = features_of(encode(tone, 0, 0))[0, 0, 10].argmax()
    mel = 2595 * np.log10(1 + np.array([50, 1000, 12_000]) / 700)
    assert abs(int(loudest) - ((mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1)) <= 1


def test_a_click_shows_in_its_own_frames() -> None:
    foa = np.zeros((4, 24_000), np.float32)
    foa[:, 12_000] = 1.0
    level = features_of(foa)[0, 0].mean(dim=-1)
    assert int(level.argmax()) == 25  # 0.5 s in frames of 20 ms
    assert np.flatnonzero(level.numpy() > level.min().item() + 1e-3).tolist() == [25]


def test_each_mel_filter_sums_to_one_and_none_is_empty() -> None:
    matrix = mel_matrix()
    assert matrix.shape == (513, 64)
    torch.testing.assert_close(matrix.sum(dim=0), torch.ones(64))
    assert (matrix >= 0).all()


@pytest.mark.parametrize(("samples", "labels"), [(100, 1), (2400, 1), (24_000, 10), (120_000, 50), (120_900, 50), (121_300, 51), (11_999, 5)])
def test_there_are_five_feature_frames_for_each_label_frame(samples: int, labels: int) -> None:
    assert frame_count(samples) == labels
    assert spatial_features(torch.zeros(2, 4, samples)).shape == (2, 7, 5 * labels, 64)


def test_silence_is_finite_and_has_no_direction() -> None:
    features = spatial_features(torch.zeros(1, 4, 24_000))
    assert torch.isfinite(features).all()
    assert (features[:, 4:] == 0).all()


def test_a_learned_front_begins_as_the_mel_filters() -> None:
    audio = torch.randn(2, 4, 24_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(LearnedFront()(audio), spatial_features(audio), rtol=1e-3, atol=1e-3)


def test_a_learned_front_learns_levels_and_directions_apart() -> None:
    front = LearnedFront()
    features = front(torch.randn(1, 4, 24_000, generator=torch.Generator().manual_seed(0)))
    features[:, 4:].square().sum().backward()
    assert front.directions.grad is not None and front.directions.grad.abs().max() > 0
    assert front.levels.grad is not None and front.levels.grad.abs().max() == 0


@pytest.mark.parametrize("turn", [(1, False, False), (2, True, False), (3, False, True), (0, True, True)])
def test_turned_audio_has_the_turned_features(turn: tuple[int, bool, bool]) -> None:
    audio = torch.randn(1, 4, 24_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spatial_features(turn_audio(audio, *turn)), turn_features(spatial_features(audio), *turn), rtol=0, atol=1e-4)
