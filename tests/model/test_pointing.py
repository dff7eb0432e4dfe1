"""Pointing pools the recording's own intensity: exactly the direction of a plane wave, whichever bins the slot looks at, and it turns with the recording."""

import math

import pytest
import torch

from twnm.ambisonics import encode, unit_vector
from twnm.model.features import spatial_features, turn_directions, turn_features
from twnm.model.pointing import REACHES_FRAMES, Pointing

SLOTS, HIDDEN, CHANNELS, FRAMES = 3, 16, 8, 50


@pytest.fixture
def pointing() -> Pointing:
    torch.manual_seed(0)
    return Pointing(HIDDEN, CHANNELS)


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(1, SLOTS, FRAMES, HIDDEN), torch.randn(1, SLOTS, FRAMES), torch.randn(1, CHANNELS, 5 * FRAMES, 16)


def features_of(azimuth_deg: float, elevation_deg: float) -> torch.Tensor:
    wave = torch.randn(120_000, generator=torch.Generator().manual_seed(2)).numpy()
    return spatial_features(torch.from_numpy(encode(wave, azimuth_deg, elevation_deg))[None])


def test_nothing_is_added_before_training(pointing: Pointing, inputs: tuple[torch.Tensor, ...]) -> None:
    added, lengths = pointing(*inputs, features_of(40.0, 10.0)[:, 4:])
    assert added.shape == (1, SLOTS, FRAMES, 3)
    assert lengths.shape == (1, SLOTS, FRAMES, len(REACHES_FRAMES))
    assert (added == 0).all()


@pytest.mark.parametrize("place", [(40.0, 10.0), (-120.0, -35.0), (180.0, 0.0)])
def test_every_reach_points_at_a_plane_wave(pointing: Pointing, inputs: tuple[torch.Tensor, ...], place: tuple[float, float]) -> None:
    expected = torch.from_numpy(unit_vector(*place)).float()
    for reach in range(len(REACHES_FRAMES)):
        with torch.no_grad():
            pointing.gates.bias.zero_()[reach] = 1.0
        added, lengths = pointing(*inputs, features_of(*place)[:, 4:])
        cosine = torch.nn.functional.cosine_similarity(added[:, :, :-1], expected, dim=-1)
        assert cosine.min() > math.cos(math.radians(1.0))
        assert lengths[..., :-1, reach].median().item() == pytest.approx(0.75, abs=0.02)


def test_what_is_added_turns_with_the_recording(pointing: Pointing, inputs: tuple[torch.Tensor, ...]) -> None:
    torch.nn.init.normal_(pointing.gates.bias)
    features = torch.rand(1, 7, 5 * FRAMES, 64) - 0.5
    added, lengths = pointing(*inputs, features[:, 4:])
    for turn in ((1, False, False), (2, True, False), (3, False, True)):
        turned, same = pointing(*inputs, turn_features(features, *turn)[:, 4:])
        torch.testing.assert_close(turned, turn_directions(added, *turn), rtol=0, atol=1e-5)
        torch.testing.assert_close(same, lengths, rtol=0, atol=1e-5)


def test_a_far_reach_leans_on_frames_in_which_the_slot_is_active(pointing: Pointing, inputs: tuple[torch.Tensor, ...]) -> None:
    hidden, _, early = inputs
    left, right = features_of(90.0, 0.0)[:, 4:], features_of(-90.0, 0.0)[:, 4:]
    both = torch.cat([left[:, :, : 5 * FRAMES // 2], right[:, :, 5 * FRAMES // 2 :]], dim=2)
    activity = torch.full((1, SLOTS, FRAMES), -30.0)
    activity[..., : FRAMES // 2 - 1] = 30.0
    with torch.no_grad():
        pointing.gates.bias[REACHES_FRAMES.index(math.inf)] = 1.0
    added, _ = pointing(torch.zeros_like(hidden), activity, torch.zeros_like(early), both)
    assert (added[..., 1] > 0.7).all()
