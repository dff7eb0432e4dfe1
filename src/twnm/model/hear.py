"""From audio to the objects heard: two passes of the encoder, then thresholds, time spans, mean directions and motion.

The first pass finds slots, in several poses of the clip (`twnm.model.turned`); the second names each existing slot by what a beam towards it sounds
like. A clip without any signal has no objects, whatever the slots say: the encoder was never shown digital silence, and its features are those of
noise there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.ambisonics import angle_between_deg, angles_deg, unit_vector
from twnm.model.beams import beam_weights, steered
from twnm.model.features import LABEL_RATE_HZ
from twnm.model.semantic import SemanticEncoder
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.turned import QUARTER_TURNS, Pose, hear_turned

WINDOW_S = 5.0
EXISTS_ABOVE = 0.5
SILENT_RMS = 1e-5  # -100 dB re full scale
MOVES_ABOVE = 0.5
WALLS_FROM = 0.5
DISTANCE_CHANGES_BY = 1.2
TURNS_BY_DEG = 15.0
END_FRAMES = 3  # what counts as the beginning and the end of a motion: 0.3 s
SLOTS_BESIDE_NAMER = 0.5
"""What the slots' logits of a name weigh beside a namer's: both were trained on the same recordings, and their sum would be too sure."""
_NEVER = -20.0
_OTHERS, _LEAST_PROBABLE = 3, 0.1


@dataclass(frozen=True)
class HeardObject:
    """One sound object: catalogue label, confidence (existence x class), time span, place, and its direction and distance every 100 ms.

    `azimuths_deg`, `elevations_deg` and `distances_m` run from the frame of `onset_s`, ten per second (`distances_m` may be empty: not followed).
    `distance_m` is that of the middle, `distance_spread` the Laplace scale of the log distance, `moves` the probability that it moves. `others` are the
    labels that it may have instead, most probable first: up to three that are at least a tenth probable; `chances` are the probabilities of all classes.
    """

    label: str
    confidence: float
    onset_s: float
    offset_s: float
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    distance_spread: float
    azimuths_deg: tuple[float, ...]
    elevations_deg: tuple[float, ...]
    distances_m: tuple[float, ...] = ()
    moves: float = 0.0
    others: tuple[str, ...] = ()
    chances: tuple[float, ...] = field(default=(), repr=False)

    @property
    def nearest_s(self) -> float:
        """When it is nearest, seconds; the onset if distances were not followed."""
        return self.onset_s + (int(np.argmin(self.distances_m)) / LABEL_RATE_HZ if self.distances_m else 0.0)

    @property
    def motion(self) -> str:
        """ "stands still", "comes closer", "moves away", "passes by", or "moves across": turns clearly, without a clear change of distance."""
        if self.moves <= MOVES_ABOVE or len(self.distances_m) < 2 * END_FRAMES:
            return "stands still"
        begin_m, end_m = (float(np.mean(part)) for part in (self.distances_m[:END_FRAMES], self.distances_m[-END_FRAMES:]))
        nearest_m = min(self.distances_m)
        if min(begin_m, end_m) > DISTANCE_CHANGES_BY * nearest_m:
            return "passes by"
        if begin_m > DISTANCE_CHANGES_BY * end_m:
            return "comes closer"
        if end_m > DISTANCE_CHANGES_BY * begin_m:
            return "moves away"
        return "moves across" if self.turned_deg > TURNS_BY_DEG else "stands still"

    @property
    def turned_deg(self) -> float:
        """The angle between its directions at the beginning and at the end, each the mean over 0.3 s (of a short one over less)."""
        track = unit_vector(np.array(self.azimuths_deg), np.array(self.elevations_deg))
        frames = max(1, min(END_FRAMES, len(track) // 2))
        return float(angle_between_deg(track[:frames].mean(axis=0), track[-frames:].mean(axis=0)))


@dataclass(frozen=True)
class HeardRoom:
    """What the room head says: reverberation time (500 Hz-1 kHz) and volume, the probability of walls, and reverberation below and above.

    Without walls the times mean nothing.
    """

    rt60_s: float
    volume_m3: float
    walls: float = 1.0
    low_rt60_s: float = math.nan
    high_rt60_s: float = math.nan

    @property
    def has_walls(self) -> bool:
        """Whether there more probably are walls than not."""
        return self.walls >= WALLS_FROM


def hear_clips(
    encoder: SlotEncoder, semantic: SemanticEncoder, audio: Float[Tensor, "batch 4 samples"], poses: Sequence[Pose] = QUARTER_TURNS
) -> tuple[SlotOutput, Float[Tensor, "batch patches size"]]:
    """Hear clips in two passes: slots from the features, then names of the existing slots from beams towards them. Also gives the semantic vectors of W.

    `audio` is on the CPU; what is given is where the encoder is. More `poses` hear better and take longer.
    """
    with torch.no_grad():
        device = next(encoder.parameters()).device
        heard = semantic(audio).to(device)
        output = hear_turned(encoder, encoder.encoder.look(audio).to(device), heard, poses)
        silent = (audio.square().mean(dim=-1).amax(dim=-1).sqrt() < SILENT_RMS).to(device)
        output = replace(output, existence=torch.where(silent[:, None], _NEVER, output.existence))
        exists = output.existence.sigmoid() > EXISTS_ABOVE
        if not exists.any():
            return output, heard
        vectors, opinion = torch.zeros(*exists.shape, 2, heard.shape[-1]), torch.zeros(output.label.shape)
        for row in torch.nonzero(exists.any(dim=1)).flatten().tolist():
            beams = semantic.hear_beams(audio[row].numpy(), *_tracks(output, row))
            vectors[row, exists[row].cpu()] = beams.vectors
            opinion[row, exists[row].cpu()] = semantic.opinion(beams, encoder.config.classes, encoder.namer)
        named = encoder.name(output.label, output.evidence, vectors.to(device))
        if encoder.config.spatial and encoder.config.semantics:
            named = (SLOTS_BESIDE_NAMER if encoder.namer else 1.0) * named + opinion.to(device)
        return replace(output, label=torch.where(exists[..., None], named, output.label)), heard


def sounds_of(output: SlotOutput, row: int, foa: Float32[np.ndarray, "4 samples"]) -> Float32[np.ndarray, "sounds samples"]:
    """What there is to hear one by one in clip `row`, at 24 kHz: W, then a beam towards each existing slot in the slots' order."""
    weights = beam_weights(*_tracks(output, row))
    return np.stack([foa[0], *(steered(foa, one, 0, foa.shape[1]) for one in weights)])


