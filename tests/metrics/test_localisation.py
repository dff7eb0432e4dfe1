"""Localisation errors on clips whose figures are counted by hand."""

import numpy as np
import pytest

from twnm.metrics.localisation import PlacedObject, clip_errors, summarise


def placed(label: str, azimuth_deg: float, distance_m: float = 2.0, onset_s: float = 0.0, offset_s: float = 2.0) -> PlacedObject:
    return PlacedObject(label, onset_s, offset_s, azimuth_deg, 0.0, distance_m)


def test_a_pair_has_the_errors_counted_by_hand() -> None:
    errors = clip_errors([placed("dog", 40.0, distance_m=3.0, onset_s=1.0, offset_s=4.0)], [placed("dog", 30.0)])
    np.testing.assert_allclose(errors.angle_deg, [10.0], atol=1e-9)
    np.testing.assert_allclose(errors.distance_relative, [0.5])
    np.testing.assert_allclose(errors.overlap, [1 / 4])
    assert errors.label_right.tolist() == [True]


def test_the_assignment_minimises_the_sum_of_angles_where_nearest_first_would_not() -> None:
    # Nearest first pairs 10 with 0 (10°) and leaves 30 for -40 (70°); together 10 with -40 and 30 with 0 is no better: the optimum is the smaller sum.
    truth, heard = [placed("a", 0.0), placed("b", 20.0)], [placed("b", 12.0), placed("a", -60.0)]
    errors = clip_errors(heard, truth)
    assert sorted(np.round(errors.angle_deg, 6)) == [8.0, 60.0]
    assert errors.label_right.all()
    crossed = clip_errors([placed("x", 9.0), placed("y", 11.0)], [placed("x", 0.0), placed("y", 10.0)])
    assert crossed.angle_deg.sum() == pytest.approx(10.0)  # 9 + 1; the pair of 1° (9 to 10) would leave 11


def test_directions_meet_across_the_back() -> None:
    np.testing.assert_allclose(clip_errors([placed("dog", -175.0)], [placed("dog", 175.0)]).angle_deg, [10.0], atol=1e-9)


def test_a_wrong_class_is_a_class_error_not_a_miss() -> None:
    errors = clip_errors([placed("cat", 30.0)], [placed("dog", 30.0)])
    assert errors.angle_deg.size == 1
    assert not errors.label_right.any()


def test_times_that_do_not_meet_overlap_by_nothing() -> None:
    np.testing.assert_array_equal(clip_errors([placed("dog", 0, onset_s=3, offset_s=4)], [placed("dog", 0)]).overlap, [0.0])


def test_the_summary_counts_by_number_of_true_sources() -> None:
    one = [clip_errors([placed("dog", 10.0 * number)], [placed("dog", 0.0)]) for number in (1, 2, 6)]
    two = clip_errors([placed("dog", 4.0)], [placed("dog", 0.0), placed("cat", 90.0)])
    silent = clip_errors([], [])
    figures = summarise([*one, two, silent])
    assert figures["angle_median_1"] == pytest.approx(20.0)
    assert figures["angle_median_2"] == pytest.approx(4.0)
    assert figures["label_accuracy_2"] == 1.0
    assert figures["count_accuracy"] == pytest.approx(4 / 5)
    assert figures["recall"] == pytest.approx(4 / 5)


def test_scenes_in_which_nothing_is_heard_have_a_recall_but_no_angles() -> None:
    assert summarise([clip_errors([], [placed("dog", 0.0)])]) == {"count_accuracy": 0.0, "recall": 0.0}
