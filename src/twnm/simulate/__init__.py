"""Simulated first-order Ambisonic scenes: rooms, responses, rendering and the sampler.

`for foa, scene in simulate("indoor", seed=0, count=10): ...` draws and renders scenes; `dataset.write` stores them.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from twnm.scene import Scene

if TYPE_CHECKING:
    from twnm.simulate.sampler import Recipe
    from twnm.sounds.catalogue import Catalogue

__all__ = ["simulate"]


def simulate(
    recipe: "str | Path | Recipe" = "indoor",
    seed: int = 0,
    catalogue: "Catalogue | None" = None,
    start: int = 0,
    count: int | None = None,
    split: str = "train",
) -> Iterator[tuple[Float32[np.ndarray, "4 samples"], Scene]]:
    """Draw and render scenes `start`, `start + 1`, ... of a seed; endlessly when `count` is None.

    `recipe`: the name of a built-in one, a TOML file, or a recipe; `catalogue` None opens what the user has (`twnm.sounds.load_catalogue`).
    Yields AmbiX audio at 24 kHz and the scene that describes it.
    Raises InputError for an unknown or wrong recipe, or an unknown split.
    """
    from twnm.simulate.render import render
    from twnm.simulate.sampler import Recipe, draw_scene
    from twnm.sounds.catalogue import load_catalogue

    drawn_from = Recipe.of(recipe)
    bank = load_catalogue() if catalogue is None else catalogue
    for index in itertools.count(start) if count is None else range(start, start + count):
        yield render(draw_scene(bank, drawn_from, seed, index, split), bank)