def _tracks(output: SlotOutput, row: int) -> tuple[Float[np.ndarray, "objects time 3"], Float[np.ndarray, "objects time"]]:
    """Directions of the existing slots of clip `row`, and ones in the frames in which each is active."""
    slots = torch.nonzero(output.existence[row].sigmoid() > EXISTS_ABOVE).flatten()
    directions = output.direction[row, slots].numpy(force=True).astype(float)
    active = [_while_active(one) for one in output.activity[row, slots].sigmoid().numpy(force=True)]
    return directions, np.array(active).reshape(directions.shape[:2])


def _while_active(activity: np.ndarray) -> np.ndarray:
    """Ones in the frames in which an object is active."""
    first, last = _span(activity)
    frames = np.arange(activity.size)
    return ((frames >= first) & (frames < last)).astype(float)


def _span(activity: np.ndarray) -> tuple[int, int]:
    """First and one-past-last active frame; the loudest frame when none passes one half."""
    active = np.flatnonzero(activity > 0.5)
    if active.size == 0:
        active = np.array([int(activity.argmax())])
    return int(active[0]), int(active[-1]) + 1


def read_objects(output: SlotOutput, row: int, classes: tuple[str, ...], start_s: float = 0.0, duration_s: float = math.inf) -> list[HeardObject]:
    """Objects of clip `row` of a batch, by onset. `start_s` is added to all times; times end at `duration_s`."""
    exists = output.existence[row].sigmoid().numpy(force=True)
    labels = output.label[row].softmax(dim=-1).numpy(force=True)
    activity = output.activity[row].sigmoid().numpy(force=True)
    moves = output.moves[row].sigmoid().numpy(force=True)
    objects = []
    for slot in np.flatnonzero(exists > EXISTS_ABOVE):
        first, last = _span(activity[slot])
        directions = output.direction[row, slot, first:last].numpy(force=True).astype(float)
        distances_m = np.exp(output.log_distances[row, slot, first:last].numpy(force=True).astype(float))
        azimuth, elevation = angles_deg((directions * activity[slot, first:last, None]).sum(axis=0))
        azimuths, elevations = angles_deg(directions)
        best, *others = np.argsort(-labels[slot], kind="stable")[: 1 + _OTHERS].tolist()
        objects.append(
            HeardObject(
                label=classes[best],
                confidence=float(exists[slot] * labels[slot, best]),
                onset_s=start_s + first / LABEL_RATE_HZ,
                offset_s=min(start_s + last / LABEL_RATE_HZ, duration_s),
                azimuth_deg=float(azimuth),
                elevation_deg=float(elevation),
                distance_m=float(distances_m[len(distances_m) // 2]),
                distance_spread=float(output.log_spread[row, slot].exp()),
                azimuths_deg=tuple(np.round(azimuths, 1).tolist()),
                elevations_deg=tuple(np.round(elevations, 1).tolist()),
                distances_m=tuple(np.round(distances_m, 2).tolist()),
                moves=float(moves[slot]),
                others=tuple(classes[other] for other in others if labels[slot, other] >= _LEAST_PROBABLE),
                chances=tuple(labels[slot].tolist()),
            )
        )
    return sorted(objects, key=lambda item: (item.onset_s, item.azimuth_deg))


def read_room(output: SlotOutput, row: int) -> HeardRoom:
    """The room of clip `row`."""
    low, middle, high, log_volume = output.room[row].tolist()
    return HeardRoom(math.exp(middle), math.exp(log_volume + 4.0), float(output.walls[row].sigmoid()), math.exp(low), math.exp(high))


def mean_room(rooms: Sequence[HeardRoom]) -> HeardRoom:
    """What several windows say of one room: geometric means, and the mean probability of walls."""
    times = np.array([(room.rt60_s, room.volume_m3, room.low_rt60_s, room.high_rt60_s) for room in rooms])
    rt60_s, volume_m3, low_s, high_s = np.exp(np.log(times).mean(axis=0)).tolist()
    return HeardRoom(rt60_s, volume_m3, float(np.mean([room.walls for room in rooms])), low_s, high_s)
