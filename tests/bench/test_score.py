"""The scorer: outcomes, tolerances, evidence and pairs counted by hand; no reply raises, and hedging does not pay."""

import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.bench.score import SCORER_VERSION, Score, angle_deg, evidence_right, pairs_right, score, score_choice, score_number, score_text
from twnm.errors import InputError
from twnm.questions.evidence import Heard, write_evidence
from twnm.questions.schema import Item

DOG = Heard("dog", 40.0, 0.0, 2.0, 0.5, 2.5)
BELL = Heard("bell", -90.0, 20.0, 4.0, 1.0, 4.0)
COMMON = {
    "sample_id": "s1",
    "scene_id": "s",
    "file_name": "s.flac",
    "level": "L1",
    "task": "l1_x",
    "family": "spatial",
    "question": "Where is the dog?",
    "derivation": "dog 40° is front-left",
    "evidence": (DOG.line(), BELL.line()),
}
CHOICE = Item(**COMMON, options=("front", "front-left", "left"), answer_letter="B", answer_text="front-left")
TURN = Item(**COMMON, form="open", answer_text="40°", answer_value=41.3, unit="deg", tolerance="20 deg")
FAR = Item(**COMMON, form="open", answer_text="2.0 m", answer_value=2.0, unit="m", tolerance="30 %")
NAME = Item(**COMMON, form="open", answer_text="dog", tolerance="text")


def evidence(*objects: Heard) -> str:
    return write_evidence(tuple(objects))


def whole(answer: str, *objects: Heard) -> str:
    return f"<evidence>{evidence(*objects)}</evidence><why>so</why><answer>{answer}</answer>"


def test_the_version_is_stated() -> None:
    assert SCORER_VERSION == "twnm-1"


@pytest.mark.parametrize(
    ("item", "reply", "outcome", "read"),
    [
        (CHOICE, "B", "right", "B"),
        (CHOICE, "front-left", "right", "B"),
        (CHOICE, "A", "wrong", "A"),
        (CHOICE, "left", "wrong", "C"),
        (CHOICE, "perhaps B", "unparseable", None),
        (TURN, "30 degrees to the left", "right", "30"),
        (TURN, "-40°", "wrong", "-40"),
        (TURN, "quite left", "unparseable", None),
        (FAR, "2.5 m", "right", "2.5"),
        (FAR, "about 3 m", "wrong", "3"),
        (FAR, "45°", "unparseable", None),
        (NAME, "The dog.", "right", "The dog"),
        (NAME, "cat", "wrong", "cat"),
        (NAME, "  ", "unparseable", None),
    ],
)
def test_an_item_of_each_form_is_scored(item: Item, reply: str, outcome: str, read: str | None) -> None:
    found = score(item, reply)
    assert (found.outcome, found.read) == (outcome, read)
    assert found.right == (outcome == "right")
    assert not found.evidence_right


@pytest.mark.parametrize("item", [CHOICE, TURN, FAR, NAME])
def test_the_true_answer_with_the_true_evidence_is_grounded(item: Item) -> None:
    assert score(item, whole(item.answer_text, DOG, BELL)) == Score("right", score(item, item.answer_text).read, True)
    assert score(item, item.answer_text, evidence(DOG, BELL)).grounded
    assert not score(item, item.answer_text).grounded
    assert not score(item, whole("nonsense", DOG, BELL)).grounded


def test_evidence_given_apart_counts_before_that_of_the_reply() -> None:
    assert not score(CHOICE, whole("B", DOG, BELL), "nothing").evidence_right


@pytest.mark.parametrize(
    ("value", "said", "right"),
    [(0.0, "20°", True), (0.0, "20.1°", False), (175.0, "-165°", True), (175.0, "-164°", False), (-170.0, "190°", True), (90.0, "-90°", False)],
)
def test_degrees_are_compared_on_the_circle(value: float, said: str, right: bool) -> None:
    assert (score_number(said, value, "deg", "20 deg")[0] == "right") == right


