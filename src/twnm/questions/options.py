"""Options: distractors that are a listener's mistakes, in sets that do not give the answer away.

Each set is built so that, given the set and the question, every member is as likely to be right: sectors and stories come in sets closed under the
mistakes, numbers on ladders in which the right rung is drawn uniformly (and the question is dropped when the ladder leaves the allowed range), and a
sound that the question rules out by naming it is no option.
"""

from collections.abc import Callable, Sequence
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
    return [choices[index] for index in rng.permutation(len(choices)).tolist()]


def pairs(rng: np.random.Generator, sources: Sequence[Source]) -> list[tuple[Source, Source]]:
    """All ordered pairs of different objects, in random order."""
    return shuffled(rng, [(first, second) for first in sources for second in sources if first is not second])


def absent_labels(rng: np.random.Generator, facts: Facts, count: int) -> list[str]:
    """Up to `count` sounds that are not in the scene but might have been, in random order (in proportion to their weights without replacement)."""
    if not facts.absent:
        return []
    keys = rng.exponential(size=len(facts.absent)) / np.array(facts.absent_weights)
    return [facts.absent[index] for index in np.argsort(keys)[:count].tolist()]


def label_options(rng: np.random.Generator, facts: Facts, answer: str, heard: Sequence[str]) -> tuple[str, ...]:
    """Four labels: the answer, other sounds that are heard, then absent ones."""
    others = shuffled(rng, [label for label in heard if label != answer])[: RUNGS - 1]
    return (answer, *others, *absent_labels(rng, facts, RUNGS - 1 - len(others)))


def mirror_sectors(sector: str) -> tuple[str, ...]:
    """The four sectors that left-right and front-back confusions and quarter turns make of one: the four diagonal or the four straight ones."""
    return SECTORS[SECTORS.index(sector) % 2 :: 2]


def neighbour_sectors(rng: np.random.Generator, sector: str) -> tuple[str, ...]:
    """The sector, one of its neighbours, and the opposites of both."""
    start = SECTORS.index(sector) - int(rng.integers(2))
    return tuple(SECTORS[(start + step) % 8] for step in (0, 1, 4, 5))


def ratio_ladder(rng: np.random.Generator, value: float, ratio: float, lowest: float, highest: float) -> tuple[float, ...] | None:
    """Four values, each `ratio` times the one before, one of them within 8 % of `value`, with one decimal; None if they leave the range."""
    base = value * rng.uniform(0.92, 1.08) * ratio ** -float(rng.integers(RUNGS))
    rungs = tuple(round(base * ratio**step, 1) for step in range(RUNGS))
    return rungs if lowest <= rungs[0] and rungs[-1] <= highest and len(set(rungs)) == RUNGS else None


def step_ladder(rng: np.random.Generator, value: float, step: float, jitter: float, lowest: float, highest: float) -> tuple[float, ...] | None:
    """Four values `step` apart, one of them within `jitter` of `value`; None if they leave the range."""
    base = value + rng.uniform(-jitter, jitter) - step * float(rng.integers(RUNGS))
    rungs = tuple(base + step * rung for rung in range(RUNGS))
    return rungs if lowest <= rungs[0] and rungs[-1] <= highest else None


def number_of(option: str) -> float:
    """The number that an option begins with: 2.1 for "2.1 m", 40 for "40°"."""
    return float(option.split(" ")[0].rstrip("°"))


def nearest_option(options: Sequence[str], exact: float, said: float, apart: Callable[[float, float], bool]) -> str | None:
    """The option nearest to a value; None if the value as said has another, or a wrong option is not `apart` from the exact value."""
    right = min(options, key=lambda option: abs(number_of(option) - exact))
    if right != min(options, key=lambda option: abs(number_of(option) - said)):
        return None
    return right if all(apart(number_of(option), exact) for option in options if option != right) else None
