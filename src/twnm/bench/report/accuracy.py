"""Accuracies with their intervals: in summary, and by level, family and task.

Accuracies are over the items that were asked first; their twins (items with a `transform`) count in the pairs. A failed or unparseable reply is a wrong
one. Intervals are 95 % bootstraps by scene; each begins from the same seed, so that a report of the same results has the same bytes.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twnm.bench.report.rows import Row
from twnm.bench.score import pairs_right
from twnm.bench.statistics import scene_bootstrap

LEVELS: Final = ("L1", "L2", "L3")
SEED: Final = 0

Rows = Sequence[Row]
Pairs = Sequence[tuple[Row, Row]]


@dataclass(frozen=True)
class Estimate:
    """A share between 0 and 1 with its interval, and over how many; NaN where there is none."""

    mean: float
    low: float
    high: float
    count: int


def estimate(rows: Rows, value: Callable[[Row], float] = lambda row: row.right) -> Estimate:
    """The mean of a value over rows."""
    return estimate_of([(row.scene_id, float(value(row))) for row in rows])


def estimate_of(values: Sequence[tuple[str, float]]) -> Estimate:
    """The mean of values that come with the `scene_id` they belong to."""
    return Estimate(*scene_bootstrap(by_scene(values), np.random.default_rng(SEED)), len(values))


def by_scene(values: Sequence[tuple[str, float]]) -> list[list[float]]:
    """Values with their `scene_id`, as one list for each scene."""
    scenes: dict[str, list[float]] = {}
    for scene_id, value in values:
        scenes.setdefault(scene_id, []).append(value)
    return list(scenes.values())


def asked_first(rows: Rows) -> list[Row]:
    """The rows without the twins."""
    return [row for row in rows if not row.transform]


def mean_chance(rows: Rows) -> float:
    """What guessing gives on these rows; NaN without any."""
    return sum(row.chance for row in rows) / len(rows) if rows else float("nan")


def pair_up(rows: Rows) -> list[tuple[Row, Row]]:
    """Pairs of twins that were both answered."""
    by_id = {row.sample_id: row for row in rows}
    found = pairs_right({row.sample_id: row.right for row in rows}, {row.sample_id: row.twin for row in rows})
    return [(by_id[one], by_id[other]) for one, other in found]


def pair_estimate(pairs: Pairs) -> Estimate:
    """The share of pairs of which both are right."""
    return estimate_of([(one.scene_id, float(one.right and other.right)) for one, other in pairs])


def pair_guess(pairs: Pairs) -> float:
    """What guessing each of the two by itself gives: the mean product of their chances; NaN without a pair."""
    return float(np.mean([one.chance * other.chance for one, other in pairs])) if pairs else float("nan")


@dataclass(frozen=True)
class Summary:
    """The first table's line about a system: named estimates, `chance` for the same columns, how many replies failed or were not applicable (to items)."""

    system: str
    labels: Sequence[Mapping[str, str]]
    figures: Mapping[str, Estimate]
    chance: Mapping[str, float]
    gives_evidence: bool
    unparseable: float
    failed: int
    count: int
    not_applicable: int = 0


def summarise(system: str, labels: Sequence[Mapping[str, str]], rows: Rows, renderers: Sequence[str] = (), not_applicable: int = 0) -> Summary:
    """Summarise a system's rows; accuracies by level, of the spatial family, of pairs, grounded, and of each renderer ("renderer NAME")."""
    first = asked_first(rows)
    groups = {"overall": first} | {level: [row for row in first if row.level == level] for level in LEVELS}
    groups["spatial"] = [row for row in first if row.family == "spatial"]
    groups |= {f"renderer {name}": [row for row in first if row.renderer == name] for name in renderers}
    pairs = pair_up(rows)
    figures = {name: estimate(group) for name, group in groups.items()}
    figures |= {"pair": pair_estimate(pairs), "grounded": estimate_of([(row.scene_id, float(row.grounded)) for row in first if row.grounded is not None])}
    chance = {name: mean_chance(group) for name, group in groups.items()} | {"pair": pair_guess(pairs)}
    unparseable = sum(row.outcome == "unparseable" for row in first) / len(first) if first else float("nan")
    failed = sum(row.outcome == "failed" for row in rows)
    return Summary(system, labels, figures, chance, any(row.gives_evidence for row in rows), unparseable, failed, len(first), not_applicable)


@dataclass(frozen=True)
class GroupLine:
    """A line of the table by level, family, renderer and task: one estimate for each system (None where it answered none)."""

    kind: str
    name: str
    chance: float
    count: int
    figures: tuple[Estimate | None, ...]


def group_lines(by_system: Mapping[str, Rows], kinds: Sequence[str]) -> list[GroupLine]:
    """Accuracy of every system by each of the kinds: level, family, renderer, task."""
    lines = []
    for kind in kinds:
        groups = [grouped(asked_first(rows), operator.attrgetter(kind)) for rows in by_system.values()]
        for name in sorted({name for group in groups for name in group}):
            parts = [group.get(name, []) for group in groups]
            widest = max(parts, key=len)
            lines.append(GroupLine(kind, name, mean_chance(widest), len(widest), tuple(estimate(part) if part else None for part in parts)))
    return lines


def grouped(rows: Rows, key: Callable[[Row], str]) -> dict[str, list[Row]]:
    """The rows by what `key` gives, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def disagreeing(labels: Mapping[str, Sequence[Mapping[str, str]]]) -> list[str]:
    """Systems whose rows do not agree about what they were given."""
    return [system for system, known in labels.items() if len(known) > 1]
