"""The command that measures a model: evaluate."""

import contextlib
import sys
from pathlib import Path

from rich.console import Console

from twnm.commands.shared import Flag, app, check_counts, check_model, open_sounds, print_json
from twnm.terminal import counted


@app.command
def evaluate(
    *, model: str = "small", sounds: Path | None = None, scenes: int = 300, seed: int = 0, recipe: str = "indoor", workers: int = 2, json: Flag = False
) -> None:
    """Measure a model on new scenes of unseen recordings.

    Parameters
    ----------
    model
        "small", or a folder of trained weights.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    scenes
        How many.
    seed
        Of the scenes.
    recipe
        A built-in recipe (benchmark, indoor, outdoor, reverberant, moving, anechoic), or a file of your own that ends in .toml.
    workers
        Processes; the figures do not depend on it.
    json
        Print one JSON object and nothing else.
    """
    from twnm.simulate.sampler import Recipe

    check_counts(scenes=scenes, workers=workers)
    Recipe.of(recipe)
    check_model(model)
    open_sounds(sounds)
    from twnm.bench.evaluate import evaluate_model

    folder = "" if sounds is None else str(sounds)
    with contextlib.redirect_stdout(sys.stderr):
        result = evaluate_model(model, folder, scenes=scenes, seed=seed, recipe=recipe, workers=workers, progress=counted)
    if json:
        print_json(result)
        return
    from twnm.report import evaluation_view

    Console().print(evaluation_view(result))
