"""Every task's answer, recomputed from the coordinates of the scene alone, for the words that the task filled in."""

import math
import re

import numpy as np
import pytest
from scene_drawing import DURATION_S, event, scene_of, seeded_scenes

from twnm.ambisonics import encode, intensity_direction
from twnm.ambisonics import rotate as rotate_foa
from twnm.questions.ask import TASKS
from twnm.questions.facts import facts_of
from twnm.questions.schema import Query, Verdict
from twnm.scene import Ambience, Listener, Pose, Room, Scene, Waypoint
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.classes import spoken

SCENES = 150
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
    """The nearest of eight directions, and at least 10° clear of the next border."""
    gaps = [gap(azimuth_deg, 45 * index) for index in range(8)]
    assert min(gaps) <= 22.5 - 10 + 1e-6
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
        scene, words, distance, "closer", "farther", "equidistant", lambda a, b: max(a, b) >= 1.3 * min(a, b), lambda a, b: max(a, b) <= 1.101 * min(a, b)
    )


def check_l2_compare_object_elevations(scene, words, options):
    return compared(scene, words, elevation, "lower", "higher", "same height", lambda a, b: abs(a - b) >= 15, lambda a, b: abs(a - b) <= 5)


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
    assert errors[best] <= 22.5 - 10 + 1e-3
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


def at_time(scene: Scene, label: str, time_s: float) -> tuple[float, float, float]:
    """Azimuth, elevation and distance at a time, from the waypoints."""
    (found,) = [one for one in scene.events if spoken(one.label) == label]
    first, last = found.path[0], found.path[-1]
    share = 0.0 if first is last else min(1.0, max(0.0, (time_s - first.time_s) / (last.time_s - first.time_s)))
    x, y, z = (a + share * (b - a) for a, b in zip(first.position_m, last.position_m, strict=True))
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y))), math.hypot(x, y, z)


def quarter(azimuth_deg: float) -> str:
    (side,) = [side for side in ("front", "left", "back", "right") if in_quarter(azimuth_deg, side)]
    return side


def check_l1_describe_room(scene, words, options):
    if scene.room.kind == "free":
        return "open air"
    rt60_s = scene.room.rt60_s[2]
    assert not 0.35 < rt60_s < 0.5 and not 0.75 < rt60_s < 0.95
    return "dry room" if rt60_s < 0.4 else "live room" if rt60_s < 0.8 else "echoing hall"


def check_l2_order_in_time_and_space(scene, words, options):
    at = {"front": "in front", "left": "at left", "back": "behind", "right": "at right"}
    a, b = sorted((words["a"], words["b"]), key=lambda label: onset(scene, label))
    assert onset(scene, b) - onset(scene, a) >= 0.5
    return ", then ".join(f"{label} {at[quarter(azimuth(scene, label))]}" for label in (a, b))


def check_l2_track_motion(scene, words, options):
    (found,) = [one for one in scene.events if spoken(one.label) == words["a"]]
    times = np.linspace(found.onset_s + 0.1, found.offset_s - 0.1, 200)
    if "stands still" not in options:
        begin, end = (quarter(at_time(scene, words["a"], time)[0]) for time in times[[0, -1]])
        return f"from the {begin} to the {end}"
    metres = [at_time(scene, words["a"], time)[2] for time in times]
    if not found.moving:
        return "stands still"
    if min(metres[0], metres[-1]) > 1.25 * min(metres):
        return "passes by"
    assert max(metres[0], metres[-1]) >= 1.3 * min(metres[0], metres[-1])
    return "comes closer" if metres[-1] < metres[0] else "moves away"


def check_l3_abduct_scene(scene, words, options):
    sides = {"front": "in front of you", "left": "on your left", "back": "behind you", "right": "on your right"}
    if words["plot"] == "situation":
        fitting = [name for name, one in SITUATIONS.items() if {event.label for event in scene.events} <= set(one.weights)]
        (answer,) = [option for option in options if option.split(" ", 1)[1] in fitting]
        return answer
    ordered = sorted((words[name] for name in "abc" if name in words), key=lambda label: onset(scene, label))
    if words["plot"] == "round":
        a, b, c = (f"the {label} {sides[quarter(azimuth(scene, label))]}" for label in ordered)
        return f"first {a}, then {b}, last {c}"
    apart = gap(azimuth(scene, words["a"]), azimuth(scene, words["b"]))
    if words["plot"] == "call":
        assert apart <= 35 or apart >= 120
        return f"the {ordered[0]} calls and the {ordered[1]} answers from the {'same' if apart < 90 else 'opposite'} side"
    near, far = sorted((words["a"], words["b"]), key=lambda label: distance(scene, label))
    if apart >= 150:
        return f"you stand between the {words['a']} and the {words['b']}"
    if apart <= 35:
        assert distance(scene, far) >= 1.3 * distance(scene, near)
        return f"the {near} stands between you and the {far}"
    assert 60 <= apart <= 120
    return f"you turn a quarter circle from the {words['a']} to the {words['b']}"


