"""Heard objects against true ones over a clip: optimal assignment by angle, then errors of direction, distance, class, time and count.

Angles are great-circle degrees; a relative distance error is |d' - d| / d. The assignment minimises the sum of angles (Hungarian), so a wrong class is
counted as a class error of a matched object, not as a miss.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, unit_vector


@dataclass(frozen=True)
class PlacedObject:
    """An object for scoring: its label, time span in seconds, direction in degrees and distance in metres."""

    label: str
    onset_s: float
    offset_s: float
    azimuth_deg: float
    elevation_deg: float
    distance_m: float


@dataclass(frozen=True)
class ClipErrors:
    """Errors of one clip; the arrays have one entry per matched pair."""

    true_count: int
    heard_count: int
    angle_deg: np.ndarray
    distance_relative: np.ndarray
    label_right: np.ndarray
    overlap: np.ndarray


def clip_errors(heard: list[PlacedObject], truth: list[PlacedObject]) -> ClipErrors:
    """Match heard objects to true ones and measure each pair; `overlap` is the intersection over union of the time spans."""
    if not heard or not truth:
        none = np.zeros(0)
        return ClipErrors(len(truth), len(heard), none, none, none.astype(bool), none)
    heard_directions = np.stack([unit_vector(item.azimuth_deg, item.elevation_deg) for item in heard])
    true_directions = np.stack([unit_vector(item.azimuth_deg, item.elevation_deg) for item in truth])
    angles = angle_between_deg(true_directions[:, None], heard_directions[None])
    rows, columns = linear_sum_assignment(angles)
    pairs = [(truth[row], heard[column]) for row, column in zip(rows, columns, strict=True)]
    return ClipErrors(
        true_count=len(truth),
        heard_count=len(heard),
        angle_deg=angles[rows, columns],
        distance_relative=np.array([abs(found.distance_m - true.distance_m) / true.distance_m for true, found in pairs]),
        label_right=np.array([found.label == true.label for true, found in pairs]),
        overlap=np.array([time_overlap(found, true) for true, found in pairs]),
    )


def time_overlap(first: PlacedObject, second: PlacedObject) -> float:
    """Intersection over union of the time spans; two equal moments overlap wholly."""
    shared = min(first.offset_s, second.offset_s) - max(first.onset_s, second.onset_s)
    union = max(first.offset_s, second.offset_s) - min(first.onset_s, second.onset_s)
    return max(0.0, shared) / union if union > 0 else 1.0


def summarise(errors: list[ClipErrors]) -> dict[str, float]:
    """Medians and rates by number of true sources: `angle_median_1`, `label_accuracy_2`, `distance_error_3`, `count_accuracy`, `recall` ..."""
    out: dict[str, float] = {}
    for count in sorted({error.true_count for error in errors if error.true_count}):
        chosen = [error for error in errors if error.true_count == count]
        angles = np.concatenate([error.angle_deg for error in chosen])
        if angles.size:
            out[f"angle_median_{count}"] = float(np.median(angles))
            out[f"label_accuracy_{count}"] = float(np.concatenate([error.label_right for error in chosen]).mean())
            out[f"distance_error_{count}"] = float(np.median(np.concatenate([error.distance_relative for error in chosen])))
            out[f"time_overlap_{count}"] = float(np.concatenate([error.overlap for error in chosen]).mean())
    out["count_accuracy"] = float(np.mean([error.true_count == error.heard_count for error in errors]))
    out["recall"] = sum(error.angle_deg.size for error in errors) / max(1, sum(error.true_count for error in errors))
    return out
