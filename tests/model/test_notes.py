"""The notes say what the evidence has no room for, and questions about what was heard follow from both."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.notes import heard_scene, tell
from twnm.questions.ask import ask_one
from twnm.questions.facts import facts_of

ROOM = HeardRoom(0.62, 80.0)
DOG = HeardObject("dog", 0.9, 0.5, 2.0, 44.0, 6.0, 2.14, 0.3, (44.0,) * 15, (6.0,) * 15, (2.14,) * 15)
AZIMUTHS = tuple(np.linspace(-30, 90, 31).tolist())
WALKER = HeardObject("footsteps", 0.9, 1.0, 4.1, 30.0, 0.0, 0.9, 0.3, AZIMUTHS, (0.0,) * 31, tuple((1 + np.abs(np.linspace(-1, 1, 31))).tolist()), 0.9)


def test_a_still_object_is_told_by_its_place_and_the_room_by_its_reverberation() -> None:
    evidence, notes = tell([DOG], ROOM, 5.0)
    assert evidence == "dog | front-left 45° | level 5° | 2.1 m | 0.5-2.0 s"
    assert notes == "RT60 0.6 s"


def test_other_names_are_told() -> None:
    assert tell([replace(DOG, others=("pig", "male_speech"))], ROOM, 5.0)[1] == "RT60 0.6 s; dog or pig or male speech"


def test_a_place_without_walls_is_the_open_air() -> None:
    assert tell([], replace(ROOM, walls=0.2), 5.0) == ("nothing", "open air")


def test_a_moving_object_is_told_at_its_begin_nearest_and_end() -> None:
    notes = tell([WALKER], ROOM, 5.0)[1]
    begin, nearest, end = notes.removeprefix("RT60 0.6 s; footsteps moves ").split(", ")
    assert begin.startswith("-2") and nearest.startswith(("30°", "35°")) and end.startswith("8")
    assert float(nearest.split()[1]) < min(float(begin.split()[1]), float(end.split()[1]))


def test_an_object_that_seems_to_stand_still_is_followed_where_it_is_asked_for() -> None:
    objects = [replace(WALKER, moves=0.1), DOG]
    assert tell(objects, ROOM, 5.0)[1] == "RT60 0.6 s"
    assert tell(objects, ROOM, 5.0, follow=["footsteps"])[1] == tell([WALKER, DOG], ROOM, 5.0)[1]


@pytest.mark.parametrize(("task", "answer"), [("l2_track_motion", "passes by"), ("l1_describe_room", "live room")])
def test_what_was_heard_answers_questions_about_motion_and_room(task: str, answer: str) -> None:
    scene = heard_scene([WALKER], ROOM, duration_s=5.0)
    items = [ask_one(scene, task, np.random.default_rng(seed)) for seed in range(60)]
    assert answer in {item.answer_text for item in items if item is not None}


@pytest.mark.parametrize("changes", [{"distance_m": 0.01}, {"distances_m": (0.01,) * 31, "azimuths_deg": tuple(np.linspace(-180, 180, 31).tolist())}])
def test_an_object_heard_inside_the_head_is_moved_out_of_it(changes: dict[str, Any]) -> None:
    scene = heard_scene([replace(WALKER, **changes)], ROOM, duration_s=5.0)
    assert facts_of(scene).sources[0].heard.distance_m >= 0.299


def test_labels_may_be_given() -> None:
    assert [event.label for event in heard_scene([DOG, WALKER], ROOM, duration_s=5.0, labels=["pig", "bell"]).events] == ["pig", "bell"]
