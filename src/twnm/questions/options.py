"""Options: distractors that are a listener's mistakes, in sets that do not give the answer away.

Each set is built so that, given the set alone, every member is as likely to be right: sectors come in sets closed under the mistakes, numbers on ladders
in which the right rung is drawn uniformly (and the question is dropped when the ladder leaves the allowed range).
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from twnm.questions.evidence import SECTORS
from twnm.questions.facts import Facts, Source

RUNGS = 4
Choice = TypeVar("Choice")


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of the choices, uniformly."""
    return choices[int(rng.integers(len(choices)))]


def shuffled(rng: np.random.Generator, choices: Sequence[Choice]) -> list[Choice]:
    """The choices in random order."""
    return [choices[index] for index in rng.permutation(len(choices))]


def pairs(rng: np.random.Generator, sources: Sequence[Source]) -> list[tuple[Source, Source]]:
    """All ordered pairs of different objects, in random order."""
    return shuffled(rng, [(first, second) for first in sources for second in sources if first is not second])


def mirror_sectors(sector: str) -> tuple[str, ...]:
    """The four sectors that left-right and front-back confusions and quarter turns make of one: the four diagonal or the four straight ones."""
    return SECTORS[SECTORS.index(sector) % 2 :: 2]


def neighbour_sectors(rng: np.random.Generator, sector: str) -> tuple[str, ...]:
    """The sector, one of its neighbours, and the opposites of both."""
    start = SECTORS.index(sector) - int(rng.integers(2))
    return tuple(SECTORS[(start + step) % 8] for step in (0, 1, 4, 5))


def label_options(rng: np.random.Generator, facts: Facts, answer: str, heard: Sequence[str]) -> tuple[str, ...]:
    """Four labels: the answer, other sounds that are heard, then absent ones."""
    others = shuffled(rng, [label for label in heard if label != answer])
    return (answer, *others, *shuffled(rng, facts.absent))[:RUNGS]


def ratio_ladder(rng: np.random.Generator, value: float, ratio: float, lowest: float, highest: float) -> tuple[float, ...] | None:
    """Four values, each `ratio` times the one before, one of them within 8 % of `value`, with one decimal; None if they leave the range."""
    base = value * rng.uniform(0.92, 1.08) * ratio ** -float(rng.integers(RUNGS))
    rungs = tuple(round(base * ratio**step, 1) for step in range(RUNGS))
    return rungs if lowest <= rungs[0] and rungs[-1] <= highest else None


def step_ladder(rng: np.random.Generator, value: float, step: float, jitter: float, lowest: float, highest: float) -> tuple[float, ...] | None:
    """Four values `step` apart, one of them within `jitter` of `value`; None if they leave the range."""
    base = value + rng.uniform(-jitter, jitter) - step * float(rng.integers(RUNGS))
    rungs = tuple(base + step * rung for rung in range(RUNGS))
    return rungs if lowest <= rungs[0] and rungs[-1] <= highest else None


def nearest(rungs: Sequence[float], value: float) -> float:
    """The rung nearest to the value."""
    return min(rungs, key=lambda rung: abs(rung - value))
