"""Level 3, reasoning: what would be heard after a turn, a walk or a removal, several conditions at once, what explains it, what may be, what to do."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.questions.conditions import draw_conditions, meeting
from twnm.questions.evidence import SECTORS, SIDES, Heard, side4
from twnm.questions.facts import DISTANCE_RATIO, TIME_MARGIN_S, Facts, Source, clear_sector, clear_side
from twnm.questions.level1 import clear_sources, metres
from twnm.questions.level2 import bearing_m
from twnm.questions.options import label_options, mirror_sectors, pairs, pick
from twnm.questions.schema import ASK_FOR_SOUND, Number, Query, Task, Verdict, one_of
from twnm.questions.stories import draw_story, judge_story

YES_NO = ("yes", "no")
TURNS = {"turn 90° to the left": 90, "turn 90° to the right": -90, "turn around": 180}
GOALS = {"face the {a}": 0, "have the {a} on your left": 90, "have the {a} on your right": -90, "have the {a} behind you": 180}
ACTIONS = dict(
    zip(
        SECTORS,
        (
            "do not turn",
            "turn left by about 45°",
            "turn left by about 90°",
            "turn left by about 135°",
            "turn around",
            "turn right by about 135°",
            "turn right by about 90°",
            "turn right by about 45°",
        ),
        strict=True,
    )
)
WALKS = {"front": "forward", "left": "to the left", "back": "backward", "right": "to the right"}
STEPS_M = (0.5, 1.0, 1.5, 2.0)
KINDS = ("closest", "farthest", "first to start", "last to start")
TRIES = 24


def draw_rotation(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Where a sound is after the listener turned."""
    clear = clear_sources(facts)
    if not clear:
        return None
    source, turn = pick(rng, clear), pick(rng, tuple(TURNS))
    sector = clear_sector(source.heard.azimuth_deg - TURNS[turn])
    return Query({"a": source.label, "turn": turn}, mirror_sectors(sector)) if sector else None


def judge_rotation(facts: Facts, query: Query) -> Verdict | None:
    """Its sector after the turn, 10° clear of the borders."""
    source, turn_deg = facts.at(query.words["a"]), TURNS[query.words["turn"]]
    answer = source and clear_sector(source.heard.azimuth_deg - turn_deg)
    return Verdict(answer, f"{_subtract(source, turn_deg)} is {answer}", (source.shown,)) if source and answer else None


def number_rotation(facts: Facts, query: Query) -> Number | None:
    """Its azimuth after the turn."""
    source = facts.at(query.words["a"])
    return _turned(source, TURNS[query.words["turn"]]) if source else None


def _turned(source: Source, turn_deg: int) -> Number:
    exact_deg, said_deg = wrap_deg(source.heard.azimuth_deg - turn_deg), wrap_deg(source.shown.azimuth_deg - turn_deg) + 0.0
    return Number(round(exact_deg, 2), "deg", "20 deg", f"{said_deg:.0f}°", _subtract(source, turn_deg))


def _subtract(source: Source, turn_deg: int) -> str:
    """The line "dog 45° - 90° = -45°", with the same angle within half a turn after it where the difference is beyond."""
    azimuth_deg = source.shown.azimuth_deg
    if turn_deg == 0:
        return f"{source.label} {azimuth_deg:.0f}°"
    difference_deg = azimuth_deg - turn_deg
    wrapped = f" = {wrap_deg(difference_deg):.0f}°" if wrap_deg(difference_deg) != difference_deg else ""
    return f"{source.label} {azimuth_deg:.0f}° {'-' if turn_deg > 0 else '+'} {abs(turn_deg)}° = {difference_deg:.0f}°{wrapped}"


def draw_action(facts: Facts, rng: np.random.Generator) -> Query | None:
    """How to turn so that a sound comes to a given side."""
    clear = clear_sources(facts)
    if not clear:
        return None
    source, goal = pick(rng, clear), pick(rng, tuple(GOALS))
    sector = clear_sector(source.heard.azimuth_deg - GOALS[goal])
    return (
        Query({"a": source.label, "goal": goal.format(a=source.label)}, tuple(ACTIONS[other] for other in mirror_sectors(sector)), (GOALS[goal],))
        if sector
        else None
    )


def judge_action(facts: Facts, query: Query) -> Verdict | None:
    """The turn by the sector in which the sound is, seen from where it shall be."""
    source, goal_deg = facts.at(query.words["a"]), query.meaning[0]
    sector = source and clear_sector(source.heard.azimuth_deg - goal_deg)
    return Verdict(ACTIONS[sector], f"{_subtract(source, goal_deg)}: {ACTIONS[sector]}", (source.shown,)) if source and sector else None


