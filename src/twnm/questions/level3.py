"""Level 3, reasoning: what would be heard after a turn, a walk or a removal, two conditions at once, and what to do."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.questions.evidence import SECTORS, SIDES, Heard, side4
from twnm.questions.facts import DISTANCE_RATIO, TIME_MARGIN_S, Facts, Source, clear_sector, clear_side, on_side
from twnm.questions.level1 import FARTHEST_M, LADDER_RATIO, NEAREST_M, WHERE, distance_draft
from twnm.questions.options import label_options, mirror_sectors, pick, ratio_ladder, shuffled
from twnm.questions.schema import Draft, Task

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
THRESHOLDS_M = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
THRESHOLDS_S = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def rotate_listener(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Where a sound is after the listener turned."""
    clear = [source for source in facts.placed if clear_sector(source.heard.azimuth_deg)]
    if not clear:
        return None
    source, turn = pick(rng, clear), pick(rng, tuple(TURNS))
    answer = str(clear_sector(source.heard.azimuth_deg - TURNS[turn]))
    steps = _subtract(source.label, source.shown.azimuth_deg, TURNS[turn])
    return Draft({"a": source.label, "turn": turn}, mirror_sectors(answer), answer, f"{steps} is {answer}", (source.shown,))


def plan_action(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """How to turn so that a sound comes to a given side."""
    clear = [source for source in facts.placed if clear_sector(source.heard.azimuth_deg)]
    if not clear:
        return None
    source, goal = pick(rng, clear), pick(rng, tuple(GOALS))
    sector = str(clear_sector(source.heard.azimuth_deg - GOALS[goal]))
    options = tuple(ACTIONS[other] for other in mirror_sectors(sector))
    steps = _subtract(source.label, source.shown.azimuth_deg, GOALS[goal])
    return Draft({"goal": goal.format(a=source.label)}, options, ACTIONS[sector], f"{steps}: {ACTIONS[sector]}", (source.shown,))


def _subtract(label: str, azimuth_deg: float, turn_deg: int) -> str:
    """The line "dog 45° - 90° = -45°", with the same angle within half a turn after it where the difference is beyond."""
    if turn_deg == 0:
        return f"{label} {azimuth_deg:.0f}°"
    difference_deg = azimuth_deg - turn_deg
    wrapped = f" = {wrap_deg(difference_deg):.0f}°" if wrap_deg(difference_deg) != difference_deg else ""
    return f"{label} {azimuth_deg:.0f}° {'-' if turn_deg > 0 else '+'} {abs(turn_deg)}° = {difference_deg:.0f}°{wrapped}"


def remove_source(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of the remaining sounds is closest, farthest, first or last when one is silent."""
    if not facts.whole or not 3 <= len(facts.sources) <= 4:
        return None
    removed, kind = pick(rng, facts.sources), pick(rng, ("closest", "farthest", "first to start", "last to start"))
    left = [source for source in facts.sources if source is not removed]
    near = kind in ("closest", "farthest")
    ranked = sorted(left, key=lambda source: _rank(source, near), reverse=kind in ("farthest", "last to start"))
    best, next_best = (_rank(source, near) for source in ranked[:2])
    if near and (not facts.all_placed or max(best, next_best) < DISTANCE_RATIO * min(best, next_best)):
        return None
    if not near and abs(best - next_best) < TIME_MARGIN_S:
        return None
    shown = [f"{it.label} {it.distance_m:.1f} m" if near else f"{it.label} {it.onset_s:.1f} s" for it in (source.shown for source in left)]
    answer = ranked[0].label
    options = label_options(rng, facts, answer, [source.label for source in facts.sources])
    why = f"without {removed.label}: {', '.join(shown)}: {kind} is {answer}"
    return Draft({"a": removed.label, "kind": kind}, options, answer, why, tuple(source.shown for source in facts.sources))


def _rank(source: Source, near: bool) -> float:
    return source.heard.distance_m if near else source.heard.onset_s


def move_listener(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Whether a sound is closer or farther after a walk towards its side or away from it."""
    clear = [source for source in facts.placed if clear_side(source.heard.azimuth_deg)]
    if not clear:
        return None
    source, step_m, answer = pick(rng, clear), pick(rng, STEPS_M), pick(rng, ("closer", "farther"))
    side = side4(source.heard.azimuth_deg)
    way = side if answer == "closer" else SIDES[(SIDES.index(side) + 2) % 4]
    off_axis_deg = wrap_deg(source.heard.azimuth_deg - 90 * SIDES.index(side))
    ahead_m = source.heard.distance_m * np.cos(np.radians(off_axis_deg)) * np.cos(np.radians(source.heard.elevation_deg))
    if step_m > ahead_m:  # one would walk past it
        return None
    words = {"a": source.label, "walk": f"walk {step_m:.1f} m {WALKS[way]}"}
    why = f"{source.label} {source.shown.azimuth_deg:.0f}° is {side}, walk is {way}: {answer}"
    return Draft(words, ("closer", "farther"), answer, why, (source.shown,))


def approach_source(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """How far a sound is after a walk straight towards it or straight away from it."""
    if not facts.placed:
        return None
    source, step_m, sign = pick(rng, facts.placed), pick(rng, STEPS_M), pick(rng, (-1, 1))
    shown, elevation = source.shown, np.radians(source.heard.elevation_deg)
    along_m, height_m = source.heard.distance_m * np.cos(elevation), source.heard.distance_m * np.sin(elevation)
    after_m, said_m = float(np.hypot(along_m + sign * step_m, height_m)), shown.distance_m + sign * step_m
    if along_m + sign * step_m < 0.4 or abs(after_m - said_m) > 0.1 * after_m:
        return None
    way = "towards" if sign < 0 else "away from"
    lowest_m = NEAREST_M + max(0.0, sign * step_m)  # after a walk away no sound is nearer than the walk is long
    ladder = ratio_ladder(rng, after_m, LADDER_RATIO, lowest_m, FARTHEST_M)
    if ladder is None:
        return None
    steps = f"{source.label} {shown.distance_m:.1f} m {'-' if sign < 0 else '+'} {step_m:.1f} m = {said_m:.1f} m"
    return distance_draft({"a": source.label, "walk": f"walk {step_m:.1f} m straight {way}"}, ladder, (after_m, said_m), steps, shown)


@dataclass(frozen=True)
class _Condition:
    """`words` for the question, `short` for the reasoning, and a test: True, False, or None within the margin."""

    words: str
    short: str
    test: Callable[[Heard], bool | None]
    rounded: Callable[[Heard], bool]


def compound_condition(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which sound meets two conditions (side, distance, time) of which another sound meets only one."""
    if not facts.all_placed or not 2 <= len(facts.sources) <= 4:
        return None
    kinds = shuffled(rng, (_sides(rng), _distances(rng), _times(rng)))[:2]
    for first in kinds[0]:
        for second in kinds[1]:
            draft = _compound(facts, rng, first, second)
            if draft is not None:
                return draft
    return None


def _compound(facts: Facts, rng: np.random.Generator, first: _Condition, second: _Condition) -> Draft | None:
    verdicts = [(first.test(source.heard), second.test(source.heard)) for source in facts.sources]
    decoys = [verdict for verdict in verdicts if set(verdict) == {True, False}]
    if verdicts.count((True, True)) != 1 or not decoys or any(None in verdict and False not in verdict for verdict in verdicts):
        return None
    answer = facts.sources[verdicts.index((True, True))].label
    shown = tuple(source.shown for source in facts.sources)
    lists = [", ".join(it.label for it in shown if condition.rounded(it)) for condition in (first, second)]
    why = f"{first.short}: {lists[0]}; {second.short}: {lists[1]}; both: {answer}"
    options = label_options(rng, facts, answer, [source.label for source in facts.sources])
    return Draft({"p": first.words, "q": second.words}, options, answer, why, shown)


def _sides(rng: np.random.Generator) -> list[_Condition]:
    def of(side: str) -> _Condition:
        return _Condition(f"is {WHERE[side]}", side, lambda it: on_side(it.azimuth_deg, side), lambda it: side4(it.azimuth_deg) == side)

    return [of(side) for side in shuffled(rng, SIDES)]


def _distances(rng: np.random.Generator) -> list[_Condition]:
    def of(limit_m: float, closer: bool) -> _Condition:
        def test(it: Heard) -> bool | None:
            within = max(it.distance_m / limit_m, limit_m / it.distance_m) < DISTANCE_RATIO
            return None if within else (it.distance_m < limit_m) == closer

        name = f"{'closer' if closer else 'farther'} than {limit_m:.1f} m"
        return _Condition(f"is {name}", name, test, lambda it: (it.distance_m < limit_m) == closer)

    return shuffled(rng, [of(limit_m, closer) for limit_m in THRESHOLDS_M for closer in (True, False)])


def _times(rng: np.random.Generator) -> list[_Condition]:
    def of(limit_s: float, after: bool) -> _Condition:
        def test(it: Heard) -> bool | None:
            return None if abs(it.onset_s - limit_s) < TIME_MARGIN_S else (it.onset_s > limit_s) == after

        name = f"{'after' if after else 'before'} {limit_s:.1f} s"
        return _Condition(f"starts {name}", name, test, lambda it: (it.onset_s > limit_s) == after)

    return shuffled(rng, [of(limit_s, after) for limit_s in THRESHOLDS_S for after in (True, False)])


TASKS_L3 = {
    "l3_rotate_listener": Task("L3", "spatial", rotate_listener),
    "l3_plan_action": Task("L3", "spatial", plan_action),
    "l3_remove_source": Task("L3", "mixed", remove_source),
    "l3_move_listener": Task("L3", "spatial", move_listener),
    "l3_approach_source": Task("L3", "spatial", approach_source),
    "l3_compound_condition": Task("L3", "mixed", compound_condition),
}
