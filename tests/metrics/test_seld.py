"""SELD scores: cases counted by hand, brute-force assignment, figures of the organisers' code, and the edges of the definitions."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.errors import InputError
from twnm.metrics.detections import Detections, detections, silence
from twnm.metrics.seld import Counts, evaluate, frame_counts, scores_2023, scores_2024, segment_counts

Row = tuple[int, int, float, float, float]


def one_2024(truth: list[Row], heard: list[Row], classes: int = 2, average: str = "macro") -> dict[str, float]:
    return evaluate([(detections(truth), detections(heard))], classes, 2024, average)


def one_2023(truth: list[Row], heard: list[Row], classes: int = 2, average: str = "macro") -> dict[str, float]:
    return evaluate([(detections(truth), detections(heard))], classes, 2023, average)


def held(frames: range, label: int, azimuth_deg: float, distance_m: float = 2.0) -> list[Row]:
    return [(frame, label, azimuth_deg, 0.0, distance_m) for frame in frames]


def drawn(seed: int) -> list[tuple[Detections, Detections]]:
    """Three recordings of 37 frames with up to three events of a class at once, and what a middling system might make of them."""
    rng = np.random.default_rng(seed)
    recordings = []
    for _ in range(3):
        truth: list[Row] = []
        for frame, label in itertools.product(range(37), range(4)):
            for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.15 else 0):
                truth.append((frame, label, float(rng.integers(-180, 181)), float(rng.integers(-60, 61)), float(rng.integers(30, 900)) / 100))
        heard: list[Row] = []
        for frame, label, azimuth, elevation, distance in truth:
            if rng.random() < 0.8:
                turned = (azimuth + rng.normal() * 15 + 180) % 360 - 180
                heard.append((frame, label, turned, float(np.clip(elevation + rng.normal() * 10, -90, 90)), distance * math.exp(rng.normal() * 0.5)))
        for frame, label in itertools.product(range(37), range(4)):
            if rng.random() < 0.03:
                heard.append((frame, label, float(rng.integers(-180, 181)), float(rng.integers(-60, 61)), 1.5))
        recordings.append((detections(truth), detections(heard)))
    return recordings


def test_2024_frames_counted_by_hand() -> None:
    truth = [(0, 0, 0.0, 0.0, 2.0), (1, 0, 0.0, 0.0, 2.0), (2, 0, 0.0, 0.0, 2.0), (3, 0, 0.0, 0.0, 2.0)]
    heard = [(0, 0, 10.0, 0.0, 3.0), (1, 0, 50.0, 0.0, 2.0), (2, 0, 0.0, 0.0, 5.0), (4, 0, 0.0, 0.0, 2.0)]
    # Frame 0 is a hit, frame 1 astray by angle, frame 2 by distance (|5 - 2| / 2 = 1.5), frame 3 missed, frame 4 extra.
    scores = one_2024(truth, heard)
    assert scores["f20"] == pytest.approx(1 / (1 + 2 + (1 + 1) / 2))
    assert scores["doae_deg"] == pytest.approx(20.0)  # of the three pairs, hit or not
    assert scores["rde"] == pytest.approx((0.5 + 0 + 1.5) / 3)
    assert scores["seld"] == pytest.approx((0.75 + 20 / 180 + 2 / 3) / 3)


def test_2023_seconds_counted_by_hand() -> None:
    # Second 0: one track 10° off on average (5° and 15°): a hit. Second 1: 90° off: astray. Second 2: missed. Second 3: class 1 invented.
    truth = held(range(0, 10), 0, 0.0) + held(range(10, 20), 0, 0.0) + held(range(20, 30), 0, 0.0)
    heard = held(range(0, 5), 0, 5.0) + held(range(5, 10), 0, 15.0) + held(range(12, 14), 0, 90.0) + held(range(30, 31), 1, 0.0)
    scores = one_2023(truth, heard, average="micro")
    assert scores["f20"] == pytest.approx(1 / (1 + 1 + (1 + 1) / 2))
    assert scores["er20"] == pytest.approx(3 / 3)  # insertion of second 1, deletion of second 2, insertion of second 3
    assert scores["le_deg"] == pytest.approx((10 + 90) / 2)
    assert scores["lr"] == pytest.approx(2 / 3)
    assert scores["seld"] == pytest.approx((1 + 2 / 3 + 50 / 180 + 1 / 3) / 4)


def test_a_false_alarm_and_a_miss_in_one_second_are_one_substitution_whatever_their_classes() -> None:
    assert one_2023(held(range(10), 0, 0.0), held(range(10), 1, 0.0), average="micro")["er20"] == pytest.approx(1.0)
    apart = one_2023(held(range(10), 0, 0.0), held(range(10, 20), 1, 0.0), average="micro")["er20"]
    assert apart == pytest.approx(2.0)


def test_a_class_heard_in_the_same_second_but_in_no_common_frame_counts_as_the_organisers_count_it() -> None:
    counts = segment_counts(detections(held(range(0, 3), 0, 0.0)), detections(held(range(5, 8), 0, 0.0)), 1)
    assert (counts.true[0], counts.missed[0], counts.extra[0], counts.matched[0]) == (1, 1, 0, 0)


@pytest.mark.parametrize("average", ["macro", "macro-all", "micro"])
def test_the_truth_itself_scores_perfectly_when_all_classes_occur(average: str) -> None:
    recordings = [(truth, truth) for truth, _ in drawn(3)]
    assert evaluate(recordings, 4, 2024, average) == pytest.approx({"f20": 1, "doae_deg": 0, "rde": 0, "seld": 0}, abs=1e-6)
    assert evaluate(recordings, 4, 2023, average) == pytest.approx({"er20": 0, "f20": 1, "le_deg": 0, "lr": 1, "seld": 0}, abs=1e-6)


def test_an_empty_prediction_has_no_direction_or_distance_error_in_2024_and_180_degrees_in_2023() -> None:
    truth = held(range(10), 0, 0.0)
    scores = one_2024(truth, [])
    assert (scores["f20"], scores["seld"]) == (0.0, 1.0)
    assert math.isnan(scores["doae_deg"])
    assert math.isnan(scores["rde"])
    assert one_2023(truth, []) == pytest.approx({"er20": 1, "f20": 0, "le_deg": 180, "lr": 0, "seld": 1})


def test_a_class_that_never_occurs_counts_only_where_all_classes_are_averaged() -> None:
    truth = held(range(10), 0, 0.0)
    assert one_2024(truth, truth, classes=2)["f20"] == 1.0
    assert one_2024(truth, truth, classes=2, average="macro-all")["f20"] == 0.5
    assert one_2024(truth, truth, classes=2, average="macro-all")["doae_deg"] == pytest.approx(0.0)
    everything = one_2023(truth, truth, classes=2, average="macro-all")
    assert (everything["f20"], everything["le_deg"], everything["lr"]) == pytest.approx((0.5, 90.0, 0.5))


def test_a_class_that_is_only_invented_counts_as_a_failure() -> None:
    truth = held(range(10), 0, 0.0)
    assert one_2024(truth, truth + held(range(10), 1, 0.0))["f20"] == 0.5


def test_silence_on_both_sides_has_no_scores() -> None:
    assert all(math.isnan(value) for value in evaluate([(silence(), silence())], 2, 2024).values())
    assert all(math.isnan(value) for value in evaluate([(silence(), silence())], 2, 2023).values())


@pytest.mark.parametrize(("angle_deg", "hit"), [(20.0, 1), (20.01, 0)])
def test_twenty_degrees_are_a_hit_and_more_are_not(angle_deg: float, hit: int) -> None:
    for azimuth_deg in (0.0, 77.0, -163.0):
        counts = frame_counts(detections([(0, 0, azimuth_deg, 0.0, 2.0)]), detections([(0, 0, (azimuth_deg + angle_deg + 180) % 360 - 180, 0.0, 4.0)]), 1)
        assert counts.hit[0] == hit  # the distance is exactly twice: a relative error of 1 is allowed


def test_an_angle_is_measured_on_the_sphere() -> None:
    assert one_2024([(0, 0, 0.0, 80.0, 1.0)], [(0, 0, 90.0, 80.0, 1.0)])["doae_deg"] == pytest.approx(14.1, abs=0.05)


def brute_angles(truth: list[Row], heard: list[Row]) -> list[float]:
    """The pairs of one frame and class by trying every injection."""
    table = [[float(angle_between_deg(unit_vector(t[2], t[3]), unit_vector(h[2], h[3]))) for h in heard] for t in truth]
    if len(truth) <= len(heard):
        ways = ([table[row][column] for row, column in enumerate(columns)] for columns in itertools.permutations(range(len(heard)), len(truth)))
    else:
        ways = ([table[row][column] for column, row in enumerate(rows)] for rows in itertools.permutations(range(len(truth)), len(heard)))
    return min(ways, key=sum)


directions = st.lists(st.tuples(st.integers(-179, 180), st.integers(-90, 90), st.integers(3, 99)), min_size=1, max_size=4)


@hypothesis.given(directions, directions, st.randoms(use_true_random=False))
def test_pairs_are_those_of_the_best_of_all_assignments_in_any_order_of_rows(truth: list, heard: list, random: object) -> None:
    true_rows = [(0, 0, float(a), float(e), d / 10) for a, e, d in truth]
    heard_rows = [(0, 0, float(a), float(e), d / 10) for a, e, d in heard]
    counts = frame_counts(detections(true_rows), detections(heard_rows), 1)
    assert counts.angle_deg[0] == pytest.approx(sum(brute_angles(true_rows, heard_rows)), abs=1e-6)
    assert counts.matched[0] == min(len(truth), len(heard))
    assert counts.missed[0] - counts.extra[0] == len(truth) - len(heard)
    random.shuffle(true_rows)  # type: ignore[attr-defined]
    random.shuffle(heard_rows)  # type: ignore[attr-defined]
    again = frame_counts(detections(true_rows), detections(heard_rows), 1)
    np.testing.assert_allclose(again.angle_deg, counts.angle_deg, atol=1e-6)


def test_the_order_of_rows_and_of_recordings_does_not_matter() -> None:
    recordings = drawn(1)
    rng = np.random.default_rng(0)
    shuffled = [(truth, heard.take(rng.permutation(len(heard)))) for truth, heard in reversed(recordings)]
    for year in (2023, 2024):
        assert evaluate(shuffled, 4, year) == pytest.approx(evaluate(recordings, 4, year))


# What a transcription of the loops of the organisers' code (SELD_evaluation_metrics.py of the 2024 baseline) gave for these recordings and five classes, one
# of which never occurs; in the order of our scores.
ORGANISERS: dict[tuple[int, int, str], tuple[float, ...]] = {
    (0, 2024, "macro-all"): (0.5160, 16.5321, 0.4625, 0.4425),
    (0, 2023, "macro-all"): (0.2703, 0.6038, 49.6847, 0.7189, 0.3059),
    (0, 2024, "micro"): (0.6502, 15.9290, 0.4461, 0.2948),
    (0, 2023, "micro"): (0.2703, 0.7568, 16.8068, 0.8933, 0.1784),
    (1, 2024, "macro-all"): (0.4801, 14.9516, 0.3966, 0.4345),
    (1, 2023, "macro-all"): (0.2985, 0.5771, 48.1046, 0.6903, 0.3246),
    (1, 2024, "micro"): (0.5904, 15.2161, 0.3940, 0.2961),
    (1, 2023, "micro"): (0.2985, 0.7188, 15.2326, 0.8615, 0.2007),
}


@pytest.mark.parametrize(("seed", "year", "average"), list(ORGANISERS))
def test_figures_of_the_organisers_code(seed: int, year: int, average: str) -> None:
    scores = evaluate(drawn(seed), 5, year, average)
    np.testing.assert_allclose(list(scores.values()), ORGANISERS[seed, year, average], atol=5e-5)


def test_counts_of_recordings_add_up() -> None:
    (a, b), (c, d) = drawn(0)[:2]
    total = frame_counts(a, b, 4) + frame_counts(c, d, 4)
    np.testing.assert_array_equal(total.hit, frame_counts(a, b, 4).hit + frame_counts(c, d, 4).hit)
    assert scores_2024(total) == pytest.approx(evaluate([(a, b), (c, d)], 4, 2024))
    assert scores_2023(segment_counts(a, b, 4)) == pytest.approx(evaluate([(a, b)], 4, 2023))
    assert isinstance(total, Counts)


def test_wrong_calls_are_refused() -> None:
    good = detections(held(range(3), 0, 0.0))
    with pytest.raises(InputError, match="no recording to evaluate"):
        evaluate([], 2)
    with pytest.raises(InputError, match="prediction: azimuth 200 is beyond"):
        evaluate([(good, detections([(0, 0, 200.0, 0.0, 1.0)]))], 2)
    unknown = detections([(0, 0, 20.0, 0.0, float("nan"))])
    with pytest.raises(InputError, match="prediction: 1 of 1 distances are unknown"):
        evaluate([(good, unknown)], 2, 2024)
    assert evaluate([(good, unknown)], 2, 2023)["f20"] == pytest.approx(1.0)


def test_the_example_of_the_documentation() -> None:
    truth = held(range(10), 0, 30.0) + held(range(10), 1, -90.0, 4.0)
    heard = held(range(10), 0, 40.0, 3.0) + held(range(5), 1, -60.0, 4.0)
    assert one_2024(truth, heard, average="micro") == pytest.approx({"f20": 0.571, "doae_deg": 16.667, "rde": 0.333, "seld": 0.285}, abs=1e-3)
    assert one_2024(truth, heard) == pytest.approx({"f20": 0.5, "doae_deg": 20.0, "rde": 0.25, "seld": 0.287}, abs=1e-3)
    assert one_2023(truth, heard) == pytest.approx({"er20": 0.5, "f20": 0.5, "le_deg": 20.0, "lr": 1.0, "seld": 0.278}, abs=1e-3)
