"""A second opinion on names: YAMNet with low-rank changes, trained on beams in simulated rooms to tell our classes apart.

The weights W of every pointwise convolution become W + up down (Hu et al., LoRA, 2021) and its bias is another; the embedding is read by one layer. The
pretrained weights themselves are not touched: the same network also gives the frozen embeddings that `SlotEncoder.name` reads.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from twnm.model.yamnet import EMBEDDING_SIZE, LAYERS, YamNet

RANK = 32


class Namer(nn.Module):
    """Class logits of log-mel patches.

    Args:
        classes: in the order of the logits.
        rank: of the changes.
    """

    def __init__(self, classes: Sequence[str], rank: int = RANK) -> None:
        super().__init__()
        sizes = [(channels_in, channels_out) for (channels_in, _), (channels_out, _) in zip(((32, 1), *LAYERS), LAYERS, strict=False)]
        self.down = nn.ParameterList([torch.randn(rank, channels_in) / channels_in**0.5 for channels_in, _ in sizes])
        self.up = nn.ParameterList([torch.zeros(channels_out, rank) for _, channels_out in sizes])
        self.bias = nn.ParameterList([torch.zeros(channels_out) for _, channels_out in sizes])
        self.classes = len(classes)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(EMBEDDING_SIZE, len(classes)))

    def forward(self, network: YamNet, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches classes"]:
        """What the patches are, heard by the pretrained `network` as this changes it."""
        changed: dict[str, Tensor] = {}
        for place, (down, up, bias) in enumerate(zip(self.down, self.up, self.bias, strict=True)):
            name = f"layers.{place}.pointwise"
            changed[f"network.{name}.weight"] = network.get_parameter(f"{name}.weight") + (up @ down)[:, :, None, None]
            changed[f"network.{name}.bias"] = network.get_parameter(f"{name}.bias") + bias
        embeddings: Tensor = torch.func.functional_call(_Embedding(network), changed, (patches,))
        logits: Tensor = self.head(functional.layer_norm(embeddings.float(), embeddings.shape[-1:]))
        return logits


class _Embedding(nn.Module):
    """YAMNet whose `forward` is `embed`, for `functional_call`."""

    def __init__(self, network: YamNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches 1024"]:
        return self.network.embed(patches)