def check_l3_check_plausibility(scene, words, options):
    a, b, claim = words["a"], words["b"], words["claim"]
    if "set off" in claim:
        assert abs(onset(scene, a) - onset(scene, b)) >= 0.5
        true = onset(scene, a) < onset(scene, b)
    elif "see" in claim:
        assert not 45 < gap(azimuth(scene, a), 0) < 100
        true = gap(azimuth(scene, a), 0) <= 45
    elif "ear" in claim:
        assert 20 <= abs(azimuth(scene, a)) <= 160
        true = azimuth(scene, a) > 0
    else:
        assert not 1.5 < distance(scene, a) < 2.2
        true = distance(scene, a) <= 1.5
    return "yes" if true else "no"


def meets(scene: Scene, label: str, condition: str) -> bool | None:
    quarters = {"is in front of you": "front", "is on your left": "left", "is behind you": "back", "is on your right": "right"}
    turns = {"": 0, " if you turned 90° to the left": 90, " if you turned 90° to the right": -90, " if you turned around": 180}
    where = re.fullmatch(r"(is|would be) (in front of you|behind you|on your left|on your right)(.*)", condition)
    if where:
        off = gap(azimuth(scene, label) - turns[where[3]], EIGHT.index(quarters[f"is {where[2]}"]) * 45)
        return None if abs(off - 45) < 10 else off < 45
    kind, other = re.fullmatch(r"(?:is|starts) (closer than|farther than|before|after) (.+)", condition).groups()
    measure = distance if kind in ("closer than", "farther than") else onset
    limit = measure(scene, other.removeprefix("the ")) if other.startswith("the ") else float(other[:-2])
    value = measure(scene, label)
    if measure is distance:
        return None if max(value, limit) < 1.3 * min(value, limit) else (value < limit) == (kind == "closer than")
    return None if abs(value - limit) < 0.5 else (value < limit) == (kind == "before")


def check_l3_compound_condition(scene, words, options):
    conditions = re.split(r", | and (?=is|would|starts)", words["conditions"])
    assert 2 <= len(conditions) <= 3
    candidates = [label for label in labels(scene) if f"the {label}" not in words["conditions"]]
    verdicts = {label: [meets(scene, label, condition) for condition in conditions] for label in candidates}
    (answer,) = [label for label, verdict in verdicts.items() if all(verdict)]
    assert all(False in verdict for label, verdict in verdicts.items() if label != answer)
    assert any(verdict.count(True) == len(conditions) - 1 for verdict in verdicts.values())
    return answer


Asked = dict[str, list[tuple[Scene, Query, Verdict]]]


@pytest.fixture(scope="module")
def asked() -> Asked:
    """Every task put once to the same scenes."""
    found: Asked = {task: [] for task in TASKS}
    for number, scene in enumerate(seeded_scenes(SCENES, seed=7)):
        facts, rng = facts_of(scene), np.random.default_rng(number)
        for name, task in TASKS.items():
            one = task.ask(facts, rng)
            if one is not None:
                found[name].append((scene, *one))
    return found


@pytest.mark.parametrize("task", TASKS)
def test_answers_agree_with_the_coordinates_and_keep_the_margins(task, asked):
    assert len(asked[task]) >= 6
    for scene, query, verdict in asked[task]:
        assert verdict.answer == expected(task, scene, query.words, query.options), (query, scene)
        assert verdict.answer in query.options
        assert len(set(query.options)) == len(query.options)
        assert verdict.why.endswith(verdict.answer)
        assert not set("<>\n") & set(verdict.why)


