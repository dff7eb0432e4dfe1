"""TupleScore: how well the heard objects (class, direction, distance, time) describe the true ones, in one graded number.

After the idea of Sci-Phi (arXiv 2510.05542): heard and true tuples are paired whatever their order and every attribute is graded. The grades of that paper
are not public in detail; these are ours, so figures are not comparable with its own. For a true object t and a heard object h

    s_class     = 1 if the labels are equal, else 0
    s_direction = max(0, 1 - angle / 90 degrees)            nothing from 90 degrees on
    s_distance  = min(d_t, d_h) / max(d_t, d_h)             the same for twice and for half the distance
    s_time      = intersection over union of the time spans
    s(t, h)     = mean of the four

and with the one-to-one pairing that makes the sum S = sum s(t, h) greatest,

    TupleScore = 2 S / (true + heard),    recall = S / true,    precision = S / heard

which is 1 only if everything is right, falls with every missed and every invented object, and is 1 when nothing is there and nothing heard. Over several
clips S and the counts are summed first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.errors import InputError
from twnm.metrics.localisation import PlacedObject, time_overlap

ATTRIBUTES = ("class", "direction", "distance", "time")
NOTHING_FROM_DEG = 90.0


@dataclass(frozen=True)
class TupleGrades:
    """One clip: how many objects are true and heard, and the four grades of each pair, in the order of ATTRIBUTES."""

    true_count: int
    heard_count: int
    grades: Float[np.ndarray, "pairs 4"]


def validate(objects: Sequence[PlacedObject], name: str = "objects") -> None:
    """Raise InputError, with a guess at the cause, for an object that cannot be graded."""
    for it in objects:
        if not all(map(np.isfinite, (it.azimuth_deg, it.elevation_deg, it.distance_m, it.onset_s, it.offset_s))):
            raise InputError(f"{name}: {it.label!r} has a value that is not a finite number")
        if abs(it.elevation_deg) > 90:
            raise InputError(f"{name}: elevation {it.elevation_deg:g} of {it.label!r} is beyond ±90 degrees; are azimuth and elevation exchanged?")
        if it.distance_m <= 0:
            raise InputError(f"{name}: the distance of {it.label!r} is {it.distance_m:g} m; it must be positive")
        if it.offset_s < it.onset_s:
            raise InputError(f"{name}: {it.label!r} ends at {it.offset_s:g} s, before its onset at {it.onset_s:g} s; are they exchanged?")


def tuple_grades(heard: Sequence[PlacedObject], truth: Sequence[PlacedObject]) -> TupleGrades:
    """Pair heard and true objects of one clip so that the sum of grades is greatest. Raises InputError for objects that cannot be graded."""
    validate(truth, "truth")
    validate(heard, "heard")
    if not truth or not heard:
        return TupleGrades(len(truth), len(heard), np.zeros((0, 4)))
    every = np.array([[_grades(found, true) for found in heard] for true in truth])
    rows, columns = linear_sum_assignment(every.sum(axis=-1), maximize=True)
    return TupleGrades(len(truth), len(heard), every[rows, columns])


def _grades(heard: PlacedObject, true: PlacedObject) -> tuple[float, float, float, float]:
    angle_deg = float(angle_between_deg(unit_vector(true.azimuth_deg, true.elevation_deg), unit_vector(heard.azimuth_deg, heard.elevation_deg)))
    near_m, far_m = sorted((heard.distance_m, true.distance_m))
    return float(heard.label == true.label), max(0.0, 1 - angle_deg / NOTHING_FROM_DEG), near_m / far_m, time_overlap(heard, true)


def evaluate(clips: Sequence[TupleGrades]) -> dict[str, float]:
    """`tuple_score`, `recall`, `precision` over clips, and the mean grade of each attribute over all pairs (NaN without a pair).

    Raises InputError without any clip.
    """
    if not clips:
        raise InputError("no clip to score; give at least one")
    true, heard = sum(clip.true_count for clip in clips), sum(clip.heard_count for clip in clips)
    grades = np.concatenate([clip.grades for clip in clips])
    total = float(grades.mean(axis=1).sum())
    scores = {
        "tuple_score": 2 * total / (true + heard) if true + heard else 1.0,
        "recall": total / true if true else float("nan"),
        "precision": total / heard if heard else float("nan"),
    }
    means = grades.mean(axis=0) if len(grades) else np.full(len(ATTRIBUTES), np.nan)
    return scores | {name: float(mean) for name, mean in zip(ATTRIBUTES, means, strict=True)}
