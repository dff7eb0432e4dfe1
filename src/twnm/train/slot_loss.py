"""The loss of the slots: exact set matching over a clip, then supervised terms on matched slots and regularisation on all.

For events e (class c_e, activity a_e(t), direction u_e(t), distance d_e(t)) and slots k, the assignment pi minimises the sum over events of

    C(e, k) = -log p_k(c_e) + BCE(a_k, a_e) + 2 <1 - u_k . u_e> + 0.5 |<ln d_k> - <ln d_e>| - log p_k(exists)

over all injections (at most 6 slots and 4 events: 360 of them, all are tried); <.> is the mean over the frames in which the event is active. The loss is

    L = 2 L_exist + 0.7 L_class + L_name + L_act + 2 L_dir + 0.5 L_dist + 0.2 L_moves + 0.2 L_room + 0.2 L_walls + L_accdoa
        + 0.1 (R_silent + R_apart + R_disjoint + R_steady)

R_silent   unmatched slots are inactive: mean_t sigmoid(activity)
R_apart    embeddings of two existing slots are decorrelated: cos^2
R_disjoint attention of two existing slots overlaps little: sum_t sqrt(A_k A_l) where the events do not overlap in time
R_steady   a slot keeps its object: mean_t |(u_k(t+1) - u_k(t)) - (u_e(t+1) - u_e(t))|^2 over frames in which it is active
"""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from twnm.model.slots import SlotOutput

WEIGHTS = {
    "exist": 2.0,
    "class": 0.7,
    "dir": 2.0,
    "dist": 0.5,
    "moves": 0.2,
    "room": 0.2,
    "walls": 0.2,
    "silent": 0.1,
    "apart": 0.1,
    "disjoint": 0.1,
    "steady": 0.1,
}
"""Weights of the terms; 1 for those that are not here."""
TERMS = ("accdoa", "act", "name", *WEIGHTS)
"""All terms."""


@dataclass(frozen=True)
class SlotTargets:
    """True objects of a batch (B clips, E events at most, T frames); `present` marks the used rows."""

    present: Bool[Tensor, "batch events"]
    label: Int[Tensor, "batch events"]
    activity: Float[Tensor, "batch events time"]
    direction: Float[Tensor, "batch events time 3"]
    log_distance: Float[Tensor, "batch events time"]
    moves: Bool[Tensor, "batch events"]
    room: Float[Tensor, "batch 4"]
    walls: Bool[Tensor, " batch"]
    has_room: Bool[Tensor, " batch"]


def matching_cost(output: SlotOutput, targets: SlotTargets) -> Float[Tensor, "batch events slots"]:
    """C(e, k) of the module's text; zero for absent events."""
    slots = output.existence.shape[1]
    label = -output.label.log_softmax(dim=-1).gather(2, targets.label[:, None].expand(-1, slots, -1)).transpose(1, 2)
    truth = targets.activity[:, :, None].expand(-1, -1, slots, -1)
    activity = functional.binary_cross_entropy_with_logits(output.activity[:, None].expand_as(truth), truth, reduction="none").mean(dim=-1)
    cosine = torch.einsum("bktx,betx->bekt", output.direction, targets.direction)
    active = targets.activity[:, :, None]
    direction = (active * (1 - cosine)).sum(dim=-1) / active.sum(dim=-1).clamp_min(1)
    middle = (targets.activity * targets.log_distance).sum(dim=-1) / targets.activity.sum(dim=-1).clamp_min(1)
    distance = (output.log_distance[:, None] - middle[:, :, None]).abs()
    cost = label + activity + 2 * direction + 0.5 * distance - functional.logsigmoid(output.existence)[:, None]
    return cost * targets.present[:, :, None]


def match(cost: Float[Tensor, "batch events slots"]) -> Int[Tensor, "batch events"]:
    """The best injection of events into slots, by trying all."""
    _, events, slots = cost.shape
    ways = torch.tensor(list(itertools.permutations(range(slots), events)), device=cost.device)
    totals = sum(cost[:, event, ways[:, event]] for event in range(events))
    assert isinstance(totals, Tensor)
    return ways[totals.argmin(dim=1)]


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1)


