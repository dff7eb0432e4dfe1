"""The set loss: matching against SciPy's Hungarian algorithm, and its terms on outputs that are set by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from tiny_model import CLASSES, slot_output

from twnm.model.slots import SlotOutput
from twnm.train.slot_loss import WEIGHTS, SlotTargets, match, matching_cost, slot_loss

FRAMES = 20


def random_output(seed: int = 0, batch: int = 3) -> SlotOutput:
    source = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, generator=source).requires_grad_()

    return SlotOutput(
        existence=draw(6),
        label=draw(6, len(CLASSES)),
        activity=draw(6, FRAMES),
        direction=torch.nn.functional.normalize(draw(6, FRAMES, 3), dim=-1),
        log_distance=draw(6),
        log_distances=draw(6, FRAMES),
        log_spread=draw(6),
        moves=draw(6),
        embedding=draw(6, 32),
        evidence=draw(6, 64),
        attention=draw(6, FRAMES).softmax(dim=-1),
        room=draw(4),
        walls=draw(),
        frames=draw(FRAMES, 32),
        accdoa=draw(FRAMES, len(CLASSES), 3),
    )


def random_targets(seed: int = 1, batch: int = 3, present: int = 2) -> SlotTargets:
    source = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(batch, 4, 1, 3, generator=source), dim=-1).expand(-1, -1, FRAMES, -1)
    return SlotTargets(
        present=(torch.arange(4) < present).expand(batch, -1),
        label=torch.randint(len(CLASSES), (batch, 4), generator=source),
        activity=(torch.rand(batch, 4, FRAMES, generator=source) > 0.4).float() * (torch.arange(4) < present)[:, None],
        direction=direction.clone(),
        log_distance=torch.randn(batch, 4, 1, generator=source).expand(-1, -1, FRAMES).clone(),
        moves=torch.rand(batch, 4, generator=source) > 0.5,
        room=torch.randn(batch, 4, generator=source),
        walls=torch.tensor([True] * batch),
        has_room=torch.tensor([True] * batch),
    )


def one_target(**changes: Any) -> SlotTargets:
    """One event: class 1, from the left, 2 m away, in the first half of the clip."""
    activity = torch.zeros(1, 4, FRAMES)
    activity[0, 0, : FRAMES // 2] = 1.0
    direction = torch.zeros(1, 4, FRAMES, 3)
    direction[0, 0, :, 1] = 1.0
    label = torch.tensor([[1, 0, 0, 0]])
    log_distance = torch.zeros(1, 4, FRAMES)
    log_distance[0, 0] = math.log(2.0)
    present = torch.tensor([[True, False, False, False]])
    no = torch.tensor([False])
    return replace(SlotTargets(present, label, activity, direction, log_distance, torch.zeros(1, 4, dtype=torch.bool), torch.zeros(1, 4), no, no), **changes)


def perfect_output(targets: SlotTargets, slot: int = 3) -> SlotOutput:
    """A slot that says exactly what `one_target` is; the others are silent."""
    output = slot_output(frames=FRAMES)
    output.existence[0, slot] = 20.0
    output.label[0, slot, 1] = 20.0
    output.activity[0, slot] = 40 * targets.activity[0, 0] - 20
    output.direction[0, slot] = targets.direction[0, 0]
    output.log_distance[0, slot] = math.log(2.0)
    output.log_distances[0, slot] = targets.log_distance[0, 0]
    return output


@pytest.mark.parametrize("events", [1, 2, 3, 4])
def test_the_matching_costs_what_the_hungarian_algorithm_finds(events: int) -> None:
    cost = torch.randn(20, events, 6, generator=torch.Generator().manual_seed(events))
    chosen = match(cost)
    for one, slots in zip(cost, chosen, strict=True):
        rows, columns = linear_sum_assignment(one.numpy())
        np.testing.assert_array_equal(slots.numpy(), columns)
        assert one[rows, slots].sum().item() == pytest.approx(one.numpy()[rows, columns].sum(), abs=1e-5)


def test_the_cost_is_that_of_the_formula() -> None:
    output, targets = random_output(batch=1), random_targets(batch=1)
    event, slot = 1, 4
    with torch.no_grad():
        label = output.label[0, slot].log_softmax(-1)[targets.label[0, event]]
        says, true = output.activity[0, slot].sigmoid(), targets.activity[0, event]
        activity = -(true * says.log() + (1 - true) * (1 - says).log()).mean()
        angles = 1 - (output.direction[0, slot] * targets.direction[0, event]).sum(-1)
        direction = (true * angles).sum() / true.sum()
        distance = (output.log_distance[0, slot] - targets.log_distance[0, event, 0]).abs()
        expected = -label + activity + 2 * direction + 0.5 * distance - output.existence[0, slot].sigmoid().log()
        cost = matching_cost(output, targets)
    assert cost[0, event, slot].item() == pytest.approx(expected.item(), rel=1e-5)
    assert (cost[0, 2:] == 0).all()


def test_a_perfect_output_has_almost_no_loss() -> None:
    targets = one_target()
    _, terms = slot_loss(perfect_output(targets), targets)
    assert terms["dir"].item() == pytest.approx(math.sqrt(1e-3), abs=1e-4)  # the floor under the square root
    for name in ("exist", "act", "dist", "moves", "silent", "steady", "apart", "room", "walls"):
        assert terms[name].item() == pytest.approx(0, abs=1e-3), name


def test_a_direction_at_a_right_angle_costs_the_root_of_two() -> None:
    targets = one_target()
    output = perfect_output(targets)
    output.direction[0, 3] = torch.tensor([1.0, 0.0, 0.0])
    assert slot_loss(output, targets)[1]["dir"].item() == pytest.approx(math.sqrt(2.001), abs=1e-5)


def test_directions_count_only_while_the_event_sounds() -> None:
    targets = one_target()
    output = perfect_output(targets)
    output.direction[0, 3, FRAMES // 2 :] = torch.tensor([-1.0, 0.0, 0.0])
    assert slot_loss(output, targets)[1]["dir"].item() == pytest.approx(math.sqrt(1e-3), abs=1e-4)


def test_the_order_of_the_events_does_not_matter() -> None:
    output, targets = random_output(), random_targets(present=4)
    order = torch.tensor([2, 0, 3, 1])
    names = ("present", "label", "activity", "direction", "log_distance", "moves")
    shuffled = replace(targets, **{name: getattr(targets, name)[:, order] for name in names})
    torch.testing.assert_close(slot_loss(output, shuffled)[0], slot_loss(output, targets)[0])


def test_the_order_of_the_slots_does_not_matter() -> None:
    output, targets = random_output(), random_targets(present=3)
    order = torch.tensor([5, 2, 0, 3, 1, 4])
    names = ("existence", "label", "activity", "direction", "log_distance", "log_distances", "log_spread", "moves", "embedding", "attention")
    shuffled = replace(output, **{name: getattr(output, name)[:, order] for name in names})
    torch.testing.assert_close(slot_loss(shuffled, targets)[0], slot_loss(output, targets)[0])


def test_absent_events_weigh_nothing() -> None:
    output, targets = random_output(), random_targets(present=2)
    absent = ~targets.present
    other = replace(targets, log_distance=targets.log_distance + 5 * absent[..., None], label=(targets.label + absent) % len(CLASSES))
    torch.testing.assert_close(slot_loss(output, other)[0], slot_loss(output, targets)[0])


def test_unmatched_slots_that_sound_are_punished() -> None:
    targets = one_target()
    output = perfect_output(targets)
    output.activity[0, 0] = 20.0  # one of five unmatched slots
    assert slot_loss(output, targets)[1]["silent"].item() == pytest.approx(1 / 5, abs=1e-3)


def test_a_slot_that_wanders_while_it_sounds_is_punished() -> None:
    targets = one_target()
    output = perfect_output(targets)
    output.direction[0, 3, 4:] = torch.tensor([1.0, 0.0, 0.0])  # one jump of a right angle in the nine steps that sound
    assert slot_loss(output, targets)[1]["steady"].item() == pytest.approx(2 / 9, abs=1e-3)


def test_a_slot_that_moves_as_its_event_does_is_not_punished() -> None:
    angles = torch.linspace(0, 1.5, FRAMES)
    targets = one_target()
    targets.direction[0, 0] = torch.stack([angles.cos(), angles.sin(), torch.zeros(FRAMES)], dim=-1)
    assert slot_loss(perfect_output(targets), targets)[1]["steady"].item() == pytest.approx(0, abs=1e-6)
    still = perfect_output(targets)
    still.direction[0, 3] = targets.direction[0, 0, :1]
    assert slot_loss(still, targets)[1]["steady"].item() > 1e-3


def test_a_distance_that_changes_is_wanted_frame_by_frame() -> None:
    targets = one_target()
    targets.log_distance[0, 0] = torch.linspace(0, 1.9, FRAMES)
    output = perfect_output(targets)
    assert slot_loss(output, targets)[1]["dist"].item() == pytest.approx(0, abs=1e-6)
    output.log_distances[0, 3] = targets.log_distance[0, 0] + 0.5
    assert slot_loss(output, targets)[1]["dist"].item() == pytest.approx(0.5, abs=1e-5)
    output.log_spread[0, 3] = math.log(0.5)  # Laplace: |error| / b + ln b
    assert slot_loss(output, targets)[1]["dist"].item() == pytest.approx(1 + math.log(0.5), abs=1e-5)


def test_events_are_named_from_the_slots_they_were_matched_with() -> None:
    targets = one_target()
    asked = []

    def name(chosen: torch.Tensor) -> torch.Tensor:
        asked.append(chosen)
        logits = torch.zeros(1, 4, len(CLASSES))
        logits[0, 0, 1] = 20.0
        return logits

    _, terms = slot_loss(perfect_output(targets), targets, name)
    assert asked[0][0, 0].item() == 3
    assert terms["name"].item() == pytest.approx(0.05 * 20 * (1 - 1 / len(CLASSES)), abs=1e-3)  # what label smoothing leaves
    assert "name" not in slot_loss(perfect_output(targets), targets)[1]


def test_a_term_that_is_left_out_is_shown_and_does_not_count() -> None:
    output, targets = random_output(), random_targets()
    whole, terms = slot_loss(output, targets)
    part, shown = slot_loss(output, targets, without=("apart",))
    torch.testing.assert_close(whole - part, WEIGHTS["apart"] * terms["apart"])
    assert shown.keys() == terms.keys()


def test_rooms_count_with_walls_alone_and_walls_where_the_place_is_known() -> None:
    output, targets = random_output(), random_targets()
    open_air = replace(targets, walls=torch.tensor([False, True, True]))
    error = (output.room - targets.room).abs().mean(dim=-1)
    torch.testing.assert_close(slot_loss(output, open_air)[1]["room"], error[1:].mean().detach())
    unknown = replace(open_air, has_room=torch.tensor([False, True, True]))
    said = torch.nn.functional.softplus(-output.walls[1:]).mean()
    torch.testing.assert_close(slot_loss(output, unknown)[1]["walls"], said.detach())


def test_two_slots_of_one_mind_are_punished() -> None:
    targets = random_targets(batch=1, present=2)
    output = random_output(batch=1)
    same = replace(output, embedding=torch.ones(1, 6, 32))
    assert slot_loss(same, targets)[1]["apart"].item() == pytest.approx(1.0, abs=1e-5)


def test_accdoa_wants_the_direction_of_the_class_that_sounds() -> None:
    targets = one_target()
    output = perfect_output(targets)
    assert slot_loss(output, targets)[1]["accdoa"].item() == pytest.approx(0.5)  # active frames are missed by one, the others are right
    output.accdoa[0, : FRAMES // 2, 1, 1] = 1.0
    assert slot_loss(output, targets)[1]["accdoa"].item() == pytest.approx(0.0)


@pytest.mark.parametrize("present", [0, 1, 4])
def test_gradients_are_finite_even_in_scenes_without_sounds(present: int) -> None:
    output, targets = random_output(), random_targets(present=present)
    loss, _ = slot_loss(output, replace(targets, walls=torch.zeros(3, dtype=torch.bool), has_room=torch.zeros(3, dtype=torch.bool)))
    leaves = [output.existence, output.label, output.activity, output.log_distances, output.log_spread, output.embedding, output.accdoa]
    for gradient in torch.autograd.grad(loss, leaves, allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()


def test_the_gradient_of_a_perfect_direction_is_finite() -> None:
    targets = one_target()
    output = perfect_output(targets)
    direction = output.direction.clone().requires_grad_()
    slot_loss(replace(output, direction=direction), targets)[0].backward()
    assert direction.grad is not None
    assert torch.isfinite(direction.grad).all()
