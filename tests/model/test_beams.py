"""Beams towards objects: what they let through, what they dim, that they follow, and which parts of a clip are heard."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twnm.ambisonics import encode, unit_vector
from twnm.model.beams import MOST_PATCHES, PATCH_SAMPLES, beam_patches, beam_weights, hear_beams, mean_of_owners, patch_starts, steered
from twnm.model.yamnet import YamNet

FRAMES = 50


def still(*angles_deg: tuple[float, float]) -> np.ndarray:
    return np.stack([np.tile(unit_vector(*angles), (FRAMES, 1)) for angles in angles_deg])


def steer(azimuth_deg: float, elevation_deg: float = 0.0) -> np.ndarray:
    x, y, z = unit_vector(azimuth_deg, elevation_deg)
    return np.array([1.0, y, z, x])


def test_alone_the_beam_is_the_hypercardioid() -> None:
    weights = beam_weights(still((30.0, 10.0)), np.ones((1, FRAMES)))[0, 0]
    np.testing.assert_allclose(weights, np.array([1, 3, 3, 3]) * steer(30.0, 10.0) / 4, atol=1e-12)
    assert weights @ steer(30.0, 10.0) == pytest.approx(1.0)


def test_two_that_sound_together_are_told_apart() -> None:
    weights = beam_weights(still((0.0, 0.0), (90.0, 0.0)), np.ones((2, FRAMES)))
    for own, other in ((0, 1), (1, 0)):
        angles = (0.0, 90.0)
        assert weights[own, 0] @ steer(angles[own]) == pytest.approx(1.0)
        assert 20 * np.log10(abs(weights[own, 0] @ steer(angles[other]))) < -20


def test_what_does_not_sound_at_the_moment_is_not_dimmed() -> None:
    active = np.ones((2, FRAMES))
    active[1, 25:] = 0
    weights = beam_weights(still((0.0, 0.0), (60.0, 0.0)), active)[0]
    alone = beam_weights(still((0.0, 0.0)), np.ones((1, FRAMES)))[0]
    np.testing.assert_allclose(weights[25:], alone[25:])
    assert abs(weights[0] @ steer(60.0)) < 0.2 < abs(alone[0] @ steer(60.0))


@given(st.integers(0, 49), st.integers(1, 50), st.sampled_from([24_000, 60_000, 120_000]))
def test_patches_lie_within_the_clip_and_are_few(first: int, length: int, samples: int) -> None:
    starts = patch_starts(first, min(first + length, 50), samples)
    assert 1 <= len(starts) <= MOST_PATCHES
    assert all(0 <= start <= max(0, samples - PATCH_SAMPLES) for start in starts)
    assert starts == sorted(starts)


def test_a_long_sound_is_heard_from_its_beginning_to_its_end() -> None:
    starts = patch_starts(10, 40, 120_000)
    assert len(starts) == MOST_PATCHES
    assert starts[0] == 24_000 - 2_400
    assert starts[-1] + PATCH_SAMPLES == pytest.approx(40 * 2_400, abs=1)


def test_a_beam_follows_what_moves() -> None:
    azimuths = np.linspace(-80, 80, FRAMES)
    directions = np.stack([unit_vector(azimuths, np.zeros(FRAMES))])
    tone = np.sin(2 * np.pi * 500 * np.arange(120_000) / 24_000).astype(np.float32)
    along = np.interp(np.arange(120_000), (np.arange(FRAMES) + 0.5) * 2_400, azimuths)
    x, y, z = unit_vector(along, np.zeros(120_000)).T
    foa = np.stack([tone, tone * y, tone * z, tone * x]).astype(np.float32)
    followed = beam_patches(foa, beam_weights(directions, np.ones((1, FRAMES)))[0], 0, FRAMES)
    assert np.sqrt(np.mean(followed**2)) == pytest.approx(0.1, rel=1e-3)  # one level for all patches
    levels = np.sqrt(np.mean(followed**2, axis=1))
    assert levels.max() / levels.min() < 1.05
    held = beam_patches(foa, np.tile(beam_weights(directions, np.ones((1, FRAMES)))[0, :1], (FRAMES, 1)), 0, FRAMES)
    held_levels = np.sqrt(np.mean(held**2, axis=1))
    assert held_levels.max() / held_levels.min() > 1.5


@pytest.mark.parametrize(("start", "count"), [(0, 120_000), (500, 23_400), (3_600, 2_400), (110_000, 23_400)])
def test_weights_go_straight_from_frame_to_frame(start: int, count: int) -> None:
    chance = np.random.default_rng(3)
    weights, foa = chance.normal(size=(FRAMES, 4)), chance.normal(size=(4, 120_000)).astype(np.float32)
    times, middles = np.arange(start, min(start + count, 120_000)), (np.arange(FRAMES) + 0.5) * 2_400
    wanted = sum(np.interp(times, middles, weights[:, channel]) * foa[channel, times] for channel in range(4))
    np.testing.assert_allclose(steered(foa, weights, start, count), wanted, atol=1e-4)


class Spectra(YamNet):
    """YAMNet's front end; its embedding is the mean magnitude in each band, repeated."""

    def embed(self, patches: torch.Tensor) -> torch.Tensor:
        return patches.exp().mean(dim=1).repeat(1, 16)


