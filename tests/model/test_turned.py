"""Hearing in several poses: slots in another order are found again, probabilities are averaged, and a turned recording is heard turned."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from tiny_model import CONFIG, LoudnessSemantic, slot_output, tiny_encoder

from twnm.ambisonics import encode
from twnm.model.features import spatial_features, turn_audio, turn_directions
from twnm.model.slots import SlotOutput
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.turned import ALL_POSES, AS_IT_IS, QUARTER_TURNS, Pose, hear_turned

FRAMES = 50


def in_pose(pose: Pose, order: list[int], logit: float) -> SlotOutput:
    """Three objects as heard in a pose, whose slots come in another order."""
    activity = torch.full((6, FRAMES), -6.0)
    for slot in range(3):
        activity[slot, 10 * slot : 10 * slot + 20] = 6.0
    ways = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1, 0.2], [0.2, 1.0, -0.1], [-1.0, -0.3, 0.1], *[[0.0, 0.0, 1.0]] * 3]), dim=-1)
    directions = turn_directions(ways[:, None].repeat(1, FRAMES, 1), *pose)
    existence = torch.tensor([logit, logit, logit, -8.0, -8.0, -8.0])
    label = 4.0 * torch.eye(6, 3)
    return slot_output(existence=existence[order][None], label=label[order][None], activity=activity[order][None], direction=directions[order][None])


def hearing(monkeypatch: pytest.MonkeyPatch, orders: list[list[int]], existence: list[float]) -> SlotOutput:
    """What comes of an encoder that hears the three objects so in the four quarter turns."""
    encoder = tiny_encoder()
    heard = joined([in_pose(*one) for one in zip(QUARTER_TURNS, orders, existence, strict=True)])
    monkeypatch.setattr(encoder, "forward", lambda seen, semantic: heard)
    return hear_turned(encoder, torch.zeros(1, 7, FRAMES, 2), torch.zeros(1, 5, 2), QUARTER_TURNS)


def joined(outputs: list[SlotOutput]) -> SlotOutput:
    return SlotOutput(**{each.name: torch.cat([getattr(output, each.name) for output in outputs]) for each in fields(SlotOutput)})


def test_slots_in_any_order_are_averaged_object_by_object(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = hearing(monkeypatch, [[0, 1, 2, 3, 4, 5], [2, 5, 0, 4, 1, 3], [5, 4, 3, 2, 1, 0], [1, 2, 0, 5, 3, 4]], [2.0, 4.0, 0.0, 3.0])
    upright = in_pose(Pose(), list(range(6)), 2.0)
    torch.testing.assert_close(merged.existence[0, :3].sigmoid(), torch.tensor([2.0, 4.0, 0.0, 3.0]).sigmoid().mean().expand(3))
    torch.testing.assert_close(merged.direction[0, :3], upright.direction[0, :3], atol=1e-3, rtol=0)
    torch.testing.assert_close(merged.activity[0, :3], upright.activity[0, :3], atol=1e-3, rtol=0)
    torch.testing.assert_close(merged.label[0, :3], upright.label[0, :3])
    assert (merged.existence[0, 3:] < -6).all()


def test_an_object_that_one_pose_misses_is_heard_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = hearing(monkeypatch, [list(range(6))] * 4, [-8.0, 5.0, 5.0, 5.0])
    assert (merged.existence[0] > 0).sum() == 3


def test_in_one_pose_it_is_the_encoder_itself() -> None:
    encoder, audio = tiny_encoder(), recording()
    plain = encoder(spatial_features(audio), LoudnessSemantic()(audio))
    heard = hear_turned(encoder, spatial_features(audio), LoudnessSemantic()(audio), AS_IT_IS)
    torch.testing.assert_close(heard.direction, plain.direction, rtol=0, atol=0)


def test_a_turned_recording_is_heard_turned() -> None:
    for front, poses in (("mel", QUARTER_TURNS), ("mel", ALL_POSES), ("learned", QUARTER_TURNS)):
        encoder = tiny_encoder(config=EncoderConfig(**(vars(CONFIG) | {"front": front})))
        with torch.no_grad():
            encoder.existence.bias.zero_()
            encoder.existence.weight.mul_(20.0)  # slots that differ from one another
        audio = recording()
        plain, turned = (hear_turned(encoder, encoder.encoder.look(one), LoudnessSemantic()(one), poses) for one in (audio, turn_audio(audio, 1, False, False)))
        first, second = plain.existence[0].argsort(), turned.existence[0].argsort()
        torch.testing.assert_close(turned.existence[0, second], plain.existence[0, first], atol=1e-3, rtol=0)
        expected = turn_directions(plain.direction[0, first], 1, False, False)
        torch.testing.assert_close(turned.direction[0, second], expected, atol=1e-2, rtol=0)


def recording() -> torch.Tensor:
    wave = np.random.default_rng(4).standard_normal(24_000).astype(np.float32) * 0.1
    return torch.from_numpy(encode(wave, 30.0, 10.0))[None]
