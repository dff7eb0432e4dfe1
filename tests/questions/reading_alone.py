"""Asks about many drawn scenes, trains a reader of the questions alone on half of them, and prints what it makes of the others, as JSON.

`python reading_alone.py SCENES`. Run by test_balance.py in a process of its own, where the run-time checks of types do not slow it down.
"""

import json
import sys
from collections import Counter, defaultdict

import numpy as np
from scene_drawing import drawn_scene

from twnm.questions import TASKS, Item, ask_all
from twnm.questions.balance import balanced
from twnm.questions.reader import TextReader


def read(train: list[Item], candidates: list[Item]) -> dict[str, object]:
    rng = np.random.default_rng(0)
    chosen = balanced([[item] for item in candidates], min(400, max(len(candidates) // 3, 30)), rng)
    items = [candidates[index] for index in chosen]
    return {
        "count": len(items),
        "chance": float(np.mean([1 / len(item.options) for item in items])),
        "accuracy": TextReader(train, rng).accuracy(items),
        "letters": Counter(f"{len(item.options)}{item.answer_letter}" for item in items),
    }


def main(scenes: int) -> None:
    halves: tuple[dict[str, list[Item]], ...] = (defaultdict(list), defaultdict(list))
    for number in range(scenes):
        for item in ask_all(drawn_scene(np.random.default_rng([99, number]), number), np.random.default_rng([7, number])):
            halves[number % 2][item.task].append(item)
    print(json.dumps({task: read(halves[0][task], halves[1][task]) for task in TASKS}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
