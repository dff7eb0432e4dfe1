"""TupleScore: grades counted by hand, the best pairing of all, and what it must not reward."""

import itertools
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from twnm.errors import InputError
from twnm.metrics.localisation import PlacedObject
from twnm.metrics.tuple_score import evaluate, tuple_grades


def placed(
    label: str = "dog", azimuth_deg: float = 0.0, distance_m: float = 2.0, onset_s: float = 0.0, offset_s: float = 2.0, elevation_deg: float = 0.0
) -> PlacedObject:
    return PlacedObject(label, onset_s, offset_s, azimuth_deg, elevation_deg, distance_m)


def score(heard: list[PlacedObject], truth: list[PlacedObject]) -> float:
    return evaluate([tuple_grades(heard, truth)])["tuple_score"]


def test_the_grades_of_a_pair_are_those_counted_by_hand() -> None:
    grades = tuple_grades([placed("cat", 45.0, 4.0, 1.0, 3.0)], [placed()])
    assert grades.grades[0] == pytest.approx([0.0, 0.5, 0.5, 1 / 3])
    scores = evaluate([grades])
    assert scores["tuple_score"] == pytest.approx((0 + 0.5 + 0.5 + 1 / 3) / 4)
    assert (scores["class"], scores["direction"], scores["distance"], scores["time"]) == pytest.approx((0, 0.5, 0.5, 1 / 3))


def test_twice_and_half_the_distance_are_alike_and_behind_is_as_bad_as_the_side() -> None:
    assert score([placed(distance_m=1.0)], [placed()]) == pytest.approx(score([placed(distance_m=4.0)], [placed()]))
    assert score([placed(azimuth_deg=90.0)], [placed()]) == pytest.approx(score([placed(azimuth_deg=180.0)], [placed()]))


def test_missed_and_invented_objects_cost_the_same() -> None:
    truth = [placed("dog"), placed("bell", 90.0)]
    missed = evaluate([tuple_grades(truth[:1], truth)])
    invented = evaluate([tuple_grades(truth, truth[:1])])
    assert missed["tuple_score"] == pytest.approx(2 / 3)
    assert invented["tuple_score"] == pytest.approx(2 / 3)
    assert (missed["recall"], missed["precision"]) == pytest.approx((0.5, 1.0))
    assert (invented["recall"], invented["precision"]) == pytest.approx((1.0, 0.5))


def test_nothing_heard_where_nothing_is_is_perfect_and_elsewhere_nothing() -> None:
    assert score([], []) == 1.0
    assert score([], [placed()]) == 0.0
    assert score([placed()], []) == 0.0
    assert math.isnan(evaluate([tuple_grades([], [])])["direction"])


def test_clips_count_by_their_objects() -> None:
    perfect, empty = tuple_grades([placed()] * 3, [placed()] * 3), tuple_grades([], [placed()])
    assert evaluate([perfect, empty])["tuple_score"] == pytest.approx(2 * 3 / 7)


objects = st.lists(
    st.builds(
        placed,
        st.sampled_from(["dog", "cat"]),
        st.floats(-180, 180),
        st.floats(0.3, 9),
        st.floats(0, 2),
        st.floats(2, 5),
        st.floats(-90, 90),
    ),
    min_size=1,
    max_size=4,
)


@hypothesis.given(objects, objects, st.randoms(use_true_random=False))
def test_the_pairing_is_the_best_of_all_whatever_the_order(truth: list[PlacedObject], heard: list[PlacedObject], random: object) -> None:
    few, many = sorted((truth, heard), key=len)
    best = max(
        sum(float(tuple_grades([one], [other]).grades[0].mean()) for one, other in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    )
    total = float(tuple_grades(heard, truth).grades.mean(axis=1).sum())
    assert total == pytest.approx(best)
    random.shuffle(heard)  # type: ignore[attr-defined]
    assert float(tuple_grades(heard, truth).grades.mean(axis=1).sum()) == pytest.approx(best)


@hypothesis.given(objects)
def test_a_scene_scores_one_against_itself(truth: list[PlacedObject]) -> None:
    assert score(truth, truth) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (placed(elevation_deg=120.0), "heard: elevation 120 of 'dog' is beyond ±90 degrees"),
        (placed(distance_m=0.0), "the distance of 'dog' is 0 m; it must be positive"),
        (placed(onset_s=3.0), "'dog' ends at 2 s, before its onset at 3 s; are they exchanged"),
        (placed(azimuth_deg=math.nan), "'dog' has a value that is not a finite number"),
    ],
)
def test_objects_that_cannot_be_graded_are_refused(wrong: PlacedObject, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tuple_grades([wrong], [placed()])


def test_no_clip_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no clip to score"):
        evaluate([])
