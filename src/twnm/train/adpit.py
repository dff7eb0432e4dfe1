"""The loss of the multi-ACCDOA baseline: auxiliary duplicating permutation invariant training (ADPIT; Shimada et al., ICASSP 2022), with distance.

In a frame a class sounds 0, 1, 2 or 3 times. One sound A is wanted from all three tracks (AAA); two sounds A, B in the six arrangements in which one of them
is doubled (AAB, ABA, BAA, ABB, BAB, BBA); three sounds in their six orders: 13 arrangements. Of those that the number of sounds allows, the one
with the smallest error counts:

    L = mean over frames and classes of min over arrangements of mean over tracks of |v - v*|^2 / 3 + w (ln d - ln d*)^2 [active]

with v* the unit vector of the sound that the arrangement gives the track, zero where none sounds. The DCASE 2024 baseline regresses the distance itself by
its mean squared error within the same minimum; here it is its logarithm, as for the slots, weighted by w = 0.1, and only where the class sounds.
"""

import itertools
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from twnm.model.accdoa import TRACKS, AccdoaOutput
from twnm.train.slot_loss import SlotTargets

DISTANCE_WEIGHT: Final = 0.1
ARRANGEMENTS: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    1: ((0, 0, 0),),
    2: tuple(order for order in itertools.product(range(2), repeat=TRACKS) if len(set(order)) == 2),
    3: tuple(itertools.permutations(range(3))),
}
"""Which sound each track says, by how many sounds of the class there are: 1 + 6 + 6 arrangements."""


def sounds_by_class(
    targets: SlotTargets, classes: int
) -> tuple[Float[Tensor, "batch time tracks classes 3"], Float[Tensor, "batch time tracks classes"], Float[Tensor, "batch time classes"]]:
    """Unit vectors and log distances of up to three sounds of each class in each frame, in the order of the events, and how many there are.

    Further sounds of the class are left out, as in the baseline.
    """
    active = (targets.activity > 0.5) & targets.present[:, :, None]
    batch, events, time = active.shape
    device = active.device
    vectors = torch.zeros(batch, time, TRACKS, classes, 3, device=device)
    distances = torch.zeros(batch, time, TRACKS, classes, device=device)
    count = torch.zeros(batch, time, classes, device=device)
    clip = torch.arange(batch, device=device)[:, None].expand(-1, time)
    frame = torch.arange(time, device=device)[None].expand(batch, -1)
    for event in range(events):
        label = targets.label[:, event, None].expand(-1, time)
        place = count[clip, frame, label].long()
        used = active[:, event] & (place < TRACKS)
        where = (clip[used], frame[used], place[used], label[used])
        vectors[where] = targets.direction[:, event][used]
        distances[where] = targets.log_distance[:, event][used]
        count[clip[used], frame[used], label[used]] += 1
    return vectors, distances, count


def adpit_loss(output: AccdoaOutput, targets: SlotTargets) -> Tensor:
    """L of the module's text."""
    vectors, distances, count = sounds_by_class(targets, output.vectors.shape[3])
    silent = output.vectors.square().sum(dim=-1).mean(dim=2) / 3
    loss = torch.where(count == 0, silent, 0.0)
    for sounds, orders in ARRANGEMENTS.items():
        here = count == sounds
        if not bool(here.any()):
            continue
        clip, frame, label = here.nonzero(as_tuple=True)
        said, far = output.vectors[clip, frame, :, label], output.log_distance[clip, frame, :, label]
        true, true_far = vectors[clip, frame, :, label], distances[clip, frame, :, label]
        errors = torch.stack(
            [
                ((said - true[:, order]).square().sum(dim=-1) / 3 + DISTANCE_WEIGHT * (far - true_far[:, order]).square()).mean(dim=1)
                for order in (list(order) for order in orders)
            ]
        )
        loss = loss.index_put((clip, frame, label), errors.amin(dim=0))
    return loss.mean()
