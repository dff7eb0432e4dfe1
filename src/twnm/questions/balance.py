"""Choosing questions so that who reads them alone, without the recording, cannot do better than chance.

Every option of a question is described by features of the text: its words, its rank among numbers, whether the question names it, each of these
together with each word of the question, and of sounds whether they belong to a situation with the other options, and to how many. For a chosen set of
questions, the sum over questions of

    features of the right option - mean features of all options

is the gradient of a reader that scores options linearly in the features and knows nothing yet: at zero there is nothing to learn. `balanced` chooses
questions one by one so that this sum stays as near to zero as the candidates allow (herding: Welling, "Herding dynamical weights to learn", ICML 2009).
Pairs of twins are chosen together. What no choice can balance, as an option that is never right, must not be among the candidates.
"""

import functools
import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Float32

from twnm.questions.schema import Item
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.classes import spoken

FEATURES = 2048
LOOKED_AT = 96
_STEPS = 1024  # of a feature's unit
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?: m| s|°)?")
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?°?")


@functools.lru_cache(maxsize=1 << 18)
def feature_index(name: str, features: int = FEATURES) -> int:
    """A feature's place in a table of `features`, the same on every machine."""
    return zlib.crc32(name.encode()) % features


@functools.lru_cache(maxsize=1 << 16)
def words_of(text: str) -> tuple[str, ...]:
    """The words and numbers of a text in lower case, each once."""
    return tuple(dict.fromkeys(_WORD.findall(text.casefold())))


def option_features(item: Item) -> Float32[np.ndarray, "options features"]:
    """Features of each option of a multiple-choice item, one row each."""
    table = np.zeros((len(item.options), FEATURES), np.float32)
    roles = option_roles(item)
    asked = words_of(functools.reduce(lambda text, option: text.replace(option, " "), item.options, item.question))
    share = 1.0 / np.sqrt(max(len(asked), 1))
    for row, (option, role, letter) in enumerate(zip(item.options, roles, item.letters, strict=True)):
        table[row, feature_index(f"letter {letter}")] += 1.0
        names = [f"text {option}", *role]
        for name in names:
            table[row, feature_index(name)] += 1.0
        for word in asked:
            for name in names[:2]:
                table[row, feature_index(f"{word}|{name}")] += share
        for word in words_of(option):
            table[row, feature_index(f"word {word}")] += 0.5
    return table


def option_roles(item: Item) -> list[list[str]]:
    """For each option: its rank and the lowest of all for numbers, else where the question names it and its rank in length."""
    if all(_NUMBER.fullmatch(option) for option in item.options):
        values = [float(re.sub(r"[^\d.-]", "", option)) for option in item.options]
        ranks = [sorted(values).index(value) for value in values]
        return [[f"rank {rank}", f"rank {rank} from {min(values):g}"] for rank in ranks]
    places = {option: item.question.find(option) for option in item.options}
    named = sorted(place for place in places.values() if place >= 0)
    lengths = sorted(len(option) for option in item.options)
    homes = [_situations(option) for option in item.options]
    return [
        [
            f"named {named.index(places[option]) if places[option] >= 0 else 'not'}",
            f"length {lengths.index(len(option)) / max(len(lengths) - 1, 1):.1f}",
            f"fits {sum(bool(home & other) for other in homes)} of {len(homes)}",
            f"common {sum(len(other) < len(home) for other in homes)} of {len(homes)}",
        ]
        for option, home in zip(item.options, homes, strict=True)
    ]


@functools.cache
def _situations(sound: str) -> frozenset[str]:
    """The situations that a sound belongs to by its spoken label; none for another text."""
    return frozenset(name for name, situation in SITUATIONS.items() if any(spoken(label) == sound for label in situation.weights))


def surprise(items: Iterable[Item]) -> Float32[np.ndarray, " features"]:
    """The sum over items of the right option's features minus the mean of all options': what a reader of the texts could learn."""
    total = np.zeros(FEATURES, np.float32)
    for item in items:
        features = option_features(item)
        total += features[item.letters.index(item.answer_letter or "")] - features.mean(axis=0)
    return total


def balanced(groups: Sequence[Sequence[Item]], count: int, rng: np.random.Generator, apart: bool = False, also: Sequence[float] = ()) -> list[int]:
    """Indices of `count` groups (all, if there are fewer) whose surprise sums to as little as possible, in the order of choice.

    Args:
        groups: items of one task that are taken or left together: an item, or an item and its twin; multiple choice only.
        count: how many groups to choose.
        rng: which groups are looked at in each step.
        apart: choose one group of a scene at most (scenes by the `scene_id` of a group's first item).
        also: a number for each group whose sum over the chosen shall be near zero too; it weighs as a feature of that size.
    """
    # Whole numbers in float64: sums are exact in any order, so every machine chooses the same.
    vectors = np.stack([np.rint(_STEPS * surprise(group)).astype(float) for group in groups]) if groups else np.zeros((0, FEATURES))
    if len(also):
        vectors = np.hstack([vectors, np.rint(_STEPS * np.array(also))[:, None]])
    norms = np.einsum("gf,gf->g", vectors, vectors)
    scenes = np.array([group[0].scene_id for group in groups])
    left = rng.permutation(len(groups))
    total: Float[np.ndarray, " features"] = np.zeros(vectors.shape[1])
    chosen: list[int] = []
    while len(chosen) < count and left.size:
        seen = rng.integers(left.size, size=min(LOOKED_AT, left.size))
        place = seen[np.argmin(norms[left[seen]] + 2 * vectors[left[seen]] @ total)]
        index = int(left[place])
        left = left[scenes[left] != scenes[index]] if apart else np.delete(left, place)
        total += vectors[index]
        chosen.append(index)
    return chosen