@pytest.mark.parametrize("task", TASKS)
def test_the_numbers_of_a_derivation_are_those_of_the_evidence(task, asked):
    """A derivation can be followed from the lines of the evidence alone: each azimuth, distance or onset given after a label is in a line of that label."""
    for _, _, verdict in asked[task]:
        for label in {it.label for it in verdict.evidence}:
            lines = " ".join(it.line() for it in verdict.evidence if it.label == label)
            for value, unit in re.findall(rf"\b{re.escape(label)} (?:elevation |starts )?(-?[\d.]+)(°| m| s)", verdict.why):
                assert f"{value}{unit}" in lines or (unit == " s" and f"| {value}-" in lines), (verdict.why, lines)


def ask(task: str, scene: Scene, seed: int = 0) -> tuple[Query, Verdict] | None:
    return TASKS[task].ask(facts_of(scene), np.random.default_rng(seed))


def test_a_sound_near_a_border_is_not_asked_about():
    for azimuth_deg in (22.5, 13.0, 31.0, -67.5, 157.0):
        scene = scene_of(event("dog", azimuth_deg))
        assert ask("l1_estimate_azimuth", scene) is None
        assert ask("l3_rotate_listener", scene) is None


def test_a_label_that_occurs_twice_is_never_asked_about_by_name():
    scene = scene_of(event("dog", 0.0, 1.0), event("dog", 90.0, 3.0, onset_s=1.0))
    for task in set(TASKS) - {"l1_describe_room"}:
        for seed in range(5):
            assert ask(task, scene, seed) is None, task


def test_a_sound_that_crosses_sectors_is_not_asked_about_by_place_but_by_its_path():
    still = event("dog", 0.0)
    moving = still.model_copy(update={"path": (*still.path, Waypoint(time_s=DURATION_S, position_m=(0.0, 2.0, 0.0)))})
    facts = facts_of(scene_of(moving))
    assert facts.named and not facts.placed
    assert ask("l1_estimate_azimuth", scene_of(moving)) is None
    wide = event("dog", -80.0)
    wide = wide.model_copy(update={"path": (*wide.path, Waypoint(time_s=4.0, position_m=(1.0, 2.0, 0.0)))})
    answers = {found[1].answer for seed in range(20) if (found := ask("l2_track_motion", scene_of(wide), seed))}
    assert answers == {"from the right to the left", "passes by"}


def test_a_turning_listener_makes_places_unsteady_and_motion_undecided():
    scene = scene_of(event("dog", 0.0))
    path = (Pose(time_s=0.0, position_m=(0.0, 0.0, 0.0)), Pose(time_s=5.0, position_m=(0.0, 0.0, 0.0), yaw_deg=90.0))
    (source,) = facts_of(scene.model_copy(update={"listener": Listener(path=path)})).sources
    assert not source.steady and not source.still and source.motion is None


def test_a_sound_below_the_ambience_is_neither_asked_about_nor_called_absent():
    scene = scene_of(event("dog", 0.0, 1.0), event("cow", 90.0, 8.0), ambience=Ambience(kind="pink", level_db=-40.0))
    facts = facts_of(scene)
    assert [source.label for source in facts.sources] == ["dog"]
    assert "cow" not in facts.absent
    assert ask("l1_count_sources", scene) is None
    assert ask("l1_identify_absent", scene) is None


def test_absent_sounds_come_from_the_given_classes_and_fit_the_situation():
    farm = scene_of(event("cow", 0.0), event("pig", 90.0)).model_copy(update={"situation": "farm"})
    assert set(facts_of(farm).absent) == {spoken(label) for label in SITUATIONS["farm"].weights} - {"cow", "pig"}
    assert set(facts_of(scene_of(event("cow", 0.0)), ("cow", "dog", "bell")).absent) == {"dog", "bell"}


def test_surroundings_are_named_from_their_reverberation_and_an_unknown_room_is_not():
    scene = scene_of(event("dog", 0.0))
    assert {found[1].answer for seed in range(30) if (found := ask("l1_describe_room", scene, seed))} == {"open air"}
    unknown = scene.model_copy(update={"room": Room(kind="unknown")})
    assert all(ask("l1_describe_room", unknown, seed) is None for seed in range(30))


def test_a_turn_is_reasoned_step_by_step():
    lines = {ask("l3_rotate_listener", scene_of(event("dog", -172.0)), seed)[1].why for seed in range(20)}
    assert lines == {"dog -170° - 90° = -260° = 100° is left", "dog -170° + 90° = -80° is right", "dog -170° - 180° = -350° = 10° is front"}