@pytest.fixture(scope="module")
def network() -> YamNet:
    return Spectra(tuple(str(number) for number in range(521))).eval()


def test_an_object_hears_the_sound_that_comes_from_its_side(network: YamNet) -> None:
    rng = np.random.default_rng(0)
    hiss, hum = rng.standard_normal(120_000), np.sin(2 * np.pi * 200 * np.arange(120_000) / 24_000)
    foa = (encode(hiss.astype(np.float32), 90.0, 0.0) + encode(hum.astype(np.float32), -90.0, 0.0)).astype(np.float32)
    both = hear_beams(network, foa, still((90.0, 0.0), (-90.0, 0.0)), np.ones((2, FRAMES))).vectors
    alone = [
        hear_beams(network, encode(sound.astype(np.float32), angle, 0.0), still((angle, 0.0)), np.ones((1, FRAMES))).vectors[0]
        for sound, angle in ((hiss, 90.0), (hum, -90.0))
    ]
    assert both.shape == (2, 2, 1024)
    for own, other in ((0, 1), (1, 0)):
        assert torch.dist(both[own], alone[own]) < 0.3 * torch.dist(both[own], alone[other])


def test_turning_the_scene_and_the_directions_changes_nothing(network: YamNet) -> None:
    foa = (0.1 * np.random.default_rng(1).standard_normal((4, 120_000))).astype(np.float32)
    w, y, z, x = foa
    turned = np.stack([w, x, z, -y])  # a quarter turn to the left
    plain = hear_beams(network, foa, still((20.0, 5.0), (150.0, -5.0)), np.ones((2, FRAMES))).vectors
    again = hear_beams(network, turned, still((110.0, 5.0), (-120.0, -5.0)), np.ones((2, FRAMES))).vectors
    torch.testing.assert_close(again, plain, rtol=1e-3, atol=1e-4)


def test_an_object_that_never_sounds_has_no_vector(network: YamNet) -> None:
    foa = np.zeros((4, 120_000), np.float32)
    assert (hear_beams(network, foa, still((0.0, 0.0)), np.zeros((1, FRAMES))).vectors == 0).all()
    assert torch.isfinite(hear_beams(network, foa, still((0.0, 0.0)), np.ones((1, FRAMES))).vectors).all()


def test_patches_know_their_objects(network: YamNet) -> None:
    foa = (0.1 * np.random.default_rng(2).standard_normal((4, 120_000))).astype(np.float32)
    active = np.ones((3, FRAMES))
    active[1] = 0.0
    active[2, 8:] = 0.0
    heard = hear_beams(network, foa, still((20.0, 5.0), (80.0, 0.0), (150.0, -5.0)), active)
    assert heard.owners.tolist() == [0, 0, 0, 2]
    torch.testing.assert_close(heard.vectors[:, 0], mean_of_owners(network.embed(heard.patches), heard.owners, 3))
