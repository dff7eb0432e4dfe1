"""Does what is heard turn with the sound? Real recordings have no labels of where sounds are, but a recording turned by a known angle must be heard turned.

Each window of 5 s is heard as it is and turned to the left by 30°, 75°, 140° and 250°, which is exact in first order; quarter turns would show nothing, since
hearing in four poses makes them exact (`twnm.model.turned`). Objects are matched by direction (optimal assignment after turning back); the angles left over
say how well the slots turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, rotate, unit_vector
from twnm.audio import read_foa
from twnm.errors import InputError
from twnm.model.ears import Ears
from twnm.model.hear import HeardObject
from twnm.model.link import cut_windows

TURNS_DEG = (30.0, 75.0, 140.0, 250.0)
WITHIN_DEG = 15.0


@dataclass(frozen=True)
class Turned:
    """Of one window heard as it is and turned once: how many objects were heard, and how far off each found again is, degrees."""

    plain: int
    turned: int
    left_over_deg: tuple[float, ...]
    same_label: tuple[bool, ...]


def turn_windows(ears: Ears, foa: Float32[np.ndarray, "4 samples"]) -> list[Turned]:
    """Every window of a recording against every turn."""
    out = []
    for _, window in cut_windows(torch.from_numpy(foa)):
        batch = torch.stack([window, *(torch.from_numpy(rotate(window.numpy(), turn_deg)) for turn_deg in TURNS_DEG)])
        heard = [objects for objects, _ in ears.hear(batch)]
        out += [_compare(heard[0], turned, turn_deg) for turned, turn_deg in zip(heard[1:], TURNS_DEG, strict=True)]
    return out


def _compare(plain: Sequence[HeardObject], turned: Sequence[HeardObject], turn_deg: float) -> Turned:
    if not plain or not turned:
        return Turned(len(plain), len(turned), (), ())
    first, second = (
        np.stack([unit_vector(item.azimuth_deg - back_deg, item.elevation_deg) for item in side]) for side, back_deg in ((plain, 0.0), (turned, turn_deg))
    )
    angles = angle_between_deg(first[:, None], second[None])
    rows, columns = linear_sum_assignment(angles)
    same = tuple(plain[int(row)].label == turned[int(column)].label for row, column in zip(rows, columns, strict=True))
    return Turned(len(plain), len(turned), tuple(angles[rows, columns].tolist()), same)


def turning_figures(windows: Sequence[Turned]) -> dict[str, float | int | None]:
    """Objects, how many of them were found again, the median angle left over, and which share of all turns within 15°; shares of all objects heard."""
    objects = sum(one.plain for one in windows)
    left_over = [angle for one in windows for angle in one.left_over_deg]
    same = [label for one in windows for label in one.same_label]
    return {
        "objects": objects,
        "matched": len(left_over),
        "median_deg": round(float(np.median(left_over)), 1) if left_over else None,
        f"within_{WITHIN_DEG:.0f}_deg": round(sum(angle < WITHIN_DEG for angle in left_over) / max(1, objects), 3),
        "same_label": round(sum(same) / max(1, len(same)), 3),
    }


def turn_recordings(ears: Ears, recordings: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
    """Figures of recordings given as LAYOUT:FILE, by file; raises InputError for one that cannot be read."""
    out = {}
    for given in recordings:
        layout, colon, file = given.partition(":")
        if not colon:
            raise InputError(f"{given!r} says no layout; give LAYOUT:FILE, as ambix:street.wav")
        out[file] = turning_figures(turn_windows(ears, read_foa(file, layout=layout)))
    return out
