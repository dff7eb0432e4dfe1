"""ADPIT against a brute force over every assignment of sounds to tracks, and what it wants by hand."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from twnm.model.accdoa import TRACKS, AccdoaOutput
from twnm.train.adpit import ARRANGEMENTS, DISTANCE_WEIGHT, adpit_loss, sounds_by_class
from twnm.train.slot_loss import SlotTargets

CLASSES, TIME = 5, 6


def random_targets(seed: int, batch: int = 3, events: int = 4) -> SlotTargets:
    source = torch.Generator().manual_seed(seed)
    return SlotTargets(
        present=torch.rand(batch, events, generator=source) > 0.2,
        label=torch.randint(2, (batch, events), generator=source),  # two classes, so that many sounds share one
        activity=(torch.rand(batch, events, TIME, generator=source) > 0.4).float(),
        direction=torch.nn.functional.normalize(torch.randn(batch, events, TIME, 3, generator=source), dim=-1),
        log_distance=torch.randn(batch, events, TIME, generator=source),
        moves=torch.zeros(batch, events, dtype=torch.bool),
        room=torch.zeros(batch, 4),
        walls=torch.ones(batch, dtype=torch.bool),
        has_room=torch.ones(batch, dtype=torch.bool),
    )


def random_output(seed: int, batch: int = 3) -> AccdoaOutput:
    source = torch.Generator().manual_seed(seed)
    return AccdoaOutput(torch.randn(batch, TIME, TRACKS, CLASSES, 3, generator=source), torch.randn(batch, TIME, TRACKS, CLASSES, generator=source))


def by_brute_force(output: AccdoaOutput, targets: SlotTargets) -> float:
    """Every surjection of the three tracks onto the sounds of a class in a frame; the cheapest counts."""
    total = []
    for clip, time, label in itertools.product(range(len(output.vectors)), range(TIME), range(CLASSES)):
        sounds = [
            event
            for event in range(targets.present.shape[1])
            if targets.present[clip, event] and targets.activity[clip, event, time] > 0.5 and targets.label[clip, event] == label
        ][:TRACKS]
        said, far = output.vectors[clip, time, :, label], output.log_distance[clip, time, :, label]
        if not sounds:
            total.append(float((said**2).sum() / 9))
            continue
        costs = []
        for chosen in itertools.product(sounds, repeat=TRACKS):
            if set(chosen) == set(sounds):
                errors = [
                    float(((said[track] - targets.direction[clip, event, time]) ** 2).sum() / 3)
                    + DISTANCE_WEIGHT * float((far[track] - targets.log_distance[clip, event, time]) ** 2)
                    for track, event in enumerate(chosen)
                ]
                costs.append(sum(errors) / TRACKS)
        total.append(min(costs))
    return sum(total) / len(total)


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_the_cheapest_of_all_arrangements(seed: int) -> None:
    output, targets = random_output(seed, batch=8), random_targets(10 + seed, batch=8)
    assert sounds_by_class(targets, CLASSES)[2].amax() >= 3
    assert adpit_loss(output, targets).item() == pytest.approx(by_brute_force(output, targets), rel=1e-5)


def test_there_are_thirteen_arrangements() -> None:
    assert [len(orders) for orders in ARRANGEMENTS.values()] == [1, 6, 6]
    assert all(set(order) == set(range(sounds)) for sounds, orders in ARRANGEMENTS.items() for order in orders)


def test_the_right_vectors_in_any_tracks_cost_nothing() -> None:
    targets = random_targets(3)
    vectors, distances, count = sounds_by_class(targets, CLASSES)
    doubled = vectors.clone()
    for sounds in (1, 2):  # the free tracks say again what the first says
        for track in range(sounds, TRACKS):
            doubled[:, :, track][count == sounds] = vectors[:, :, 0][count == sounds]
            distances[:, :, track][count == sounds] = distances[:, :, 0][count == sounds]
    for order in itertools.permutations(range(TRACKS)):
        chosen = list(order)
        assert adpit_loss(AccdoaOutput(doubled[:, :, chosen], distances[:, :, chosen]), targets).item() == pytest.approx(0, abs=1e-7)


def test_events_in_another_order_and_absent_ones_change_nothing() -> None:
    output, targets = random_output(5), random_targets(6)
    targets = replace(targets, activity=targets.activity * (torch.arange(4) < 3)[:, None])  # no more than three sounds, so that none is left out
    order = torch.tensor([2, 0, 3, 1])
    names = ("present", "label", "activity", "direction", "log_distance", "moves")
    shuffled = replace(targets, **{name: getattr(targets, name)[:, order] for name in names})
    torch.testing.assert_close(adpit_loss(output, shuffled), adpit_loss(output, targets))


def test_a_missed_sound_costs_the_square_of_its_length() -> None:
    targets = random_targets(1, batch=1, events=1)
    targets = replace(targets, present=torch.tensor([[True]]), activity=torch.ones(1, 1, TIME), log_distance=torch.full((1, 1, TIME), math.log(2.0)))
    silent = AccdoaOutput(torch.zeros(1, TIME, TRACKS, CLASSES, 3), torch.full((1, TIME, TRACKS, CLASSES), math.log(2.0)))
    assert adpit_loss(silent, targets).item() == pytest.approx(1 / 3 / CLASSES)


def test_gradients_reach_every_track() -> None:
    output = random_output(2)
    vectors = output.vectors.clone().requires_grad_()
    adpit_loss(replace(output, vectors=vectors), random_targets(4)).backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()
    assert (vectors.grad.abs().sum(dim=(0, 1, 3, 4)) > 0).all()
