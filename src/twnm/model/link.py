"""Long recordings: windows of 5 s, one at a time, and the objects of neighbouring windows joined where they are one."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from twnm.ambisonics import angle_between_deg, angles_deg, unit_vector
from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.features import LABEL_RATE_HZ
from twnm.model.hear import WINDOW_S, HeardObject

_LINK_ANGLE_DEG = 25.0
_LINK_GAP_S = 0.6
_WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE_HZ)


def cut_windows(audio: torch.Tensor) -> Iterator[tuple[float, torch.Tensor]]:
    """Windows of a recording (4, samples), as `windows` gives them."""
    return windows(audio.split(_WINDOW_SAMPLES, dim=1))


def windows(blocks: Iterable[torch.Tensor]) -> Iterator[tuple[float, torch.Tensor]]:
    """Windows of a recording that comes in blocks of 5 s, as (start in seconds, audio (4, window samples)).

    If the last block is shorter its window begins in the block before, so that it ends with the recording; a recording of less than 5 s is padded with silence.
    """
    before, start = None, 0
    for block in blocks:
        short = _WINDOW_SAMPLES - block.shape[1]
        if short == 0:
            yield start / SAMPLE_RATE_HZ, block
        elif before is None:
            yield 0.0, torch.nn.functional.pad(block, (0, short))
        else:
            yield (start - short) / SAMPLE_RATE_HZ, torch.cat([before[:, -short:], block], dim=1)
        before = block
        start += block.shape[1]


def later(item: HeardObject, start_s: float, end_s: float) -> HeardObject:
    """An object of a window that begins at `start_s`, in the recording's time and cut at its end."""
    onset_s, offset_s = item.onset_s + start_s, min(item.offset_s + start_s, end_s)
    frames = max(1, math.ceil((offset_s - onset_s) * LABEL_RATE_HZ - 1e-6))
    tracks = {name: getattr(item, name)[:frames] for name in ("azimuths_deg", "elevations_deg", "distances_m")}
    return replace(item, onset_s=onset_s, offset_s=offset_s, **tracks)


def link(objects: list[HeardObject]) -> list[HeardObject]:
    """Join pieces that are one object: same label, little time between them, nearly the same direction where they meet.

    An object that moves is met where it would be by then, as its last half second goes on.
    """
    linked: list[HeardObject] = []
    open_from = 0  # objects before this one ended too long ago to be continued
    for item in sorted(objects, key=lambda one: one.onset_s):
        while open_from < len(linked) and item.onset_s - linked[open_from].offset_s > _LINK_GAP_S:
            open_from += 1
        near = [
            (_meeting_angle_deg(earlier, item), index)
            for index, earlier in enumerate(linked[open_from:], start=open_from)
            if item.label == earlier.label and item.onset_s - earlier.offset_s <= _LINK_GAP_S
        ]
        angle_deg, index = min(near, default=(math.inf, -1))
        if angle_deg < _LINK_ANGLE_DEG:
            linked[index] = _join(linked[index], item)
        else:
            linked.append(item)
    return linked


def _meeting_angle_deg(earlier: HeardObject, later: HeardObject) -> float:
    """The angle between two pieces where the second begins; the first stands where it was last, or goes on as it went, whichever is nearer."""
    first = unit_vector(later.azimuths_deg[0], later.elevations_deg[0])
    last = unit_vector(earlier.azimuths_deg[-1], earlier.elevations_deg[-1])
    gap = (later.onset_s - earlier.offset_s) * LABEL_RATE_HZ
    back = min(5, len(earlier.azimuths_deg) - 1)
    stays = float(angle_between_deg(last, first))
    if back == 0 or gap <= 0:
        return stays
    before = unit_vector(earlier.azimuths_deg[-1 - back], earlier.elevations_deg[-1 - back])
    return min(stays, float(angle_between_deg(last + (last - before) * gap / back, first)))


def _join(earlier: HeardObject, later: HeardObject) -> HeardObject:
    """One object from two pieces; the gap is filled with the earlier place, an overlap keeps the earlier one."""
    gap = round((later.onset_s - earlier.offset_s) * LABEL_RATE_HZ)
    skip = max(0, -gap)

    def joined(name: str) -> tuple[float, ...]:
        first, second = getattr(earlier, name), getattr(later, name)
        both: tuple[float, ...] = first + first[-1:] * max(0, gap) + second[skip:]
        return both

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
        distance_spread=float(shares @ [earlier.distance_spread, later.distance_spread]),
        azimuths_deg=joined("azimuths_deg"),
        elevations_deg=joined("elevations_deg"),
        distances_m=joined("distances_m") if earlier.distances_m and later.distances_m else (),
        moves=max(earlier.moves, later.moves),
    )
