"""From slots to the objects heard: thresholds, time spans, mean directions, and linking across windows of long recordings."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from twnm.ambisonics import angle_between_deg, angles_deg, unit_vector
from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.features import LABEL_RATE_HZ
from twnm.model.slots import SlotOutput

WINDOW_S = 5.0
EXISTS_ABOVE = 0.5
_LINK_ANGLE_DEG = 25.0
_LINK_GAP_S = 0.6


@dataclass(frozen=True)
class HeardObject:
    """One sound object: catalogue label, confidence (existence x class), time span, place, and its direction every 100 ms.

    `azimuths_deg` and `elevations_deg` run from the frame of `onset_s`, ten per second. `distance_spread` is the Laplace scale of the log distance.
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


@dataclass(frozen=True)
class HeardRoom:
    """What the room head says: reverberation time (500 Hz-1 kHz) and volume."""

    rt60_s: float
    volume_m3: float


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
    objects = []
    for slot in np.flatnonzero(exists > EXISTS_ABOVE):
        first, last = _span(activity[slot])
        directions = output.direction[row, slot, first:last].numpy(force=True).astype(float)
        weights = activity[slot, first:last, None]
        azimuth, elevation = angles_deg((directions * weights).sum(axis=0))
        azimuths, elevations = angles_deg(directions)
        best = int(labels[slot].argmax())
        objects.append(
            HeardObject(
                label=classes[best],
                confidence=float(exists[slot] * labels[slot, best]),
                onset_s=start_s + first / LABEL_RATE_HZ,
                offset_s=min(start_s + last / LABEL_RATE_HZ, duration_s),
                azimuth_deg=float(azimuth),
                elevation_deg=float(elevation),
                distance_m=float(output.log_distance[row, slot].exp()),
                distance_spread=float(output.log_spread[row, slot].exp()),
                azimuths_deg=tuple(np.round(azimuths, 1).tolist()),
                elevations_deg=tuple(np.round(elevations, 1).tolist()),
            )
        )
    return sorted(objects, key=lambda item: (item.onset_s, item.azimuth_deg))


def read_room(output: SlotOutput, row: int) -> HeardRoom:
    """The room of clip `row`."""
    log_rt60, log_volume = output.room[row].tolist()
    return HeardRoom(math.exp(log_rt60), math.exp(log_volume + 4.0))


def later(item: HeardObject, start_s: float, end_s: float) -> HeardObject:
    """An object of a window that begins at `start_s`, in the recording's time and cut at its end."""
    onset_s, offset_s = item.onset_s + start_s, min(item.offset_s + start_s, end_s)
    frames = max(1, math.ceil((offset_s - onset_s) * LABEL_RATE_HZ - 1e-6))
    azimuths, elevations = item.azimuths_deg[:frames], item.elevations_deg[:frames]
    return replace(item, onset_s=onset_s, offset_s=offset_s, azimuths_deg=azimuths, elevations_deg=elevations)


def windows(samples: int) -> list[tuple[int, int]]:
    """Start and end samples of the windows that cover a recording; the last one ends with it and may overlap the one before."""
    length = round(WINDOW_S * SAMPLE_RATE_HZ)
    if samples <= length:
        return [(0, samples)]
    starts = [*range(0, samples - length, length), samples - length]
    return [(start, start + length) for start in starts]


def link(objects: list[HeardObject]) -> list[HeardObject]:
    """Join pieces that are one object: same label, little time between them, nearly the same direction where they meet."""
    linked: list[HeardObject] = []
    for item in sorted(objects, key=lambda one: one.onset_s):
        for index, earlier in enumerate(linked):
            gap_s = item.onset_s - earlier.offset_s
            if item.label == earlier.label and gap_s <= _LINK_GAP_S and _meeting_angle_deg(earlier, item) < _LINK_ANGLE_DEG:
                linked[index] = _join(earlier, item)
                break
        else:
            linked.append(item)
    return linked


def _meeting_angle_deg(earlier: HeardObject, later: HeardObject) -> float:
    last = unit_vector(earlier.azimuths_deg[-1], earlier.elevations_deg[-1])
    first = unit_vector(later.azimuths_deg[0], later.elevations_deg[0])
    return float(angle_between_deg(last, first))


def _join(earlier: HeardObject, later: HeardObject) -> HeardObject:
    """One object from two pieces; the gap is filled with the earlier direction, an overlap keeps the earlier one."""
    gap = round((later.onset_s - earlier.offset_s) * LABEL_RATE_HZ)
    skip = max(0, -gap)
    azimuths = earlier.azimuths_deg + earlier.azimuths_deg[-1:] * max(0, gap) + later.azimuths_deg[skip:]
    elevations = earlier.elevations_deg + earlier.elevations_deg[-1:] * max(0, gap) + later.elevations_deg[skip:]
    shares = np.array([earlier.offset_s - earlier.onset_s, later.offset_s - later.onset_s])
    shares = shares / shares.sum()
    azimuth, elevation = angles_deg(
        shares[0] * unit_vector(earlier.azimuth_deg, earlier.elevation_deg) + shares[1] * unit_vector(later.azimuth_deg, later.elevation_deg)
    )
    return replace(
        earlier,
        confidence=float(shares @ [earlier.confidence, later.confidence]),
        offset_s=max(earlier.offset_s, later.offset_s),
        azimuth_deg=float(azimuth),
        elevation_deg=float(elevation),
        distance_m=float(math.exp(shares @ np.log([earlier.distance_m, later.distance_m]))),
        azimuths_deg=azimuths,
        elevations_deg=elevations,
    )


def cut_windows(audio: torch.Tensor) -> list[tuple[float, torch.Tensor]]:
    """Windows of a recording (4, samples) as (start in seconds, audio (4, window samples)); a short recording is padded with silence to one window."""
    length = round(WINDOW_S * SAMPLE_RATE_HZ)
    if audio.shape[-1] < length:
        audio = torch.nn.functional.pad(audio, (0, length - audio.shape[-1]))
    return [(start / SAMPLE_RATE_HZ, audio[:, start:end]) for start, end in windows(audio.shape[-1])]
