"""What lies behind the accuracies: pairs of twins, directions said against true ones, confidence against accuracy, time and tokens, the worst items."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twnm.bench.report.accuracy import SEED, Estimate, Rows, asked_first, estimate, pair_estimate, pair_guess, pair_up
from twnm.bench.report.rows import Row
from twnm.questions.evidence import SECTORS, sector8
from twnm.questions.schema import Item

AZIMUTH_TASK: Final = "l1_estimate_azimuth"
_BINS = 10
_DRAWS, _LUCKY = 1000, 200  # bootstrap samples; draws of a system that is as right as it is sure


@dataclass(frozen=True)
class TwinLine:
    """Pairs of twins of a system under a control.

    `guess` is guessing each by itself; `independent` the product of the shares right of the two, what the system would have if right answers to the two
    came independently; `same_answer` the share of pairs to which it says the same, which is never right twice.
    """

    system: str
    control: str
    pairs: Estimate
    spatial: Estimate
    turned: Estimate
    mirrored: Estimate
    guess: float
    spatial_guess: float
    independent: float
    same_answer: float


def twin_lines(by_kind: Mapping[tuple[str, str], Rows]) -> list[TwinLine]:
    """Pair accuracies wherever both twins were answered."""
    lines = []
    for (system, control), rows in by_kind.items():
        pairs = pair_up(rows)
        if not pairs:
            continue
        spatial = [pair for pair in pairs if pair[0].family == "spatial"]
        mirrored = [pair for pair in pairs if any("mirror" in row.transform for row in pair)]
        turned = [pair for pair in pairs if any(row.transform.startswith("yaw") for row in pair)]
        shares = [float(np.mean([pair[side].right for pair in pairs])) for side in (0, 1)]
        same = float(np.mean([one.read is not None and one.read == other.read for one, other in pairs]))
        overall, in_space, by_turn, by_mirror = (pair_estimate(part) for part in (pairs, spatial, turned, mirrored))
        guesses = pair_guess(pairs), pair_guess(spatial)
        lines.append(TwinLine(system, control, overall, in_space, by_turn, by_mirror, *guesses, shares[0] * shares[1], same))
    return lines


@dataclass(frozen=True)
class Confusion:
    """Directions said (columns: eight sectors, then none) against the truth (rows), as counts."""

    system: str
    counts: tuple[tuple[int, ...], ...]

    @property
    def right(self) -> int:
        """How many lie on the diagonal."""
        return sum(self.counts[index][index] for index in range(len(SECTORS)))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(map(sum, self.counts))


def confusions(by_system: Mapping[str, Rows], items: Mapping[str, Item]) -> list[Confusion]:
    """The sectors that each system reads for `l1_estimate_azimuth`; items that are not in `items` are left out."""
    found = []
    for system, rows in by_system.items():
        counts = np.zeros((len(SECTORS), len(SECTORS) + 1), int)
        for row in rows:
            item = items.get(row.sample_id)
            if item is not None and row.task == AZIMUTH_TASK:
                truth = sector8(item.answer_value) if item.answer_value is not None else item.answer_text
                counts[SECTORS.index(truth), _sector(row, item)] += 1
        if counts.any():
            found.append(Confusion(system, tuple(tuple(map(int, line)) for line in counts)))
    return found


def _sector(row: Row, item: Item) -> int:
    """The column of what was read; the last for nothing."""
    if row.read is None:
        return len(SECTORS)
    return SECTORS.index(sector8(float(row.read)) if item.form == "open" else item.options[item.letters.index(row.read)])


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in ten bins: (mean confidence, share right, how many).

    `error` is the mean distance of the two, weighted by how many, with its interval by scene; `luck` is what it would be on average if every answer
    were right with just the confidence given: an error of finitely many answers is never 0. `excess` is the mean confidence minus the accuracy.
    """

    system: str
    bins: tuple[tuple[float, float, int], ...]
    error: Estimate
    luck: float
    excess: Estimate


def calibrations(by_system: Mapping[str, Rows]) -> list[Calibration]:
    """Of the systems that give a confidence (expected calibration error: Guo et al., ICML 2017)."""
    return [_calibration(system, sure) for system, rows in by_system.items() if (sure := [row for row in asked_first(rows) if row.confidence is not None])]


def _calibration(system: str, sure: Rows) -> Calibration:
    confidence, right = np.array([(row.confidence, row.right) for row in sure], float).T
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    _, scene = np.unique([row.scene_id for row in sure], return_inverse=True)
    rng = np.random.default_rng(SEED)
    scenes = int(scene.max()) + 1
    gaps = np.zeros((scenes, _BINS))
    np.add.at(gaps, (scene, place), confidence - right)
    counts = np.bincount(scene)
    errors = []
    for _ in range(_DRAWS):
        drawn = rng.multinomial(scenes, np.full(scenes, 1 / scenes))
        errors.append(np.abs(drawn @ gaps).sum() / (drawn @ counts))
    low, high = np.quantile(errors, [0.025, 0.975])
    guessed = [(rng.random(len(sure)) < confidence) - confidence for _ in range(_LUCKY)]
    luck = float(np.mean([np.abs(np.bincount(place, gap)).sum() / len(sure) for gap in guessed]))
    bins = tuple((float(confidence[place == one].mean()), float(right[place == one].mean()), int((place == one).sum())) for one in np.unique(place))
    error = Estimate(float(np.abs(gaps.sum(axis=0)).sum() / len(sure)), float(low), float(high), len(sure))
    return Calibration(system, bins, error, luck, estimate(sure, lambda row: float(row.confidence or 0.0) - row.right))


@dataclass(frozen=True)
class Speed:
    """Seconds per reply (median, 95th percentile, sum) and tokens per reply (median; None where they are not counted), of replies that did not fail."""

    system: str
    count: int
    median_s: float
    slow_s: float
    total_s: float
    tokens: float | None


def speeds(by_system: Mapping[str, Rows]) -> list[Speed]:
    """Of every system that answered at least once."""
    found = []
    for system, rows in by_system.items():
        answered = [row for row in rows if row.outcome != "failed"]
        if answered:
            seconds = np.array([row.seconds for row in answered])
            tokens = [row.tokens for row in answered if row.tokens is not None]
            middle, slow = np.quantile(seconds, [0.5, 0.95])
            found.append(Speed(system, len(answered), float(middle), float(slow), float(seconds.sum()), float(np.median(tokens)) if tokens else None))
    return found


def worst_items(by_system: Mapping[str, Rows], labels: Mapping[str, Sequence[Mapping[str, str]]], count: int) -> list[str]:
    """The `sample_id` of the items that most of the systems which hear got wrong, one of each task before a second of any.

    Systems that get no audio, or the truth, do not count, unless there are no others. An item that somebody got right is no candidate before all that
    nobody did; among equals, spatial ones first.
    """
    hearing = [system for system in by_system if not any(label.get("input") in ("none", "metadata") for label in labels[system])] or list(by_system)
    heard = [row for system in hearing for row in by_system[system]]
    wrong, asked = Counter(row.sample_id for row in heard if not row.right), Counter(row.sample_id for row in heard)
    about = {row.sample_id: row for row in heard}
    order = sorted(wrong, key=lambda one: (1 - wrong[one] / asked[one], -asked[one], about[one].family != "spatial", one))
    turn: Counter[str] = Counter()
    ranked = []
    for place, one in enumerate(order):
        ranked.append((turn[about[one].task], place, one))
        turn[about[one].task] += 1
    return [one for _, _, one in sorted(ranked)[:count]]
