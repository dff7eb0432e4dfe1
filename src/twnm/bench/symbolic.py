"""Symbolic answers: a question is answered from a list of heard objects by arithmetic, without a language model.

Each option of a question gets a cost, zero or less where it agrees with the objects, growing with the angle, ratio or time by which it does not; the
option that costs least is the answer. So there is always an answer, also within the margins inside which true scenes are not asked about; borders lie in
the middle of the margins. A name in a question or option means the object that most probably is one, at a cost of its own where none is.
The costs of stories and of compound conditions are in `costs.py`, the reading of a question's text in `understand.py`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twnm.ambisonics import wrap_deg
from twnm.bench.costs import (
    Case,
    Sounding,
    bound,
    clauses_cost,
    miss,
    named,
    off_sector,
    off_side,
    over,
    story_cost,
    story_names,
)
from twnm.bench.understand import Asked, fits, understand
from twnm.questions.ask import TASKS
from twnm.questions.evidence import SECTORS, SIDES, Heard, write_evidence
from twnm.questions.facts import MAX_ELEVATION_DEG, WHERE, Facts, Source
from twnm.questions.level1 import DRY_TO_S, HALL_FROM_S, LIVE_FROM_S, LIVE_TO_S, ROOMS
from twnm.questions.level2 import CHANGES, DISTANCES, ELEVATIONS, SIDE_PHRASES, bearing_m
from twnm.questions.level3 import ACTIONS, GOALS, KINDS, TURNS, WALKS, YES_NO
from twnm.questions.options import number_of
from twnm.questions.schema import Query

NAME_WEIGHT: Final = 0.5
SAME_TO_DEG, BESIDE_TO_DEG = 35.0, 145.0
TIE_RATIO, TIE_DEG = 1.2, 10.0
RAISED_DEG, IN_VIEW_DEG, REACH_M = 15.0, 72.5, 1.8
MOVED_RATIO, MOVED_DEG = 1.15, 30.0
NO_ANSWER: Final = "unknown"


@dataclass(frozen=True)
class Estimate:
    """A scene as a system believes it to be: objects by onset, length and reverberation time in seconds (None: no reverberation)."""

    objects: tuple[Sounding, ...]
    duration_s: float
    rt60_s: float | None


@dataclass(frozen=True)
class Told:
    """An answer's words and the objects that decide it, in the grammar of the evidence; `understood` is the task, empty for a text that was not read."""

    answer: str
    evidence: str
    understood: str


def estimate_of(facts: Facts) -> Estimate:
    """The true scene, as if it had been heard without a fault."""
    objects = tuple(Sounding(it.heard, {it.label: 1.0}, it.motion) for it in facts.sources)
    return Estimate(objects, facts.duration_s, None if facts.room in ("free", "ground") else facts.rt60_s)


def tell(question: str, options: Sequence[str], scene: Estimate) -> Told:
    """Answer a question about an estimated scene: one of the options, or words or figures for a question without options; never raises.

    Without an object, or for a text that cannot be understood, the first option; without options "unknown".
    """
    asked = understand(question, options)
    empty = not scene.objects and (asked is None or asked.task not in ("l1_count_sources", "l1_describe_room"))
    if asked is None or empty or not fits(asked.task, options):
        return Told(options[0] if options else NO_ANSWER, write_evidence(tuple(it.heard for it in scene.objects)), "")
    case = _case(asked, options, scene)
    if not options and TASKS[asked.task].number is not None:
        return Told(_figure(asked, case, scene), _evidence(case, ""), asked.task)
    choices = options or _choices(asked, question, case)
    if not choices:
        return Told(NO_ANSWER, _evidence(case, ""), asked.task)
    cost = _COSTS[asked.task]
    best = min(choices, key=lambda option: cost(case, option))
    return Told(best, _evidence(case, best), asked.task)


