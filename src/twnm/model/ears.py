"""A trained encoder of either kind as one thing that hears clips: object slots, or the frame-wise baseline."""

import json
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from twnm.errors import InputError
from twnm.model.accdoa import AccdoaEncoder, read_accdoa
from twnm.model.hear import SILENT_RMS, HeardObject, HeardRoom, hear_clips, read_objects, read_room
from twnm.model.loading import load_encoder, load_strictly
from twnm.model.semantic import SemanticEncoder, default_semantic
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig

Heard = tuple[list[HeardObject], HeardRoom | None]


@runtime_checkable
class Ears(Protocol):
    """Hears clips: their objects, and their rooms if it knows of rooms."""

    classes: tuple[str, ...]

    def hear(self, audio: Float[Tensor, "batch 4 samples"]) -> list[Heard]:
        """The objects and the room of each clip."""


class SlotEars:
    """Object slots, named by their beams."""

    def __init__(self, encoder: SlotEncoder, semantic: SemanticEncoder) -> None:
        self.encoder, self.semantic = encoder, semantic
        self.classes = encoder.config.classes

    def hear(self, audio: Float[Tensor, "batch 4 samples"]) -> list[Heard]:
        """The objects and the room of each clip."""
        output, _ = hear_clips(self.encoder, self.semantic, audio)
        return [(read_objects(output, row, self.classes), read_room(output, row)) for row in range(len(audio))]


class AccdoaEars:
    """Multi-ACCDOA; it says nothing of rooms."""

    def __init__(self, encoder: AccdoaEncoder, semantic: SemanticEncoder) -> None:
        self.encoder, self.semantic = encoder, semantic
        self.classes = encoder.config.classes

    def hear(self, audio: Float[Tensor, "batch 4 samples"]) -> list[Heard]:
        """The objects of each clip; none in silence."""
        with torch.no_grad():
            device = next(self.encoder.parameters()).device
            output = self.encoder(self.encoder.encoder.look(audio).to(device), self.semantic(audio).to(device))
        silent = audio.square().mean(dim=-1).amax(dim=-1).sqrt() < SILENT_RMS
        return [([] if silent[row] else read_accdoa(output, row, self.classes), None) for row in range(len(audio))]


def load_ears(folder: Path, semantic: SemanticEncoder | None = None) -> Ears:
    """The encoder of a weights folder, whichever kind it is, with the semantic encoder from the cache.

    Raises InputError when a file is absent or a tensor is missing, extra or misshaped.
    """
    heard_by = semantic or default_semantic()
    try:
        told = json.loads((folder / "encoder.json").read_text())
    except FileNotFoundError:
        raise InputError(f"{folder} holds no encoder (encoder.json is absent); train one with `twnm train encoder`") from None
    if told.pop("head", "slots") == "slots":
        return SlotEars(load_encoder(folder), heard_by)
    encoder = AccdoaEncoder(EncoderConfig.from_dict(told))
    load_strictly(encoder, load_file(folder / "encoder.safetensors"), folder / "encoder.safetensors")
    return AccdoaEars(encoder.eval().requires_grad_(False), heard_by)
