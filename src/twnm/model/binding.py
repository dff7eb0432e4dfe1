"""Which heard object a name in a question means: names are bound to objects by the encoder's class probabilities before the language model reads.

A question about "the dog" presupposes one dog. The object that most probably is a dog is meant: the assignment of names to objects, one each, with the
largest product of probabilities; another object that was heard as a dog is called by its next probable name. Names in the question, and those that all
options hold, come first; other names in the options take what is left, if they are not improbable, and less easily where an option is heard already. A
question that asks for one of the sounds there are presupposes that they are among the options: then names in the options take whatever is left.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from twnm.model.hear import HeardObject
from twnm.sounds.classes import spoken

_LEAST_CHANCE = 1e-3
_LEAST_FOR_OPTIONS, _LEAST_BESIDE_ANOTHER = 0.03, 0.15


def bind(objects: Sequence[HeardObject], question: str, options: Sequence[str], classes: Sequence[str], among_options: bool = False) -> list[str]:
    """The labels of the objects as the question means them; an object that no name means keeps its own.

    With `among_options` the objects are taken to be among the sounds in the options, however improbable.
    """
    labels = [item.label for item in objects]
    free = [row for row, item in enumerate(objects) if item.chances]
    everywhere = [name for name in names_in("; ".join(options), classes) if all(name in names_in(option, classes) for option in options)]
    asked = list(dict.fromkeys([*names_in(question, classes), *everywhere]))
    offered = [name for name in names_in("; ".join(options), classes) if name not in asked]
    least_offered = 0.0 if among_options else _LEAST_BESIDE_ANOTHER if any(label in offered for label in labels) else _LEAST_FOR_OPTIONS
    for names, least in ((asked, 0.0), (offered, least_offered)):
        if not names or not free:
            continue
        chances = np.array([[objects[row].chances[classes.index(name)] for name in names] for row in free])
        rows, columns = linear_sum_assignment(-np.log(np.maximum(chances, _LEAST_CHANCE)))
        meant = {free[row]: names[column] for row, column in zip(rows, columns, strict=True) if chances[row, column] >= least}
        for row, name in meant.items():
            labels[row] = name
        free = [row for row in free if row not in meant]
    for row in free:
        if labels[row] in asked:
            labels[row] = _next_probable(objects[row], classes, {*asked, *offered})
    return labels


def _next_probable(item: HeardObject, classes: Sequence[str], taken: set[str]) -> str:
    """The most probable name of an object that is not taken; its own if all are."""
    left = [(chance, label) for chance, label in zip(item.chances, classes, strict=True) if label not in taken]
    return max(left)[1] if left else item.label


def called(objects: Sequence[HeardObject], labels: Sequence[str]) -> list[HeardObject]:
    """The objects with other labels; one that is called otherwise than it was heard has no other names."""
    return [item if label == item.label else replace(item, label=label, others=()) for item, label in zip(objects, labels, strict=True)]


def names_in(text: str, classes: Sequence[str]) -> list[str]:
    """The labels whose spoken names a text holds, in its order."""
    by_name = {spoken(label): label for label in classes}
    pattern = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    return list(dict.fromkeys(by_name[found] for found in re.findall(rf"\b(?:{pattern})\b", text)))