def _case(asked: Asked, options: Sequence[str], scene: Estimate) -> Case:
    names = [asked.words[name] for name in "ab" if name in asked.words]
    if asked.task == "l3_abduct_scene":
        names = story_names(options)
    return Case(asked.task, asked.words, scene.objects, bound(scene.objects, names), scene.rt60_s)


def _choices(asked: Asked, question: str, case: Case) -> tuple[str, ...]:
    """What may be said to an open question for words."""
    if asked.task in ("l2_same_side", "l3_check_plausibility"):
        return YES_NO
    if asked.task == "l2_track_motion":
        paths = tuple(f"from the {begin} to the {end}" for begin in SIDES for end in SIDES if begin != end)
        return paths if "from the" in question else CHANGES
    if asked.task in ("l2_compare_object_distances", "l2_compare_object_elevations"):
        return asked.words["a"], asked.words["b"], (DISTANCES if asked.task == "l2_compare_object_distances" else ELEVATIONS).tie
    if asked.task == "l1_count_sources":
        return (str(len(case.objects)),)
    if asked.task != "l1_identify_event" and asked.task not in _LABEL_COSTS:
        return ()
    rest = [it for it in case.objects if it.heard.label not in case.by_name]
    return tuple(dict.fromkeys(it.heard.label for it in rest))


def _evidence(case: Case, answer: str) -> str:
    """The objects that decide the answer, called as the question or the answer calls them; all of them where a question is about all."""
    if case.task == "l1_describe_room":
        return write_evidence(())
    if case.task == "l2_track_motion" and (motion := case.by_name[case.words["a"]].motion):
        moments = (motion.begin, motion.nearest, motion.end) if answer == "passes by" else (motion.begin, motion.end)
        return "; ".join(named(it, case.words["a"]).line() for it in moments)
    if case.by_name and case.task not in ("l3_remove_source", "l3_compound_condition"):
        return write_evidence(tuple(named(it.heard, name) for name, it in case.by_name.items()))
    called = {id(it): name for name, it in case.by_name.items()}
    if case.task in _LABEL_COSTS:
        called.setdefault(id(min(case.objects, key=lambda it: _label_cost(case, answer, it))), answer)
    return write_evidence(tuple(named(it.heard, called.get(id(it), it.heard.label)) for it in case.objects))


def _figure(asked: Asked, case: Case, scene: Estimate) -> str:
    """The answer in figures, by the task's own formula; elevations beyond 60°, which are not asked about, count as 60°."""
    heard = [named(it.heard, name) for name, it in case.by_name.items()]
    clipped = [Heard(it.label, it.azimuth_deg, over(it.elevation_deg, MAX_ELEVATION_DEG), it.distance_m, it.onset_s, it.offset_s) for it in heard]
    sources = tuple(Source(it, unique=True, steady=True) for it in clipped)
    meaning: tuple[object, ...] = ()
    if asked.task == "l3_plan_action":
        meaning = (GOALS[asked.words["goal"]],)
    elif asked.task == "l3_move_listener":
        meaning = _walk(case)
    number = TASKS[asked.task].number
    facts = Facts(sources, True, (), (), scene.duration_s, "unknown", scene.rt60_s)
    found = number(facts, Query(dict(asked.words), (), meaning)) if number else None
    return found.said if found else NO_ANSWER


def _walk(case: Case) -> tuple[str, float]:
    return next(way for way, words in WALKS.items() if words == case.words["way"]), float(case.words["step"])


def _event(case: Case, option: str) -> float:
    return min(miss(it, option) for it in case.objects)


def _count(case: Case, option: str) -> float:
    return abs(int(option) - len(case.objects))


def _elevation(case: Case, option: str) -> float:
    elevation_deg = case.a.elevation_deg
    return {"above": RAISED_DEG - elevation_deg, "level": abs(elevation_deg) - RAISED_DEG, "below": RAISED_DEG + elevation_deg}[option]


def _metres(case: Case, option: str) -> float:
    return abs(math.log(case.a.distance_m / max(number_of(option), 0.01)))


