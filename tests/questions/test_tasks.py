"""Every task's answer, recomputed from the coordinates of the scene alone, for the words that the task filled in."""

import math
import re

import numpy as np
import pytest
from scene_drawing import DURATION_S, event, scene_of, seeded_scenes

from twnm.ambisonics import encode, intensity_direction
from twnm.ambisonics import rotate as rotate_foa
from twnm.questions.ask import TASKS
from twnm.questions.facts import Facts, facts_of
from twnm.scene import Ambience, Scene, Waypoint
from twnm.sounds.classes import spoken

SCENES = 300
EIGHT = ["front", "front-left", "left", "back-left", "back", "back-right", "right", "front-right"]


def xyz(scene: Scene, label: str) -> tuple[float, float, float]:
    """Where a sound is at the middle of its time, from its waypoints alone (the listener is at the origin and looks along x)."""
    (found,) = [one for one in scene.events if spoken(one.label) == label]
    first, last = found.path[0], found.path[-1]
    if len(found.path) == 1:
        return first.position_m
    share = ((found.onset_s + found.offset_s) / 2 - first.time_s) / (last.time_s - first.time_s)
    return tuple(a + share * (b - a) for a, b in zip(first.position_m, last.position_m, strict=True))


def azimuth(scene: Scene, label: str) -> float:
    x, y, _ = xyz(scene, label)
    return math.degrees(math.atan2(y, x))


def elevation(scene: Scene, label: str) -> float:
    x, y, z = xyz(scene, label)
    return math.degrees(math.atan2(z, math.hypot(x, y)))


def distance(scene: Scene, label: str) -> float:
    return math.dist(xyz(scene, label), (0, 0, 0))


def onset(scene: Scene, label: str) -> float:
    (found,) = [one for one in scene.events if spoken(one.label) == label]
    return found.onset_s


def labels(scene: Scene) -> list[str]:
    return [spoken(one.label) for one in scene.events]


def gap(a_deg: float, b_deg: float) -> float:
    """The smaller angle between two azimuths, by their cosine."""
    return math.degrees(math.acos(max(-1.0, min(1.0, math.cos(math.radians(a_deg - b_deg))))))


def sector(azimuth_deg: float) -> str:
    """The nearest of eight directions, and at least 7° clear of the next border."""
    gaps = [gap(azimuth_deg, 45 * index) for index in range(8)]
    assert min(gaps) <= 22.5 - 7 + 1e-6
    return EIGHT[gaps.index(min(gaps))]


def in_quarter(azimuth_deg: float, side: str) -> bool:
    off = gap(azimuth_deg, EIGHT.index(side) * 45)
    assert abs(off - 45) >= 10 - 1e-6
    return off < 45


def closest_option(options: tuple[str, ...], value: float, ratio: bool) -> str:
    """The option nearest to a value; the others are 40 % or 0.5 s or 20° away."""
    numbers = {option: float(re.match(r"[\d.]+", option)[0]) for option in options}
    best = min(options, key=lambda option: abs(numbers[option] - value))
    for option in set(options) - {best}:
        if ratio:
            assert max(numbers[option], value) >= 1.4 * min(numbers[option], value)
        else:
            assert abs(numbers[option] - value) >= (20 if "°" in option else 0.5)
    return best


def compared(scene, words, measure, least, most, tie, margin, same):
    a, b = measure(scene, words["a"]), measure(scene, words["b"])
    if same(a, b):
        return tie
    assert margin(a, b)
    return words["a"] if (a < b) == (words["more"] == least) else words["b"]


def rotated_by_audio(scene: Scene, label: str, turn_deg: float) -> float:
    """The azimuth that a listener hears who turned: encode a plane wave, turn the sound field, measure its intensity."""
    noise = np.random.default_rng(0).standard_normal(256)
    return intensity_direction(rotate_foa(encode(noise, azimuth(scene, label), 0.0), -turn_deg))[0]


def walked(scene: Scene, label: str, step) -> float:
    return math.dist(xyz(scene, label), step)


def expected(task: str, scene: Scene, words: dict[str, str], options: tuple[str, ...]) -> str:
    return globals()[f"check_{task}"](scene, words, options)


def check_l1_identify_event(scene, words, options):
    (answer,) = set(options) & set(labels(scene))
    return answer


def check_l1_identify_absent(scene, words, options):
    (answer,) = set(options) - set(labels(scene))
    return answer


def check_l1_count_sources(scene, words, options):
    return str(len(scene.events))


def check_l1_estimate_azimuth(scene, words, options):
    return sector(azimuth(scene, words["a"]))


def check_l1_estimate_elevation(scene, words, options):
    height = elevation(scene, words["a"])
    assert abs(height) <= 7.5 or abs(height) >= 22.5
    return "level" if abs(height) < 15 else "above" if height > 0 else "below"


