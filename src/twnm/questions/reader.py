"""A reader of questions alone: it never hears a recording, and learns from many questions with their answers what the texts give away.

A conditional logit: each option gets a linear score from words, from pairs of a word of the question and a word of the option, from its rank among
numbers, its length, whether the question names it, and the options beside it; the options' probabilities are the softmax of their scores. How strongly
the weights are held back is chosen on a fifth of the training questions. One such reader for each task.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from twnm.questions.balance import feature_index, option_roles, words_of
from twnm.questions.schema import Item

FEATURES = 1 << 13
PENALTIES = (0.003, 0.03, 0.3)
STEPS = 40


@dataclass(frozen=True)
class _Texts:
    """Features of all options of some items (rows), the item of each row, the first row of each item, and the row of its right option."""

    features: csr_matrix
    item: Int[np.ndarray, " rows"]
    first: Int[np.ndarray, " items"]
    right: Int[np.ndarray, " items"]

    @classmethod
    def of(cls, items: Sequence[Item]) -> "_Texts":
        columns: list[int] = []
        ends, item, right = [0], list[int](), list[int]()
        for number, one in enumerate(items):
            right.append(len(item) + one.letters.index(one.answer_letter or ""))
            for names in _names(one):
                columns += [feature_index(name, FEATURES) for name in names]
                ends.append(len(columns))
                item.append(number)
        matrix = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(item), FEATURES))
        counts = np.array([len(one.options) for one in items])
        return cls(matrix, np.array(item), np.cumsum(counts) - counts, np.array(right))

    def probabilities(self, weights: Float[np.ndarray, " features"]) -> Float[np.ndarray, " rows"]:
        scores = self.features @ weights
        raised = np.exp(scores - np.maximum.reduceat(scores, self.first)[self.item])
        return raised / np.add.reduceat(raised, self.first)[self.item]

    def accuracy(self, weights: Float[np.ndarray, " features"]) -> float:
        """Share of items whose right option is the most probable; options that are equally so share it."""
        odds = self.probabilities(weights)
        best = odds >= np.maximum.reduceat(odds, self.first)[self.item] - 1e-9
        return float(np.mean(best[self.right] / np.bincount(self.item, best)))


def _names(item: Item) -> list[list[str]]:
    asked = words_of(item.question)
    found = []
    for option, role in zip(item.options, option_roles(item), strict=True):
        said = words_of(option)
        names = [f"text {option}", *role, *(f"word {word}" for word in said), *(f"{a} {b}" for a, b in itertools.pairwise(said))]
        names += [f"{word}|{name}" for word in asked for name in (*said, *role)]
        names += [f"{option}~{other}" for other in item.options if other != option]
        found.append(names)
    return found


class TextReader:
    """A trained reader of one task's questions."""

    def __init__(self, items: Sequence[Item], rng: np.random.Generator) -> None:
        order = rng.permutation(len(items))
        fifth = len(items) // 5
        held, kept = ([items[index] for index in part] for part in (order[:fifth], order[fifth:]))
        best = PENALTIES[0]
        if held:
            trial, check = _Texts.of(kept), _Texts.of(held)
            best = max(PENALTIES, key=lambda penalty: check.accuracy(_fit(trial, penalty)))
        self.weights = _fit(_Texts.of(items), best)

    @classmethod
    def of(cls, weights: Float[np.ndarray, " features"]) -> "TextReader":
        """A reader that was trained before."""
        reader = cls.__new__(cls)
        reader.weights = weights
        return reader

    def accuracy(self, items: Sequence[Item]) -> float:
        """Share of the items that it answers right."""
        return _Texts.of(items).accuracy(self.weights)

    def answer(self, item: Item) -> str:
        """The letter of the option that it finds most probable; of those within rounding the first, so that every machine gives the same."""
        return item.letters[int(self.chances(item).round(4).argmax())]

    def chances(self, item: Item) -> Float[np.ndarray, " options"]:
        """The probability that it gives to each option."""
        return _Texts.of([item]).probabilities(self.weights)


def _fit(texts: _Texts, penalty: float) -> Float[np.ndarray, " features"]:
    count = len(texts.right)

    def loss(weights: Float[np.ndarray, " features"]) -> tuple[float, Float[np.ndarray, " features"]]:
        odds = texts.probabilities(weights)
        value = -np.log(odds[texts.right]).mean() + penalty * weights @ weights / 2
        odds[texts.right] -= 1.0
        return float(value), texts.features.T @ odds / count + penalty * weights

    return np.asarray(minimize(loss, np.zeros(FEATURES), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x)
