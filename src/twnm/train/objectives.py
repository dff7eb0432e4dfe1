"""What an encoder is trained for: object slots, or the frame-wise multi-ACCDOA of the baseline; same trunk, same stream, same figures."""

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from twnm.model.accdoa import AccdoaEncoder
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.spatial_encoder import EncoderConfig
from twnm.train.adpit import adpit_loss
from twnm.train.slot_loss import SlotTargets, slot_loss

Head = Literal["slots", "accdoa"]


@dataclass(frozen=True)
class Batch:
    """What a step learns from: features, semantic vectors on W, vectors on the events' beams, the truth."""

    features: Tensor
    semantic: Tensor
    beams: Tensor
    targets: SlotTargets


class SlotObjective:
    """Object slots; `without` names terms of the loss that are left out."""

    def __init__(self, config: EncoderConfig, without: tuple[str, ...] = ()) -> None:
        self.model = SlotEncoder(config)
        self.without = without

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """As `slot_loss`; events are named by their own beams."""
        output = self.model(batch.features, batch.semantic)
        return slot_loss(output, batch.targets, functools.partial(self._names, output, batch.beams), self.without)

    def _names(self, output: SlotOutput, beams: Tensor, chosen: Tensor) -> Tensor:
        """Class logits of the events from the slots they were matched with and their beams."""
        rows = torch.arange(len(chosen))[:, None]
        logits: Tensor = self.model.name(output.label[rows, chosen].detach(), output.evidence[rows, chosen], beams)
        return logits


class AccdoaObjective:
    """Multi-ACCDOA with distance."""

    def __init__(self, config: EncoderConfig) -> None:
        self.model = AccdoaEncoder(config)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """As `adpit_loss`."""
        total = adpit_loss(self.model(batch.features, batch.semantic), batch.targets)
        return total, {"adpit": total.detach()}


Objective = SlotObjective | AccdoaObjective


def objective(head: Head, config: EncoderConfig, without: tuple[str, ...] = ()) -> Objective:
    """A new model with random weights, and what it learns."""
    return SlotObjective(config, without) if head == "slots" else AccdoaObjective(config)
