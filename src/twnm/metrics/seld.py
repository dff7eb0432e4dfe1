"""Sound event localisation and detection (SELD) scores after the definitions of DCASE task 3, 2023 and 2024.

Both compare `Detections` (conventions there) class by class and frame by frame; within a frame the events of a class are paired by the assignment with
the least sum of angles. A pair is a hit if its angle is at most 20 degrees and, in 2024, its relative distance error |d' - d| / d at most 1; else it is
astray. Events without a partner are missed or extra.

2024, per frame of 100 ms:   F20 = hits / (hits + astray + (extra + missed) / 2)
                             DOAE, RDE = mean angle, mean relative distance error of all pairs, hit or astray; NaN without any
                             SELD = mean of 1 - F20, DOAE / 180 and RDE, as far as they are numbers
2023, per second and track:  F20 as above; a pair's angle is its mean over the frames of the second in which it is found
                             ER20 = (substitutions + deletions + insertions) / true tracks, over all classes
                             LE = mean angle of the pairs (180 without any), LR = pairs / (pairs + missed)
                             SELD = mean of ER20, 1 - F20, LE / 180 and 1 - LR

Macro averages are means of the classes' scores; micro averages are scores of the summed counts. Where the text of the definition leaves a case open, the
organisers' published code decides: a class that sounds in a second on both sides but never in one frame counts as many misses as there are tracks heard,
and nothing else. One departure: all frames count, where the organisers' script leaves out the last labelled frame of a recording and what follows it.

Sources: Mesaros et al., "Joint measurement of localization and detection of sound events", WASPAA 2019; Politis et al., "Overview and evaluation of sound
event localization and detection in DCASE 2019", TASLP 2020; the task descriptions at dcase.community and the baseline code of 2024.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg
from twnm.errors import InputError
from twnm.metrics.detections import Detections, validate

MAX_ANGLE_DEG = 20.0
MAX_DISTANCE_RATIO = 1.0
FRAMES_PER_SEGMENT = 10
Average = Literal["macro", "macro-all", "micro"]
Year = Literal[2023, 2024]
_ROUNDING = 1e-6  # an angle of exactly 20 degrees is a hit


@dataclass(frozen=True)
class Counts:
    """Sums over recordings, per class; `errors` holds substitutions, deletions and insertions over all classes (2023 alone)."""

    true: Float[np.ndarray, " classes"]
    hit: Float[np.ndarray, " classes"]
    astray: Float[np.ndarray, " classes"]
    extra: Float[np.ndarray, " classes"]
    missed: Float[np.ndarray, " classes"]
    angle_deg: Float[np.ndarray, " classes"]
    distance_ratio: Float[np.ndarray, " classes"]
    errors: Float[np.ndarray, " 3"]

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def matched(self) -> Float[np.ndarray, " classes"]:
        """All pairs."""
        return self.hit + self.astray

    @property
    def present(self) -> np.ndarray:
        """Which classes occur at all, in truth or prediction."""
        return (self.true + self.extra + self.matched) > 0


@dataclass(frozen=True)
class _Matches:
    """Per frame and class: how many events are true and heard; per pair: where it is, its place among the true events, its errors."""

    frame: Int[np.ndarray, " groups"]
    label: Int[np.ndarray, " groups"]
    true: Int[np.ndarray, " groups"]
    heard: Int[np.ndarray, " groups"]
    group: Int[np.ndarray, " pairs"]
    track: Int[np.ndarray, " pairs"]
    angle_deg: Float[np.ndarray, " pairs"]
    distance_ratio: Float[np.ndarray, " pairs"]


def _match(truth: Detections, heard: Detections, classes: int) -> _Matches:
    """Pair the events of each class in each frame by the least sum of angles."""
    truth_key, heard_key = truth.frame * classes + truth.label, heard.frame * classes + heard.label
    keys = np.union1d(truth_key, heard_key)
    truth, heard = (side.take(np.argsort(key, kind="stable")) for side, key in ((truth, truth_key), (heard, heard_key)))
    first_true, first_heard = (np.searchsorted(np.sort(key), keys) for key in (truth_key, heard_key))
    n_true, n_heard = (np.searchsorted(np.sort(key), keys, side="right") - first for key, first in ((truth_key, first_true), (heard_key, first_heard)))
    single = np.flatnonzero((n_true == 1) & (n_heard == 1))
    group, row, column = [single], [first_true[single]], [first_heard[single]]
    for index in np.flatnonzero((np.minimum(n_true, n_heard) >= 1) & (np.maximum(n_true, n_heard) > 1)):
        start, other = first_true[index], first_heard[index]
        true_directions, heard_directions = truth.directions[start : start + n_true[index]], heard.directions[other : other + n_heard[index]]
        rows, columns = linear_sum_assignment(angle_between_deg(true_directions[:, None], heard_directions[None]))
        group.append(np.full(len(rows), index))
        row.append(start + rows)
        column.append(other + columns)
    of, true_row, heard_row = np.concatenate(group), np.concatenate(row), np.concatenate(column)
    true_m, heard_m = truth.distance_m[true_row], heard.distance_m[heard_row]
    angle_deg = angle_between_deg(truth.directions[true_row], heard.directions[heard_row])
    return _Matches(keys // classes, keys % classes, n_true, n_heard, of, true_row - first_true[of], angle_deg, np.abs(heard_m - true_m) / true_m)


def frame_counts(truth: Detections, heard: Detections, classes: int) -> Counts:
    """Counts of one recording per frame of 100 ms (2024)."""
    found = _match(truth, heard, classes)
    label = found.label[found.group]
    right = (found.angle_deg <= MAX_ANGLE_DEG + _ROUNDING) & (found.distance_ratio <= MAX_DISTANCE_RATIO + _ROUNDING)

    def per_class(labels: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        return np.bincount(labels, amounts, minlength=classes).astype(float)

    surplus = found.heard - found.true
    return Counts(
        true=per_class(found.label, found.true),
        hit=per_class(label, right),
        astray=per_class(label, ~right),
        extra=per_class(found.label, np.maximum(surplus, 0)),
        missed=per_class(found.label, np.maximum(-surplus, 0)),
        angle_deg=per_class(label, found.angle_deg),
        distance_ratio=per_class(label, found.distance_ratio),
        errors=np.zeros(3),
    )


def segment_counts(truth: Detections, heard: Detections, classes: int) -> Counts:
    """Counts of one recording per second and track (2023). A true track is the place of an event among those of its class in a frame."""
    found = _match(truth, heard, classes)
    segments, of_group = np.unique((found.frame // FRAMES_PER_SEGMENT) * classes + found.label, return_inverse=True)
    n_true, n_heard = np.zeros(len(segments), int), np.zeros(len(segments), int)
    np.maximum.at(n_true, of_group, found.true)
    np.maximum.at(n_heard, of_group, found.heard)
    most = int(n_true.max(initial=0)) + 1
    tracks, of_pair = np.unique(of_group[found.group] * most + found.track, return_inverse=True)
    track_angle_deg = np.bincount(of_pair, found.angle_deg) / np.bincount(of_pair) if tracks.size else np.zeros(0)
    right = track_angle_deg <= MAX_ANGLE_DEG + _ROUNDING
    n_hit, n_astray = (np.bincount(tracks // most, amount, minlength=len(segments)) for amount in (right, ~right))
    apart = (n_true > 0) & (n_heard > 0) & (n_hit + n_astray == 0)
    extra = np.where(apart, 0, np.maximum(n_heard - n_true, 0))
    missed = np.where(apart, n_heard, np.maximum(n_true - n_heard, 0))
    label, second = segments % classes, segments // classes
    false_alarms, misses = np.bincount(second, n_astray + extra), np.bincount(second, missed)
    errors = [np.minimum(false_alarms, misses), np.maximum(misses - false_alarms, 0), np.maximum(false_alarms - misses, 0)]
    sums = (np.bincount(label, amount, minlength=classes).astype(float) for amount in (n_true, n_hit, n_astray, extra, missed))
    angles = np.bincount(label[tracks // most], track_angle_deg, minlength=classes).astype(float)
    true, hit, astray, more, fewer = sums
    return Counts(true, hit, astray, more, fewer, angles, np.zeros(classes), np.array([error.sum() for error in errors], float))


def scores_2024(counts: Counts, average: Average = "macro") -> dict[str, float]:
    """`f20`, `doae_deg`, `rde` and `seld` of frame counts; NaN where nothing defines a score.

    `macro` averages over the classes that occur in truth or prediction, `macro-all` over every class as the organisers' code does: a class that never
    occurs has F20 = 0 there and no DOAE or RDE. A class without a pair has no DOAE or RDE, and its SELD is 1 - F20.
    """
    chosen = _averaged(counts, average)
    f20 = _ratio(chosen.hit, chosen.hit + chosen.astray + (chosen.extra + chosen.missed) / 2, 0.0)
    doae_deg = _ratio(chosen.angle_deg, chosen.matched, np.nan)
    rde = _ratio(chosen.distance_ratio, chosen.matched, np.nan)
    seld = [_mean(np.array(parts)) for parts in zip(1 - f20, doae_deg / 180, rde, strict=True)]
    return {"f20": _mean(f20), "doae_deg": _mean(doae_deg), "rde": _mean(rde), "seld": _mean(np.array(seld))}


def scores_2023(counts: Counts, average: Average = "macro") -> dict[str, float]:
    """`er20`, `f20`, `le_deg`, `lr` and `seld` of segment counts; `average` as in `scores_2024`, and ER20 always over all classes.

    A class without a pair has LE = 180 and LR = 0. ER20 is NaN when nothing is true; so is then `seld`.
    """
    chosen = _averaged(counts, average)
    er20 = float(_ratio(counts.errors.sum(keepdims=True), counts.true.sum(keepdims=True), np.nan)[0])
    f20 = _mean(_ratio(chosen.hit, chosen.hit + chosen.astray + (chosen.extra + chosen.missed) / 2, 0.0))
    le_deg = _mean(_ratio(chosen.angle_deg, chosen.matched, 180.0))
    lr = _mean(_ratio(chosen.matched, chosen.matched + chosen.missed, 0.0))
    return {"er20": er20, "f20": f20, "le_deg": le_deg, "lr": lr, "seld": (er20 + 1 - f20 + le_deg / 180 + 1 - lr) / 4}


def evaluate(recordings: Sequence[tuple[Detections, Detections]], classes: int, year: Year = 2024, average: Average = "macro") -> dict[str, float]:
    """Scores of a set of recordings.

    Args:
        recordings: of each one the truth and what was heard.
        classes: how many classes there are.
        year: of the definition; distances may be unknown in 2023.
        average: over classes, see `scores_2024`.

    Returns:
        The scores by name; angles in degrees, the others as fractions.

    Raises:
        InputError: the detections break the conventions, or there is no recording.
    """
    if not recordings:
        raise InputError("no recording to evaluate; give at least one pair of truth and detections")
    for side, name in enumerate(("truth", "prediction")):
        validate([pair[side] for pair in recordings], classes, name, need_distance=year == 2024)
    count = frame_counts if year == 2024 else segment_counts
    total = functools.reduce(operator.add, (count(truth, heard, classes) for truth, heard in recordings))
    return scores_2024(total, average) if year == 2024 else scores_2023(total, average)


def _averaged(counts: Counts, average: Average) -> Counts:
    """The classes that are averaged; for the micro average one class that holds all."""
    if average not in get_args(Average):
        raise InputError(f"unknown average {average!r}; allowed: {', '.join(get_args(Average))}")
    if average == "macro-all":
        return counts
    columns = {field.name: getattr(counts, field.name) for field in fields(counts) if field.name != "errors"}
    if average == "micro":
        return Counts(**{name: column.sum(keepdims=True) for name, column in columns.items()}, errors=counts.errors)
    return Counts(**{name: column[counts.present] for name, column in columns.items()}, errors=counts.errors)


def _ratio(over: Float[np.ndarray, " classes"], under: Float[np.ndarray, " classes"], otherwise: float) -> Float[np.ndarray, " classes"]:
    return np.divide(over, under, out=np.full(len(over), otherwise), where=under > 0)


def _mean(values: Float[np.ndarray, " values"]) -> float:
    """Mean of what is a number, NaN if nothing is."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if numbers.size else float("nan")
