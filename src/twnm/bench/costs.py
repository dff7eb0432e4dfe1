"""What symbolic answers rest on: objects with the probabilities of their names, names bound to objects, and the costs of places, conditions and stories."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twnm.ambisonics import wrap_deg
from twnm.bench.understand import CLAUSE, NAME, one_of
from twnm.questions.conditions import TURNED
from twnm.questions.evidence import SECTORS, SIDES, Heard
from twnm.questions.facts import WHERE, Motion
from twnm.simulate.situations import SITUATIONS, situation_evidence

LEAST_CHANCE: Final = 0.02
"""That an object is what it was not taken for."""
TOGETHER_TO_DEG, ASIDE_TO_DEG, ACROSS_FROM_DEG = 47.5, 135.0, 77.5
ORDER_S: Final = 0.5

_WHERE = one_of(tuple(WHERE.values()))
_STORIES = {
    "call": re.compile(f"the (?P<a>{NAME}) calls and the (?P<b>{NAME}) answers from the (?P<side>same|opposite) side"),
    "you": re.compile(f"you stand between the (?P<a>{NAME}) and the (?P<b>{NAME})"),
    "sound": re.compile(f"the (?P<a>{NAME}) stands between you and the (?P<b>{NAME})"),
    "aside": re.compile(f"you turn a quarter circle from the (?P<a>{NAME}) to the (?P<b>{NAME})"),
    "round": re.compile(f"first the (?P<a>{NAME}) (?P<at_a>{_WHERE}), then the (?P<b>{NAME}) (?P<at_b>{_WHERE}), last the (?P<c>{NAME}) (?P<at_c>{_WHERE})"),
    "situation": re.compile(f"an? (?P<place>{one_of(tuple(SITUATIONS))})"),
}


@dataclass(frozen=True)
class Sounding:
    """An object with the probability of each spoken label (those left out have none) and its motion, None if it stands still."""

    heard: Heard
    chances: Mapping[str, float]
    motion: Motion | None = None


@dataclass(frozen=True)
class Case:
    """A question that is understood, with the objects that its names mean."""

    task: str
    words: Mapping[str, str]
    objects: tuple[Sounding, ...]
    by_name: Mapping[str, Sounding]
    rt60_s: float | None

    @property
    def a(self) -> Heard:
        """What the word a means."""
        return self.by_name[self.words["a"]].heard

    @property
    def b(self) -> Heard:
        """What the word b means."""
        return self.by_name[self.words["b"]].heard


def named(heard: Heard, name: str) -> Heard:
    """The same object under another name."""
    return replace(heard, label=name)


def over(value: float, limit: float) -> float:
    """The value within plus and minus a limit."""
    return max(-limit, min(limit, value))


def miss(it: Sounding, name: str) -> float:
    """Minus the logarithm of the probability that this object has a name."""
    return -math.log(max(it.chances.get(name, 0.0), LEAST_CHANCE))


def bound(objects: tuple[Sounding, ...], names: Sequence[str]) -> dict[str, Sounding]:
    """The objects that names most probably mean, each its own while there are enough; empty without objects."""
    names = list(dict.fromkeys(names))
    if not objects:
        return {}
    picks: Iterator[tuple[Sounding, ...]] = (
        itertools.permutations(objects, len(names)) if len(names) <= len(objects) else itertools.product(objects, repeat=len(names))
    )
    best = min(picks, key=lambda pick: sum(miss(it, name) for it, name in zip(pick, names, strict=True)))
    return dict(zip(names, best, strict=True))


def off_sector(azimuth_deg: float, sector: str) -> float:
    """Degrees between an azimuth and the middle of a sector of 45°."""
    return abs(wrap_deg(azimuth_deg - 45.0 * SECTORS.index(sector)))


def off_side(azimuth_deg: float, side: str) -> float:
    """Degrees between an azimuth and the middle of a quarter."""
    return abs(wrap_deg(azimuth_deg - 90.0 * SIDES.index(side)))


def _side(words: str) -> str:
    return next(side for side, phrase in WHERE.items() if phrase == words)


def clauses_cost(case: Case, it: Sounding) -> float:
    """By how much an object fails the conditions of a compound question: beyond 45°, as the logarithm of a ratio, in half seconds."""
    return sum(max(0.0, _clause_cost(case, it.heard, clause)) for clause in re.findall(CLAUSE + r"(?=, | and |$)", case.words["conditions"]))


def _clause_cost(case: Case, it: Heard, clause: str) -> float:
    if match := re.fullmatch(f"is ({_WHERE})|would be ({_WHERE}) if you (.+)", clause):
        turn_deg = next((turn for turn, words in TURNED.items() if words == match[3]), 0)
        return (off_side(it.azimuth_deg - turn_deg, _side(match[1] or match[2])) - 45) / 45
    kind, sense, limit = re.fullmatch(r"(is|starts) (closer|farther|before|after) (?:than )?(.+)", clause).groups()  # type: ignore[union-attr]
    figure = re.fullmatch(r"(\d+(?:\.\d+)?) (?:m|s)", limit)
    other = None if figure else bound(case.objects, [limit.removeprefix("the ")])[limit.removeprefix("the ")].heard
    if other is it:
        return 1.0
    if kind == "is":
        excess = math.log(it.distance_m / (float(figure[1]) if figure else other.distance_m if other else 1.0))
    else:
        excess = (it.onset_s - (float(figure[1]) if figure else other.onset_s if other else 0.0)) / ORDER_S
    return excess if sense in ("closer", "before") else -excess


def story_names(options: Sequence[str]) -> list[str]:
    """The sounds that stories are about."""
    match = next((match for option in options for match in [_read(option)[1]] if match), None)
    return [match[name] for name in "abc" if match.groupdict().get(name)] if match else []


def _read(story: str) -> tuple[str, re.Match[str] | None]:
    return next(((plot, match) for plot, pattern in _STORIES.items() if (match := pattern.fullmatch(story))), ("", None))


def story_cost(case: Case, story: str) -> float:
    """By how much a story disagrees with the objects: order in half seconds, places in 45°, distances as the logarithm of their ratio."""
    plot, match = _read(story)
    if match is None:
        return math.inf
    if plot == "situation":
        return -situation_evidence(match["place"], [it.chances for it in case.objects])
    heard = [case.by_name[match[name]].heard for name in "abc" if match.groupdict().get(name)]
    if plot == "round":
        order = sum(earlier.onset_s - later.onset_s for earlier, later in itertools.pairwise(heard)) / ORDER_S
        return order + sum(off_side(it.azimuth_deg, _side(match[f"at_{name}"])) for it, name in zip(heard, "abc", strict=True)) / 45
    first, second = heard
    apart_deg = abs(wrap_deg(first.azimuth_deg - second.azimuth_deg))
    if plot == "call":
        across = (ACROSS_FROM_DEG - apart_deg) / 45
        return (first.onset_s - second.onset_s) / ORDER_S + (across if match["side"] == "opposite" else -across)
    if plot == "you":
        return (ASIDE_TO_DEG - apart_deg) / 45
    if plot == "aside":
        return max(TOGETHER_TO_DEG - apart_deg, apart_deg - ASIDE_TO_DEG) / 45
    return max((apart_deg - TOGETHER_TO_DEG) / 45, math.log(first.distance_m / second.distance_m))
