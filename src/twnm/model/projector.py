"""From what the encoders hear to vectors that a language model reads as tokens.

- `DenseHybridProjector`: one token per 0.4 s from the semantic and the spatial frame vectors: a semantic expert, four spatial experts and a joint expert,
  concatenated, LayerNorm, bottleneck MLP (the dense hybrid projector of TWNM, arXiv 2601.02954). The spatial half starts at zero, so that training
  begins from the semantic tokens alone.
- `MlpProjector` and `DualTowerProjector`: the same map by two usual designs of like size, to compare with: both vectors through one MLP, or each through its
  own, the spatial tokens behind the semantic ones.
- `SlotProjector`: four tokens for each object (what, where, how far, when) and one for the room. `what` starts as the mean of the language model's own
  embeddings of the class names, weighted by the slot's class probabilities, so that it is readable before any training; the others are
  sinusoids of the quantity through a small MLP, because a language model reads digits better from many periods than from one number.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twnm.model.slots import SlotOutput
from twnm.model.spatial_encoder import EncoderConfig, spread

FRAMES_PER_TOKEN = 4  # of 100 ms: 2.5 tokens per second
TOKENS_PER_OBJECT = 4
_SPATIAL_EXPERTS = 4
Kind = Literal["hybrid", "mlp", "dual"]
"""How the dense map becomes tokens."""


@dataclass(frozen=True)
class HeardBatch:
    """What the frozen encoders say of B clips, ready for the projector; `exists` marks the slots that become tokens.

    frames (B, T, width), semantic (B, patches, size), label (B, K, classes) probabilities, place (B, K, 4): azimuth and elevation in radians, log distance,
    log spread; span (B, K, 2): onset and offset in seconds; embedding (B, K, width), with a tower behind it what that hears
    (`twnm.model.audio_tower.with_tower`); room (B, 2): log RT60 and log volume.
    """

    frames: Float[Tensor, "batch time width"]
    semantic: Float[Tensor, "batch patches size"]
    exists: Float[Tensor, "batch slots"]
    label: Float[Tensor, "batch slots classes"]
    place: Float[Tensor, "batch slots 4"]
    span: Float[Tensor, "batch slots 2"]
    embedding: Float[Tensor, "batch slots embedding"]
    room: Float[Tensor, "batch 2"]


def summarise_slots(output: SlotOutput, semantic: Float[Tensor, "batch patches size"], frame_s: float = 0.1) -> HeardBatch:
    """Reduce slot outputs to one place and one time span per slot: the mean direction and the first and last frame of its activity."""
    activity = output.activity.sigmoid()
    active = (activity > 0.5).float()
    loudest = nn.functional.one_hot(activity.argmax(dim=-1), activity.shape[-1]).float()
    active = torch.where(active.sum(dim=-1, keepdim=True) > 0, active, loudest)
    x, y, z = ((active * activity)[..., None] * output.direction).sum(dim=2).unbind(dim=-1)
    frames = active.shape[-1]
    index = torch.arange(frames, device=active.device).expand_as(active)
    onset = torch.where(active > 0, index, frames).amin(dim=-1) * frame_s
    offset = (torch.where(active > 0, index, -1).amax(dim=-1) + 1) * frame_s
    place = torch.stack([torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y)), output.log_distance, output.log_spread], dim=-1)
    return HeardBatch(
        frames=output.frames,
        semantic=semantic,
        exists=output.existence.sigmoid(),
        label=output.label.softmax(dim=-1),
        place=place,
        span=torch.stack([onset, offset], dim=-1),
        embedding=output.embedding,
        room=output.room[:, [1, 3]],
    )


def _expert(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.GELU())


def _pooled(frames: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch tokens width"]:
    return nn.functional.avg_pool1d(frames.transpose(1, 2), FRAMES_PER_TOKEN, ceil_mode=True).transpose(1, 2)


class DenseHybridProjector(nn.Module):
    """(batch, time, spatial) and (batch, patches, semantic) to (batch, tokens, out); see the module's text."""

    def __init__(self, spatial_size: int, semantic_size: int, out_size: int, width: int = 128, bottleneck: int = 256) -> None:
        super().__init__()
        self.semantic_norm = nn.LayerNorm(semantic_size)
        self.semantic = _expert(semantic_size, 2 * width)
        self.spatial = nn.ModuleList([_expert(spatial_size, width // 2) for _ in range(_SPATIAL_EXPERTS)])
        self.joint = _expert(semantic_size + spatial_size, width)
        self.gate = nn.Parameter(torch.zeros(_SPATIAL_EXPERTS * (width // 2) + width))
        joined = 2 * width + self.gate.numel()
        self.mix = nn.Sequential(nn.LayerNorm(joined), nn.Linear(joined, bottleneck), nn.GELU(), nn.Linear(bottleneck, out_size))

    def forward(self, frames: Float[Tensor, "batch time width"], semantic: Float[Tensor, "batch patches size"]) -> Float[Tensor, "batch tokens out"]:
        pooled = _pooled(frames)
        heard = self.semantic_norm(spread(semantic, pooled.shape[1]))
        spatial = torch.cat([expert(pooled) for expert in self.spatial] + [self.joint(torch.cat([heard, pooled], dim=-1))], dim=-1)
        return self.mix(torch.cat([self.semantic(heard), self.gate * spatial], dim=-1))


class MlpProjector(nn.Module):
    """(batch, time, spatial) and (batch, patches, semantic) to (batch, tokens, out): both side by side through one hidden layer."""

    def __init__(self, spatial_size: int, semantic_size: int, out_size: int, width: int = 448) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(semantic_size)
        self.mix = nn.Sequential(*_expert(semantic_size + spatial_size, width), nn.Linear(width, out_size))

    def forward(self, frames: Float[Tensor, "batch time width"], semantic: Float[Tensor, "batch patches size"]) -> Float[Tensor, "batch tokens out"]:
        pooled = _pooled(frames)
        joined: Tensor = self.mix(torch.cat([self.norm(spread(semantic, pooled.shape[1])), pooled], dim=-1))
        return joined


class DualTowerProjector(nn.Module):
    """(batch, time, spatial) and (batch, patches, semantic) to (batch, 2 tokens, out): semantic tokens, then spatial ones, each from a tower of its own."""

    def __init__(self, spatial_size: int, semantic_size: int, out_size: int, width: int = 320) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(semantic_size)
        self.semantic = nn.Sequential(*_expert(semantic_size, width), nn.Linear(width, out_size))
        self.spatial = nn.Sequential(*_expert(spatial_size, width), nn.Linear(width, out_size))

    def forward(self, frames: Float[Tensor, "batch time width"], semantic: Float[Tensor, "batch patches size"]) -> Float[Tensor, "batch tokens out"]:
        pooled = _pooled(frames)
        return torch.cat([self.semantic(self.norm(spread(semantic, pooled.shape[1]))), self.spatial(pooled)], dim=1)


_KINDS: Final = MappingProxyType({"hybrid": DenseHybridProjector, "mlp": MlpProjector, "dual": DualTowerProjector})


def periods(values: Float[Tensor, "..."], count: int) -> Float[Tensor, "... features"]:
    """sin and cos of the values (radians) times 1, 2, ... count."""
    angles = values[..., None] * torch.arange(1, count + 1, device=values.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class SlotProjector(nn.Module):
    """Objects and the room as tokens; `anchors` (classes, out) are the language model's embeddings of the class names."""

    anchors: Tensor

    def __init__(self, anchors: Float[Tensor, "classes out"], slot_width: int, hidden: int = 256) -> None:
        super().__init__()
        classes, out_size = anchors.shape
        self.register_buffer("anchors", anchors)
        self.refine = self._read(slot_width + classes + 1, hidden, out_size)
        self.where = self._read(2 * 12 + 2 * 8 + 1, hidden, out_size)
        self.far = self._read(2 * 8 + 1, hidden, out_size)
        self.when = self._read(4 * 12 + 1, hidden, out_size)
        self.room = self._read(2, hidden, out_size)
        self.roles = nn.Parameter(torch.randn(TOKENS_PER_OBJECT + 1, out_size) * 0.02)

    @staticmethod
    def _read(size: int, hidden: int, out_size: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, out_size))

    def forward(self, heard: HeardBatch) -> tuple[Float[Tensor, "batch slots 4 out"], Float[Tensor, "batch out"]]:
        azimuth, elevation, log_distance, log_spread = heard.place.unbind(dim=-1)
        sure = heard.exists[..., None]
        what = heard.label @ self.anchors + 0.1 * self.refine(
            torch.cat([nn.functional.layer_norm(heard.embedding, heard.embedding.shape[-1:]), heard.label, sure], dim=-1)
        )
        where = self.where(torch.cat([periods(azimuth, 12), periods(elevation, 8), sure], dim=-1))
        far = self.far(torch.cat([periods(log_distance * (math.pi / 4), 8), log_spread[..., None]], dim=-1))
        when = self.when(torch.cat([periods(heard.span * (math.pi / 5), 12).flatten(-2), sure], dim=-1))
        tokens = torch.stack([what, 0.2 * where, 0.2 * far, 0.2 * when], dim=-2) + self.roles[:TOKENS_PER_OBJECT]
        return tokens, 0.2 * self.room(heard.room) + self.roles[TOKENS_PER_OBJECT]


class Projector(nn.Module):
    """The trained bridge to the language model: dense map, object and room tokens; `tower_size` is that of the vectors of a tower, 0 without one."""

    def __init__(self, config: EncoderConfig, anchors: Float[Tensor, "classes width"], tower_size: int = 0, kind: Kind = "hybrid") -> None:
        super().__init__()
        self.kind = kind
        self.dense = _KINDS[kind](config.width, tower_size or config.semantic_size, anchors.shape[1])
        self.slots = SlotProjector(anchors, config.width + tower_size)

    def forward(self, heard: HeardBatch, row: int = 0) -> Float[Tensor, "tokens width"]:
        """The audio tokens of one clip: dense map, existing objects by onset, room."""
        objects, room = self.slots(heard)
        kept = torch.nonzero(heard.exists[row] > 0.5).squeeze(1)
        kept = kept[heard.span[row, kept, 0].argsort(stable=True)]
        return torch.cat([self.dense(heard.frames, heard.semantic)[row], objects[row, kept].flatten(0, 1), room[row : row + 1]])
