"""What becomes of sounds on their way to the language model: token counts, what a token holds before training, and slot summaries by hand."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_model import slot_output

from twnm.model.projector import DenseHybridProjector, DualTowerProjector, HeardBatch, MlpProjector, SlotProjector, periods, summarise_slots

ANCHORS = torch.randn(3, 24, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def heard() -> HeardBatch:
    output = slot_output(label=torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(4)))
    return summarise_slots(output, torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(6)))


@pytest.mark.parametrize(("frames", "tokens"), [(50, 13), (48, 12), (3, 1)])
def test_there_is_one_dense_token_for_each_four_frames(frames: int, tokens: int) -> None:
    dense = DenseHybridProjector(32, 16, 24)
    assert dense(torch.randn(2, frames, 32), torch.randn(2, 10, 16)).shape == (2, tokens, 24)


def test_the_other_kinds_hear_both_vectors_in_every_token_or_each_in_its_own() -> None:
    frames, semantic = torch.randn(2, 50, 32), torch.randn(2, 10, 16)
    single, dual = MlpProjector(32, 16, 24), DualTowerProjector(32, 16, 24)
    assert single(frames, semantic).shape == (2, 13, 24)
    assert dual(frames, semantic).shape == (2, 26, 24)
    torch.testing.assert_close(dual(-frames, semantic)[:, :13], dual(frames, semantic)[:, :13])
    torch.testing.assert_close(dual(frames, -semantic)[:, 13:], dual(frames, semantic)[:, 13:])
    assert (single(-frames, semantic) - single(frames, semantic)).abs().amin(dim=-1).max() > 0
    assert (single(frames, -semantic) - single(frames, semantic)).abs().amin(dim=-1).max() > 0


def test_dense_tokens_begin_without_the_spatial_half() -> None:
    dense = DenseHybridProjector(32, 16, 24)
    semantic = torch.randn(1, 10, 16)
    before = dense(torch.randn(1, 50, 32), semantic)
    torch.testing.assert_close(dense(torch.randn(1, 50, 32), semantic), before, rtol=0, atol=0)
    assert (dense(torch.randn(1, 50, 32), torch.randn(1, 10, 16)) - before).abs().max() > 1e-3


def test_the_spatial_half_opens_with_the_first_gradient() -> None:
    dense = DenseHybridProjector(32, 16, 24)
    dense(torch.randn(1, 50, 32), torch.randn(1, 10, 16)).square().sum().backward()
    assert dense.gate.grad is not None
    assert (dense.gate.grad != 0).all()
    with torch.no_grad():
        dense.gate.fill_(0.1)
    semantic = torch.randn(1, 10, 16)
    assert (dense(torch.randn(1, 50, 32), semantic) - dense(torch.randn(1, 50, 32), semantic)).abs().max() > 1e-4


def test_what_is_the_mean_of_the_class_names_weighted_by_their_probability_plus_its_refinement(heard: HeardBatch) -> None:
    projector = SlotProjector(ANCHORS, 32)
    seen: list[torch.Tensor] = []
    projector.refine.register_forward_hook(lambda module, given, result: seen.append(result))
    tokens, room = projector(heard)
    assert tokens.shape == (1, 6, 4, 24)
    assert room.shape == (1, 24)
    mean = sum(heard.label[0, :, index, None] * ANCHORS[index] for index in range(3))
    torch.testing.assert_close(tokens[0, :, 0], mean + 0.1 * seen[0][0] + projector.roles[0])


def test_each_token_tells_its_own_quantity(heard: HeardBatch) -> None:
    projector = SlotProjector(ANCHORS, 32)
    before, room = projector(heard)

    def changed(place: torch.Tensor | None = None, span: torch.Tensor | None = None) -> list[int]:
        after, same_room = projector(replace(heard, place=heard.place if place is None else place, span=heard.span if span is None else span))
        torch.testing.assert_close(same_room, room)
        return torch.nonzero((after - before).abs().amax(dim=(0, 1, 3)) > 1e-5).flatten().tolist()

    assert changed(place=heard.place + torch.tensor([0.3, 0.0, 0.0, 0.0])) == [1]
    assert changed(place=heard.place + torch.tensor([0.0, 0.3, 0.0, 0.0])) == [1]
    assert changed(place=heard.place + torch.tensor([0.0, 0.0, 0.3, 0.0])) == [2]
    assert changed(span=heard.span + 0.3) == [3]


def test_an_azimuth_and_the_same_azimuth_a_turn_later_are_one(heard: HeardBatch) -> None:
    projector = SlotProjector(ANCHORS, 32)
    turned = replace(heard, place=heard.place + torch.tensor([2 * math.pi, 0, 0, 0]))
    torch.testing.assert_close(projector(turned)[0], projector(heard)[0], rtol=0, atol=1e-4)


def test_periods_are_sines_and_cosines_of_multiples() -> None:
    expected = [math.sin(0.5), math.sin(1.0), math.cos(0.5), math.cos(1.0)]
    torch.testing.assert_close(periods(torch.tensor(0.5), 2), torch.tensor(expected))


def test_slots_are_summarised_as_counted_by_hand() -> None:
    output = slot_output(slots=2, frames=10, log_distance=torch.tensor([[0.7, 0.0]]), log_spread=torch.tensor([[-1.0, 0.0]]))
    output.existence[0, 0] = 0.0
    output.activity[0, 0, [2, 3, 7]] = 9.0
    output.direction[0, 0, 2] = torch.tensor([0.0, 1.0, 0.0])
    output.direction[0, 0, 3] = torch.tensor([0.0, 1.0, 0.0])
    output.direction[0, 0, 7] = torch.tensor([0.0, 0.0, 1.0])
    output.activity[0, 1, 4] = -2.0
    output.label[0, 0, 2] = math.log(2.0)
    heard = summarise_slots(output, torch.zeros(1, 2, 16))
    assert heard.exists[0, 0].item() == pytest.approx(0.5)
    torch.testing.assert_close(heard.span[0], torch.tensor([[0.2, 0.8], [0.4, 0.5]]))  # the second is never active: its loudest frame
    torch.testing.assert_close(heard.place[0, 0], torch.tensor([math.pi / 2, math.atan(0.5), 0.7, -1.0]))
    torch.testing.assert_close(heard.label[0, 0], torch.tensor([0.25, 0.25, 0.5]))
