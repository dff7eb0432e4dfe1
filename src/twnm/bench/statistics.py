"""Intervals, tests and what a test can see, for figures measured on scenes.

Questions of one scene are not independent, so scenes are the unit: they are what is resampled (bootstrap) and what is flipped (permutation). Values come
as one sequence per scene, which may be empty; a mean is over all values, so a scene counts by its number of questions. Where a system was trained with
several seeds, a seed is drawn from all seeds as a scene is from all scenes (crossed random effects).

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (percentile interval, also for clusters); Owen, "The pigeonhole bootstrap", Annals
of Applied Statistics 2007 (seeds and scenes resampled at once); Holm, Scandinavian Journal of Statistics 1979; Searle, Casella and McCulloch, "Variance
Components", 1992; Satterthwaite, Biometrics Bulletin 1946; Kish, "Survey Sampling", 1965 (design effect).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, t

from twnm.errors import InputError

_CHUNK = 2_000_000  # numbers drawn at once: memory does not grow with scenes times draws
_TIE = 1e-9

Values = Sequence[Sequence[float]]


def _sums(values: Values) -> tuple[Float[np.ndarray, " scenes"], Float[np.ndarray, " scenes"]]:
    """Sum and number of the values of each scene that has any."""
    counts = np.array([len(one) for one in values if len(one)], int)
    flat = np.fromiter(itertools.chain.from_iterable(values), float)
    return np.add.reduceat(flat, np.cumsum(counts) - counts) if counts.size else flat, counts.astype(float)


def _chunks(draws: int, size: int) -> Iterator[int]:
    """How many draws of `size` numbers to make at a time."""
    step = max(1, _CHUNK // max(size, 1))
    for start in range(0, draws, step):
        yield min(step, draws - start)


def _interval(means: Float[np.ndarray, " draws"], level: float) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def scene_bootstrap(values: Values, rng: np.random.Generator, draws: int = 2000, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of all values and its percentile bootstrap interval by scene.

    Args:
        values: one sequence for each scene (may be empty: such a scene does not count).
        rng: source of the resampling.
        draws: bootstrap samples.
        level: of the interval.

    Returns:
        (mean, low, high); three NaN without any value.
    """
    sums, counts = _sums(values)
    if not sums.size:
        return float("nan"), float("nan"), float("nan")
    # Scenes with the same sum and number are one kind: how often a kind is drawn is multinomial, and right or wrong answers make few kinds.
    kinds, repeats = np.unique(np.stack([sums, counts]), axis=1, return_counts=True)
    means = []
    for step in _chunks(draws, repeats.size):
        totals = rng.multinomial(sums.size, repeats / sums.size, size=step) @ kinds.T
        means.append(totals[:, 0] / totals[:, 1])
    return float(sums.sum() / counts.sum()), *_interval(np.concatenate(means), level)


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same questions: the mean difference (first minus second), its interval, and the p value of no difference (two-sided)."""

    difference: float
    low: float
    high: float
    p_value: float


def paired_comparison(first: Values, second: Values, rng: np.random.Generator, draws: int = 10_000, level: float = 0.95) -> Comparison:
    """Compare two systems that answered the same questions.

    The interval is the bootstrap by scene of the differences, with 2,000 samples. The test flips the sign of all differences of a scene together, `draws`
    times, as would be equally likely if the systems did not differ; p = (1 + flips at least as far from 0) / (1 + draws), so it is never 0.

    Raises:
        InputError: the systems did not answer the same number of questions in every scene, or there is none.
    """
    if [len(one) for one in first] != [len(one) for one in second]:
        raise InputError("the two systems do not have the same questions in the same scenes; compare them on the items that both answered")
    differences = [[a - b for a, b in zip(one, other, strict=True)] for one, other in zip(first, second, strict=True)]
    sums, counts = _sums(differences)
    if not sums.size:
        raise InputError("the two systems have no question in common")
    mean, low, high = scene_bootstrap(differences, rng, level=level)
    sizes, repeats = np.unique(np.abs(sums), return_counts=True)
    as_far = 0
    for step in _chunks(draws, sizes.size):
        flipped = (2 * rng.binomial(repeats, 0.5, size=(step, sizes.size)) - repeats) @ sizes
        as_far += int((np.abs(flipped) >= abs(sums.sum()) - _TIE * counts.sum()).sum())
    return Comparison(mean, low, high, (1 + as_far) / (1 + draws))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for being tested together (Holm): rejecting those below alpha keeps the chance of any false rejection below alpha.

    Raises:
        InputError: a value is not between 0 and 1.
    """
    p = np.asarray(p_values, float)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p values must lie between 0 and 1, not {p[~((p >= 0) & (p <= 1))][0]:g}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order]) if p.size else p
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(value) for value in adjusted]


