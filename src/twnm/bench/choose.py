"""Choosing the items of a benchmark from drawn scenes, before anything is rendered: questions are functions of a Scene.

Scenes are drawn in order until every task has candidates in a fifth more scenes than it needs items; a task looks at no more than twice as many
scenes, so that common tasks share the first scenes and few have to be rendered. Tasks choose in the order of their scarcity, one item
of a task and six in all from a scene at most, each so that its questions read alone give nothing away: the words are balanced (`twnm.questions.balance`),
and a reader of texts, the system `question-only`, is right about as often as by guessing (after Le Bras et al., "Adversarial filters of dataset biases",
ICML 2020). What is balanced is the items; an item's twin comes with it.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twnm.errors import InputError
from twnm.questions.ask import TASKS, ask_one, ask_twins
from twnm.questions.balance import balanced
from twnm.questions.reader import TextReader
from twnm.questions.schema import Item
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import Catalogue

RECIPE: Final = "benchmark"
LEVELS: Final = ("L1", "L2", "L3")
TRIES: Final = 4
MOST_PER_SCENE: Final = 6
CHOICE: Final = 1.2
DEPTH: Final = 2.0
KEPT: Final = 8
_READER_SEED: Final = 0
_READER: Final = 4.0  # how much a right answer of the reader weighs against the words
_QUESTIONS, _KEEPING, _BALANCE, _OPEN = 101, 102, 103, 104  # apart from the streams of the scenes
Pair = tuple[Item, Item | None]


@dataclass
class _Pool:
    """Candidates of one task: at most `size` of all that were seen, each as likely (reservoir sampling), and in how many scenes there were any.

    From `most` scenes on no more are added.
    """

    size: int
    most: float = math.inf
    pairs: list[Pair] = field(default_factory=list)
    seen: int = 0
    scenes: int = 0

    def add(self, pair: Pair, rng: np.random.Generator) -> None:
        self.seen += 1
        if len(self.pairs) < self.size:
            self.pairs.append(pair)
        elif (place := int(rng.integers(self.seen))) < self.size:
            self.pairs[place] = pair


def quotas(items: int) -> dict[str, int]:
    """How many items each task gets: as equal as they can be, level by level."""
    wanted: dict[str, int] = {}
    for level, total in zip(LEVELS, _shares(items, len(LEVELS)), strict=True):
        tasks = [name for name, task in TASKS.items() if task.level == level]
        wanted |= dict(zip(tasks, _shares(total, len(tasks)), strict=True))
    return wanted


def _shares(total: int, count: int) -> list[int]:
    return [total // count + (place < total % count) for place in range(count)]


class _Candidates:
    """Candidates from scenes drawn one after another."""

    def __init__(self, bank: Catalogue, split: str, seed: int, folder: str, pools: Mapping[str, _Pool]) -> None:
        self.bank, self.split, self.seed, self.folder = bank, split, seed, folder
        self.labels = bank.split(split).labels
        self.pools = {task: pool for task, pool in pools.items() if pool.size}
        self.drawn = 0
        self._keeping = np.random.default_rng([seed, _KEEPING])

    def draw_until(self, scenes: Mapping[str, int], most: int) -> None:
        """Draw until every task has candidates in so many scenes; raises InputError when `most` scenes do not give that."""
        while lacking := [task for task, pool in self.pools.items() if pool.scenes < scenes[task]]:
            if self.drawn >= most:
                raise InputError(f"{self.drawn} scenes of split {self.split!r} give too few questions of {', '.join(lacking)}; give a larger sound bank")
            self._draw()

    def _draw(self) -> None:
        scene = draw_scene(self.bank, RECIPE, self.seed, self.drawn, self.split)
        rng = np.random.default_rng([self.seed, self.drawn, _QUESTIONS])
        found = set()
        for item, twin in ask_twins(scene, rng, TRIES, self.split, f"{self.folder}/{scene.scene_id}.flac", labels=self.labels):
            if item.task in self.pools and self.pools[item.task].scenes < self.pools[item.task].most:
                self.pools[item.task].add((item, twin), self._keeping)
                found.add(item.task)
        for task in found:
            self.pools[task].scenes += 1
        self.drawn += 1


def trained_readers(items: Sequence[Item]) -> dict[str, TextReader]:
    """A reader of texts for each task that has items of multiple choice."""
    by_task: dict[str, list[Item]] = {}
    for item in items:
        by_task.setdefault(item.task, []).append(item)
    return {task: TextReader(its, np.random.default_rng(_READER_SEED)) for task, its in by_task.items()}


def choose(bank: Catalogue, split: str, seed: int, folder: str, items: int, readers: Mapping[str, TextReader]) -> list[Item]:
    """The items of a part of a benchmark with their twins, those of a scene together, scenes in order; `file_name` is FOLDER/SCENE_ID.flac.

    `readers` are those that the choice makes right by guessing only, by task.

    Raises:
        InputError: the bank does not give enough questions.
    """
    wanted, factor = quotas(items), CHOICE
    while True:
        pools = {task: _Pool(KEPT * count, DEPTH * factor * count) for task, count in wanted.items()}
        candidates = _Candidates(bank, split, seed, folder, pools)
        candidates.draw_until({task: math.ceil(factor * count) for task, count in wanted.items()}, 100 + 20 * items)
        chosen = _chosen(candidates.pools, wanted, seed, readers)
        if chosen is not None:
            return _in_order(chosen)
        factor += 0.5


def _chosen(pools: Mapping[str, _Pool], wanted: Mapping[str, int], seed: int, readers: Mapping[str, TextReader]) -> list[Pair] | None:
    """Pairs for every task; None when the limit of items of a scene leaves one too few."""
    used: Counter[str] = Counter()
    chosen: list[Pair] = []
    for number, task in enumerate(sorted(pools, key=lambda task: pools[task].scenes / wanted[task])):
        free = [pair for pair in pools[task].pairs if used[pair[0].scene_id] < MOST_PER_SCENE]
        luck = [_READER * ((readers[task].answer(item) == item.answer_letter) - 1 / len(item.options)) for item, _ in free]
        places = balanced([[item] for item, _ in free], wanted[task], np.random.default_rng([seed, number, _BALANCE]), apart=True, also=luck)
        if len(places) < wanted[task]:
            return None
        chosen += [free[place] for place in places]
        used.update(free[place][0].scene_id for place in places)
    return chosen


def open_items(bank: Catalogue, split: str, seed: int, chosen: Sequence[Item]) -> list[Item]:
    """Questions without options about the scenes of a part's chosen items: of every task that a scene's items have, one, where the scene allows it."""
    labels, found = bank.split(split).labels, []
    for file_name, items in itertools.groupby(chosen, key=lambda item: item.file_name):
        of_scene = list(items)
        index = scene_index(of_scene[0])
        scene, rng = draw_scene(bank, RECIPE, seed, index, split), np.random.default_rng([seed, index, _OPEN])
        asked = (ask_one(scene, task, rng, split, file_name, "open", labels) for task in dict.fromkeys(item.task for item in of_scene))
        found += [item for item in asked if item is not None]
    return found


def _in_order(pairs: Sequence[Pair]) -> list[Item]:
    tasks = list(TASKS)
    ordered = sorted(pairs, key=lambda pair: (scene_index(pair[0]), tasks.index(pair[0].task), pair[0].sample_id))
    return [item for pair in ordered for item in pair if item is not None]


def scene_index(item: Item) -> int:
    """The number of an item's scene in its draw."""
    return int(item.scene_id.rpartition("-")[2])


def training_texts(bank: Catalogue, seed: int, per_task: int) -> list[Item]:
    """Items of the train split with their twins, `per_task` of each task and not balanced, for systems that learn from texts; they have no recordings.

    Raises InputError when the bank does not give enough questions.
    """
    candidates = _Candidates(bank, "train", seed, "none", {task: _Pool(per_task) for task in TASKS})
    candidates.draw_until(dict.fromkeys(TASKS, -(-per_task // TRIES)), 100 + 50 * per_task)
    return _in_order([pair for pool in candidates.pools.values() for pair in pool.pairs])