def slot_loss(
    output: SlotOutput,
    targets: SlotTargets,
    name: Callable[[Int[Tensor, "batch events"]], Float[Tensor, "batch events classes"]] | None = None,
    without: Collection[str] = (),
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss L of the module's text and its terms (detached) for the log.

    Args:
        output, targets: of a batch.
        name: given the slots that the events were matched with, their class logits after the second pass; without it there is no L_name.
        without: terms that are left out.
    """
    with torch.no_grad():
        chosen = match(matching_cost(output, targets))
    present = targets.present.float()
    batch = torch.arange(len(chosen), device=chosen.device)[:, None]
    exists = torch.zeros_like(output.existence)
    exists[batch.expand_as(chosen)[targets.present], chosen[targets.present]] = 1.0

    def of(values: Tensor) -> Tensor:
        return values[batch, chosen]

    def class_error(logits: Tensor) -> Tensor:
        wrong = functional.cross_entropy(logits.flatten(0, 1), targets.label.flatten(), reduction="none", label_smoothing=0.05)
        return _mean(wrong, present.flatten())

    direction = of(output.direction)
    cosine = (direction * targets.direction).sum(dim=-1)
    active = targets.activity * present[:, :, None]
    spread = of(output.log_spread)
    error = (of(output.log_distances) - targets.log_distance).abs()
    walls = targets.walls.float()
    terms = {
        "exist": functional.binary_cross_entropy_with_logits(output.existence, exists),
        "class": class_error(of(output.label)),
        "act": _mean(functional.binary_cross_entropy_with_logits(of(output.activity), targets.activity, reduction="none").mean(dim=-1), present),
        "dir": _mean(torch.sqrt(2 * (1 - cosine).clamp_min(0) + 1e-3), active),
        "dist": _mean(error * torch.exp(-spread)[..., None] + spread[..., None], active),
        "moves": _mean(functional.binary_cross_entropy_with_logits(of(output.moves), targets.moves.float(), reduction="none"), present),
        "room": _mean((output.room - targets.room).abs().mean(dim=-1), walls),
        "walls": _mean(functional.binary_cross_entropy_with_logits(output.walls, walls, reduction="none"), targets.has_room.float()),
        "accdoa": _accdoa_loss(output, targets),
    }
    if name is not None:
        terms["name"] = class_error(name(chosen))
    change = (direction.diff(dim=2) - targets.direction.diff(dim=2)).square().sum(dim=-1)
    terms |= _regularisation(output, targets, exists, chosen) | {"steady": _mean(change, active[..., 1:])}
    total = torch.stack([WEIGHTS.get(name, 1.0) * term for name, term in terms.items() if name not in without]).sum()
    return total, {name: term.detach() for name, term in terms.items()}


def _accdoa_loss(output: SlotOutput, targets: SlotTargets) -> Tensor:
    """Mean squared error of the frame-wise class vectors; active class frames are few, so they weigh as much as all others together."""
    truth = torch.zeros_like(output.accdoa)
    vectors = targets.direction * (targets.activity * targets.present[:, :, None])[..., None]
    index = targets.label[:, None, :, None].expand(-1, truth.shape[1], -1, 3)
    truth.scatter_add_(2, index, vectors.transpose(1, 2))
    squared = (output.accdoa - truth).square().sum(dim=-1)
    active = (truth.square().sum(dim=-1) > 0).float()
    return 0.5 * _mean(squared, active) + 0.5 * _mean(squared, 1 - active) * 4


def _regularisation(output: SlotOutput, targets: SlotTargets, exists: Tensor, chosen: Tensor) -> dict[str, Tensor]:
    activity = output.activity.sigmoid()
    batch = torch.arange(len(chosen), device=chosen.device)[:, None]
    unit = functional.normalize(output.embedding, dim=-1)
    slots = exists.shape[1]
    pairs = exists[:, :, None] * exists[:, None] * (1 - torch.eye(slots, device=exists.device))
    together = torch.zeros(len(exists), slots, output.activity.shape[-1], device=exists.device)
    together[batch.expand_as(chosen)[targets.present], chosen[targets.present]] = targets.activity[targets.present]
    overlapping = torch.einsum("bkt,blt->bkl", together, together) > 0
    overlap = torch.einsum("bkt,blt->bkl", output.attention.clamp_min(1e-6).sqrt(), output.attention.clamp_min(1e-6).sqrt())
    return {
        "silent": _mean(activity.mean(dim=-1), 1 - exists),
        "apart": _mean((unit @ unit.transpose(1, 2)).square(), pairs),
        "disjoint": _mean(overlap, pairs * ~overlapping),
    }
