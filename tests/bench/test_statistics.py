"""Intervals, tests and detectable differences by scene: the right figures, the promised coverage, and outside oracles."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from twnm.bench.statistics import (
    holm,
    intraclass_correlation,
    minimum_detectable_difference,
    paired_comparison,
    scene_bootstrap,
    seeds_bootstrap,
    variance_components,
)
from twnm.errors import InputError


def answers(rng: np.random.Generator, scenes: int, questions: int) -> list[list[float]]:
    """Right or wrong, alike within a scene: how easy a scene is follows a beta distribution with mean 0.6."""
    ease = rng.beta(1.2, 0.8, size=(scenes, 1))
    return (rng.random((scenes, questions)) < ease).astype(float).tolist()


def test_the_mean_is_over_questions_not_over_scenes() -> None:
    mean, low, high = scene_bootstrap([[1.0], [0.0, 0.0, 0.0], []], np.random.default_rng(0))
    assert mean == pytest.approx(0.25)
    assert 0 <= low <= mean <= high <= 1


def test_without_any_question_there_is_no_figure() -> None:
    assert all(math.isnan(value) for value in scene_bootstrap([[], []], np.random.default_rng(0)))
    assert all(math.isnan(value) for value in scene_bootstrap([], np.random.default_rng(0)))


def test_the_same_generator_state_gives_the_same_interval() -> None:
    values = [[0.0, 1.0], [1.0], [0.0]]
    assert scene_bootstrap(values, np.random.default_rng(3)) == scene_bootstrap(values, np.random.default_rng(3))


def test_the_memory_for_many_draws_does_not_change_the_kind_of_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=(50, 1)).tolist()
    whole = scene_bootstrap(values, np.random.default_rng(2), draws=5000)
    monkeypatch.setattr("twnm.bench.statistics._CHUNK", 1000)
    assert scene_bootstrap(values, np.random.default_rng(2), draws=5000) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("values", [np.random.default_rng(1).normal(size=80), (np.random.default_rng(1).random(80) < 0.6).astype(float)])
def test_one_question_a_scene_gives_the_percentile_bootstrap_of_scipy(values: np.ndarray) -> None:
    _, low, high = scene_bootstrap([[value] for value in values], np.random.default_rng(2), draws=20_000)
    expected = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_interval_covers_the_truth_in_about_95_of_100_data_sets_with_alike_questions() -> None:
    rng = np.random.default_rng(4)
    covered = naive_covered = 0
    for _ in range(400):
        right = answers(rng, 120, 4)
        _, low, high = scene_bootstrap(right, rng, draws=800)
        covered += low <= 0.6 <= high
        _, low, high = scene_bootstrap([[value] for row in right for value in row], rng, draws=800)
        naive_covered += low <= 0.6 <= high
    assert 0.93 <= covered / 400 <= 0.97
    assert naive_covered / 400 < 0.88  # what resampling questions would have promised


def test_the_comparison_has_the_p_value_of_scipys_exact_permutation_test() -> None:
    rng = np.random.default_rng(5)
    first, second = answers(rng, 12, 3), answers(rng, 12, 3)
    sums = np.array([np.sum(one) - np.sum(other) for one, other in zip(first, second, strict=True)])
    exact = permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf)
    found = paired_comparison(first, second, np.random.default_rng(6), draws=40_000)
    assert found.p_value == pytest.approx(exact.pvalue, abs=0.01)
    assert found.difference == pytest.approx(np.mean(first) - np.mean(second))
    assert found.low <= found.difference <= found.high


def test_systems_that_do_not_differ_are_told_apart_in_about_5_of_100_comparisons_and_real_differences_mostly() -> None:
    rng = np.random.default_rng(7)
    false = naive = seen = 0
    for _ in range(150):
        ease = rng.beta(0.8, 0.8, size=(60, 2, 1))  # the systems find different scenes easy
        first, second = (rng.random((60, 2, 5)) < ease).astype(float).transpose(1, 0, 2)
        better = np.maximum(first, rng.random(first.shape) < 0.4)
        false += paired_comparison(first.tolist(), second.tolist(), rng, draws=300).p_value <= 0.05
        flat = paired_comparison(first.reshape(-1, 1).tolist(), second.reshape(-1, 1).tolist(), rng, draws=300)
        naive += flat.p_value <= 0.05
        seen += paired_comparison(better.tolist(), second.tolist(), rng, draws=300).p_value <= 0.05
    assert 0.02 <= false / 150 <= 0.08
    assert naive / 150 > 0.12  # flipping questions one by one finds differences that are not there
    assert seen / 150 > 0.8


def test_a_system_does_not_differ_from_itself_and_no_p_value_is_zero() -> None:
    right = answers(np.random.default_rng(8), 40, 3)
    same = paired_comparison(right, right, np.random.default_rng(0), draws=200)
    assert (same.difference, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    opposite = paired_comparison([[1.0]] * 100, [[0.0]] * 100, np.random.default_rng(0), draws=200)
    assert opposite.p_value == pytest.approx(1 / 201)


def test_only_the_same_questions_can_be_compared() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="do not have the same questions in the same scenes"):
        paired_comparison([[1.0, 0.0]], [[1.0]], rng)
    with pytest.raises(InputError, match="no question in common"):
        paired_comparison([[]], [[]], rng)


def test_holm_gives_the_steps_counted_by_hand_in_the_order_given() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(InputError, match=r"must lie between 0 and 1, not 1\.5"):
        holm([0.1, 1.5])
    with pytest.raises(InputError, match="must lie between 0 and 1, not nan"):
        holm([float("nan")])


def test_holm_keeps_the_chance_of_any_false_rejection() -> None:
    rng = np.random.default_rng(9)
    rejected = [min(holm(rng.random(8).tolist())) <= 0.05 for _ in range(1000)]
    assert 0.03 <= np.mean(rejected) <= 0.065


def crossed(rng: np.random.Generator, seeds: int, scenes: int, seed_sd: float, scene_sd: float, rest_sd: float) -> list[list[list[float]]]:
    parts = rng.normal(size=(seeds, 1, 1)) * seed_sd, rng.normal(size=(1, scenes, 1)) * scene_sd, rng.normal(size=(seeds, scenes, 1)) * rest_sd
    return (0.5 + sum(parts)).tolist()  # type: ignore[union-attr]


def test_variance_components_are_found_in_a_large_experiment() -> None:
    found = variance_components(crossed(np.random.default_rng(10), 60, 400, 0.05, 0.2, 0.3))
    assert (found.seed, found.scene, found.rest) == pytest.approx((0.05, 0.2, 0.3), rel=0.15)
    assert found.error == pytest.approx(math.sqrt(0.05**2 / 60 + 0.2**2 / 400 + 0.3**2 / 24_000), rel=0.15)


def test_intervals_over_seeds_cover_and_those_of_one_seed_do_not() -> None:
    rng = np.random.default_rng(11)
    many = components = one = few = 0
    for _ in range(200):
        values = crossed(rng, 10, 60, 0.05, 0.2, 0.3)
        _, low, high = seeds_bootstrap(values, rng, draws=250)
        many += low <= 0.5 <= high
        three = values[:3]
        found = variance_components(three)
        components += found.low <= 0.5 <= found.high
        _, low, high = scene_bootstrap(three[0], rng, draws=250)
        one += low <= 0.5 <= high
        _, low, high = seeds_bootstrap(three, rng, draws=250)
        few += low <= 0.5 <= high
    assert 0.92 <= many / 200 <= 0.98
    assert 0.92 <= components / 200 <= 0.98
    assert one / 200 < 0.9  # an interval by scene says nothing of the next seed
    assert few / 200 > one / 200


def test_the_seeds_of_one_result_have_no_spread_of_their_own() -> None:
    right = answers(np.random.default_rng(12), 50, 3)
    found = variance_components([right, right, right])
    assert (found.seed, found.rest) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert found.mean == pytest.approx(np.mean(right))
    assert found.freedom == pytest.approx(49)
    mean, low, high = seeds_bootstrap([right, right, right], np.random.default_rng(0))
    single = scene_bootstrap(right, np.random.default_rng(0))
    assert (mean, low, high) == pytest.approx(single, abs=0.01)


def test_seeds_need_the_same_questions_and_two_of_them() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="1 seed given; at least two are needed"):
        seeds_bootstrap([[[1.0]]], rng)
    with pytest.raises(InputError, match="the seeds do not have the same questions"):
        variance_components([[[1.0]], [[1.0, 0.0]]])
    with pytest.raises(InputError, match="the seeds have no question in common"):
        variance_components([[[]], [[]]])
    with pytest.raises(InputError, match="at least two scenes"):
        variance_components([[[1.0], []], [[0.0], []]])


def test_alike_questions_have_a_correlation_and_unlike_ones_none() -> None:
    rng = np.random.default_rng(13)
    right = answers(rng, 3000, 4)
    # Variance of a beta distribution over that of a right-or-wrong answer: 0.6 · 0.4 / 3 over 0.6 · 0.4.
    assert intraclass_correlation(right) == pytest.approx(1 / 3, abs=0.03)
    assert intraclass_correlation(rng.random((3000, 4)).tolist()) < 0.02
    assert intraclass_correlation([[1.0, 1.0], [0.0, 0.0, 0.0], []]) == 1.0
    assert intraclass_correlation([[1.0, 1.0], [1.0, 1.0]]) == 0.0
    assert math.isnan(intraclass_correlation([[1.0], [0.0]]))
    assert math.isnan(intraclass_correlation([[1.0, 0.0]]))


def test_the_detectable_difference_of_independent_questions_is_the_textbook_one() -> None:
    assert minimum_detectable_difference(3000, 1, 0.3) == pytest.approx((1.959964 + 0.841621) * math.sqrt(0.3 / 3000), rel=1e-5)
    assert minimum_detectable_difference(750, 4, 0.3, 1.0) == pytest.approx(minimum_detectable_difference(750, 1, 0.3))


def test_a_difference_of_the_detectable_size_is_found_as_often_as_promised() -> None:
    rng = np.random.default_rng(14)
    # A scene leans to one system: of the answers that differ, a share drawn per scene is in favour of the first.
    scenes, questions, disagreement = 150, 4, 0.3

    def differences(lean: float) -> np.ndarray:
        share = rng.beta(1 + lean, 1 - lean, size=(scenes, 1))
        favours = np.where(rng.random((scenes, questions)) < share, 1.0, -1.0)
        return favours * (rng.random((scenes, questions)) < disagreement)

    correlation = float(np.mean([intraclass_correlation(differences(0.0).tolist()) for _ in range(20)]))
    size = minimum_detectable_difference(scenes, questions, disagreement, correlation)
    lean = size / disagreement  # the mean of the share is (1 + lean) / 2
    nothing = np.zeros((scenes, questions)).tolist()
    found = [paired_comparison(differences(lean).tolist(), nothing, rng, draws=500).p_value <= 0.05 for _ in range(200)]
    assert 0.72 <= np.mean(found) <= 0.88


@pytest.mark.parametrize("wrong", [{"scenes": 1}, {"questions_per_scene": 0.5}, {"disagreement": 0.0}, {"correlation": 1.5}, {"alpha": 0.0}, {"power": 1.0}])
def test_numbers_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    good: dict[str, float] = {"scenes": 100, "questions_per_scene": 2.0, "disagreement": 0.3}
    with pytest.raises(InputError, match="at least 2 scenes of 1 question are needed, and shares between 0 and 1"):
        minimum_detectable_difference(**(good | wrong))  # type: ignore[arg-type]
