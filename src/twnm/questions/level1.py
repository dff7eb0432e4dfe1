"""Level 1, atomic perception: what is heard, how many, where, how far, when."""

import numpy as np

from twnm.questions.evidence import SIDES, Heard, side4
from twnm.questions.facts import Facts, clear_sector, on_side
from twnm.questions.options import label_options, mirror_sectors, nearest, neighbour_sectors, pick, ratio_ladder, shuffled, step_ladder
from twnm.questions.schema import Draft, Task

LADDER_RATIO = 1.7  # rungs are up to 8 % off, so a wrong one differs by more than 40 % from the truth
NEAREST_M, FARTHEST_M = 0.4, 10.0
ONSET_STEP_S = 1.0
LEVEL_WITHIN_DEG, RAISED_FROM_DEG = 7.5, 22.5
WHERE = {"front": "in front of you", "left": "on your left", "back": "behind you", "right": "on your right"}


def identify_event(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of four sounds is heard; the others are absent."""
    if not facts.named or len(facts.absent) < 3:
        return None
    answer = pick(rng, facts.named).label
    heard = tuple(source.shown for source in facts.sources)
    return Draft({}, label_options(rng, facts, answer, ()), answer, f"heard {_listed(facts)}: {answer}", heard)


def identify_absent(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which of the sounds is not heard; the others are."""
    if not facts.whole or len(facts.sources) < 2 or not facts.absent:
        return None
    answer = pick(rng, facts.absent)
    others = shuffled(rng, [source.label for source in facts.sources])[:3]
    return Draft({}, (answer, *others), answer, f"heard {_listed(facts)}: not {answer}", tuple(source.shown for source in facts.sources))


def count_sources(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """How many sounds there are, one to four."""
    if not facts.whole or len(facts.sources) > 4:
        return None
    answer = str(len(facts.sources))
    return Draft({}, ("1", "2", "3", "4"), answer, f"heard {_listed(facts)}: {answer}", tuple(source.shown for source in facts.sources))


def estimate_azimuth(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """In which sector of 45° a named sound is; the others are its mirror images, or its neighbour and the opposites."""
    clear = [source for source in facts.placed if clear_sector(source.heard.azimuth_deg)]
    if not clear:
        return None
    source = pick(rng, clear)
    shown, answer = source.shown, str(clear_sector(source.heard.azimuth_deg))
    options = mirror_sectors(answer) if rng.random() < 0.5 else neighbour_sectors(rng, answer)
    return Draft({"a": source.label}, options, answer, f"{source.label} {shown.azimuth_deg:.0f}° is {answer}", (shown,))


def estimate_elevation(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Whether a named sound is above, level or below."""
    wanted = pick(rng, ("above", "level", "below"))
    clear = [source for source in facts.placed if _height(source.heard.elevation_deg) == wanted]
    if not clear:
        return None
    source = pick(rng, clear)
    why = f"{source.label} elevation {source.shown.elevation_deg:.0f}° is {wanted}"
    return Draft({"a": source.label}, ("above", "level", "below"), wanted, why, (source.shown,))


def estimate_distance(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """How far a named sound is, on a ladder of four distances."""
    if not facts.placed:
        return None
    source = pick(rng, facts.placed)
    ladder = ratio_ladder(rng, source.heard.distance_m, LADDER_RATIO, NEAREST_M, FARTHEST_M)
    if ladder is None:
        return None
    shown = source.shown
    return distance_draft({"a": source.label}, ladder, (source.heard.distance_m, shown.distance_m), f"{source.label} {shown.distance_m:.1f} m", shown)


def distance_draft(words: dict[str, str], ladder: tuple[float, ...], exact_and_said_m: tuple[float, float], steps: str, shown: Heard) -> Draft | None:
    """A question whose answer is the rung nearest to a distance, exact and as said; None if the two disagree or a wrong rung is within 40 % of it."""
    distance_m, said_m = exact_and_said_m
    right = nearest(ladder, distance_m)
    wrong_near = any(max(rung, distance_m) < 1.4 * min(rung, distance_m) for rung in ladder if rung != right)
    if wrong_near or len(set(ladder)) < len(ladder) or nearest(ladder, said_m) != right:
        return None
    return Draft(words, tuple(f"{rung:.1f} m" for rung in ladder), f"{right:.1f} m", f"{steps}, nearest {right:.1f} m", (shown,))


def identify_by_direction(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """Which sound comes from one of four sides; the others come from elsewhere or are absent."""
    if not facts.all_placed or len(facts.sources) < 2:
        return None
    verdicts = {side: [on_side(source.heard.azimuth_deg, side) for source in facts.sources] for side in SIDES}
    single = [side for side, found in verdicts.items() if found.count(True) == 1 and None not in found]
    if not single:
        return None
    side = pick(rng, single)
    answer = facts.sources[verdicts[side].index(True)].label
    shown = tuple(source.shown for source in facts.sources)
    why = ", ".join(f"{it.label} {it.azimuth_deg:.0f}° {side4(it.azimuth_deg)}" for it in shown)
    options = label_options(rng, facts, answer, [source.label for source in facts.sources])
    return Draft({"side": side, "where": WHERE[side]}, options, answer, f"{why}: {answer}", shown)


def locate_in_time(facts: Facts, rng: np.random.Generator) -> Draft | None:
    """When a named sound starts, on a ladder of four times."""
    if not facts.named:
        return None
    source = pick(rng, facts.named)
    ladder = step_ladder(rng, source.heard.onset_s, ONSET_STEP_S, 0.2, -0.05, facts.duration_s - 0.5)
    if ladder is None:
        return None
    options = tuple(f"{abs(round(rung, 1)):.1f} s" for rung in ladder)
    answer = options[ladder.index(nearest(ladder, source.heard.onset_s))]
    return Draft({"a": source.label}, options, answer, f"{source.label} starts {source.shown.onset_s:.1f} s, nearest {answer}", (source.shown,))


def _listed(facts: Facts) -> str:
    return ", ".join(source.label for source in facts.sources)


def _height(elevation_deg: float) -> str | None:
    if abs(elevation_deg) <= LEVEL_WITHIN_DEG:
        return "level"
    if abs(elevation_deg) < RAISED_FROM_DEG:
        return None
    return "above" if elevation_deg > 0 else "below"


TASKS_L1 = {
    "l1_identify_event": Task("L1", "semantic", identify_event),
    "l1_identify_absent": Task("L1", "semantic", identify_absent),
    "l1_count_sources": Task("L1", "semantic", count_sources),
    "l1_estimate_azimuth": Task("L1", "spatial", estimate_azimuth),
    "l1_estimate_elevation": Task("L1", "spatial", estimate_elevation),
    "l1_estimate_distance": Task("L1", "spatial", estimate_distance),
    "l1_identify_by_direction": Task("L1", "spatial", identify_by_direction),
    "l1_locate_in_time": Task("L1", "temporal", locate_in_time),
}
