import numpy as np
import pytest
from scene_drawing import event, scene_of, seeded_scenes

from twnm.errors import InputError
from twnm.questions import TASKS, Item, ask_all, ask_one
from twnm.questions.answer import letter_of
from twnm.questions.evidence import parse_evidence
from twnm.questions.wordings import WORDINGS, wording
from twnm.scene import Ambience

DESIGNED = """
    l1_identify_event l1_identify_absent l1_count_sources l1_estimate_azimuth l1_estimate_elevation l1_estimate_distance l1_identify_by_direction
    l1_locate_in_time l1_describe_room
    l2_relative_direction_between_objects l2_compare_object_distances l2_compare_object_elevations l2_bind_identity_location_distance
    l2_angular_separation l2_order_in_time_and_space l2_same_side l2_track_motion
    l3_rotate_listener l3_move_listener l3_remove_source l3_compound_condition l3_abduct_scene l3_check_plausibility l3_plan_action
"""


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [item for number, scene in enumerate(seeded_scenes(25)) for item in ask_all(scene, np.random.default_rng([1, number]))]


@pytest.fixture(scope="module")
def open_items() -> list[Item]:
    return [item for number, scene in enumerate(seeded_scenes(25)) for item in ask_all(scene, np.random.default_rng([1, number]), form="open")]


def test_the_tasks_are_the_24_of_the_design():
    assert set(TASKS) == set(DESIGNED.split())
    assert len(TASKS) == 24


def test_items_are_consistent_and_go_through_a_row_unchanged(items):
    for item in items:
        assert letter_of(item.answer_text, item.options) == item.answer_letter
        assert item.derivation.endswith(item.answer_text)
        assert "{" not in item.question
        assert all(parse_evidence(line) for line in item.evidence)
        assert item.heard or item.task == "l1_describe_room"
        assert Item.from_row(item.to_row()) == item
        assert item.level.lower() == item.task[:2]


def test_a_row_begins_as_the_authors_rows_do():
    row = ask_one(scene_of(event("dog", 0.0)), "l1_estimate_azimuth", np.random.default_rng(0), file_name="audio/a.flac").to_row()
    assert {"file_name", "sample_id", "question", "option_a", "option_b", "option_c", "option_d", "answer_letter", "answer_text", "level", "task"} <= set(row)
    assert row[f"option_{row['answer_letter'].lower()}"] == row["answer_text"] == "front"


def test_every_spatial_and_temporal_task_has_an_open_form(open_items):
    assert {item.task for item in open_items} >= {name for name, task in TASKS.items() if task.family in ("spatial", "temporal")}
    assert all(item.task in TASKS and TASKS[item.task].family != "semantic" for item in open_items)


def test_an_open_question_has_no_options_and_says_how_to_reply(open_items):
    for item in open_items:
        assert (item.options, item.answer_letter, item.letters) == ((), None, "")
        assert " Answer " in item.question
        assert item.derivation.endswith(item.answer_text)
        assert Item.from_row(item.to_row()) == item


def test_open_answers_in_figures_agree_with_their_words_within_the_rounding_of_the_evidence(open_items):
    rounding = {"deg": 5.01, "m": 0.4, "s": 0.06}  # an angle of two sounds is rounded twice, a distance after a walk follows from rounded angles
    tolerances = {"deg": {"20 deg"}, "m": {"30 %"}, "s": {"0.3 s", "30 %"}}
    figures = [item for item in open_items if item.answer_value is not None]
    assert {item.unit for item in figures} == set(tolerances)
    for item in figures:
        said = float(item.answer_text.split()[0].rstrip("°"))
        off = abs(said - item.answer_value)
        assert min(off, abs(off - 360)) <= rounding[item.unit], item
        assert item.tolerance in tolerances[item.unit]


def test_an_open_question_with_options_is_refused(open_items):
    with pytest.raises(InputError, match="neither options nor a letter"):
        Item.from_row(open_items[0].to_row() | {"option_a": "left", "option_b": "right"})
    with pytest.raises(InputError, match="a number needs all three"):
        Item.from_row(open_items[0].to_row() | {"tolerance": "20 deg", "answer_value": None, "unit": None})


@pytest.mark.parametrize("task", TASKS)
def test_held_out_wordings_are_not_those_of_training(task):
    train, held_out = WORDINGS[task].train, WORDINGS[task].held_out
    assert len(set(train)) == len(train) >= 8
    assert len(set(held_out)) == len(held_out) >= 3
    assert not set(train) & set(held_out)


def test_every_task_has_wordings_and_every_wording_a_task():
    assert set(WORDINGS) == set(TASKS)


@pytest.mark.parametrize(("split", "allowed"), [("train", "train"), ("val", "held_out"), ("test", "held_out")])
def test_a_split_uses_its_own_wordings(split, allowed):
    rng = np.random.default_rng(0)
    assert {wording("l2_same_side", split, rng) for _ in range(100)} == set(getattr(WORDINGS["l2_same_side"], allowed))


def test_the_same_generator_state_gives_the_same_items():
    (scene,) = seeded_scenes(1, seed=5)
    assert ask_all(scene, np.random.default_rng(3), 2) == ask_all(scene, np.random.default_rng(3), 2)


def test_several_items_of_a_task_differ():
    found = ask_all(scene_of(event("dog", 0.0), event("cow", 90.0, 4.0, onset_s=1.0)), np.random.default_rng(0), per_task=4)
    assert len({(item.question, tuple(sorted(item.options))) for item in found}) == len(found)
    assert len({item.sample_id for item in found}) == len(found)


def test_a_scene_without_sounds_has_no_questions():
    assert ask_all(scene_of(), np.random.default_rng(0)) == []


def test_unknown_task_split_and_form_are_refused_with_the_allowed_ones():
    scene, rng = scene_of(event("dog", 0.0)), np.random.default_rng(0)
    with pytest.raises(InputError, match="l1_count_sources"):
        ask_one(scene, "l9_guess", rng)
    with pytest.raises(InputError, match="train, lessons, val, test"):
        ask_one(scene, "l1_count_sources", rng, "dev")
    with pytest.raises(InputError, match="choice, open"):
        ask_one(scene, "l1_count_sources", rng, form="essay")


def test_an_item_whose_letter_is_not_its_answer_is_refused():
    row = ask_one(scene_of(event("dog", 0.0)), "l1_estimate_azimuth", np.random.default_rng(0)).to_row()
    with pytest.raises(InputError, match="is not the option"):
        Item.from_row(row | {"answer_text": "nowhere"})


def test_a_sound_of_the_background_is_never_named_as_absent():
    ambience = Ambience(kind="recording", clips=("rain/1.flac",), labels=("rain",), level_db=-70.0)
    scene = scene_of(event("dog", 0.0), event("bell", 90.0), ambience=ambience)
    options = {option for number in range(60) for item in ask_all(scene, np.random.default_rng(number)) for option in item.options}
    assert "rain" not in options and "piano" in options
