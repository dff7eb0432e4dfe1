"""Level 1, atomic perception: what is heard, how many, where, how far, when, and in what surroundings."""

import numpy as np

from twnm.questions.evidence import SIDES
from twnm.questions.facts import WHERE, Facts, Source, clear_sector, on_side
from twnm.questions.options import (
    absent_labels,
    label_options,
    mirror_sectors,
    nearest_option,
    neighbour_sectors,
    pick,
    ratio_ladder,
    shuffled,
    step_ladder,
)
from twnm.questions.schema import ASK_FOR_SOUND, Number, Query, Task, Verdict

LADDER_RATIO = 1.7  # rungs are up to 8 % off, so a wrong one differs by more than 40 % from the truth
WRONG_RATIO = 1.4
NEAREST_M, FARTHEST_M = 0.5, 6.0
ONSET_STEP_S, WRONG_S = 1.0, 0.5
LEVEL_WITHIN_DEG, RAISED_FROM_DEG = 7.5, 22.5
HEIGHTS = ("above", "level", "below")
COUNTS = ("1", "2", "3", "4")
ROOMS = ("open air", "dry room", "live room", "echoing hall")
DRY_TO_S, LIVE_FROM_S, LIVE_TO_S, HALL_FROM_S = 0.35, 0.5, 0.75, 0.95


