"""What the questions alone give away: a reader that never hears a recording is trained on the questions of one half of many scenes and answers the others'.

    python benchmarks/questions.py --scenes 14000 --sounds FOLDER [--recipes indoor,moving] [--json]
    python benchmarks/questions.py --bench BENCH --sounds FOLDER [--json]

For each task: the reader's accuracy above chance on the questions as they are drawn, and on those that `twnm.questions.balance` chooses, with the standard
deviation that chance has on so many. Scenes are drawn, not rendered. The last line is the same as JSON with `--json`.

With `--bench`: a reader that had no part in choosing a benchmark's items (other training scenes, three times as many texts) answers its test split: each
task's accuracy above chance and what chance deviates by; over all items an interval by scene, and how often chance alone would scatter the tasks so far.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from twnm.bench.choose import trained_readers, training_texts
from twnm.bench.data import items_path
from twnm.bench.statistics import scene_bootstrap
from twnm.questions import TASKS, Item, ask_all
from twnm.questions.ask import read_questions
from twnm.questions.balance import balanced
from twnm.questions.reader import TextReader
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import Catalogue, load_catalogue

CHOSEN = 300
SEED = 31
READER_SEED, READER_TEXTS = 7_100_000, 1200


def above_chance(reader: TextReader, items: list[Item]) -> tuple[float, float, float]:
    """Accuracy minus chance, its standard deviation under chance, and chance; points of per cent."""
    chance = float(np.mean([1 / len(item.options) for item in items]))
    return 100 * (reader.accuracy(items) - chance), 100 * float(np.sqrt(chance * (1 - chance) / len(items))), 100 * chance


def measure(train: list[Item], others: list[Item]) -> dict[str, float]:
    """One row of the table."""
    rng = np.random.default_rng(SEED)
    reader = TextReader(train, rng)
    chosen = [others[index] for index in balanced([[item] for item in others], min(CHOSEN, len(others) // 5), rng)]
    drawn, _, _ = above_chance(reader, others)
    above, deviation, chance = above_chance(reader, chosen)
    return {"train": len(train), "drawn": len(others), "drawn_above": drawn, "chosen": len(chosen), "chosen_above": above, "sd": deviation, "chance": chance}


def measure_benchmark(folder: Path, bank: Catalogue) -> dict[str, Any]:
    """What an independent reader finds in the items of a benchmark's test split; prints a row for each task."""
    readers = trained_readers(training_texts(bank, READER_SEED, READER_TEXTS))
    items = [item for item in read_questions(items_path(folder, "test")) if not item.transform]
    excess = [(readers[item.task].answer(item) == item.answer_letter) - 1 / len(item.options) for item in items]
    table: dict[str, Any] = {}
    print(f"{'task':40} {'items':>6} {'above':>6} {'sd':>5}")
    for task in TASKS:
        its = [value for item, value in zip(items, excess, strict=True) if item.task == task]
        chances = np.array([1 / len(item.options) for item in items if item.task == task])
        deviation = 100 * float(np.sqrt(np.sum(chances * (1 - chances)))) / len(its)
        table[task] = {"items": len(its), "above": 100 * float(np.mean(its)), "sd": deviation}
        print(f"{task:40} {len(its):6} {table[task]['above']:+6.1f} {deviation:5.1f}")
    by_scene: dict[str, list[float]] = defaultdict(list)
    for item, value in zip(items, excess, strict=True):
        by_scene[item.scene_id].append(100 * value)
    mean, low, high = scene_bootstrap(list(by_scene.values()), np.random.default_rng(SEED))
    scatter = sum((row["above"] / row["sd"]) ** 2 for row in table.values())
    table["all"] = {"items": len(items), "above": mean, "low": low, "high": high, "p_scatter": float(chi2.sf(scatter, len(TASKS)))}
    print(f"{'all':40} {len(items):6} {mean:+6.1f} [{low:+.1f}, {high:+.1f}]; chance scatters the tasks so far with p = {table['all']['p_scatter']:.2f}")
    return table


def main() -> None:
    """Draw, ask, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=14000)
    parser.add_argument("--sounds", default=None)
    parser.add_argument("--recipes", default="indoor,outdoor,reverberant,moving,benchmark")
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    bank, recipes = load_catalogue(given.sounds), given.recipes.split(",")
    if given.bench:
        table = measure_benchmark(given.bench, bank)
        if given.json:
            print(json.dumps(table))
        return
    labels = bank.split("train").labels
    halves: tuple[dict[str, list[Item]], ...] = (defaultdict(list), defaultdict(list))
    for index in range(given.scenes):
        scene = draw_scene(bank, recipes[index // 2 % len(recipes)], SEED, index, "train")
        for item in ask_all(scene, np.random.default_rng([SEED, index]), labels=labels):
            halves[index % 2][item.task].append(item)
    print(f"{'task':40} {'train':>6} {'drawn':>6} {'above':>6} {'chosen':>7} {'above':>6} {'sd':>5} {'chance':>7}")
    table = {}
    for task in TASKS:
        if min(len(halves[0][task]), len(halves[1][task])) < 30:
            print(f"{task:40} {len(halves[0][task]):6} too few")
            continue
        table[task] = row = measure(halves[0][task], halves[1][task])
        print(
            f"{task:40} {row['train']:6} {row['drawn']:6} {row['drawn_above']:+6.1f} {row['chosen']:7} {row['chosen_above']:+6.1f}"
            f" {row['sd']:5.1f} {row['chance']:7.1f}",
            flush=True,
        )
    if given.json:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
