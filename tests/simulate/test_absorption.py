"""Absorption and reverberation time are inverse to one another by Eyring's formula; what walls share keeps its mean."""

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.simulate.absorption import eyring_rt60_s, mean_absorption, share_absorption, solve_absorption


def test_sabine_limit_for_little_absorption() -> None:
    size_m = (6.0, 5.0, 3.0)
    walls = np.full((6, 7), 0.01)
    assert eyring_rt60_s(size_m, walls)[0] == pytest.approx(0.161 * 90 / (0.01 * 126), rel=0.05)


def test_shared_absorption_keeps_its_mean_and_its_limit() -> None:
    size_m = (4.0, 3.0, 2.5)
    mean = np.linspace(0.1, 0.8, 7)
    walls = share_absorption(size_m, mean, np.random.default_rng(0).uniform(0.05, 1, (6, 7)))
    np.testing.assert_allclose(mean_absorption(size_m, walls), mean, atol=1e-6)
    assert walls.max() <= 0.98


def test_shared_absorption_agrees_with_bisection() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        size_m = tuple(rng.uniform(2, 10, 3).tolist())
        mean, weights = rng.uniform(0.05, 0.95, 7), rng.uniform(0.02, 1.0, (6, 7))
        low, high = np.zeros(7), 0.98 / weights.min(axis=0)
        for _ in range(60):
            middle = 0.5 * (low + high)
            too_much = mean_absorption(size_m, np.minimum(middle * weights, 0.98)) > mean
            low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
        np.testing.assert_allclose(share_absorption(size_m, mean, weights), np.minimum(low * weights, 0.98), atol=1e-9)


def test_solved_absorption_gives_the_asked_time_by_eyring() -> None:
    size_m, times_s = (6.0, 5.0, 3.0), (0.7, 0.65, 0.6, 0.6, 0.55, 0.5, 0.4)
    walls = np.broadcast_to(solve_absorption(size_m, times_s), (6, 7))
    np.testing.assert_allclose(eyring_rt60_s(size_m, walls), times_s, rtol=1e-4)


def test_impossible_times_are_refused() -> None:
    with pytest.raises(InputError, match=r"absorption above 0\.99"):
        solve_absorption((15.0, 12.0, 5.0), (0.03,) * 7)
    with pytest.raises(InputError, match="air alone"):
        solve_absorption((6.0, 5.0, 3.0), (3.0,) * 7)