def draw_event(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which of four sounds is heard; the others are absent."""
    others = absent_labels(rng, facts, 3)
    return Query({}, (pick(rng, facts.named).label, *others)) if facts.named and len(others) == 3 else None


def judge_event(facts: Facts, query: Query) -> Verdict | None:
    """The only option that is heard."""
    found = [option for option in query.options if facts.called(option)]
    return Verdict(found[0], f"heard {_listed(facts)}: {found[0]}", facts.shown) if len(found) == 1 else None


def draw_absent(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which of the sounds is not heard; the others are."""
    absent = absent_labels(rng, facts, 1)
    if not facts.whole or len(facts.sources) < 2 or not absent:
        return None
    return Query({}, (*absent, *shuffled(rng, [source.label for source in facts.sources])[:3]))


def judge_absent(facts: Facts, query: Query) -> Verdict | None:
    """The only option that is not heard."""
    found = [option for option in query.options if not facts.called(option)]
    return Verdict(found[0], f"heard {_listed(facts)}: not {found[0]}", facts.shown) if facts.whole and len(found) == 1 else None


def draw_count(facts: Facts, rng: np.random.Generator) -> Query | None:
    """How many sounds there are, one to four."""
    return Query({}, COUNTS)


def judge_count(facts: Facts, query: Query) -> Verdict | None:
    """Their number, if all are audible and have labels of their own."""
    answer = str(len(facts.sources))
    return Verdict(answer, f"heard {_listed(facts)}: {answer}", facts.shown) if facts.whole else None


def draw_azimuth(facts: Facts, rng: np.random.Generator) -> Query | None:
    """In which sector of 45° a named sound is; the others are its mirror images, or its neighbour and the opposites."""
    clear = clear_sources(facts)
    if not clear:
        return None
    source = pick(rng, clear)
    sector = str(clear_sector(source.heard.azimuth_deg))
    return Query({"a": source.label}, mirror_sectors(sector) if rng.random() < 0.5 else neighbour_sectors(rng, sector))


def clear_sources(facts: Facts) -> list[Source]:
    """The placed objects that are clear of the borders between sectors."""
    return [source for source in facts.placed if clear_sector(source.heard.azimuth_deg)]


def judge_azimuth(facts: Facts, query: Query) -> Verdict | None:
    """Its sector, 10° clear of the borders."""
    source = facts.at(query.words["a"])
    answer = source and clear_sector(source.heard.azimuth_deg)
    return Verdict(answer, f"{source.label} {source.shown.azimuth_deg:.0f}° is {answer}", (source.shown,)) if source and answer else None


def number_azimuth(facts: Facts, query: Query) -> Number | None:
    """Its azimuth in degrees."""
    source = facts.at(query.words["a"])
    return degrees(source.heard.azimuth_deg, source.shown.azimuth_deg, source.label) if source else None


def degrees(exact_deg: float, said_deg: float, steps: str) -> Number:
    """An angle as an open answer; `steps` lacks the angle at its end."""
    said = f"{said_deg:.0f}°"
    return Number(round(exact_deg, 2), "deg", "20 deg", said, f"{steps} {said}")


def draw_elevation(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Whether a named sound is above, level or below; the answer is drawn first."""
    wanted = pick(rng, HEIGHTS)
    clear = [source for source in facts.placed if _height(source.heard.elevation_deg) == wanted]
    return Query({"a": pick(rng, clear).label}, HEIGHTS) if clear else None


def judge_elevation(facts: Facts, query: Query) -> Verdict | None:
    """Level within 7.5°, above or below from 22.5°."""
    source = facts.at(query.words["a"])
    answer = source and _height(source.heard.elevation_deg)
    return Verdict(answer, f"{source.label} elevation {source.shown.elevation_deg:.0f}° is {answer}", (source.shown,)) if source and answer else None


def _height(elevation_deg: float) -> str | None:
    if abs(elevation_deg) <= LEVEL_WITHIN_DEG:
        return "level"
    if abs(elevation_deg) < RAISED_FROM_DEG:
        return None
    return "above" if elevation_deg > 0 else "below"


def number_elevation(facts: Facts, query: Query) -> Number | None:
    """Its elevation in degrees."""
    source = facts.at(query.words["a"])
    return degrees(source.heard.elevation_deg, source.shown.elevation_deg, f"{source.label} elevation") if source else None


def draw_distance(facts: Facts, rng: np.random.Generator) -> Query | None:
    """How far a named sound is, on a ladder of four distances."""
    if not facts.placed:
        return None
    source = pick(rng, facts.placed)
    ladder = ratio_ladder(rng, source.heard.distance_m, LADDER_RATIO, NEAREST_M, FARTHEST_M)
    return Query({"a": source.label}, tuple(f"{rung:.1f} m" for rung in ladder)) if ladder else None


def judge_distance(facts: Facts, query: Query) -> Verdict | None:
    """The rung nearest to its distance; the others differ by 40 %."""
    source = facts.at(query.words["a"])
    if source is None:
        return None
    exact_m, said_m = source.heard.distance_m, source.shown.distance_m
    answer = nearest_option(query.options, exact_m, said_m, lambda rung, value: max(rung, value) >= WRONG_RATIO * min(rung, value))
    return Verdict(answer, f"{source.label} {said_m:.1f} m, nearest {answer}", (source.shown,)) if answer else None


def number_distance(facts: Facts, query: Query) -> Number | None:
    """Its distance in metres."""
    source = facts.at(query.words["a"])
    return metres(source.heard.distance_m, source.shown.distance_m, source.label) if source else None


def metres(exact_m: float, said_m: float, steps: str) -> Number:
    """A distance as an open answer; `steps` lacks the distance at its end."""
    said = f"{said_m:.1f} m"
    return Number(round(exact_m, 3), "m", "30 %", said, f"{steps} {said}")


def draw_by_direction(facts: Facts, rng: np.random.Generator) -> Query | None:
    """Which sound comes from one of four sides; the others come from elsewhere or are absent."""
    if not facts.all_placed or len(facts.sources) < 2:
        return None
    sides = [side for side in SIDES if _only_on(facts, side)]
    if not sides:
        return None
    side = pick(rng, sides)
    options = label_options(rng, facts, str(_only_on(facts, side)), [source.label for source in facts.sources])
    return Query({"side": side, "where": WHERE[side]}, options)


def judge_by_direction(facts: Facts, query: Query) -> Verdict | None:
    """The only sound on that side; no sound is within 10° of the side's borders."""
    answer = _only_on(facts, query.words["side"])
    return Verdict(answer, f"{query.words['side']}: {answer}", facts.shown) if answer else None


def _only_on(facts: Facts, side: str) -> str | None:
    if not facts.all_placed:
        return None
    verdicts = [on_side(source.heard.azimuth_deg, side) for source in facts.sources]
    return facts.sources[verdicts.index(True)].label if verdicts.count(True) == 1 and None not in verdicts else None


def draw_time(facts: Facts, rng: np.random.Generator) -> Query | None:
    """When a named sound starts, on a ladder of four times."""
    if not facts.named:
        return None
    source = pick(rng, facts.named)
    ladder = step_ladder(rng, source.heard.onset_s, ONSET_STEP_S, 0.2, -0.05, facts.duration_s - 0.5)
    return Query({"a": source.label}, tuple(f"{abs(round(rung, 1)):.1f} s" for rung in ladder)) if ladder else None


def judge_time(facts: Facts, query: Query) -> Verdict | None:
    """The rung nearest to its onset; the others differ by half a second."""
    source = facts.called(query.words["a"])
    if source is None:
        return None
    said_s = source.shown.onset_s
    answer = nearest_option(query.options, source.heard.onset_s, said_s, lambda rung, value: abs(rung - value) >= WRONG_S)
    return Verdict(answer, f"{source.label} starts {said_s:.1f} s, nearest {answer}", (source.shown,)) if answer else None


def number_time(facts: Facts, query: Query) -> Number | None:
    """Its onset in seconds."""
    source = facts.called(query.words["a"])
    if source is None:
        return None
    said = f"{source.shown.onset_s:.1f} s"
    return Number(round(source.heard.onset_s, 3), "s", "0.3 s", said, f"{source.label} starts {said}")


def draw_room(facts: Facts, rng: np.random.Generator) -> Query | None:
    """What the surroundings sound like; the answer is drawn first."""
    return Query({}, ROOMS) if pick(rng, ROOMS) == _surroundings(facts) else None


def judge_room(facts: Facts, query: Query) -> Verdict | None:
    """By the reverberation time at 500 Hz and 1 kHz, or that there is none; it needs no object as evidence."""
    answer = _surroundings(facts)
    return Verdict(answer, "no reverberation: open air" if facts.rt60_s is None else f"RT60 {facts.rt60_s:.1f} s is {answer}", ()) if answer else None


def _surroundings(facts: Facts) -> str | None:
    rt60_s = facts.rt60_s
    if not facts.sources or facts.room == "unknown":
        return None
    if rt60_s is None:
        return ROOMS[0] if facts.room in ("free", "ground") else None
    if rt60_s <= DRY_TO_S:
        return ROOMS[1]
    if LIVE_FROM_S <= rt60_s <= LIVE_TO_S:
        return ROOMS[2]
    return ROOMS[3] if rt60_s >= HALL_FROM_S else None


def number_room(facts: Facts, query: Query) -> Number | None:
    """The reverberation time in seconds."""
    if facts.rt60_s is None:
        return None
    said = f"{facts.rt60_s:.1f} s"
    return Number(round(facts.rt60_s, 3), "s", "30 %", said, f"RT60 {said}")


def _listed(facts: Facts) -> str:
    return ", ".join(source.label for source in facts.sources)


TASKS_L1 = {
    "l1_identify_event": Task("L1", "semantic", draw_event, judge_event),
    "l1_identify_absent": Task("L1", "semantic", draw_absent, judge_absent),
    "l1_count_sources": Task("L1", "semantic", draw_count, judge_count),
    "l1_estimate_azimuth": Task("L1", "spatial", draw_azimuth, judge_azimuth, "Answer in degrees of azimuth, positive to the left.", number_azimuth),
    "l1_estimate_elevation": Task("L1", "spatial", draw_elevation, judge_elevation, "Answer in degrees of elevation, positive upwards.", number_elevation),
    "l1_estimate_distance": Task("L1", "spatial", draw_distance, judge_distance, "Answer in metres.", number_distance),
    "l1_identify_by_direction": Task("L1", "spatial", draw_by_direction, judge_by_direction, ASK_FOR_SOUND),
    "l1_locate_in_time": Task("L1", "temporal", draw_time, judge_time, "Answer in seconds.", number_time),
    "l1_describe_room": Task("L1", "spatial", draw_room, judge_room, "Answer with the reverberation time (RT60) in seconds.", number_room),
}
