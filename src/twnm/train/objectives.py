"""What an encoder is trained for: object slots, or the frame-wise multi-ACCDOA of the baseline; same trunk, same stream, same figures."""

import contextlib
import functools
from collections.abc import Generator
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from twnm.model.accdoa import AccdoaEncoder, AccdoaOutput
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.spatial_encoder import EncoderConfig
from twnm.train.adpit import adpit_loss
from twnm.train.slot_loss import SlotTargets, slot_loss

Head = Literal["slots", "accdoa"]


@dataclass(frozen=True)
class Batch:
    """What a step learns from: what the encoder looks at (features or audio), semantic vectors on W, vectors on the events' beams, the truth."""

    seen: Tensor
    semantic: Tensor
    beams: Tensor
    targets: SlotTargets


class SlotObjective:
    """Object slots; `without` names terms of the loss that are left out, `half` uses bfloat16 where it helps (not in the loss)."""

    def __init__(self, config: EncoderConfig, without: tuple[str, ...] = (), *, half: bool = False) -> None:
        self.model = SlotEncoder(config)
        self.without, self.half = without, half

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """As `slot_loss`; events are named by their own beams."""
        with _precision(batch.seen, half=self.half):
            output = self.model(batch.seen, batch.semantic)
        output = replace(output, **{field.name: getattr(output, field.name).float() for field in fields(output)})
        return slot_loss(output, batch.targets, functools.partial(self._names, output, batch.beams), self.without)

    def _names(self, output: SlotOutput, beams: Tensor, chosen: Tensor) -> Tensor:
        """Class logits of the events from the slots they were matched with and their beams."""
        rows = torch.arange(len(chosen), device=chosen.device)[:, None]
        with _precision(beams, half=self.half):
            logits: Tensor = self.model.name(output.label[rows, chosen].detach(), output.evidence[rows, chosen], beams)
        return logits.float()


class AccdoaObjective:
    """Multi-ACCDOA with distance."""

    def __init__(self, config: EncoderConfig, *, half: bool = False) -> None:
        self.model, self.half = AccdoaEncoder(config), half

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """As `adpit_loss`."""
        with _precision(batch.seen, half=self.half):
            output = self.model(batch.seen, batch.semantic)
        total = adpit_loss(AccdoaOutput(output.vectors.float(), output.log_distance.float()), batch.targets)
        return total, {"adpit": total.detach()}


Objective = SlotObjective | AccdoaObjective


@contextlib.contextmanager
def _precision(where: Tensor, *, half: bool) -> Generator[None]:
    """bfloat16 where it helps, if `half`; on a CPU attention as matrix products, since over fifty frames the fused kernel takes longer backwards."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.autocast(where.device.type, torch.bfloat16, enabled=half))
        if where.device.type == "cpu":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def objective(head: Head, config: EncoderConfig, without: tuple[str, ...] = (), *, half: bool = False) -> Objective:
    """A new model with random weights, and what it learns."""
    return SlotObjective(config, without, half=half) if head == "slots" else AccdoaObjective(config, half=half)
