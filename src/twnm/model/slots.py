"""Object slots: K queries that attend to the encoder's frames, each becoming one sound object or silence.

After Carion et al. (2020, set prediction) and the slot attention idea of Locatello et al. (2020). For a clip of T frames slot k gives: existence (logit), class
(logits), activity per frame (logits), direction per frame (unit vector x, y, z), log distance with a spread (Laplace), and an embedding. A room
head gives log RT60 (500 Hz-1 kHz) and log volume.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twnm.model.spatial_encoder import EncoderConfig, SpatialEncoder, spread


@dataclass(frozen=True)
class SlotOutput:
    """Everything the slots say of a batch of clips (B clips, K slots, T frames of 100 ms, C classes, D width)."""

    existence: Float[Tensor, "batch slots"]
    label: Float[Tensor, "batch slots classes"]
    activity: Float[Tensor, "batch slots time"]
    direction: Float[Tensor, "batch slots time 3"]
    log_distance: Float[Tensor, "batch slots"]
    log_spread: Float[Tensor, "batch slots"]
    embedding: Float[Tensor, "batch slots width"]
    attention: Float[Tensor, "batch slots time"]
    room: Float[Tensor, "batch 2"]
    frames: Float[Tensor, "batch time width"]
    accdoa: Float[Tensor, "batch time classes 3"]


class SlotLayer(nn.Module):
    """Slots look at one another, then at the frames, then think; returns the attention over frames (mean over heads)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.among = nn.MultiheadAttention(width, heads, batch_first=True)
        self.look = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, slots: Float[Tensor, "batch slots width"], frames: Float[Tensor, "batch time width"]) -> tuple[Tensor, Tensor]:
        normed = self.norms[0](slots)
        slots = slots + self.among(normed, normed, normed, need_weights=False)[0]
        seen, attention = self.look(self.norms[1](slots), frames, frames)
        slots = slots + seen
        return slots + self.feed(self.norms[2](slots)), attention


class SlotEncoder(nn.Module):
    """The spatial encoder with its slots and room head: what `twnm scene` runs."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = SpatialEncoder(config)
        self.queries = nn.Parameter(torch.randn(config.slots, width) * 0.5)
        self.layers = nn.ModuleList([SlotLayer(width, config.heads) for _ in range(config.slot_layers)])
        self.leave = nn.LayerNorm(width)
        self.of_slot = nn.Linear(width, width)
        self.of_frame = nn.Linear(width, width)
        self.per_frame = nn.Sequential(nn.GELU(), nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, 4))
        self.existence = nn.Linear(2 * width, 1)
        self.label = nn.Sequential(nn.Linear(2 * width + config.semantic_size, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, len(config.classes)))
        self.distance = nn.Sequential(nn.Linear(2 * width, width // 2), nn.GELU(), nn.Linear(width // 2, 2))
        self.room = nn.Sequential(nn.Linear(2 * width, width // 2), nn.GELU(), nn.Linear(width // 2, 2))

    def forward(self, features: Float[Tensor, "batch 7 frames mels"], semantic: Float[Tensor, "batch patches size"]) -> SlotOutput:
        """Hear a batch of clips; `semantic` are the frozen semantic encoder's vectors on W."""
        frames = self.encoder(features, semantic)
        slots = self.queries.expand(len(frames), -1, -1)
        attention = slots.new_zeros(0)
        for layer in self.layers:
            slots, attention = layer(slots, frames)
        slots = self.leave(slots)
        pair = self.per_frame(self.of_slot(slots)[:, :, None] + self.of_frame(frames)[:, None])
        activity = pair[..., 0]
        share = activity.sigmoid() + 1e-3
        share = share / share.sum(dim=-1, keepdim=True)
        both = torch.cat([slots, share @ frames], dim=-1)
        heard = share @ spread(nn.functional.layer_norm(semantic, semantic.shape[-1:]), frames.shape[1])
        distance = self.distance(both)
        return SlotOutput(
            existence=self.existence(both).squeeze(-1),
            label=self.label(torch.cat([both, heard], dim=-1)),
            activity=activity,
            direction=nn.functional.normalize(pair[..., 1:], dim=-1, eps=1e-4),
            log_distance=distance[..., 0] + 0.7,  # about ln 2 m, the middle of the distances that are met
            log_spread=distance[..., 1].clamp(-4, 2) - 1.0,
            embedding=slots,
            attention=attention,
            room=self.room(torch.cat([frames.mean(dim=1), frames.amax(dim=1)], dim=-1)),
            frames=frames,
            accdoa=self.encoder.accdoa_vectors(frames),
        )
