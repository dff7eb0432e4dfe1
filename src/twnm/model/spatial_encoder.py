"""The spatial encoder: features of a recording to one vector per 100 ms.

A convolutional stem brings (7, frames, 64 mel) to 100 ms frames; the semantic branch's vectors (frozen, about two per second) are spread over the
same frames and added; Conformer layers (Gulati et al., 2020; here one feed-forward module, pre-norm) mix time. A frame-wise ACCDOA head (Shimada et al.,
2021: activity x direction, one vector per class) is an auxiliary output that speeds learning.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twnm.model.features import FEATURE_CHANNELS, FRAMES_PER_LABEL, LearnedFront, spatial_features, turn_audio, turn_features

_THINNED = 0.15  # of the semantic vectors in training: the recordings of a class are few, and their vectors soon known by heart
_EARLY = 6  # steps of the stem's first two layers
Front = Literal["mel", "learned"]
Seen = Float[Tensor, "batch channels *rest"]


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the spatial encoder and its slots; `classes` are catalogue labels in the order of the outputs.

    `front`: "mel", or "learned" weights over the bins (`features.LearnedFront`). For ablations: without `spatial` Y, Z and X are not heard, without `semantics`
    the semantic vectors are not, without `pointing` directions come from the slots' heads alone. `namer_rank`: of the second opinion on names (`namer.Namer`);
    0: there is none.
    """

    classes: tuple[str, ...]
    width: int = 192
    layers: int = 4
    heads: int = 4
    stem: tuple[int, ...] = (32, 64, 96, 128)
    slots: int = 6
    slot_layers: int = 2
    semantic_size: int = 1024
    spatial: bool = True
    semantics: bool = True
    pointing: bool = True
    front: Front = "mel"
    namer_rank: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "EncoderConfig":
        """The inverse of `to_dict`."""
        return cls(**{**data, "classes": tuple(data["classes"]), "stem": tuple(data["stem"])})


class Stem(nn.Module):
    """Convolutions that halve the mel axis four times and pool time to 100 ms: (batch, 7, 5t, 64) -> (batch, t, last width x 4).

    Gives the map of the second layer too, (batch, second width, 5t, 16), in which time is still as fine as in the features.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        channels = FEATURE_CHANNELS
        for index, width in enumerate(widths):
            steps += [nn.Conv2d(channels, width, 3, stride=(1, 2), padding=1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
            if index == 1:
                steps.append(nn.AvgPool2d((FRAMES_PER_LABEL, 1)))
            channels = width
        self.steps = nn.Sequential(*steps)
        self.still = 0
        """How many of the first convolutions are used as they are, without learning: half of a training step's time is theirs."""

    def forward(
        self, features: Float[Tensor, "batch 7 frames mels"]
    ) -> tuple[Float[Tensor, "batch time channels"], Float[Tensor, "batch second frames bands"]]:
        learning = 3 * self.still
        hidden = features.contiguous(memory_format=torch.channels_last)
        if self.still:
            was_training = self.training
            with torch.no_grad():
                hidden = self.steps[:learning].eval()(hidden)
            self.steps[:learning].train(was_training)
        early = self.steps[learning:_EARLY](hidden)
        return self.steps[_EARLY:](early).permute(0, 2, 1, 3).flatten(2), early


class ConformerLayer(nn.Module):
    """Attention, depthwise convolution over time (7 frames), feed-forward; each with a residual and pre-norm."""

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.mix = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        normed = self.norms[0](frames)
        frames = frames + self.dropout(self.attention(normed, normed, normed, need_weights=False)[0])
        gated = nn.functional.glu(self.gate(self.norms[1](frames)), dim=-1)
        convolved = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        frames = frames + self.dropout(self.mix(nn.functional.silu(convolved)))
        return frames + self.dropout(self.feed(self.norms[2](frames)))


def sinusoids(length: int, width: int, device: torch.device) -> Float[Tensor, "length width"]:
    """Sinusoidal positions (Vaswani et al., 2017)."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-torch.log(torch.tensor(10_000.0)) / width))
    angles = torch.arange(length, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def spread(semantic: Float[Tensor, "batch patches size"], frames: int) -> Float[Tensor, "batch frames size"]:
    """Semantic vectors (centres equally spaced over the clip) interpolated linearly to the frames."""
    return nn.functional.interpolate(semantic.transpose(1, 2), size=frames, mode="linear", align_corners=False).transpose(1, 2)


class SpatialEncoder(nn.Module):
    """Features and semantic vectors to frame vectors; see the module's text."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.front = LearnedFront() if config.front == "learned" else None
        self.stem = Stem(config.stem)
        self.enter = nn.Linear(config.stem[-1] * 4, config.width)
        self.semantic = nn.Sequential(nn.LayerNorm(config.semantic_size), nn.Linear(config.semantic_size, config.width))
        self.layers = nn.ModuleList([ConformerLayer(config.width, config.heads) for _ in range(config.layers)])
        self.leave = nn.LayerNorm(config.width)
        self.thinned = nn.Dropout(_THINNED)
        self.accdoa = nn.Linear(config.width, 3 * len(config.classes))

    def forward(
        self, features: Float[Tensor, "batch 7 frames mels"], semantic: Float[Tensor, "batch patches size"]
    ) -> tuple[Float[Tensor, "batch time width"], Float[Tensor, "batch second frames bands"]]:
        """The frames' vectors, and the stem's early map."""
        frames, early = self.stem(self.heard(features))
        frames = self.enter(frames)
        meant = self.thinned(semantic if self.config.semantics else torch.zeros_like(semantic))
        frames = frames + self.semantic(spread(meant, frames.shape[1]))
        frames = frames + sinusoids(frames.shape[1], frames.shape[2], frames.device)
        for layer in self.layers:
            frames = layer(frames)
        return self.leave(frames), early

    def look(self, audio: Float[Tensor, "batch 4 samples"]) -> Seen:
        """What the encoder wants of recordings: their features, or for a learned front the recordings themselves."""
        return audio if self.front is not None else spatial_features(audio)

    def turned(self, seen: Seen, quarter_turns: int, mirror: bool, flip: bool) -> Seen:
        """What `look` would give of the same recordings turned and mirrored (`twnm.model.features.turn_features`); exact."""
        turn = turn_features if self.front is None else turn_audio
        return turn(seen, quarter_turns, mirror, flip)

    def features(self, seen: Seen) -> Float[Tensor, "batch 7 frames mels"]:
        """The features of what `look` gave."""
        return seen if self.front is None else self.front(seen)

    def heard(self, features: Float[Tensor, "batch 7 frames mels"]) -> Float[Tensor, "batch 7 frames mels"]:
        """The features, without what Y, Z and X tell if the encoder shall not hear them."""
        return features if self.config.spatial else torch.cat([features[:, :1], torch.zeros_like(features[:, 1:])], dim=1)

    def accdoa_vectors(self, frames: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time classes 3"]:
        """Activity-coupled direction vectors (x, y, z) per class."""
        return self.accdoa(frames).unflatten(-1, (-1, 3))
