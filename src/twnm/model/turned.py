"""Hearing in several poses: a clip is also heard turned by quarter turns, and what is heard is turned back and averaged.

Quarter turns and reflections of first-order recordings are exact and cost no second transform (`twnm.model.features.turn_features`). An encoder hears
each pose a little otherwise; their mean errs less, and turns with the recording. Slots have no order, so those of a pose are first brought into that of
the others: the assignment with the least disagreement on direction, time and name.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from twnm.model.features import turn_directions
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.spatial_encoder import Seen

Slots = dict[str, Tensor]
"""The fields of `SlotOutput` that belong to slots, by name, of one clip: slots first, or poses, then slots."""


class Pose(NamedTuple):
    """A recording turned to the left by quarter turns, then mirrored left-right, then flipped up-down."""

    quarter_turns: int = 0
    mirror: bool = False
    flip: bool = False


AS_IT_IS: Final = (Pose(),)
QUARTER_TURNS: Final = tuple(Pose(turns) for turns in range(4))
ALL_POSES: Final = tuple(Pose(turns, mirror, flip) for flip in (False, True) for mirror in (False, True) for turns in range(4))
_COMPARED = ("existence", "activity", "direction", "label")
_OF_SLOTS = ("label", "log_distance", "log_distances", "log_spread", "moves", "embedding", "evidence", "attention")
_ROUNDS = 2
_ANGLE_RAD, _MOST_ANGLES, _TIME_WEIGHT = 0.52, 3.0, 2.0  # 30° apart disagrees as much as having no name in common
_ONE_IS_SILENT = 2.5  # the disagreement of an object with none


def hear_turned(encoder: SlotEncoder, seen: Seen, semantic: Float[Tensor, "batch patches size"], poses: Sequence[Pose]) -> SlotOutput:
    """What the slots say of clips heard in several poses, as if it had been one; `frames` and `accdoa` are those of the first pose.

    Args:
        encoder: trained with turned scenes.
        seen: what `SpatialEncoder.look` gives of the clips.
        semantic: the semantic vectors on W, which no pose changes.
        poses: at least one; the first one as it is.
    """
    if len(poses) == 1:
        return encoder(seen, semantic)
    clips = len(seen)
    output: SlotOutput = encoder(torch.cat([encoder.encoder.turned(seen, *pose) for pose in poses]), semantic.repeat(len(poses), 1, 1))
    heard = {each.name: getattr(output, each.name).unflatten(0, (len(poses), clips)) for each in fields(SlotOutput)}
    heard["direction"] = torch.stack([_turned_back(directions, pose) for directions, pose in zip(heard["direction"], poses, strict=True)])
    merged = [_mean(_in_one_order({name: value[:, clip] for name, value in heard.items()})) for clip in range(clips)]
    rest = {"room": heard["room"].mean(dim=0), "walls": heard["walls"].mean(dim=0), "frames": heard["frames"][0], "accdoa": heard["accdoa"][0]}
    return SlotOutput(**{name: torch.stack([one[name] for one in merged]) for name in merged[0]}, **rest)


def _turned_back(directions: Float[Tensor, "... 3"], pose: Pose) -> Float[Tensor, "... 3"]:
    upright = turn_directions(directions, 0, pose.mirror, pose.flip)
    return turn_directions(upright, -pose.quarter_turns % 4, mirror=False, flip=False)


def _in_one_order(heard: Slots) -> Slots:
    """The slots of each pose in the order of the first: each is assigned to the mean of those before it, then of all others."""
    poses, slots = heard["existence"].shape
    orders = [torch.arange(slots)]
    for number in range(1, _ROUNDS * poses):
        pose = number % poses
        others = [other for other in range(len(orders)) if other != pose]
        template = _mean({name: torch.stack([heard[name][other][orders[other]] for other in others]) for name in _COMPARED})
        order = _assigned(template, {name: heard[name][pose] for name in _COMPARED})
        orders[pose : pose + 1] = [order]
    return {name: torch.stack([value[pose][order] for pose, order in enumerate(orders)]) for name, value in heard.items() if name in (*_COMPARED, *_OF_SLOTS)}


def _assigned(template: Slots, slots: Slots) -> Int[Tensor, " slots"]:
    """Which of the slots stands for each of the template's."""
    exist = template["existence"].sigmoid()[:, None] * slots["existence"].sigmoid()
    first, second = template["activity"].sigmoid()[:, None], slots["activity"].sigmoid()
    together = torch.minimum(first, second)
    overlap = together.sum(dim=-1) / torch.maximum(first, second).sum(dim=-1).clamp_min(1e-6)
    cosine = ((template["direction"][:, None] * slots["direction"]).sum(dim=-1) * together).sum(dim=-1) / together.sum(dim=-1).clamp_min(1e-6)
    angle = (cosine.clamp(-1, 1).arccos() / _ANGLE_RAD).clamp_max(_MOST_ANGLES)
    common = (template["label"].softmax(dim=-1)[:, None] * slots["label"].softmax(dim=-1)).sqrt().sum(dim=-1)
    disagreement = angle + _TIME_WEIGHT * (1 - overlap) + (1 - common)
    _, columns = linear_sum_assignment((exist * disagreement + (1 - exist) * _ONE_IS_SILENT).numpy(force=True))
    return torch.from_numpy(columns)


def _mean(heard: Slots) -> Slots:
    """Slots of several poses in one order as one: probabilities averaged, all else by how surely each pose hears the object."""
    existence, activity = heard["existence"].sigmoid(), heard["activity"].sigmoid()
    share = existence / existence.sum(dim=0).clamp_min(1e-6)
    active = activity * share[..., None]
    mean = {name: (value * share.reshape(*share.shape, *[1] * (value.dim() - 2))).sum(dim=0) for name, value in heard.items() if name in _OF_SLOTS}
    mean["existence"] = existence.mean(dim=0).logit(eps=1e-6)
    mean["activity"] = active.sum(dim=0).logit(eps=1e-6)
    mean["direction"] = nn.functional.normalize((heard["direction"] * (active + 1e-4)[..., None]).sum(dim=0), dim=-1)
    return mean
