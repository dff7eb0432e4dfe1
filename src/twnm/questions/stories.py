"""Short stories of which one explains what is heard: the wrong ones hold the same sounds in another arrangement, or tell of another place.

A plot draws four stories that are closed under its own mistakes (another order, another side, another one in between) and tells the true one of a scene.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from twnm.questions.evidence import Heard
from twnm.questions.facts import DISTANCE_RATIO, TIME_MARGIN_S, WHERE, Facts, clear_side
from twnm.questions.level2 import turn_deg
from twnm.questions.options import pairs, shuffled
from twnm.questions.schema import Query, Verdict
from twnm.simulate.situations import SITUATIONS, best_situation, plausible_situations

TOGETHER_DEG, ACROSS_DEG, BETWEEN_DEG = 35.0, 120.0, 150.0
ASIDE_DEG = (60.0, 120.0)
BETWEEN = ("you stand between the {a} and the {b}", "the {a} stands between you and the {b}", "the {b} stands between you and the {a}")
ASIDE = "you turn a quarter circle from the {a} to the {b}"
Told = tuple[str, str, tuple[Heard, ...]]
"""A story, the steps that lead to it, the objects that decide it."""


@dataclass(frozen=True)
class Plot:
    """`draw` gives the words and the four stories, `tell` the true one."""

    draw: Callable[[Facts, np.random.Generator], Query | None]
    tell: Callable[[Facts, Mapping[str, str]], Told | None]


def draw_call(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Two sounds, one after the other, from the same side or from opposite ones."""
    for first, second in pairs(rng, facts.placed):
        words = {"plot": "call", "a": first.label, "b": second.label}
        if tell_call(facts, words):
            orders = ((first.label, second.label), (second.label, first.label))
            return Query(words, tuple(call_text(*order, side) for order in orders for side in ("same", "opposite")))
    return None


def call_text(first: str, second: str, side: str) -> str:
    """Two sounds, of which the second answers from the "same" or the "opposite" side."""
    return f"the {first} calls and the {second} answers from the {side} side"


def tell_call(facts: Facts, words: Mapping[str, str]) -> Told | None:
    """Onsets half a second apart; the same side up to 35°, the opposite one from 120°."""
    a, b = facts.at(words["a"]), facts.at(words["b"])
    if not a or not b or abs(a.heard.onset_s - b.heard.onset_s) < TIME_MARGIN_S:
        return None
    apart_deg = abs(turn_deg(a, b))
    if TOGETHER_DEG < apart_deg < ACROSS_DEG:
        return None
    first, second = (a, b) if a.heard.onset_s < b.heard.onset_s else (b, a)
    story = call_text(first.label, second.label, "same" if apart_deg <= TOGETHER_DEG else "opposite")
    steps = ", ".join(f"{it.label} {it.onset_s:.1f} s {it.azimuth_deg:.0f}°" for it in (first.shown, second.shown))
    return story, steps, (first.shown, second.shown)


