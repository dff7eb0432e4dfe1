"""Intervals for figures measured on scenes. Questions of one scene are not independent, so scenes are what is resampled."""

from collections.abc import Sequence

import numpy as np


def scene_bootstrap(values: Sequence[Sequence[float]], rng: np.random.Generator, draws: int = 2000, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of all values and its percentile bootstrap interval by scene (Efron and Tibshirani, 1993).

    Args:
        values: one sequence for each scene (may be empty).
        rng: source of the resampling.
        draws: bootstrap samples.
        level: of the interval.

    Returns:
        (mean, low, high); three NaN without any value.
    """
    sums = np.array([float(np.sum(one)) for one in values])
    counts = np.array([len(one) for one in values], float)
    if counts.sum() == 0:
        return float("nan"), float("nan"), float("nan")
    picks = rng.integers(len(sums), size=(draws, len(sums)))
    means = sums[picks].sum(axis=1) / np.maximum(counts[picks].sum(axis=1), 1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(sums.sum() / counts.sum()), float(low), float(high)