def number_action(facts: Facts, query: Query) -> Number | None:
    """The turn in degrees."""
    source = facts.at(query.words["a"])
    return _turned(source, query.meaning[0]) if source else None


def draw_walk(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Whether a sound is closer or farther after a walk towards its side or away from it, which does not lead past it."""
    clear = [source for source in facts.placed if clear_side(source.heard.azimuth_deg)]
    if not clear:
        return None
    source, step_m, away = pick(rng, clear), pick(rng, STEPS_M), pick(rng, (0, 2))
    way = SIDES[(SIDES.index(side4(source.heard.azimuth_deg)) + away) % 4]
    words = {"a": source.label, "walk": f"walk {step_m:.1f} m {WALKS[way]}"}
    return Query(words, ("closer", "farther"), (way, step_m))


def judge_walk(facts: Facts, query: Query) -> Verdict | None:
    """By the side that the sound is on, 10° clear of the borders, when the walk ends before one has passed it."""
    way, step_m = query.meaning
    source = facts.at(query.words["a"])
    side = source and clear_side(source.heard.azimuth_deg)
    if source is None or side is None or (SIDES.index(side) - SIDES.index(way)) % 2:
        return None
    if step_m > abs(sum(a * b for a, b in zip(bearing_m(source.heard), _heading(way), strict=True))):
        return None
    answer = "closer" if side == way else "farther"
    return Verdict(answer, f"{source.label} {source.shown.azimuth_deg:.0f}° is {side}, walk is {way}: {answer}", (source.shown,))


def _heading(way: str) -> tuple[float, float, float]:
    angle = math.radians(90.0 * SIDES.index(way))
    return math.cos(angle), math.sin(angle), 0.0


def number_walk(facts: Facts, query: Query) -> Number | None:
    """Its distance after the walk."""
    (way, step_m), source = query.meaning, facts.at(query.words["a"])
    if source is None:
        return None
    exact_m, said_m = (math.dist(bearing_m(it), [step_m * part for part in _heading(way)]) for it in (source.heard, source.shown))
    shown = source.shown
    return metres(exact_m, said_m, f"{source.label} {shown.azimuth_deg:.0f}° {shown.distance_m:.1f} m, walk {step_m:.1f} m {way}:")


def draw_removal(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which of the remaining sounds is closest, farthest, first or last when one is silent; the silent one is no option, it could not be right."""
    if not facts.whole or not 3 <= len(facts.sources) <= 4:
        return None
    removed, kind = pick(rng, facts.sources), pick(rng, KINDS)
    left = [source.label for source in facts.sources if source is not removed]
    return Query({"a": removed.label, "kind": kind}, label_options(rng, facts, left[0], left))


def judge_removal(facts: Facts, query: Query) -> Verdict | None:
    """The winner among the rest, by 30 % of distance or half a second."""
    removed, kind = query.words["a"], query.words["kind"]
    left = [source for source in facts.sources if source.label != removed]
    near = kind in KINDS[:2]
    if not facts.whole or len(left) < 2 or (near and not facts.all_placed):
        return None
    ranked = sorted(left, key=lambda source: _rank(source, near), reverse=kind in (KINDS[1], KINDS[3]))
    best, next_best = (_rank(source, near) for source in ranked[:2])
    if (max(best, next_best) < DISTANCE_RATIO * min(best, next_best)) if near else (abs(best - next_best) < TIME_MARGIN_S):
        return None
    shown = ", ".join(f"{it.label} {it.distance_m:.1f} m" if near else f"{it.label} {it.onset_s:.1f} s" for it in (source.shown for source in left))
    answer = ranked[0].label
    return Verdict(answer, f"without {removed}: {shown}: {kind} is {answer}", facts.shown)


def _rank(source: Source, near: bool) -> float:
    return source.heard.distance_m if near else source.heard.onset_s


def draw_compound(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which sound meets two or three conditions of different kinds, of which others meet all but one."""
    if not facts.all_placed or not 2 <= len(facts.sources) <= 4:
        return None
    for _ in range(TRIES):
        target = pick(rng, facts.sources)
        others = [source for source in facts.sources if source is not target]
        conditions = draw_conditions(rng, target, others, 2 if rng.random() < 0.6 else 3)
        if conditions is None or meeting(facts, conditions) is not target:
            continue
        named = {condition.other for condition in conditions}
        heard = [source.label for source in facts.sources if source.label not in named]
        texts = [condition.words for condition in conditions]
        words = {"conditions": f"{', '.join(texts[:-1])} and {texts[-1]}"}
        return Query(words, label_options(rng, facts, target.label, heard), conditions)
    return None


def judge_compound(facts: Facts, query: Query) -> Verdict | None:
    """The only sound that meets all conditions, with the list of each condition as the reasoning."""
    found = meeting(facts, query.meaning) if facts.all_placed else None
    if found is None:
        return None
    named = {condition.other for condition in query.meaning}
    shown = [it for it in facts.shown if it.label not in named]
    lists = "; ".join(f"{condition.short}: {', '.join(it.label for it in shown if condition.rounded(it))}" for condition in query.meaning)
    return Verdict(found.label, f"{lists}; {'both' if len(query.meaning) == 2 else 'all'}: {found.label}", facts.shown)


@dataclass(frozen=True)
class Claim:
    """A statement about one or two sounds: its words, whether it is about two, and its test with the reasoning; None within the margin."""

    words: str
    two: bool
    test: Callable[[Heard, Heard], bool | None]
    why: Callable[[Heard, Heard], str]


def _in_view(a: Heard, b: Heard) -> bool | None:
    size_deg = abs(a.azimuth_deg)
    return None if 45 < size_deg < 100 else size_deg <= 45


def _at_left_ear(a: Heard, b: Heard) -> bool | None:
    return a.azimuth_deg > 0 if 20 <= abs(a.azimuth_deg) <= 160 else None


def _within_reach(a: Heard, b: Heard) -> bool | None:
    return None if 1.5 < a.distance_m < 2.2 else a.distance_m <= 1.5


def _before(a: Heard, b: Heard) -> bool | None:
    return None if abs(a.onset_s - b.onset_s) < TIME_MARGIN_S else a.onset_s < b.onset_s


CLAIMS: Final[Mapping[str, Claim]] = MappingProxyType(
    {
        "view": Claim("you see the {a} without turning your head", False, _in_view, lambda a, b: f"{a.label} {a.azimuth_deg:.0f}°"),
        "ear": Claim("your left ear hears the {a} louder than your right ear", False, _at_left_ear, lambda a, b: f"{a.label} {a.azimuth_deg:.0f}°"),
        "reach": Claim("you reach the {a} with two steps", False, _within_reach, lambda a, b: f"{a.label} {a.distance_m:.1f} m"),
        "cause": Claim("the {a} set off the {b}", True, _before, lambda a, b: f"{a.label} {a.onset_s:.1f} s, {b.label} {b.onset_s:.1f} s"),
    }
)


def draw_claim(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Whether a statement about one or two sounds may be true; the answer is drawn first."""
    name, wanted = pick(rng, tuple(CLAIMS)), pick(rng, YES_NO)
    claim = CLAIMS[name]
    for first, second in pairs(rng, facts.placed) if claim.two else [(source, source) for source in facts.placed]:
        if claim.test(first.heard, second.heard) == (wanted == "yes"):
            words = {"a": first.label, "b": second.label}
            return Query(words | {"claim": claim.words.format(**words)}, YES_NO, (name,))
    return None


def judge_claim(facts: Facts, query: Query) -> Verdict | None:
    """What is in view within 45° and not from 100°; an ear is favoured from 20° to 160°; two steps are 1.5 m, not 2.2 m; a cause is half a second earlier."""
    claim, first, second = CLAIMS[query.meaning[0]], facts.at(query.words["a"]), facts.at(query.words["b"])
    verdict = claim.test(first.heard, second.heard) if first and second else None
    if first is None or second is None or verdict is None:
        return None
    answer = "yes" if verdict else "no"
    shown = (first.shown, second.shown) if claim.two else (first.shown,)
    return Verdict(answer, f"{claim.why(first.shown, second.shown)}: {answer}", shown)


TASKS_L3 = {
    "l3_rotate_listener": Task("L3", "spatial", draw_rotation, judge_rotation, "Answer in degrees of azimuth, positive to the left.", number_rotation),
    "l3_move_listener": Task("L3", "spatial", draw_walk, judge_walk, "Answer with its distance after the walk in metres.", number_walk),
    "l3_remove_source": Task("L3", "mixed", draw_removal, judge_removal, ASK_FOR_SOUND),
    "l3_compound_condition": Task("L3", "mixed", draw_compound, judge_compound, ASK_FOR_SOUND),
    "l3_abduct_scene": Task("L3", "mixed", draw_story, judge_story),
    "l3_check_plausibility": Task("L3", "spatial", draw_claim, judge_claim, one_of(YES_NO)),
    "l3_plan_action": Task("L3", "spatial", draw_action, judge_action, "Answer with the turn in degrees, positive to the left.", number_action),
}
