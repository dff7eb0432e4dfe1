"""How often the studio guesses the channel layout of a recording rightly: simulated scenes, each written in every layout.

    python benchmarks/layouts.py [--scenes 16] [--sounds FOLDER] [--json]

For each layout: of how many scenes it was guessed, and how often rightly and wrongly with certainty. The last line is the same as JSON with `--json`.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from twnm.ambisonics import LAYOUTS, from_ambix
from twnm.simulate import simulate
from twnm.sounds.catalogue import load_catalogue
from twnm.studio.layout_guess import guess_layout

RECIPES = ("indoor", "outdoor", "reverberant", "moving", "anechoic")
SEED = 5


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16, help="of each recipe")
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    bank = load_catalogue(given.sounds)
    counts: Counter[tuple[str, str]] = Counter()
    for recipe in RECIPES:
        for foa, _ in simulate(recipe, SEED, bank, count=given.scenes, split="none"):
            for layout in LAYOUTS:
                guess = guess_layout(from_ambix(foa, layout))
                outcome = "right" if guess.layout == layout else "wrong"
                counts[layout, outcome] += 1
                counts[layout, f"certainly {outcome}"] += guess.certain
    outcomes = ("right", "wrong", "certainly right", "certainly wrong")
    table = {layout: {outcome: counts[layout, outcome] for outcome in outcomes} for layout in LAYOUTS}
    for layout, row in table.items():
        print(f"{layout:6}", *(f"{outcome} {count}" for outcome, count in row.items()))
    if given.json:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