def _room(case: Case, option: str) -> float:
    if case.rt60_s is None or option == ROOMS[0]:
        return float((case.rt60_s is None) != (option == ROOMS[0]))
    borders_s = math.sqrt(DRY_TO_S * LIVE_FROM_S), math.sqrt(LIVE_TO_S * HALL_FROM_S)
    return 0.5 * abs(ROOMS.index(option) - 1 - sum(case.rt60_s > border_s for border_s in borders_s))


def _relation(case: Case, option: str) -> float:
    difference_deg = wrap_deg(case.a.azimuth_deg - case.b.azimuth_deg)
    if option == "same direction":
        return abs(difference_deg) - SAME_TO_DEG
    if option == "opposite side":
        return BESIDE_TO_DEG - abs(difference_deg)
    to_left_deg = difference_deg if option == "to the left" else -difference_deg
    return max(SAME_TO_DEG - to_left_deg, to_left_deg - BESIDE_TO_DEG)


def _compare(excess: float, tie: float, option: str, case: Case, tied: str) -> float:
    """`excess` is by how much the first sound is more what is asked for than the second."""
    if option == tied:
        return abs(excess) - tie
    return tie - (excess if option == case.words["a"] else -excess)


def _distances(case: Case, option: str) -> float:
    ratio = math.log(case.a.distance_m / case.b.distance_m)
    return _compare(ratio if case.words["more"] == DISTANCES.words[1] else -ratio, math.log(TIE_RATIO), option, case, DISTANCES.tie)


def _elevations(case: Case, option: str) -> float:
    rise_deg = case.a.elevation_deg - case.b.elevation_deg
    return _compare(rise_deg if case.words["more"] == ELEVATIONS.words[1] else -rise_deg, TIE_DEG, option, case, ELEVATIONS.tie)


def _binding(case: Case, option: str) -> float:
    total = 0.0
    for part, it in zip(option.split(", "), (case.a, case.b), strict=True):
        *_, sector, metres, _ = part.split(" ")
        total += off_sector(it.azimuth_deg, sector) / 45 + abs(math.log(it.distance_m / max(float(metres), 0.01)))
    return total


def _separation(case: Case, option: str) -> float:
    return abs(abs(wrap_deg(case.a.azimuth_deg - case.b.azimuth_deg)) - number_of(option))


def _order(case: Case, option: str) -> float:
    parts = option.split(", then ")
    said = [name for part in parts for name in case.by_name if part.startswith(name)]
    first, second = (case.by_name[name].heard for name in said)
    sides = [next(side for side, phrase in SIDE_PHRASES.items() if part.endswith(phrase)) for part in parts]
    places = off_side(first.azimuth_deg, sides[0]) + off_side(second.azimuth_deg, sides[1])
    return (first.onset_s - second.onset_s) / 0.5 + places / 45


def _same_side(case: Case, option: str) -> float:
    alike = math.sin(math.radians(case.a.azimuth_deg)) * math.sin(math.radians(case.b.azimuth_deg))
    return -alike if option == "yes" else alike


def _motion(case: Case, option: str) -> float:
    motion = case.by_name[case.words["a"]].motion
    if option not in CHANGES:
        begin, end = (motion.begin, motion.end) if motion else (case.a, case.a)
        _, _, side, _, _, other = option.split(" ")
        return off_side(begin.azimuth_deg, side) + off_side(end.azimuth_deg, other)
    if motion is None:
        return float(option != "stands still")
    edge = math.log(MOVED_RATIO)
    away = math.log(motion.end.distance_m / motion.begin.distance_m)
    past = math.log(min(motion.begin.distance_m, motion.end.distance_m) / motion.nearest.distance_m)
    turned = abs(wrap_deg(motion.end.azimuth_deg - motion.begin.azimuth_deg)) / MOVED_DEG
    return {
        "comes closer": max(edge + away, past - edge),
        "moves away": max(edge - away, past - edge),
        "passes by": 2 * edge - past - edge * max(0.0, turned - 1),
        "stands still": max(abs(away) - edge, past - edge, edge * (turned - 1)),
    }[option]