def draw_between(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Who stands between whom: the listener, either of two sounds, or nobody; the answer is drawn first."""
    wanted = int(rng.integers(4))
    for first, second in pairs(rng, facts.placed):
        words = {"plot": "between", "a": first.label, "b": second.label}
        stories = tuple(story.format(**words) for story in (*BETWEEN, ASIDE))
        told = tell_between(facts, words)
        if told and told[0] == stories[wanted]:
            return Query(words, stories)
    return None


def tell_between(facts: Facts, words: Mapping[str, str]) -> Told | None:
    """The listener from 150° on; a sound up to 35° when it is nearer by 30 %; nobody at 60° to 120°."""
    a, b = facts.at(words["a"]), facts.at(words["b"])
    if not a or not b:
        return None
    apart_deg, ratio = abs(turn_deg(a, b)), a.heard.distance_m / b.heard.distance_m
    if apart_deg >= BETWEEN_DEG:
        story = BETWEEN[0]
    elif apart_deg <= TOGETHER_DEG and max(ratio, 1 / ratio) >= DISTANCE_RATIO:
        story = BETWEEN[1 if ratio < 1 else 2]
    elif ASIDE_DEG[0] <= apart_deg <= ASIDE_DEG[1]:
        story = ASIDE
    else:
        return None
    steps = ", ".join(f"{it.label} {it.azimuth_deg:.0f}° {it.distance_m:.1f} m" for it in (a.shown, b.shown))
    return story.format(**words), steps, (a.shown, b.shown)


def draw_round(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Three sounds one after another, each on a side of its own; the order is reversed, or the first and the last exchange their places, or both."""
    if len(facts.placed) < 3:
        return None
    labels = [source.label for source in shuffled(rng, facts.placed)[:3]]
    words = {"plot": "round", **dict(zip("abc", labels, strict=True))}
    ordered = _in_turn(facts, words)
    if ordered is None:
        return None
    names, places = [name for name, _, _ in ordered], [place for _, place, _ in ordered]
    stories = tuple(round_text(tuple(pair[::step])) for at in (places, places[::-1]) for step in (1, -1) for pair in [list(zip(names, at, strict=True))])
    return Query(words, stories)


def round_text(parts: tuple[tuple[str, str], ...]) -> str:
    """Three sounds in turn, each a name with its side."""
    (a, at_a), (b, at_b), (c, at_c) = parts
    return f"first the {a} {WHERE[at_a]}, then the {b} {WHERE[at_b]}, last the {c} {WHERE[at_c]}"


def _in_turn(facts: Facts, words: Mapping[str, str]) -> list[tuple[str, str, Heard]] | None:
    sources = [facts.at(words[name]) for name in "abc"]
    heard = sorted((source.heard for source in sources if source), key=lambda it: it.onset_s)
    sides = [clear_side(it.azimuth_deg) for it in heard]
    if len(heard) < 3 or None in sides or len(set(sides)) < 3 or min(heard[i + 1].onset_s - heard[i].onset_s for i in (0, 1)) < TIME_MARGIN_S:
        return None
    return [(it.label, str(side), it.rounded()) for it, side in zip(heard, sides, strict=True)]


def tell_round(facts: Facts, words: Mapping[str, str]) -> Told | None:
    """Onsets half a second apart, sides 10° clear of their borders."""
    ordered = _in_turn(facts, words)
    if ordered is None:
        return None
    shown = tuple(it for _, _, it in ordered)
    steps = ", ".join(f"{it.label} {it.onset_s:.1f} s {it.azimuth_deg:.0f}°" for it in shown)
    return round_text(tuple((name, side) for name, side, _ in ordered)), steps, shown


def draw_situation(facts: Facts, rng: np.random.Generator) -> Query | None:
    """What kind of place the sounds tell of; at least one sound would be strange in each of the other places."""
    place = _situation(facts)
    if place is None:
        return None
    fitting = plausible_situations(facts.classes)
    others = shuffled(rng, [name for name in SITUATIONS if name not in fitting])[:3]
    return Query({"plot": "situation"}, tuple(_place(name) for name in (place, *others))) if len(others) == 3 else None


def _place(situation: str) -> str:
    return f"{'an' if situation[0] in 'aeio' else 'a'} {situation}"


def _situation(facts: Facts) -> str | None:
    if not facts.whole or len(facts.sources) < 2:
        return None
    best = best_situation(facts.classes)
    return best if facts.situation in ("", best) else None


def tell_situation(facts: Facts, words: Mapping[str, str]) -> Told | None:
    """The place to which all sounds belong and that is three times as probable as any other."""
    best = _situation(facts)
    return (_place(best), f"heard {', '.join(source.label for source in facts.sources)}", facts.shown) if best else None


PLOTS: Final[Mapping[str, Plot]] = MappingProxyType(
    {
        "call": Plot(draw_call, tell_call),
        "between": Plot(draw_between, tell_between),
        "round": Plot(draw_round, tell_round),
        "situation": Plot(draw_situation, tell_situation),
    }
)


def draw_story(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which of four short stories explains the sounds; the wrong ones hold the same sounds in another arrangement, or are other places."""
    for name in shuffled(rng, tuple(PLOTS)):
        query = PLOTS[name].draw(facts, rng)
        if query is not None:
            return query
    return None


def judge_story(facts: Facts, query: Query) -> Verdict | None:
    """Angles, times and distances are clear of the borders of each plot; a place must explain all sounds, and three times better than any other."""
    told = PLOTS[query.words["plot"]].tell(facts, query.words)
    return Verdict(told[0], f"{told[1]}: {told[0]}", told[2]) if told else None
