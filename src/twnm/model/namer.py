"""A second opinion on names: YAMNet with low-rank changes, trained on beams in simulated rooms to tell our classes apart.

The weights W of every pointwise convolution become W + up down (Hu et al., LoRA, 2021) and its bias is another; the embedding is read by one layer. The
pretrained weights themselves are not touched: the same network also gives the frozen embeddings that `SlotEncoder.name` reads. Where nothing is learnt the
changed network is kept: making its weights takes as long as hearing half a dozen patches with them.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

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
        self._kept: _Kept | None = None

    def forward(self, network: YamNet, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches classes"]:
        """What the patches are, heard by the pretrained `network` as this changes it."""
        if torch.is_grad_enabled():
            changed = {f"network.{name}": weight for name, weight in self._changed(network).items()}
            embeddings: Tensor = torch.func.functional_call(_Embedding(network), changed, (patches,))
        else:
            embeddings = self._kept_network(network).embed(patches)
        logits: Tensor = self.head(functional.layer_norm(embeddings.float(), embeddings.shape[-1:]))
        return logits

    def _changed(self, network: YamNet) -> dict[str, Tensor]:
        """The network's weights that this changes, by name."""
        changed: dict[str, Tensor] = {}
        for place, (down, up, bias) in enumerate(zip(self.down, self.up, self.bias, strict=True)):
            name = f"layers.{place}.pointwise"
            changed[f"{name}.weight"] = network.get_parameter(f"{name}.weight") + (up @ down)[:, :, None, None]
            changed[f"{name}.bias"] = network.get_parameter(f"{name}.bias") + bias
        return changed

    def _kept_network(self, network: YamNet) -> YamNet:
        """The network as this changes it, made once for as long as no weight of either is another."""
        made_of = [(weight.data_ptr(), weight._version) for module in (self, network) for weight in module.parameters()]
        if self._kept is None or self._kept.network is not network or self._kept.made_of != made_of:
            joined = copy.deepcopy(network)
            for name, weight in self._changed(network).items():
                joined.get_parameter(name).data = weight.detach()
            self._kept = _Kept(network, made_of, joined)
        return self._kept.joined


class _Kept(NamedTuple):
    """A network as a namer changes it, the pretrained one, and the places and versions of the weights that it was made of."""

    network: YamNet
    made_of: list[tuple[int, int]]
    joined: YamNet


class _Embedding(nn.Module):
    """YAMNet whose `forward` is `embed`, for `functional_call`."""

    def __init__(self, network: YamNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches 1024"]:
        return self.network.embed(patches)
