"""Intervals by scene: the right mean, and the promised coverage although the questions of a scene are alike."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from twnm.bench.statistics import scene_bootstrap


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


def test_one_question_a_scene_gives_the_percentile_bootstrap_of_scipy() -> None:
    values = np.random.default_rng(1).normal(size=80)
    _, low, high = scene_bootstrap([[value] for value in values], np.random.default_rng(2), draws=20_000)
    expected = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_interval_covers_the_truth_in_about_95_of_100_data_sets_with_alike_questions() -> None:
    rng = np.random.default_rng(4)
    covered = naive_covered = 0
    for _ in range(200):
        ease = rng.beta(1.2, 0.8, size=80)  # of a scene; the mean is 0.6
        right = (rng.random((80, 5)) < ease[:, None]).astype(float)
        _, low, high = scene_bootstrap(right.tolist(), rng, draws=400)
        covered += low <= 0.6 <= high
        _, low, high = scene_bootstrap([[value] for value in right.ravel()], rng, draws=400)
        naive_covered += low <= 0.6 <= high
    assert 180 <= covered <= 196
    assert naive_covered < 170  # what resampling questions would have promised


def test_a_wider_level_gives_a_wider_interval() -> None:
    values = np.random.default_rng(5).normal(size=(50, 2)).tolist()
    _, low, high = scene_bootstrap(values, np.random.default_rng(6), level=0.95)
    _, lower, higher = scene_bootstrap(values, np.random.default_rng(6), level=0.99)
    assert lower < low < high < higher
