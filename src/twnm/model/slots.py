"""Object slots: K queries that attend to the encoder's frames, each becoming one sound object or silence.

After Carion et al. (2020, set prediction) and the slot attention idea of Locatello et al. (2020). For a clip of T frames slot k gives: existence (logit), class
(logits), activity per frame (logits), direction per frame (unit vector x, y, z), log distance per frame with a spread (Laplace), whether it moves
(logit), and an embedding. A room head gives log RT60 of three band groups, log volume, and whether there are walls at all (logit).

What an object is called is decided in a second pass: `SlotEncoder.name` hears it on a beam towards its slot (twnm.model.beams), and a `Namer`, if there is
one, gives a second opinion.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twnm.model.namer import Namer
from twnm.model.pointing import REACHES_FRAMES, Pointing
from twnm.model.spatial_encoder import EncoderConfig, Seen, SpatialEncoder, spread

_MIDDLE_LOG_DISTANCE = 0.7  # about ln 2 m, the middle of the distances that are met
_NAME_WIDTH = 256


@dataclass(frozen=True)
class SlotOutput:
    """Everything the slots say of a batch of clips (B clips, K slots, T frames of 100 ms, C classes, D width).

    `log_distance` is the mean of `log_distances` over the active frames; `room` is log RT60 low, middle and high, and log volume - 4; `evidence` is
    what a slot's heads read: its vector and the mean of the frames in which it is active.
    """

    existence: Float[Tensor, "batch slots"]
    label: Float[Tensor, "batch slots classes"]
    activity: Float[Tensor, "batch slots time"]
    direction: Float[Tensor, "batch slots time 3"]
    log_distance: Float[Tensor, "batch slots"]
    log_distances: Float[Tensor, "batch slots time"]
    log_spread: Float[Tensor, "batch slots"]
    moves: Float[Tensor, "batch slots"]
    embedding: Float[Tensor, "batch slots width"]
    evidence: Float[Tensor, "batch slots twice_width"]
    attention: Float[Tensor, "batch slots time"]
    room: Float[Tensor, "batch 4"]
    walls: Float[Tensor, " batch"]
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
        if config.pointing:
            self.pointing = Pointing(width // 2, config.stem[1])
            self.clarity = nn.Linear(len(REACHES_FRAMES), width // 2)
        self.existence = nn.Linear(2 * width, 1)
        self.label = nn.Sequential(nn.Linear(2 * width + config.semantic_size, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, len(config.classes)))
        self.distance = nn.Sequential(nn.Linear(2 * width, width // 2), nn.GELU(), nn.Linear(width // 2, 2))
        self.room = nn.Sequential(nn.Linear(2 * width, width // 2), nn.GELU(), nn.Linear(width // 2, 2))
        self.room_more = nn.Linear(width // 2, 3)
        self.approach = nn.Linear(width // 2, 1)
        self.moves = nn.Linear(2 * width + 2, 1)
        self.beam = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * config.semantic_size, _NAME_WIDTH))
        self.known = nn.Linear(2 * width, _NAME_WIDTH)
        self.called = nn.Sequential(nn.GELU(), nn.Dropout(0.3), nn.Linear(_NAME_WIDTH, len(config.classes)))
        self.trust = nn.Parameter(torch.tensor(0.5))
        self.namer = Namer(config.classes, config.namer_rank) if config.namer_rank else None
        nn.init.zeros_(self.approach.weight)
        nn.init.zeros_(self.approach.bias)

    def forward(self, seen: Seen, semantic: Float[Tensor, "batch patches size"]) -> SlotOutput:
        """Hear a batch of clips: what `SpatialEncoder.look` gives of them, and the frozen semantic encoder's vectors on W."""
        features = self.encoder.features(seen)
        frames, early = self.encoder(features, semantic)
        slots = self.queries.expand(len(frames), -1, -1)
        attention = slots.new_zeros(0)
        for layer in self.layers:
            slots, attention = layer(slots, frames)
        slots = self.leave(slots)
        hidden = self.per_frame[:-1](self.of_slot(slots)[:, :, None] + self.of_frame(frames)[:, None])
        pair = self.per_frame[-1](hidden)
        activity = pair[..., 0]
        share = activity.sigmoid() + 1e-3
        share = share / share.sum(dim=-1, keepdim=True)
        both = torch.cat([slots, share @ frames], dim=-1)
        meant = semantic if self.config.semantics else torch.zeros_like(semantic)
        heard = share @ spread(nn.functional.layer_norm(meant, meant.shape[-1:]), frames.shape[1])
        towards, about = pair[..., 1:], self.distance[0](both)
        if self.config.pointing:
            pointed, lengths = self.pointing(hidden, activity, early, self.encoder.heard(features)[:, 4:])
            towards = towards + pointed
            about = about + self.clarity((share[..., None] * lengths).sum(dim=2))
        direction = nn.functional.normalize(towards, dim=-1, eps=1e-4)
        distance = self.distance[1:](about)
        log_distances = distance[..., :1] + _MIDDLE_LOG_DISTANCE + self.approach(hidden).squeeze(-1)
        return SlotOutput(
            existence=self.existence(both).squeeze(-1),
            label=self.label(torch.cat([both, heard], dim=-1)),
            activity=activity,
            direction=direction,
            log_distance=(share * log_distances).sum(dim=-1),
            log_distances=log_distances,
            log_spread=distance[..., 1].clamp(-4, 2) - 1.0,
            moves=self.moves(torch.cat([both, _unsteadiness(share, direction, log_distances)], dim=-1)).squeeze(-1),
            embedding=slots,
            evidence=both,
            attention=attention,
            frames=frames,
            accdoa=self.encoder.accdoa_vectors(frames),
            **self._hear_room(frames),
        )

    def _hear_room(self, frames: Float[Tensor, "batch time width"]) -> dict[str, Tensor]:
        hidden = self.room[:-1](torch.cat([frames.mean(dim=1), frames.amax(dim=1)], dim=-1))
        middle, volume = self.room[-1](hidden).unbind(dim=-1)
        low, high, walls = self.room_more(hidden).unbind(dim=-1)
        return {"room": torch.stack([low, middle, high, volume], dim=-1), "walls": walls}

    def name(
        self, label: Float[Tensor, "batch slots classes"], evidence: Float[Tensor, "batch slots both"], beams: Float[Tensor, "batch slots 2 size"]
    ) -> Float[Tensor, "batch slots classes"]:
        """Class logits of some slots, now that each was heard on a beam towards it.

        Args:
            label, evidence: what the slots said in the first pass (`SlotOutput`).
            beams: the mean and the largest semantic vector of each beam (`beams.hear_beams`).
        """
        if not (self.config.spatial and self.config.semantics):
            beams = torch.zeros_like(beams)
        heard = self.beam(nn.functional.layer_norm(beams, beams.shape[-1:]).flatten(-2))
        return self.trust * label + self.called(heard + self.known(evidence))


def _unsteadiness(
    share: Float[Tensor, "batch slots time"], direction: Float[Tensor, "batch slots time 3"], log_distances: Float[Tensor, "batch slots time"]
) -> Float[Tensor, "batch slots 2"]:
    """How far direction and log distance depart from their means while a slot is active."""
    centre = (share[..., None] * direction).sum(dim=2, keepdim=True)
    turned = (share * (direction - centre).square().sum(dim=-1)).sum(dim=-1)
    middle = (share * log_distances).sum(dim=-1, keepdim=True)
    return torch.stack([(turned + 1e-6).sqrt(), (share * (log_distances - middle).abs()).sum(dim=-1)], dim=-1)