def check_l1_estimate_distance(scene, words, options):
    return closest_option(options, distance(scene, words["a"]), ratio=True)


def check_l1_identify_by_direction(scene, words, options):
    (answer,) = [label for label in labels(scene) if in_quarter(azimuth(scene, label), words["side"])]
    return answer


def check_l1_locate_in_time(scene, words, options):
    return closest_option(options, onset(scene, words["a"]), ratio=False)


def check_l2_relative_direction_between_objects(scene, words, options):
    difference = math.radians(azimuth(scene, words["a"]) - azimuth(scene, words["b"]))
    size, left = gap(azimuth(scene, words["a"]), azimuth(scene, words["b"])), math.sin(difference) > 0
    assert abs(size - 35) >= 10 and abs(size - 145) >= 10
    if size < 35:
        return "same direction"
    return "opposite side" if size > 145 else "to the left" if left else "to the right"


def check_l2_compare_object_distances(scene, words, options):
    return compared(
        scene, words, distance, "closer", "farther", "equidistant", lambda a, b: max(a, b) >= 1.3 * min(a, b), lambda a, b: max(a, b) <= 1.061 * min(a, b)
    )


def check_l2_compare_object_elevations(scene, words, options):
    return compared(scene, words, elevation, "lower", "higher", "same height", lambda a, b: abs(a - b) >= 15, lambda a, b: abs(a - b) <= 4)


def check_l2_order_in_time(scene, words, options):
    return compared(scene, words, onset, "first", "last", "same time", lambda a, b: abs(a - b) >= 0.5, lambda a, b: abs(a - b) <= 0.1)


def check_l2_bind_identity_location_distance(scene, words, options):
    far = [distance(scene, words[name]) for name in "ab"]
    assert max(far) >= 1.3 * min(far)
    assert gap(azimuth(scene, words["a"]), azimuth(scene, words["b"])) >= 30
    return ", ".join(f"{words[name]} {sector(azimuth(scene, words[name]))} {distance(scene, words[name]):.1f} m" for name in "ab")


def check_l2_same_side(scene, words, options):
    sines = [math.sin(math.radians(azimuth(scene, words[name]))) for name in "ab"]
    assert all(abs(sine) >= math.sin(math.radians(10)) - 1e-9 for sine in sines)
    return "yes" if sines[0] * sines[1] > 0 else "no"


def check_l2_angular_separation(scene, words, options):
    return closest_option(options, gap(azimuth(scene, words["a"]), azimuth(scene, words["b"])), ratio=False)


def check_l3_rotate_listener(scene, words, options):
    turn = {"turn 90° to the left": 90, "turn 90° to the right": -90, "turn around": 180}[words["turn"]]
    return sector(rotated_by_audio(scene, words["a"], turn))


def check_l3_plan_action(scene, words, options):
    goal = re.fullmatch(r"(face|have) the (.+?)( on your left| on your right| behind you)?", words["goal"])
    wanted = {None: 0, " on your left": 90, " on your right": -90, " behind you": 180}[goal[3]]
    turns = {"do not turn": 0, "turn around": 180}
    for size in (45, 90, 135):
        turns |= {f"turn left by about {size}°": size, f"turn right by about {size}°": -size}
    errors = {option: gap(rotated_by_audio(scene, goal[2], turns[option]), wanted) for option in turns}
    best = min(turns, key=lambda option: errors[option])
    assert errors[best] <= 22.5 - 7 + 1e-3
    return best


def check_l3_remove_source(scene, words, options):
    measure = distance if words["kind"] in ("closest", "farthest") else onset
    rest = sorted((measure(scene, label), label) for label in labels(scene) if label != words["a"])
    if words["kind"] in ("farthest", "last to start"):
        rest.reverse()
    (best, answer), (second, _) = rest[:2]
    assert abs(best - second) >= 0.5 if measure is onset else max(best, second) >= 1.3 * min(best, second)
    return answer


def check_l3_move_listener(scene, words, options):
    metres, way = re.fullmatch(r"walk ([\d.]+) m (.+)", words["walk"]).groups()
    x, y = {"forward": (1, 0), "backward": (-1, 0), "to the left": (0, 1), "to the right": (0, -1)}[way]
    after = walked(scene, words["a"], (x * float(metres), y * float(metres), 0))
    return "closer" if after < distance(scene, words["a"]) else "farther"


def check_l3_approach_source(scene, words, options):
    metres, way = re.fullmatch(r"walk ([\d.]+) m straight (.+)", words["walk"]).groups()
    x, y, _ = xyz(scene, words["a"])
    along = float(metres) / math.hypot(x, y) * (1 if way == "towards" else -1)
    return closest_option(options, walked(scene, words["a"], (x * along, y * along, 0)), ratio=True)


