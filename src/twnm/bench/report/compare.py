"""Systems against one another and against themselves under controls: paired by item, tested together, with what such a test can see."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twnm.bench.report.accuracy import SEED, Estimate, Rows, asked_first, by_scene, estimate, grouped, mean_chance
from twnm.bench.report.rows import Row
from twnm.bench.statistics import Comparison, holm, intraclass_correlation, minimum_detectable_difference, paired_comparison

W_ONLY: Final = "w-only"


@dataclass(frozen=True)
class Difference:
    """First minus second on the items that both answered; `p_holm` among the differences it is listed with; `detectable`: None where they never differ."""

    first: str
    second: str
    result: Comparison
    p_holm: float
    count: int
    accuracies: tuple[float, float]
    detectable: float | None


def differences(sides: Sequence[tuple[str, Rows, str, Rows]]) -> list[Difference]:
    """Compare named sides (first, its rows, second, its rows) pairwise, Holm-corrected together; sides without a common item are left out."""
    common = [(first, second, _on_both(one, other)) for first, one, second, other in sides]
    common = [each for each in common if each[2]]
    values = [[by_scene([(pair[0].scene_id, float(pair[side].right)) for pair in both]) for side in (0, 1)] for _, _, both in common]
    results = [paired_comparison(one, other, np.random.default_rng(SEED)) for one, other in values]
    adjusted = holm([result.p_value for result in results])
    made = []
    for (first, second, both), (one, other), result, p_holm in zip(common, values, results, adjusted, strict=True):
        accuracies = float(np.mean([row.right for row, _ in both])), float(np.mean([row.right for _, row in both]))
        made.append(Difference(first, second, result, p_holm, len(both), accuracies, _detectable(one, other, len(common))))
    return made


def _on_both(one: Rows, other: Rows) -> list[tuple[Row, Row]]:
    """Rows of the items that both sides have."""
    found = {row.sample_id: row for row in other}
    return [(row, found[row.sample_id]) for row in one if row.sample_id in found]


def _detectable(one: list[list[float]], other: list[list[float]], tests: int) -> float | None:
    """The smallest difference that the strictest step of Holm's correction finds in 80 of 100 such measurements."""
    apart = [[a - b for a, b in zip(first, second, strict=True)] for first, second in zip(one, other, strict=True)]
    flat = [value for scene in apart for value in scene]
    disagreement = float(np.mean(np.abs(flat)))
    if disagreement == 0 or len(apart) < 2:
        return None
    alike = intraclass_correlation(apart)
    return minimum_detectable_difference(len(apart), len(flat) / len(apart), disagreement, 0.0 if np.isnan(alike) else alike, 0.05 / tests)


def between_systems(by_system: Mapping[str, Rows]) -> list[Difference]:
    """Every system against every other on the items asked first, the better one first, the surest difference on top."""
    first = {system: asked_first(rows) for system, rows in by_system.items()}
    ranked = sorted(first, key=lambda system: -np.mean([row.right for row in first[system]]) if first[system] else 0.0)
    found = differences([(one, first[one], other, first[other]) for one, other in itertools.combinations(ranked, 2)])
    return sorted(found, key=lambda each: (each.result.p_value, -each.result.difference))


def by_task(system_rows: Rows, control_rows: Rows) -> list[Difference]:
    """A system as it is against the same under a control, task by task and in all (`first` is the task); Holm-corrected over the tasks."""
    whole, control = asked_first(system_rows), asked_first(control_rows)
    tasks, without = (grouped(rows, lambda row: row.task) for rows in (whole, control))
    found = differences([(task, tasks[task], task, without[task]) for task in sorted(tasks) if task in without])
    return [*differences([("all tasks", whole, "all tasks", control)]), *found]


@dataclass(frozen=True)
class ControlLine:
    """A system under a control: accuracy in all and on the spatial family, and how far below itself (control minus as it is), None without itself."""

    system: str
    control: str
    overall: Estimate
    spatial: Estimate
    chance: float
    change: Difference | None
    spatial_change: Difference | None


def control_lines(by_kind: Mapping[tuple[str, str], Rows]) -> list[ControlLine]:
    """Every system under every control, after the system as it is; all changes are corrected together, those of the spatial family apart."""
    first = {kind: asked_first(rows) for kind, rows in by_kind.items()}
    spatial = {kind: [row for row in rows if row.family == "spatial"] for kind, rows in first.items()}
    changes, spatial_changes = _changes(first), _changes(spatial)
    return [
        ControlLine(*kind, estimate(rows), estimate(spatial[kind]), mean_chance(rows), changes.get(kind), spatial_changes.get(kind))
        for kind, rows in first.items()
    ]


def _changes(by_kind: Mapping[tuple[str, str], Rows]) -> dict[tuple[str, str], Difference]:
    """Every system under a control minus the system as it is."""
    sides = [(control, rows, system, by_kind.get((system, ""), ())) for (system, control), rows in by_kind.items() if control]
    return {(it.second, it.first): it for it in differences(sides)}