@pytest.mark.parametrize(
    ("value", "said", "unit", "tolerance", "right"),
    [
        (2.0, "2.6 m", "m", "30 %", True),
        (2.0, "2.61 m", "m", "30 %", False),
        (2.0, "140 cm", "m", "30 %", True),
        (2.0, "1.39 m", "m", "30 %", False),
        (1.0, "1.3 s", "s", "0.3 s", True),
        (1.0, "0.69 s", "s", "0.3 s", False),
        (0.4, "500 ms", "s", "30 %", True),
    ],
)
def test_distances_are_compared_by_ratio_and_times_by_difference(value: float, said: str, unit: str, tolerance: str, right: bool) -> None:
    assert (score_number(said, value, unit, tolerance)[0] == "right") == right  # type: ignore[arg-type]


def test_an_unknown_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown tolerance '5 %' of a number; allowed: 20 deg, 30 %, 0\.3 s"):
        score_number("2 m", 2.0, "m", "5 %")


@pytest.mark.parametrize(
    ("objects", "right"),
    [
        ((DOG, BELL), True),
        ((DOG, BELL, Heard("cat", 0.0, 0.0, 1.0, 0.0, 1.0)), True),  # another sound does no harm
        ((DOG,), False),
        ((), False),
        ((Heard("dog", 60.0, 0.0, 2.6, 0.8, 2.8), BELL), True),  # every tolerance used up
        ((Heard("dog", 65.0, 0.0, 2.0, 0.5, 2.5), BELL), False),
        ((Heard("dog", 40.0, 0.0, 2.7, 0.5, 2.5), BELL), False),
        ((Heard("dog", 40.0, 0.0, 2.0, 0.9, 2.5), BELL), False),
        ((Heard("dog", 40.0, 0.0, 2.0, 0.5, 2.9), BELL), False),
        ((Heard("cat", 40.0, 0.0, 2.0, 0.5, 2.5), BELL), False),
        ((Heard("bell", 40.0, 0.0, 2.0, 0.5, 2.5), Heard("dog", -90.0, 20.0, 4.0, 1.0, 4.0)), False),  # right attributes, wrong binding
        ((DOG, BELL, Heard("dog", -140.0, 0.0, 2.0, 0.5, 2.5)), False),  # a dog here and one there: hedged
        ((DOG, BELL, Heard("cat", 45.0, 0.0, 2.1, 0.5, 2.5)), False),  # a dog or a cat in one place: hedged
    ],
)
def test_evidence_counted_by_hand(objects: tuple[Heard, ...], right: bool) -> None:
    assert evidence_right((DOG, BELL), evidence(*objects)) == right


def test_what_is_known_to_be_in_the_scene_is_not_held_against_the_reply() -> None:
    cat, second = Heard("cat", 45.0, 0.0, 2.1, 0.5, 2.5), Heard("dog", -140.0, 0.0, 2.0, 0.5, 2.5)
    given = evidence(DOG, BELL, cat, second)
    assert not evidence_right((DOG, BELL), given)
    assert not evidence_right((DOG, BELL), given, (DOG, BELL, cat))
    assert evidence_right((DOG, BELL), given, (DOG, BELL, cat, second))
    assert score(CHOICE, "B", given, (DOG, BELL, cat, second)).grounded
    assert not evidence_right((DOG, BELL), evidence(BELL, cat, second), (DOG, BELL, cat, second))


def test_evidence_that_is_missing_or_not_in_the_grammar_is_not_right() -> None:
    for given in (None, "", "a dog at the left", evidence(DOG, BELL) + "; "):
        assert not evidence_right((DOG, BELL), given)


def test_objects_of_one_label_are_matched_one_to_one() -> None:
    first, second = Heard("dog", 0.0, 0.0, 2.0, 0.0, 2.0), Heard("dog", 15.0, 0.0, 2.0, 0.0, 2.0)
    # -15 fits only the first and 10 fits both: nearest first would give 10 to the second or the first alike, but the matching has to be whole.
    assert evidence_right((first, second), evidence(Heard("dog", 10.0, 0.0, 2.0, 0.0, 2.0), Heard("dog", -15.0, 0.0, 2.0, 0.0, 2.0)))
    assert not evidence_right((first, second), evidence(Heard("dog", -10.0, 0.0, 2.0, 0.0, 2.0), Heard("dog", -15.0, 0.0, 2.0, 0.0, 2.0)))


