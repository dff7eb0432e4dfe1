"""Level 2, relational integration: two sounds compared, and what belongs to which."""

from collections.abc import Callable

import numpy as np

from twnm.ambisonics import wrap_deg
from twnm.questions.facts import DISTANCE_RATIO, ELEVATION_MARGIN_DEG, TIME_MARGIN_S, Facts, Source, clear_sector
from twnm.questions.options import label_options, nearest, pairs, pick, step_ladder
from twnm.questions.schema import Draft, Task

SAME_RATIO, SAME_HEIGHT_DEG, SAME_TIME_S = 1.06, 4.0, 0.1
SAME_WITHIN_DEG, BESIDE_FROM_DEG, BESIDE_TO_DEG, OPPOSITE_FROM_DEG = 25.0, 45.0, 135.0, 155.0
BESIDE_KEPT = 0.55  # beside covers 90° on each side, same and opposite 50°: keeps the four answers equally likely
MEDIAN_MARGIN_DEG = 10.0
SEPARATION_STEP_DEG = 40.0
RELATIONS = ("to the left", "to the right", "same direction", "opposite side")


def relative_direction_between_objects(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Where A is relative to B, by the difference of their azimuths as the listener sees them."""
    wanted = pick(rng, RELATIONS)
    if wanted in RELATIONS[:2] and rng.random() > BESIDE_KEPT:
        return None
    for first, second in pairs(rng, facts.placed):
        if _relation(wrap_deg(first.heard.azimuth_deg - second.heard.azimuth_deg)) == wanted:
            a, b = first.shown, second.shown
            steps = f"{a.label} {a.azimuth_deg:.0f}° - {b.label} {b.azimuth_deg:.0f}° = {_difference(a.azimuth_deg - b.azimuth_deg)}"
            return Draft({"a": a.label, "b": b.label}, RELATIONS, wanted, f"{steps} is {wanted}", (a, b))
    return None


def _relation(difference_deg: float) -> str | None:
    size_deg = abs(difference_deg)
    if size_deg <= SAME_WITHIN_DEG:
        return "same direction"
    if size_deg >= OPPOSITE_FROM_DEG:
        return "opposite side"
    if BESIDE_FROM_DEG <= size_deg <= BESIDE_TO_DEG:
        return "to the left" if difference_deg > 0 else "to the right"
    return None


def _difference(difference_deg: float) -> str:
    wrapped = wrap_deg(difference_deg)
    return f"{difference_deg:.0f}°" if wrapped == difference_deg else f"{difference_deg:.0f}° = {wrapped:.0f}°"


def _compare(
    facts: Facts,
    rng: np.random.Generator,
    sources: tuple[Source, ...],
    order: Callable[[Source, Source], int | None],
    show: Callable[[Source], str],
    words: tuple[str, str],
    tie: str,
) -> Draft | None:
    """Which of two sounds is first in an order (`words[0]`) or last (`words[1]`), or neither (`tie`); order is -1, 0, 1, or None within the margin."""
    if not facts.absent:
        return None
    wanted = pick(rng, (-1, 0, 1))
    more = int(rng.integers(2))
    for first, second in pairs(rng, sources):
        if order(first, second) != wanted:
            continue
        winner = (first, second)[(wanted > 0) != bool(more)].label
        answer = winner if wanted else tie
        steps = f"{first.label} {show(first)}, {second.label} {show(second)}"
        why = f"{steps}: {words[more]} is {answer}" if wanted else f"{steps}: {tie}"
        absent = label_options(rng, facts, pick(rng, facts.absent), ())[0]
        options = (first.label, second.label, tie, absent)
        return Draft({"a": first.label, "b": second.label, "more": words[more]}, options, answer, why, (first.shown, second.shown))
    return None


def compare_object_distances(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of two sounds is closer or farther."""

    def order(first: Source, second: Source) -> int | None:
        ratio = first.heard.distance_m / second.heard.distance_m
        if max(ratio, 1 / ratio) <= SAME_RATIO:
            return 0
        return None if max(ratio, 1 / ratio) < DISTANCE_RATIO else (-1 if ratio < 1 else 1)

    return _compare(facts, rng, facts.placed, order, lambda source: f"{source.shown.distance_m:.1f} m", ("closer", "farther"), "equidistant")


def compare_object_elevations(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of two sounds is higher or lower in elevation."""

    def order(first: Source, second: Source) -> int | None:
        return _gap(first.heard.elevation_deg - second.heard.elevation_deg, SAME_HEIGHT_DEG, ELEVATION_MARGIN_DEG)

    return _compare(facts, rng, facts.placed, order, lambda source: f"{source.shown.elevation_deg:.0f}°", ("lower", "higher"), "same height")


def order_in_time(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of two sounds starts first or last."""

    def order(first: Source, second: Source) -> int | None:
        return _gap(first.heard.onset_s - second.heard.onset_s, SAME_TIME_S, TIME_MARGIN_S)

    return _compare(facts, rng, facts.named, order, lambda source: f"{source.shown.onset_s:.1f} s", ("first", "last"), "same time")


def _gap(difference: float, same: float, margin: float) -> int | None:
    if abs(difference) <= same:
        return 0
    return None if abs(difference) < margin else (-1 if difference < 0 else 1)


def bind_identity_location_distance(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which direction and which distance belong to which of two sounds; the options exchange the one, the other, or both."""
    for first, second in pairs(rng, facts.placed):
        sectors = clear_sector(first.heard.azimuth_deg), clear_sector(second.heard.azimuth_deg)
        apart_deg = abs(wrap_deg(first.heard.azimuth_deg - second.heard.azimuth_deg))
        distances_m = sorted((first.heard.distance_m, second.heard.distance_m))
        if None in sectors or sectors[0] == sectors[1] or apart_deg < 30 or distances_m[1] < DISTANCE_RATIO * distances_m[0]:
            continue
        a, b = first.shown, second.shown
        metres = (f"{a.distance_m:.1f} m", f"{b.distance_m:.1f} m")
        options = tuple(f"{a.label} {sectors[turned]} {metres[far]}, {b.label} {sectors[1 - turned]} {metres[1 - far]}" for turned in (0, 1) for far in (0, 1))
        steps = f"{a.label} {a.azimuth_deg:.0f}°, {b.label} {b.azimuth_deg:.0f}°"
        return Draft({"a": a.label, "b": b.label}, options, options[0], f"{steps}: {options[0]}", (a, b))
    return None


def same_side(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Whether two sounds are on the same side, left or right."""
    if len(facts.placed) < 2:
        return None
    first, second = pairs(rng, facts.placed)[0]
    sides = [_left_or_right(source.heard.azimuth_deg) for source in (first, second)]
    if None in sides:
        return None
    a, b, answer = first.shown, second.shown, "yes" if sides[0] == sides[1] else "no"
    why = f"{a.label} {a.azimuth_deg:.0f}° {sides[0]}, {b.label} {b.azimuth_deg:.0f}° {sides[1]}: {answer}"
    return Draft({"a": a.label, "b": b.label}, ("yes", "no"), answer, why, (a, b))


def _left_or_right(azimuth_deg: float) -> str | None:
    size_deg = abs(azimuth_deg)
    if not MEDIAN_MARGIN_DEG <= size_deg <= 180 - MEDIAN_MARGIN_DEG:
        return None
    return "left" if azimuth_deg > 0 else "right"


def angular_separation(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """How many degrees of azimuth lie between two sounds, on a ladder of four angles."""
    if len(facts.placed) < 2:
        return None
    first, second = pairs(rng, facts.placed)[0]
    apart_deg = abs(wrap_deg(first.heard.azimuth_deg - second.heard.azimuth_deg))
    ladder = step_ladder(rng, apart_deg, SEPARATION_STEP_DEG, 7.5, 0.0, 180.0)
    if ladder is None:
        return None
    rungs = tuple(5.0 * round(rung / 5) for rung in ladder)
    answer = f"{nearest(rungs, apart_deg):.0f}°"
    a, b = first.shown, second.shown
    difference_deg = abs(a.azimuth_deg - b.azimuth_deg)
    steps = f"{difference_deg:.0f}°" if difference_deg <= 180 else f"{difference_deg:.0f}° = {360 - difference_deg:.0f}°"
    why = f"{a.label} {a.azimuth_deg:.0f}°, {b.label} {b.azimuth_deg:.0f}° differ by {steps}, nearest {answer}"
    return Draft({"a": a.label, "b": b.label}, tuple(f"{rung:.0f}°" for rung in rungs), answer, why, (a, b))


TASKS_L2 = {
    "l2_relative_direction_between_objects": Task("L2", "spatial", relative_direction_between_objects),
    "l2_compare_object_distances": Task("L2", "spatial", compare_object_distances),
    "l2_compare_object_elevations": Task("L2", "spatial", compare_object_elevations),
    "l2_bind_identity_location_distance": Task("L2", "mixed", bind_identity_location_distance),
    "l2_same_side": Task("L2", "spatial", same_side),
    "l2_order_in_time": Task("L2", "temporal", order_in_time),
    "l2_angular_separation": Task("L2", "spatial", angular_separation),
}
