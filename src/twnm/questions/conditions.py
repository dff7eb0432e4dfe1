"""Conditions that a sound meets or not, each a question of another task turned into a statement; `l3_compound_condition` joins two or three of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twnm.questions.evidence import Heard, side4
from twnm.questions.facts import DISTANCE_RATIO, TIME_MARGIN_S, WHERE, Facts, Source, clear_side, on_side
from twnm.questions.options import pick, shuffled

THRESHOLDS_M = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
THRESHOLDS_S = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
TURNED = {90: "turned 90° to the left", -90: "turned 90° to the right", 180: "turned around"}


@dataclass(frozen=True)
class Condition:
    """`words` for the question, `short` for the reasoning; `test` is True, False, or None within the margin; `rounded` the same of the values as shown.

    `other` is the sound that the condition compares with, which is then no candidate itself.
    """

    words: str
    short: str
    test: Callable[[Heard], bool | None]
    rounded: Callable[[Heard], bool]
    other: str = ""


def is_on(side: str) -> Condition:
    """From l1_identify_by_direction: in one quarter, 10° clear of its borders."""
    return Condition(f"is {WHERE[side]}", side, lambda it: on_side(it.azimuth_deg, side), lambda it: side4(it.azimuth_deg) == side)


def is_on_after_turn(side: str, turn_deg: int) -> Condition:
    """From l3_rotate_listener: in one quarter after the listener turned."""
    return Condition(
        f"would be {WHERE[side]} if you {TURNED[turn_deg]}",
        f"{side} when {TURNED[turn_deg]}",
        lambda it: on_side(it.azimuth_deg - turn_deg, side),
        lambda it: side4(it.azimuth_deg - turn_deg) == side,
    )


def is_within(limit_m: float, closer: bool) -> Condition:
    """From l1_estimate_distance: closer or farther than a limit, 30 % clear of it."""

    def test(it: Heard) -> bool | None:
        within = max(it.distance_m / limit_m, limit_m / it.distance_m) < DISTANCE_RATIO
        return None if within else (it.distance_m < limit_m) == closer

    name = f"{'closer' if closer else 'farther'} than {limit_m:.1f} m"
    return Condition(f"is {name}", name, test, lambda it: (it.distance_m < limit_m) == closer)


def is_nearer(other: Source, closer: bool) -> Condition:
    """From l2_compare_object_distances: closer or farther than another sound by 30 %."""
    limit = is_within(other.heard.distance_m, closer)
    name = f"{'closer' if closer else 'farther'} than the {other.label}"
    return Condition(f"is {name}", name, limit.test, lambda it: (it.distance_m < other.shown.distance_m) == closer, other.label)


def starts(limit_s: float, after: bool) -> Condition:
    """From l1_locate_in_time: before or after a time, half a second clear of it."""

    def test(it: Heard) -> bool | None:
        return None if abs(it.onset_s - limit_s) < TIME_MARGIN_S else (it.onset_s > limit_s) == after

    name = f"{'after' if after else 'before'} {limit_s:.1f} s"
    return Condition(f"starts {name}", name, test, lambda it: (it.onset_s > limit_s) == after)


def starts_by(other: Source, after: bool) -> Condition:
    """From l2_order_in_time_and_space: before or after another sound."""
    limit = starts(other.heard.onset_s, after)
    name = f"{'after' if after else 'before'} the {other.label}"
    return Condition(f"starts {name}", name, limit.test, lambda it: (it.onset_s > other.shown.onset_s) == after, other.label)


def _direction(rng: np.random.Generator, target: Source, others: list[Source]) -> Condition | None:
    turn_deg = pick(rng, (0, 0, *TURNED))
    side = clear_side(target.heard.azimuth_deg - turn_deg)
    if side is None:
        return None
    return is_on_after_turn(side, turn_deg) if turn_deg else is_on(side)


def _distance(rng: np.random.Generator, target: Source, others: list[Source]) -> Condition | None:
    if len(others) >= 2 and rng.random() < 0.4:
        other = pick(rng, others)
        return is_nearer(other, target.heard.distance_m < other.heard.distance_m)
    limit_m = pick(rng, THRESHOLDS_M)
    return is_within(limit_m, target.heard.distance_m < limit_m)


def _time(rng: np.random.Generator, target: Source, others: list[Source]) -> Condition | None:
    if len(others) >= 2 and rng.random() < 0.4:
        other = pick(rng, others)
        return starts_by(other, target.heard.onset_s > other.heard.onset_s)
    limit_s = pick(rng, THRESHOLDS_S)
    return starts(limit_s, target.heard.onset_s > limit_s)


def draw_conditions(rng: np.random.Generator, target: Source, others: list[Source], count: int) -> tuple[Condition, ...] | None:
    """Conditions of different kinds that the target meets, or None; whether another meets them too is for `meeting` to say."""
    kinds = shuffled(rng, (_direction, _distance, _time))[:count]
    found = tuple(condition for kind in kinds if (condition := kind(rng, target, others)))
    return found if len(found) == count and sum(bool(condition.other) for condition in found) <= 1 else None


def meeting(facts: Facts, conditions: tuple[Condition, ...]) -> Source | None:
    """The one sound that meets all conditions; None if there is none or a verdict that matters is within a margin.

    Every condition is failed by some sound, and some sound meets all but one, so that none can be left out of the reasoning.
    """
    named = {condition.other for condition in conditions}
    candidates = [source for source in facts.sources if source.label not in named]
    verdicts = [[condition.test(source.heard) for condition in conditions] for source in candidates]
    if sum(all(row) for row in verdicts) != 1 or any(None in row and False not in row for row in verdicts):
        return None
    failed_by_some = all(any(row[index] is False for row in verdicts) for index in range(len(conditions)))
    nearly = any(row.count(True) == len(conditions) - 1 for row in verdicts)
    return candidates[[all(row) for row in verdicts].index(True)] if failed_by_some and nearly else None
