"""Commands that measure a model: evaluate (what is heard and answered), evaluate encoder (what is heard, in depth), evaluate kept (what was not forgotten)."""

import contextlib
import sys
from pathlib import Path
from typing import Literal

from cyclopts import App
from rich.console import Console

from twnm.ambisonics import Layout
from twnm.commands.shared import Flag, app, check_counts, check_model, open_sounds, print_json
from twnm.errors import InputError
from twnm.terminal import counted, make_folder

evaluate_app = App(name="evaluate", help="Measure a model on new scenes of unseen recordings: what it hears and what it answers.")
app.command(evaluate_app)


@evaluate_app.default
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


@evaluate_app.command(name="encoder")
def evaluate_encoder(
    *,
    model: str = "small",
    sounds: Path | None = None,
    scenes: int = 300,
    alone: int = 100,
    seed: int = 0,
    recipe: str = "indoor",
    renderer: Literal["native", "pyroomacoustics"] = "native",
    responses: Path | None = None,
    layout: Layout = "ambix",
    control: bool = True,
    recordings: tuple[str, ...] = (),
    out: Path | None = None,
    workers: int = 1,
    json: Flag = False,
) -> None:
    """Measure what the encoder hears: direction, class, distance, number, motion, room, by conditions; with 95 % intervals by scene.

    Parameters
    ----------
    model
        "small", or a folder of trained weights.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    scenes
        How many.
    alone
        How many backgrounds without events, and silences, on which nothing should be heard.
    seed
        Of the scenes.
    recipe
        A built-in recipe (benchmark, indoor, outdoor, reverberant, moving, anechoic), or a file of your own that ends in .toml.
    renderer
        native, or pyroomacoustics: the same scenes by another simulator.
    responses
        Measured room responses, a folder or a file: the same sounds in that room, where nothing moves.
    layout
        Order and weights of the channels of the responses; no file says which it is.
    control
        Hear every scene again with Y, Z and X at zero.
    recordings
        Real recordings as LAYOUT:FILE, which are turned: do the objects turn with them?
    out
        Folder in which results are kept, so that a run that was stopped goes on; and to which more scenes can be added.
    workers
        Processes; the figures do not depend on it.
    json
        Print one JSON object and nothing else.
    """
    from twnm.simulate.sampler import Recipe

    check_counts(scenes=scenes, workers=workers)
    if alone < 0:
        raise InputError(f"--alone {alone} is negative; give 0 or more")
    Recipe.of(recipe)
    if responses is not None and renderer != "native":
        raise InputError(f"--renderer {renderer} has no measured rooms; leave it or --responses out")
    check_model(model)
    open_sounds(sounds)
    if out is not None:
        make_folder(out)
    from twnm.bench.ears import EarsJob, measure
    from twnm.bench.ears_figures import figures
    from twnm.bench.turning import turn_recordings
    from twnm.model.ears import load_ears

    places = ["" if path is None else str(path) for path in (sounds, responses)]
    job = EarsJob(model, places[0], recipe, seed, renderer, control, places[1], layout)
    with contextlib.redirect_stdout(sys.stderr):
        ears = load_ears(job.folder)
        turned = turn_recordings(ears, recordings)
        rows = measure(job, scenes, alone, out, workers, counted)
        result = (
            {"recipe": recipe, "renderer": "measured responses" if responses else renderer, "seed": seed} | figures(rows, ears.classes) | {"recordings": turned}
        )
    if json:
        print_json(result)
        return
    from twnm.bench.ears_view import ears_view

    Console().print(ears_view(result))


@evaluate_app.command(name="kept")
def evaluate_kept(*, model: str = "small", json: Flag = False) -> None:
    """Measure what training took from the language model: common knowledge, without any recording, before and after.

    Parameters
    ----------
    model
        "small", or a folder of trained weights.
    json
        Print one JSON object and nothing else.
    """
    check_model(model)
    from twnm.bench.kept import knowledge_kept
    from twnm.model.loading import folder_of, load, read_config

    with contextlib.redirect_stdout(sys.stderr):
        result = knowledge_kept(load(model), read_config(folder_of(model)))
    if json:
        print_json(result)
        return
    from twnm.report import kept_view

    Console().print(kept_view(result))
