import string
from collections import Counter, defaultdict

import numpy as np
import pytest
from scene_drawing import event, scene_of, seeded_scenes
from scipy.stats import chisquare

from twnm.errors import InputError
from twnm.questions import TASKS, Item, ask_all, ask_one, read_questions, write_questions
from twnm.questions.answer import letter_of
from twnm.questions.evidence import parse_evidence
from twnm.questions.facts import facts_of
from twnm.questions.schema import Draft
from twnm.questions.wordings import WORDINGS, wording

# The largest share that one right text may have. Two answers: about a half; three: a third; eight sectors: an eighth; labels: a thirty-sixth; the tie
# of a comparison is one text among labels. Ladders of numbers have their common values near the middle of the distribution.
MAJORITY_BOUND = {
    "l1_count_sources": 0.32,
    "l1_estimate_azimuth": 0.16,
    "l1_estimate_elevation": 0.43,
    "l2_relative_direction_between_objects": 0.34,
    "l2_compare_object_distances": 0.12,
    "l2_compare_object_elevations": 0.16,
    "l2_same_side": 0.56,
    "l2_order_in_time": 0.12,
    "l2_angular_separation": 0.12,
    "l3_rotate_listener": 0.16,
    "l3_plan_action": 0.16,
    "l3_move_listener": 0.56,
}
LABELS_OR_NUMBERS = 0.1


@pytest.fixture(scope="module")
def items() -> dict[str, list[Item]]:
    """Items of 600 scenes by task."""
    found = defaultdict(list)
    for number, scene in enumerate(seeded_scenes(600)):
        for item in ask_all(scene, np.random.default_rng([1, number])):
            found[item.task].append(item)
    return found


@pytest.fixture(scope="module")
def drafts() -> dict[str, list[Draft]]:
    """What the tasks decide about 3,000 scenes: enough that the shares below are not a matter of chance."""
    found = defaultdict(list)
    for number, scene in enumerate(seeded_scenes(3000, seed=2)):
        rng, facts = np.random.default_rng([2, number]), facts_of(scene)
        for name, task in TASKS.items():
            draft = task.draft(facts, rng)
            if draft is not None:
                found[name].append(draft)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_no_right_text_is_common(drafts, task):
    texts = Counter(draft.answer for draft in drafts[task])
    assert texts.most_common(1)[0][1] / len(drafts[task]) <= MAJORITY_BOUND.get(task, LABELS_OR_NUMBERS)


@pytest.mark.parametrize("task", TASKS)
def test_letters_are_uniform(items, task):
    by_size = defaultdict(Counter)
    for item in items[task]:
        by_size[len(item.options)][item.answer_letter] += 1
    for size, letters in by_size.items():
        counts = [letters[letter] for letter in string.ascii_uppercase[:size]]
        if sum(counts) >= 5 * size:
            assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("task", ["l1_estimate_azimuth", "l3_rotate_listener", "l3_plan_action"])
def test_within_a_set_of_directions_every_member_is_as_likely(drafts, task):
    sets = defaultdict(Counter)
    for draft in drafts[task]:
        sets[tuple(sorted(draft.options))][draft.answer] += 1
    for options, answers in sets.items():
        if answers.total() >= 40:
            assert chisquare([answers[option] for option in options]).pvalue > 1e-3


@pytest.mark.parametrize("task", ["l1_estimate_distance", "l1_locate_in_time", "l2_angular_separation"])
def test_within_a_ladder_of_numbers_the_rung_is_not_given_away(drafts, task):
    """A reader who always takes the same rung of the sorted options stays below 40 %."""
    ranks = Counter(sorted(draft.options, key=lambda option: float(option.split()[0].rstrip("°"))).index(draft.answer) for draft in drafts[task])
    assert max(ranks.values()) / ranks.total() < 0.4


def test_items_are_consistent_and_go_through_a_row_unchanged(items):
    for item in (one for found in items.values() for one in found[:60]):
        assert letter_of(item.answer_text, item.options) == item.answer_letter
        assert item.derivation.endswith(item.answer_text)
        assert "{" not in item.question
        assert item.heard and all(parse_evidence(line) for line in item.evidence)
        assert Item.from_row(item.to_row()) == item
        assert item.level.lower() == item.task[:2]


def test_a_row_begins_as_the_authors_rows_do():
    row = ask_one(scene_of(event("dog", 0.0)), "l1_estimate_azimuth", np.random.default_rng(0), file_name="audio/a.flac").to_row()
    assert {"file_name", "sample_id", "question", "option_a", "option_b", "option_c", "option_d", "answer_letter", "answer_text", "level", "task"} <= set(row)
    assert row[f"option_{row['answer_letter'].lower()}"] == row["answer_text"] == "front"


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


def test_unknown_task_and_split_are_refused_with_the_allowed_ones():
    scene, rng = scene_of(event("dog", 0.0)), np.random.default_rng(0)
    with pytest.raises(InputError, match="l1_count_sources"):
        ask_one(scene, "l9_guess", rng)
    with pytest.raises(InputError, match="train, val, test"):
        ask_one(scene, "l1_count_sources", rng, "dev")


def test_an_item_whose_letter_is_not_its_answer_is_refused():
    row = ask_one(scene_of(event("dog", 0.0)), "l1_estimate_azimuth", np.random.default_rng(0)).to_row()
    with pytest.raises(InputError, match="is not the option"):
        Item.from_row(row | {"answer_text": "nowhere"})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "audio").mkdir()
    for scene in seeded_scenes(4):
        (tmp_path / "scenes" / f"{scene.scene_id}.json").write_text(scene.to_json())
        (tmp_path / "audio" / f"{scene.scene_id}.flac").touch()
    return tmp_path


def test_questions_of_a_folder_depend_on_the_scene_only(folder):
    first = write_questions(folder).read_bytes()
    kept = [item for item in read_questions(folder / "questions.jsonl") if item.scene_id == "scene-3"]
    for number in range(3):
        (folder / "scenes" / f"scene-{number}.json").unlink()
    assert read_questions(write_questions(folder)) == kept
    assert kept[0].file_name == "audio/scene-3.flac"
    assert write_questions(folder, seed=1).read_bytes() not in first


def test_a_missing_recording_is_named_and_nothing_is_written(folder):
    (folder / "audio" / "scene-2.flac").unlink()
    with pytest.raises(InputError, match=r"scene-2\.flac"):
        write_questions(folder)
    assert not (folder / "questions.jsonl").exists()


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(InputError, match="twnm simulate"):
        write_questions(tmp_path)


def test_a_damaged_line_is_named(folder):
    path = write_questions(folder)
    path.write_text(path.read_text() + '{"sample_id": "x"\n')
    with pytest.raises(InputError, match=r"line \d+"):
        read_questions(path)