def meets(scene: Scene, label: str, condition: str) -> bool | None:
    quarters = {"is in front of you": "front", "is on your left": "left", "is behind you": "back", "is on your right": "right"}
    if condition in quarters:
        off = gap(azimuth(scene, label), EIGHT.index(quarters[condition]) * 45)
        return None if abs(off - 45) < 10 else off < 45
    kind, limit = re.fullmatch(r"(?:is|starts) (closer than|farther than|before|after) ([\d.]+) m?s?", condition).groups()
    limit = float(limit)
    if kind in ("closer than", "farther than"):
        value = distance(scene, label)
        return None if max(value, limit) < 1.3 * min(value, limit) else (value < limit) == (kind == "closer than")
    return None if abs(onset(scene, label) - limit) < 0.5 else (onset(scene, label) < limit) == (kind == "before")


def check_l3_compound_condition(scene, words, options):
    verdicts = {label: [meets(scene, label, words[name]) for name in "pq"] for label in labels(scene)}
    (answer,) = [label for label, verdict in verdicts.items() if verdict == [True, True]]
    assert all(False in verdict for label, verdict in verdicts.items() if label != answer)
    assert any(sorted(verdict, key=bool) == [False, True] for verdict in verdicts.values() if None not in verdict)
    return answer


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Scene, Facts]]:
    return [(scene, facts_of(scene)) for scene in seeded_scenes(SCENES, seed=7)]


@pytest.mark.parametrize("task", TASKS)
def test_answers_agree_with_the_coordinates_and_keep_the_margins(task, drawn):
    asked = 0
    for number, (scene, facts) in enumerate(drawn):
        draft = TASKS[task].draft(facts, np.random.default_rng(number))
        if draft is None:
            continue
        asked += 1
        assert draft.answer == expected(task, scene, draft.words, draft.options), (draft, scene)
        assert draft.answer in draft.options
        assert len(set(draft.options)) == len(draft.options)
        assert draft.why.endswith(draft.answer)
        assert not set("<>\n") & set(draft.why)
    assert asked >= 30


@pytest.mark.parametrize("task", TASKS)
def test_the_numbers_of_a_derivation_are_those_of_the_evidence(task, drawn):
    """A derivation can be followed from the lines of the evidence alone: each azimuth, distance or onset given after a label is in that label's line."""
    for number, (_, facts) in enumerate(drawn):
        draft = TASKS[task].draft(facts, np.random.default_rng(1000 + number))
        if draft is None:
            continue
        for it in draft.evidence:
            line = it.line()
            for value, unit in re.findall(rf"\b{re.escape(it.label)} (?:elevation |starts )?(-?[\d.]+)(°| m| s)", draft.why):
                assert f"{value}{unit}" in line or (unit == " s" and f"| {value}-" in line), (draft.why, line)


def test_a_sound_near_a_border_is_not_asked_about():
    rng = np.random.default_rng(0)
    for azimuth_deg in (22.5, 16.0, 29.0, -67.5, 157.0):
        facts = facts_of(scene_of(event("dog", azimuth_deg)))
        assert TASKS["l1_estimate_azimuth"].draft(facts, rng) is None
        assert TASKS["l3_rotate_listener"].draft(facts, rng) is None


def test_a_label_that_occurs_twice_is_never_asked_about_by_name():
    scene = scene_of(event("dog", 0.0, 1.0), event("dog", 90.0, 3.0, onset_s=1.0))
    for task in TASKS:
        for seed in range(5):
            assert TASKS[task].draft(facts_of(scene), np.random.default_rng(seed)) is None, task


def test_a_sound_that_crosses_sectors_is_not_asked_about_by_place():
    still = event("dog", 0.0)
    moving = still.model_copy(update={"path": (*still.path, Waypoint(time_s=DURATION_S, position_m=(0.0, 2.0, 0.0)))})
    facts = facts_of(scene_of(moving))
    assert facts.named and not facts.placed
    assert TASKS["l1_estimate_azimuth"].draft(facts, np.random.default_rng(0)) is None


def test_a_sound_below_the_ambience_is_neither_asked_about_nor_called_absent():
    scene = scene_of(event("dog", 0.0, 1.0), event("cow", 90.0, 8.0), ambience=Ambience(kind="pink", level_db=-40.0))
    facts = facts_of(scene)
    assert [source.label for source in facts.sources] == ["dog"]
    assert "cow" not in facts.absent
    assert TASKS["l1_count_sources"].draft(facts, np.random.default_rng(0)) is None
    assert TASKS["l1_identify_absent"].draft(facts, np.random.default_rng(0)) is None


def test_a_turn_is_reasoned_step_by_step():
    facts = facts_of(scene_of(event("dog", -172.0)))
    lines = {TASKS["l3_rotate_listener"].draft(facts, np.random.default_rng(seed)).why for seed in range(20)}
    assert lines == {"dog -170° - 90° = -260° = 100° is left", "dog -170° + 90° = -80° is right", "dog -170° - 180° = -350° = 10° is front"}