def test_near_the_zenith_directions_are_compared_on_the_sphere() -> None:
    high = Heard("dog", 0.0, 85.0, 2.0, 0.0, 2.0)
    assert evidence_right((high,), evidence(Heard("dog", 180.0, 85.0, 2.0, 0.0, 2.0)))


def test_an_item_that_rests_on_no_object_asks_only_for_evidence_in_the_grammar() -> None:
    assert evidence_right((), "nothing")
    assert evidence_right((), evidence(DOG))
    assert not evidence_right((), None)


def test_an_item_with_torn_evidence_is_refused() -> None:
    torn = CHOICE.model_copy(update={"evidence": ("dog at the left",)})
    with pytest.raises(InputError, match=r"item s1: the evidence .* is not in the grammar"):
        score(torn, "B")


def test_pairs_are_right_when_both_answers_are_and_count_once() -> None:
    twins = {"a": "a'", "a'": "a", "b": "b'", "b'": None, "c": None, "d": "d'", "d'": "d", "e": "e'"}
    right = {"a": True, "a'": True, "b": True, "b'": False, "c": True, "d": False, "d'": False, "e": True}
    assert pairs_right(right, twins) == {("a", "a'"): True, ("b", "b'"): False, ("d", "d'"): False}


@hypothesis.settings(max_examples=200)
@hypothesis.given(st.text(max_size=80), st.sampled_from([CHOICE, TURN, FAR, NAME]), st.none() | st.text(max_size=80))
def test_no_reply_raises(reply: str, item: Item, given: str | None) -> None:
    found = score(item, reply, given)
    assert found.outcome in ("right", "wrong", "unparseable")
    assert (found.read is None) == (found.outcome == "unparseable")
    assert score(item, reply, given) == found


@hypothesis.given(st.integers(0, 60), st.integers(1, 40))
def test_no_torn_output_raises(start: int, length: int) -> None:
    text = whole("front-left", DOG, BELL)
    assert score(CHOICE, text[:start] + text[start + length :]).outcome in ("right", "wrong", "unparseable")


def test_plain_functions_score_other_peoples_questions() -> None:
    assert score_choice("Both", ("A dog", "Both"), "B") == ("right", "B")
    assert score_text("Yes.", "yes") == ("right", "Yes")


def test_scoring_and_metrics_do_without_torch() -> None:
    code = "import sys, twnm.bench.score, twnm.bench.statistics, twnm.metrics.seld, twnm.metrics.tuple_score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_angle_between_two_directions_is_that_of_their_vectors() -> None:
    rng = np.random.default_rng(0)
    for azimuth, elevation, azimuth_2, elevation_2 in [(10, 90, 100, 90), (0, 0, 180, 0), (5, 5, 5, 5), *rng.uniform((-180, -90) * 2, (180, 90) * 2, (200, 4))]:
        first, second = Heard("dog", azimuth, elevation, 1.0, 0.0, 1.0), Heard("dog", azimuth_2, elevation_2, 1.0, 0.0, 1.0)
        expected = float(angle_between_deg(unit_vector(azimuth, elevation), unit_vector(azimuth_2, elevation_2)))
        assert angle_deg(first, second) == pytest.approx(expected, abs=1e-6)


def test_an_item_whose_evidence_nobody_knows_is_neither_grounded_nor_not() -> None:
    ours = CHOICE.model_copy(update={"evidence": ()})  # that no object decides it is known: the derivation says so
    assert score(ours, "B").grounded is False
    theirs = CHOICE.model_copy(update={"evidence": (), "derivation": ""})
    found = score(theirs, "B", "dog | left 90° | level 0° | 2.0 m | 0.5-1.5 s")
    assert found.right and found.grounded is None and found.evidence_right is None
