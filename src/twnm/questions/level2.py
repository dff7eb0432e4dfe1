"""Level 2, relational integration: two sounds compared, what belongs to which, and how a sound moves."""

import math
from collections.abc import Callable

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.questions.evidence import SIDES, Heard
from twnm.questions.facts import DISTANCE_RATIO, ELEVATION_MARGIN_DEG, MAX_ELEVATION_DEG, TIME_MARGIN_S, Facts, Motion, Source, clear_sector, clear_side
from twnm.questions.options import nearest_option, pairs, pick, step_ladder
from twnm.questions.schema import ASK_FOR_TURN, Number, Query, Task, Verdict, one_of

SAME_RATIO, SAME_HEIGHT_DEG = 1.1, 5.0
UNEQUAL_KEPT, STILL_KEPT = 0.35, 0.2  # ties and moving sounds are rare: keeps the answers about equally likely
SAME_WITHIN_DEG, BESIDE_FROM_DEG, BESIDE_TO_DEG, OPPOSITE_FROM_DEG = 25.0, 45.0, 135.0, 155.0
BESIDE_KEPT = 0.55  # beside covers 90° on each side, same and opposite 50°: keeps the four answers equally likely
MEDIAN_MARGIN_DEG = 10.0
SEPARATION_STEP_DEG, SMALLEST_DEG, WRONG_DEG = 40.0, 15.0, 20.0
APART_DEG = 30.0
RELATIONS = ("to the left", "to the right", "same direction", "opposite side")
CHANGES = ("comes closer", "moves away", "passes by", "stands still")
SIDE_PHRASES = {"front": "in front", "left": "at left", "back": "behind", "right": "at right"}