def seeds_bootstrap(values: Sequence[Values], rng: np.random.Generator, draws: int = 2000, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval when seeds and scenes are both drawn: every bootstrap sample resamples the seeds and, apart from them, the scenes.

    With few seeds this interval is too narrow in the part that seeds cause (by (seeds - 1) / seeds in variance, and no bootstrap makes up for three values):
    with less than about ten seeds report `variance_components` beside it.

    Args:
        values: for every seed the values by scene, of the same questions.
        rng, draws, level: as in `scene_bootstrap`.

    Returns:
        (mean, low, high).

    Raises:
        InputError: less than two seeds, or seeds with different questions.
    """
    sums, counts = _by_seed(values)
    seeds, scenes = sums.shape
    means = []
    for step in _chunks(draws, scenes * seeds):
        scene_weight = rng.multinomial(scenes, np.full(scenes, 1 / scenes), size=step)
        seed_weight = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=step)
        means.append(np.sum((scene_weight @ sums.T) * seed_weight, axis=1) / (seeds * (scene_weight @ counts)))
    return float(sums.sum() / (seeds * counts.sum())), *_interval(np.concatenate(means), level)


@dataclass(frozen=True)
class Components:
    """Where the spread of a mean over seeds and scenes comes from.

    `seed`, `scene` and `rest` are standard deviations of what one seed, one scene, and one seed on one scene add to a scene's mean. `error` is the standard
    error of `mean` for new seeds and new scenes, `low` and `high` its interval (Student's t with Satterthwaite's degrees of freedom).
    """

    mean: float
    seed: float
    scene: float
    rest: float
    error: float
    freedom: float
    low: float
    high: float


def variance_components(values: Sequence[Values], level: float = 0.95) -> Components:
    """Split the spread of the scenes' means over seeds, scenes and the rest (two-way random effects, analysis of variance).

    Every scene counts the same here. Estimates below zero are shown as zero; the standard error is from the mean squares,
    (MS_seed + MS_scene - MS_rest) / (seeds scenes), but never less than the scenes alone cause.

    Raises:
        InputError: less than two seeds or scenes, or seeds with different questions.
    """
    sums, counts = _by_seed(values)
    cells = sums / counts
    seeds, scenes = cells.shape
    if scenes < 2:
        raise InputError("variance components need at least two scenes")
    by_seed, by_scene, mean = cells.mean(axis=1), cells.mean(axis=0), float(cells.mean())
    ms_seed = scenes * by_seed.var(ddof=1)
    ms_scene = seeds * by_scene.var(ddof=1)
    ms_rest = float(((cells - by_seed[:, None] - by_scene + mean) ** 2).sum()) / ((seeds - 1) * (scenes - 1))
    square = max(ms_seed + ms_scene - ms_rest, ms_scene)
    spread = ms_seed**2 / (seeds - 1) + ms_scene**2 / (scenes - 1) + ms_rest**2 / ((seeds - 1) * (scenes - 1))
    freedom = float(square**2 / spread) if spread > 0 else float(scenes - 1)
    error = float(np.sqrt(square / (seeds * scenes)))
    reach = float(t.ppf((1 + level) / 2, freedom)) * error
    seed, scene = (float(np.sqrt(max(0.0, part))) for part in ((ms_seed - ms_rest) / scenes, (ms_scene - ms_rest) / seeds))
    return Components(mean, seed, scene, float(np.sqrt(ms_rest)), error, freedom, mean - reach, mean + reach)


def _by_seed(values: Sequence[Values]) -> tuple[Float[np.ndarray, "seeds scenes"], Float[np.ndarray, " scenes"]]:
    """Sums by seed and scene, and the number of values of each scene; scenes without any are left out."""
    if len(values) < 2:
        raise InputError(f"{len(values)} seed{'s' if len(values) != 1 else ''} given; at least two are needed to say how much a seed matters")
    shapes = [[len(one) for one in seed] for seed in values]
    if any(shape != shapes[0] for shape in shapes):
        raise InputError("the seeds do not have the same questions in the same scenes; give the items that all answered")
    if not sum(shapes[0]):
        raise InputError("the seeds have no question in common")
    return np.stack([_sums(seed)[0] for seed in values]), _sums(values[0])[1]


def intraclass_correlation(values: Values) -> float:
    """How alike the values of one scene are: 0 not at all, 1 all equal (analysis of variance for groups of unequal size; never below 0).

    NaN if no scene has two values or there is no second scene.
    """
    sums, counts = _sums(values)
    total, scenes = counts.sum(), counts.size
    if scenes < 2 or total <= scenes:
        return float("nan")
    flat, means = np.fromiter(itertools.chain.from_iterable(values), float), sums / counts
    between = float((counts * (means - flat.mean()) ** 2).sum()) / (scenes - 1)
    within = float(((flat - np.repeat(means, counts.astype(int))) ** 2).sum()) / (total - scenes)
    size = (total - (counts**2).sum() / total) / (scenes - 1)
    spread = between + (size - 1) * within
    return max(0.0, float((between - within) / spread)) if spread > 0 else 0.0


def minimum_detectable_difference(
    scenes: int, questions_per_scene: float, disagreement: float, correlation: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest true difference of two accuracies that a paired two-sided test finds with the given power.

        (z_{1 - alpha/2} + z_{power}) sqrt(disagreement · deff / n),   n = scenes · questions_per_scene,   deff = 1 + (questions_per_scene - 1) correlation

    Args:
        scenes: number of scenes.
        questions_per_scene: mean number of questions of a scene.
        disagreement: share of the questions that exactly one of the two systems has right; it is the variance of a difference (its mean being small).
        correlation: of the differences within a scene, as `intraclass_correlation` of them gives it.
        alpha: of the test; divide it by the number of comparisons for what the strictest step of Holm's correction asks.
        power: chance to find the difference.

    Raises:
        InputError: a number is outside its range.
    """
    shares = (0 < disagreement <= 1, 0 <= correlation <= 1, 0 < alpha < 1, 0 < power < 1)
    if scenes < 2 or questions_per_scene < 1 or not all(shares):
        given = f"scenes {scenes}, questions_per_scene {questions_per_scene:g}, disagreement {disagreement:g}, correlation {correlation:g}"
        raise InputError(f"{given}, alpha {alpha:g}, power {power:g}: at least 2 scenes of 1 question are needed, and shares between 0 and 1")
    deff = 1 + (questions_per_scene - 1) * correlation
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * np.sqrt(disagreement * deff / (scenes * questions_per_scene)))
