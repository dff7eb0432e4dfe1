from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_drawing import event, scene_of, seeded_scenes

from twnm.bench.costs import Sounding
from twnm.bench.score import score
from twnm.bench.symbolic import Estimate, estimate_of, tell
from twnm.bench.understand import understand
from twnm.questions.ask import TASKS, ask_all
from twnm.questions.evidence import SECTORS, Heard, parse_evidence
from twnm.questions.facts import facts_of
from twnm.questions.schema import Item
from twnm.questions.wordings import WORDINGS

SCENES = seeded_scenes(48, seed=5)
KINDS = (("train", "open"), ("test", "choice"), ("train", "choice"))


@pytest.fixture(scope="module")
def asked() -> list[tuple[Estimate, Item]]:
    """Items of all tasks with their scenes, in turn of both forms and of both sets of wordings."""
    items = []
    for number, drawn in enumerate(SCENES):
        (split, form), estimate = KINDS[number % len(KINDS)], estimate_of(facts_of(drawn))
        items += [(estimate, item) for item in ask_all(drawn, np.random.default_rng(number), 1, split, form=form)]
    return items


def heard(label: str, azimuth_deg: float, distance_m: float = 2.0, elevation_deg: float = 0.0, onset_s: float = 0.0, **chances: float) -> Sounding:
    return Sounding(Heard(label, azimuth_deg, elevation_deg, distance_m, onset_s, onset_s + 2.0), chances or {label: 1.0})


def scene(*objects: Sounding, rt60_s: float | None = 0.5) -> Estimate:
    return Estimate(objects, 5.0, rt60_s)


def test_every_wording_of_every_task_is_understood_with_its_words(asked: list[tuple[Estimate, Item]]) -> None:
    assert {item.task for _, item in asked} == set(TASKS) == set(WORDINGS)
    for _, item in asked:
        found = understand(item.question, item.options)
        assert found is not None and found.task == item.task, item.question


def test_true_objects_give_the_right_and_grounded_answer_to_every_question_of_every_task(asked: list[tuple[Estimate, Item]]) -> None:
    right = defaultdict(list)
    for estimate, item in asked:
        told = tell(item.question, item.options, estimate)
        right[item.task].append(score(item, told.answer, told.evidence).grounded)
    assert {task: sum(rows) / len(rows) for task, rows in right.items()} == dict.fromkeys(TASKS, 1.0)


def test_names_of_two_words_are_not_torn() -> None:
    found = understand("Is the sheep or goat or the phone or alarm closer?", ("sheep or goat", "phone or alarm", "equidistant"))
    assert found is not None
    assert (found.words["a"], found.words["b"], found.words["more"]) == ("sheep or goat", "phone or alarm", "closer")


def test_the_options_tell_tasks_apart_that_share_a_wording() -> None:
    text = "Which is lower, the dog or the bell?"
    assert getattr(understand(text, ("dog", "bell", "same height")), "task", "") == "l2_compare_object_elevations"
    found = understand("Where is the dog?", ("1.0 m", "2.0 m"))
    assert found is not None and found.task == "l1_estimate_azimuth"
    assert tell("Where is the dog?", ("1.0 m", "2.0 m"), scene(heard("dog", 90))).answer == "1.0 m"  # not options of that question: the first


@pytest.mark.parametrize(("azimuth_deg", "sector"), [(22.4, "front"), (22.6, "front-left"), (-157.6, "back"), (110.0, "left")])
def test_within_a_margin_the_nearest_option_is_answered(azimuth_deg: float, sector: str) -> None:
    assert tell("Where is the dog?", SECTORS, scene(heard("dog", azimuth_deg))).answer == sector


def test_a_name_means_the_object_that_most_probably_has_it() -> None:
    cow = heard("cow", 90, cow=0.5, dog=0.4)
    bell = heard("bell", -90, bell=0.9, dog=0.05)
    told = tell("Where is the dog?", ("left", "right"), scene(bell, cow))
    assert told.answer == "left"
    assert parse_evidence(told.evidence) == (Heard("dog", 90.0, 0.0, 2.0, 0.0, 2.0),)


def test_two_names_mean_two_objects_even_if_one_resembles_both() -> None:
    first, second = heard("dog", 90, dog=0.6, cow=0.35), heard("bell", -90, bell=0.8, cow=0.1)
    assert tell("Are the dog and the cow on the same side?", ("yes", "no"), scene(first, second)).answer == "no"


def test_an_absent_sound_is_the_least_probable_of_the_options() -> None:
    objects = scene(heard("cow", 0, cow=0.6, dog=0.3), heard("bell", 90, bell=1.0))
    assert tell("Which sound is missing?", ("dog", "horn", "bell"), objects).answer == "horn"
    assert tell("What can be heard?", ("dog", "horn"), objects).answer == "dog"


@pytest.mark.parametrize(("rt60_s", "place"), [(None, "open air"), (0.3, "dry room"), (0.45, "live room"), (0.8, "live room"), (0.9, "echoing hall")])
def test_surroundings_by_reverberation_time_without_gaps(rt60_s: float | None, place: str) -> None:
    assert tell("Describe the room.", ("open air", "dry room", "live room", "echoing hall"), scene(heard("dog", 0), rt60_s=rt60_s)).answer == place


def test_a_question_in_other_words_is_read_by_the_names_and_the_options() -> None:
    objects = scene(heard("dog", 90), heard("bell", 0))
    assert tell("Hey, that dog over there, which way would you point?", ("front", "left", "right"), objects).answer == "left"
    assert tell("By what angle are dog and bell apart, roughly speaking?", ("30°", "85°", "150°"), objects).answer == "85°"


def test_what_cannot_be_understood_gets_the_first_option_and_without_options_unknown() -> None:
    objects = scene(heard("dog", 90))
    assert tell("Who composed this?", ("Bach", "Mozart"), objects).answer == "Bach"
    assert tell("Who composed this?", (), objects).answer == "unknown"
    assert tell("Where is the dog?", ("front", "left"), scene()).answer == "front"
    assert tell("Where is the dog?", ("front", "left"), scene()).evidence == "nothing"


def test_a_story_of_a_place_uses_all_probabilities() -> None:
    objects = scene(heard("cow", 0, cow=0.5, pig=0.4), heard("chicken", 90, chicken=0.7, dog=0.3))
    assert tell("Which scene do you hear?", ("a kitchen", "a farm", "an office", "a storm"), objects).answer == "a farm"


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=20), max_size=4, unique=True), st.integers(0, 2))
def test_no_text_makes_it_raise_and_the_answer_is_one_of_the_options(question: str, options: list[str], count: int) -> None:
    objects = scene(*(heard(label, 10.0) for label in ("dog", "bell")[:count]))
    told = tell(question, options, objects)
    assert told.answer in options if options else told.answer


def test_every_task_answers_with_one_of_its_options_whatever_was_heard(asked: list[tuple[Estimate, Item]]) -> None:
    one = scene(heard("piano", -30, 0.5, 80.0))
    for _, item in asked[::5]:
        for objects in (scene(), one, scene(heard("dog", 170), heard("dog", 171))):
            told = tell(item.question, item.options, objects)
            assert told.answer in item.options if item.options else told.answer
            assert parse_evidence(told.evidence) is not None or item.task == "l2_track_motion"


def test_a_removed_sound_is_not_its_own_successor() -> None:
    objects = estimate_of(facts_of(scene_of(event("dog", 0, 1.0), event("bell", 90, 2.0), event("cow", -90, 4.0))))
    assert tell("Without the dog, which sound is closest?", ("cow", "bell", "horn", "pig"), objects).answer == "bell"