def draw_relation(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Where A is relative to B; the answer is drawn first."""
    wanted = pick(rng, RELATIONS)
    if wanted in RELATIONS[:2] and rng.random() > BESIDE_KEPT:
        return None
    for first, second in pairs(rng, facts.placed):
        if _relation(turn_deg(first, second)) == wanted:
            return Query({"a": first.label, "b": second.label}, RELATIONS)
    return None


def judge_relation(facts: Facts, query: Query) -> Verdict | None:
    """By the difference of their azimuths as the listener sees them, 10° clear of the borders between same, beside and opposite."""
    both = two(facts, query)
    answer = both and _relation(turn_deg(*both))
    return Verdict(answer, f"{_difference(*both)} is {answer}", (both[0].shown, both[1].shown)) if both and answer else None


def number_relation(facts: Facts, query: Query) -> Number | None:
    """The turn from B to A in degrees."""
    both = two(facts, query)
    if both is None:
        return None
    said_deg = wrap_deg(both[0].shown.azimuth_deg - both[1].shown.azimuth_deg) + 0.0
    return Number(round(turn_deg(*both), 2), "deg", "20 deg", f"{said_deg:.0f}°", _difference(*both))


def two(facts: Facts, query: Query) -> tuple[Source, Source] | None:
    """The placed objects that the words a and b name."""
    first, second = facts.at(query.words["a"]), facts.at(query.words["b"])
    return (first, second) if first and second else None


def turn_deg(first: Source, second: Source) -> float:
    """By how much one turns to the left from the second sound to the first, degrees in (-180, 180]."""
    return wrap_deg(first.heard.azimuth_deg - second.heard.azimuth_deg)


def _relation(difference_deg: float) -> str | None:
    size_deg = abs(difference_deg)
    if size_deg <= SAME_WITHIN_DEG:
        return "same direction"
    if size_deg >= OPPOSITE_FROM_DEG:
        return "opposite side"
    if BESIDE_FROM_DEG <= size_deg <= BESIDE_TO_DEG:
        return "to the left" if difference_deg > 0 else "to the right"
    return None


def _difference(first: Source, second: Source) -> str:
    a, b = first.shown, second.shown
    difference_deg = a.azimuth_deg - b.azimuth_deg
    wrapped_deg = wrap_deg(difference_deg) + 0.0
    end = "" if wrapped_deg == difference_deg else f" = {wrapped_deg:.0f}°"
    return f"{a.label} {a.azimuth_deg:.0f}° - {b.label} {b.azimuth_deg:.0f}° = {difference_deg:.0f}°{end}"


class Comparison:
    """Which of two sounds has less of a measure or more of it, or neither: `words` for less and more, and for a tie.

    `order` is -1, 0 or 1 for less, a tie or more, None within the margin; `show` gives the measure in the reasoning. The third, absent sound of the
    authors' benchmark is no option here: named in no question, it could never be right.
    """

    def __init__(self, order: Callable[[Heard, Heard], int | None], show: Callable[[Heard], str], words: tuple[str, str], tie: str) -> None:
        self.order, self.show, self.words, self.tie = order, show, words, tie

    def draw(self, facts: Facts, rng: np.random.Generator) -> Query | None:
        """Which of two sounds has less or more of a measure; the answer is drawn first."""
        wanted, more = pick(rng, (-1, 0, 1)), pick(rng, self.words)
        if wanted and rng.random() > UNEQUAL_KEPT:
            return None
        for first, second in pairs(rng, facts.placed):
            if self.order(first.heard, second.heard) == wanted:
                return Query({"a": first.label, "b": second.label, "more": more}, (first.label, second.label, self.tie))
        return None

    def judge(self, facts: Facts, query: Query) -> Verdict | None:
        """Distances equal within 10 % or 30 % apart, elevations equal within 5° or 15° apart."""
        both = two(facts, query)
        order = self.order(both[0].heard, both[1].heard) if both else None
        if both is None or order is None:
            return None
        a, b = both[0].shown, both[1].shown
        more = query.words["more"]
        steps = f"{a.label} {self.show(a)}, {b.label} {self.show(b)}"
        if order == 0:
            return Verdict(self.tie, f"{steps}: {self.tie}", (a, b))
        answer = a.label if (order < 0) == (more == self.words[0]) else b.label
        return Verdict(answer, f"{steps}: {more} is {answer}", (a, b))

    def task(self) -> Task:
        """As a task of level 2."""
        return Task("L2", "spatial", self.draw, self.judge, f"Answer with the name of the sound, or: {self.tie}.")


def _order_distance(first: Heard, second: Heard) -> int | None:
    ratio = first.distance_m / second.distance_m
    if max(ratio, 1 / ratio) <= SAME_RATIO:
        return 0
    return None if max(ratio, 1 / ratio) < DISTANCE_RATIO else (-1 if ratio < 1 else 1)


def _order_elevation(first: Heard, second: Heard) -> int | None:
    difference_deg = first.elevation_deg - second.elevation_deg
    if abs(difference_deg) <= SAME_HEIGHT_DEG:
        return 0
    return None if abs(difference_deg) < ELEVATION_MARGIN_DEG else (-1 if difference_deg < 0 else 1)


DISTANCES = Comparison(_order_distance, lambda it: f"{it.distance_m:.1f} m", ("closer", "farther"), "equidistant")
ELEVATIONS = Comparison(_order_elevation, lambda it: f"{it.elevation_deg:.0f}°", ("lower", "higher"), "same height")


def draw_binding(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which direction and which distance belong to which of two sounds; the options exchange the one, the other, or both."""
    for first, second in pairs(rng, facts.placed):
        places = _places(first, second)
        if places:
            sectors, metres, (a, b) = *places, (first.label, second.label)
            options = tuple(f"{a} {sectors[turned]} {metres[far]}, {b} {sectors[1 - turned]} {metres[1 - far]}" for turned in (0, 1) for far in (0, 1))
            return Query({"a": a, "b": b}, options)
    return None


def _places(first: Source, second: Source) -> tuple[tuple[str, str], tuple[str, str]] | None:
    sectors = clear_sector(first.heard.azimuth_deg), clear_sector(second.heard.azimuth_deg)
    nearer_m, farther_m = sorted((first.heard.distance_m, second.heard.distance_m))
    if sectors[0] is None or sectors[1] is None or abs(turn_deg(first, second)) < APART_DEG or farther_m < DISTANCE_RATIO * nearer_m:
        return None
    return (sectors[0], sectors[1]), (f"{first.shown.distance_m:.1f} m", f"{second.shown.distance_m:.1f} m")


def judge_binding(facts: Facts, query: Query) -> Verdict | None:
    """Directions at least 30° apart in different sectors, distances at least 30 % apart."""
    both = two(facts, query)
    places = both and _places(*both)
    if both is None or places is None:
        return None
    a, b = both[0].shown, both[1].shown
    answer = ", ".join(f"{it.label} {sector} {distance}" for it, sector, distance in zip((a, b), *places, strict=True))
    return Verdict(answer, f"{a.label} {a.azimuth_deg:.0f}°, {b.label} {b.azimuth_deg:.0f}°: {answer}", (a, b))


def draw_separation(facts: Facts, rng: np.random.Generator) -> Query | None:
    """How many degrees of azimuth lie between two sounds, on a ladder of four angles."""
    if len(facts.placed) < 2:
        return None
    first, second = pairs(rng, facts.placed)[0]
    ladder = step_ladder(rng, abs(turn_deg(first, second)), SEPARATION_STEP_DEG, 7.5, SMALLEST_DEG, 180.0)
    return Query({"a": first.label, "b": second.label}, tuple(f"{5 * round(rung / 5)}°" for rung in ladder)) if ladder else None


def judge_separation(facts: Facts, query: Query) -> Verdict | None:
    """The rung nearest to the angle; the others differ by 20°."""
    both = two(facts, query)
    if both is None:
        return None
    said_deg, steps = _separation(*both)
    answer = nearest_option(query.options, abs(turn_deg(*both)), said_deg, lambda rung, value: abs(rung - value) >= WRONG_DEG)
    return Verdict(answer, f"{steps}, nearest {answer}", (both[0].shown, both[1].shown)) if answer else None


def number_separation(facts: Facts, query: Query) -> Number | None:
    """The angle in degrees."""
    both = two(facts, query)
    return Number(round(abs(turn_deg(*both)), 2), "deg", "20 deg", f"{_separation(*both)[0]:.0f}°", _separation(*both)[1]) if both else None


def _separation(first: Source, second: Source) -> tuple[float, str]:
    a, b = first.shown, second.shown
    plain_deg = abs(a.azimuth_deg - b.azimuth_deg)
    said_deg = min(plain_deg, 360 - plain_deg)
    end = "" if said_deg == plain_deg else f" = {said_deg:.0f}°"
    return said_deg, f"{a.label} {a.azimuth_deg:.0f}°, {b.label} {b.azimuth_deg:.0f}° differ by {plain_deg:.0f}°{end}"


def draw_order(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which of two sounds starts first and where each is; the options exchange the order, the places, or both."""
    for first, second in pairs(rng, facts.placed):
        sides = _ordered_sides(first, second)
        if sides:
            names = (first.label, second.label)
            return Query({"a": names[0], "b": names[1]}, tuple(order_text(*names, *s, turned) for s in (sides, sides[::-1]) for turned in (False, True)))
    return None


def _ordered_sides(first: Source, second: Source) -> tuple[str, str] | None:
    sides = clear_side(first.heard.azimuth_deg), clear_side(second.heard.azimuth_deg)
    if sides[0] is None or sides[1] is None or sides[0] == sides[1] or abs(first.heard.onset_s - second.heard.onset_s) < TIME_MARGIN_S:
        return None
    return sides[0], sides[1]


def order_text(a: str, b: str, side_a: str, side_b: str, second_first: bool) -> str:
    """Two sounds in turn, each with its side."""
    parts = [f"{a} {SIDE_PHRASES[side_a]}", f"{b} {SIDE_PHRASES[side_b]}"]
    return ", then ".join(reversed(parts) if second_first else parts)


def judge_order(facts: Facts, query: Query) -> Verdict | None:
    """Onsets half a second apart, different sides, 10° clear of their borders."""
    both = two(facts, query)
    sides = both and _ordered_sides(*both)
    if both is None or sides is None:
        return None
    a, b = both[0].shown, both[1].shown
    answer = order_text(a.label, b.label, *sides, both[1].heard.onset_s < both[0].heard.onset_s)
    steps = ", ".join(f"{it.label} {it.onset_s:.1f} s {it.azimuth_deg:.0f}°" for it in (a, b))
    return Verdict(answer, f"{steps}: {answer}", (a, b))


def draw_same_side(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Whether two sounds are on the same side, left or right."""
    if len(facts.placed) < 2:
        return None
    first, second = pairs(rng, facts.placed)[0]
    return Query({"a": first.label, "b": second.label}, ("yes", "no"))


def judge_same_side(facts: Facts, query: Query) -> Verdict | None:
    """Both 10° clear of the plane between left and right."""
    both = two(facts, query)
    sides = both and [_left_or_right(source.heard.azimuth_deg) for source in both]
    if both is None or sides is None or None in sides:
        return None
    a, b, answer = both[0].shown, both[1].shown, "yes" if sides[0] == sides[1] else "no"
    return Verdict(answer, f"{a.label} {a.azimuth_deg:.0f}° {sides[0]}, {b.label} {b.azimuth_deg:.0f}° {sides[1]}: {answer}", (a, b))


def _left_or_right(azimuth_deg: float) -> str | None:
    if not MEDIAN_MARGIN_DEG <= abs(azimuth_deg) <= 180 - MEDIAN_MARGIN_DEG:
        return None
    return "left" if azimuth_deg > 0 else "right"


def draw_motion(facts: Facts, rng: np.random.Generator) -> Query | None:
    """How a sound moves: from which side to which (against its reversal and their mirror images), or nearer, farther, past or not at all."""
    if rng.random() < 0.5:
        found = [source for source in facts.named if _path(source)]
        return _path_query(rng, pick(rng, found)) if found else None
    wanted = pick(rng, CHANGES)
    if wanted == "stands still" and rng.random() > STILL_KEPT:
        return None
    found = [source for source in facts.named if _change(source) == wanted]
    return Query({"a": pick(rng, found).label}, CHANGES, reply=one_of(CHANGES)) if found else None


def _path_query(rng: np.random.Generator, source: Source) -> Query | None:
    path = _path(source)
    if path is None:
        return None
    begin, end = (SIDES.index(side) for side in path)
    if (begin - end) % 2 == 0:
        other = begin + 1, end + 1
    else:
        plane = pick(rng, (0, 2))  # left-right or front-back
        other = plane - begin, plane - end
    options = tuple(path_text(SIDES[one % 4], SIDES[two % 4]) for one, two in ((begin, end), (end, begin), other, other[::-1]))
    return Query({"a": source.label}, options, reply='Answer in the form "from the left to the front" (front, left, back, right).')


def path_text(begin: str, end: str) -> str:
    """A motion from one side to another."""
    return f"from the {begin} to the {end}"


def _path(source: Source) -> tuple[str, str] | None:
    motion = source.motion
    if motion is None or max(abs(it.elevation_deg) for it in (motion.begin, motion.end)) > MAX_ELEVATION_DEG:
        return None
    begin, end = clear_side(motion.begin.azimuth_deg), clear_side(motion.end.azimuth_deg)
    return (begin, end) if begin and end and begin != end else None


def _change(source: Source) -> str | None:
    if source.still:
        return "stands still"
    return None if source.motion is None else _distance_change(source.motion)


def _distance_change(motion: Motion) -> str | None:
    begin_m, nearest_m, end_m = motion.begin.distance_m, motion.nearest.distance_m, motion.end.distance_m
    if min(begin_m, end_m) >= DISTANCE_RATIO * nearest_m:
        return "passes by"
    if min(begin_m, end_m) > SAME_RATIO * nearest_m:
        return None
    if max(begin_m, end_m) < DISTANCE_RATIO * min(begin_m, end_m):
        return None
    return "comes closer" if end_m < begin_m else "moves away"


def judge_motion(facts: Facts, query: Query) -> Verdict | None:
    """By its places and distances at its begin, nearest and end: sides 10° clear, distances 30 % apart."""
    source = facts.called(query.words["a"])
    if source is None:
        return None
    if query.options != CHANGES:
        path, motion = _path(source), source.motion
        if path is None or motion is None:
            return None
        begin, end = motion.begin.rounded(), motion.end.rounded()
        answer = path_text(*path)
        return Verdict(answer, f"{begin.label} {begin.azimuth_deg:.0f}°, then {end.azimuth_deg:.0f}°: {answer}", (begin, end))
    change = _change(source)
    if change is None:
        return None
    moments = [source.shown] if source.motion is None else [it.rounded() for it in (source.motion.begin, source.motion.nearest, source.motion.end)]
    if change != "passes by" and len(moments) == 3:
        moments.pop(1)
    return Verdict(change, f"{source.label} {', then '.join(f'{it.distance_m:.1f} m' for it in moments)}: {change}", tuple(moments))


def bearing_m(heard: Heard) -> tuple[float, float, float]:
    """An object's place in metres: to the front, to the left, up."""
    azimuth, elevation = math.radians(heard.azimuth_deg), math.radians(heard.elevation_deg)
    level_m = heard.distance_m * math.cos(elevation)
    return level_m * math.cos(azimuth), level_m * math.sin(azimuth), heard.distance_m * math.sin(elevation)


TASKS_L2 = {
    "l2_relative_direction_between_objects": Task("L2", "spatial", draw_relation, judge_relation, ASK_FOR_TURN, number_relation),
    "l2_compare_object_distances": DISTANCES.task(),
    "l2_compare_object_elevations": ELEVATIONS.task(),
    "l2_bind_identity_location_distance": Task("L2", "mixed", draw_binding, judge_binding),
    "l2_angular_separation": Task("L2", "spatial", draw_separation, judge_separation, "Answer in degrees.", number_separation),
    "l2_order_in_time_and_space": Task("L2", "mixed", draw_order, judge_order),
    "l2_same_side": Task("L2", "spatial", draw_same_side, judge_same_side, one_of(("yes", "no"))),
    "l2_track_motion": Task("L2", "spatial", draw_motion, judge_motion),
}