def _rotation(case: Case, option: str) -> float:
    return off_sector(case.a.azimuth_deg - TURNS[case.words["turn"]], option)


def _action(case: Case, option: str) -> float:
    sector = next(sector for sector in SECTORS if ACTIONS[sector] == option)
    return off_sector(case.a.azimuth_deg - GOALS[case.words["goal"]], sector)


def _moved(case: Case, option: str) -> float:
    way, _ = _walk(case)
    forward, left, _ = bearing_m(case.a)
    along = {"front": forward, "left": left, "back": -forward, "right": -left}[way]
    return -along if option == "closer" else along


def _claim(case: Case, option: str) -> float:
    it = case.a
    excess = {
        "view": lambda: (abs(it.azimuth_deg) - IN_VIEW_DEG) / 45,
        "ear": lambda: -math.sin(math.radians(it.azimuth_deg)),
        "reach": lambda: math.log(it.distance_m / REACH_M),
        "cause": lambda: it.onset_s - case.b.onset_s,
    }[case.words["claim"]]()
    return excess if option == "yes" else -excess


def _by_direction(case: Case, it: Sounding) -> float:
    side = case.words.get("side") or next(side for side, words in WHERE.items() if words == case.words["where"])
    return off_side(it.heard.azimuth_deg, side) / 45


def _removal(case: Case, it: Sounding) -> float:
    rest = [other.heard for other in case.objects if other is not case.by_name[case.words["a"]]] or [it.heard]
    if it is case.by_name[case.words["a"]]:
        return math.inf if len(case.objects) > 1 else 0.0
    kind = KINDS.index(case.words["kind"])
    if kind < 2:
        ratios = [math.log(it.heard.distance_m / other.distance_m) for other in rest]
        return max(ratios) if kind == 0 else -min(ratios)
    waits_s = [it.heard.onset_s - other.onset_s for other in rest]
    return max(waits_s) if kind == 2 else -min(waits_s)


_LABEL_COSTS: Final[Mapping[str, Callable[[Case, Sounding], float]]] = {
    "l1_identify_by_direction": _by_direction,
    "l3_remove_source": _removal,
    "l3_compound_condition": clauses_cost,
}


def _label_cost(case: Case, option: str, it: Sounding) -> float:
    """What it costs to believe that this object is what is asked for and has the option's name."""
    return NAME_WEIGHT * miss(it, option) + _LABEL_COSTS[case.task](case, it)


def _label(case: Case, option: str) -> float:
    return min(_label_cost(case, option, it) for it in case.objects)


_COSTS: Final[Mapping[str, Callable[[Case, str], float]]] = {
    "l1_identify_event": _event,
    "l1_identify_absent": lambda case, option: -_event(case, option),
    "l1_count_sources": _count,
    "l1_estimate_azimuth": lambda case, option: off_sector(case.a.azimuth_deg, option),
    "l1_estimate_elevation": _elevation,
    "l1_estimate_distance": _metres,
    "l1_identify_by_direction": _label,
    "l1_locate_in_time": lambda case, option: abs(case.a.onset_s - number_of(option)),
    "l1_describe_room": _room,
    "l2_relative_direction_between_objects": _relation,
    "l2_compare_object_distances": _distances,
    "l2_compare_object_elevations": _elevations,
    "l2_bind_identity_location_distance": _binding,
    "l2_angular_separation": _separation,
    "l2_order_in_time_and_space": _order,
    "l2_same_side": _same_side,
    "l2_track_motion": _motion,
    "l3_rotate_listener": _rotation,
    "l3_move_listener": _moved,
    "l3_remove_source": _label,
    "l3_compound_condition": _label,
    "l3_abduct_scene": story_cost,
    "l3_check_plausibility": _claim,
    "l3_plan_action": _action,
}
