"""Commands that train: each stage (train encoder, names, reason, align, instruct, prefer), or all of them one after another (train)."""

import os
from collections.abc import Callable
from json import dumps, loads
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console

from twnm.commands.shared import app, check_counts, open_sounds
from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.terminal import counted, make_folder

VALIDATION_SCENES = 40
train_app = App(name="train", help="Train the model, all stages or one; run again to resume.")
app.command(train_app)


@train_app.default
def train_all(
    *,
    out: Path,
    recipe: Literal["small", "gpu", "tiny"] = "small",
    sounds: Path | None = None,
    workers: int | None = None,
    validate: int = VALIDATION_SCENES,
) -> None:
    """Train all stages one after another, each beginning with what the one before has trained.

    Parameters
    ----------
    out
        Folder for a folder of each stage: encoder, names, reason, align, instruct, prefer. The last one is the model.
    recipe
        small, gpu (on a graphics processor) or tiny.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    workers
        Processes that make scenes and lessons; the recipe's if absent.
    validate
        Scenes of the validation split about which the model is asked after each stage; 0: none.
    """
    _check_validation(validate)
    common: dict[str, Any] = {"recipe": recipe, "sounds": sounds, "workers": workers}
    train_encoder(out=out / "encoder", **common)
    train_names(out=out / "names", encoder=out / "encoder", **common)
    before: Path | None = None
    for stage in _STAGES:
        _lessons_command(stage)(out=out / stage, encoder=out / "names", begin_with=before, validate=validate, **common)
        before = out / stage
    train_prefer(out=out / "prefer", begin_with=before, validate=validate, **common)


@train_app.command(name="encoder")
def train_encoder(
    *,
    out: Path,
    recipe: str = "small",
    sounds: Path | None = None,
    begin_with: Annotated[Path | None, Parameter(name="--from")] = None,
    cache: Path | None = None,
    without: tuple[str, ...] = (),
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    half: bool | None = None,
) -> None:
    """Train the spatial encoder on scenes made on the fly.

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl, curves.png and the weights.
    recipe
        small (from nothing), further (from a trained encoder), gpu (on a graphics processor), baseline, gpu-baseline (multi-ACCDOA
        instead of slots) or tiny.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    begin_with
        Folder of a trained encoder whose tensors are taken over where they fit; for the recipe further the shipped one if absent.
    cache
        Folder in which scenes are kept, for this and other runs on the same stream (about 250 kB a scene).
    without
        Terms of the loss that are left out.
    steps
        Instead of the recipe's.
    minutes
        The length of the run in time instead of steps.
    seed
        Instead of the recipe's.
    workers
        Processes that make scenes; the recipe's if absent.
    half
        Multiply in bfloat16; if not said, where the processor has instructions for it (elsewhere it is slower).
    """
    from twnm.model.loading import SHIPPED
    from twnm.train.encoder import ENCODER_RECIPES
    from twnm.train.encoder import train_encoder as train
    from twnm.train.slot_loss import TERMS

    chosen = _training(ENCODER_RECIPES, recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
    if unknown := sorted(set(without) - set(TERMS)):
        raise InputError(f"the loss has no term {', '.join(unknown)}; it has {', '.join(TERMS)}")
    start = SHIPPED if begin_with is None and recipe == "further" else begin_with
    given = {"begin_with": start, "cache": cache}
    paths = {name: "" if path is None else str(path) for name, path in given.items()}
    open_sounds(sounds)
    make_folder(out)
    train(chosen.model_copy(update=paths | {"without": without, "half": _half(chosen.half, half)}), out)


@train_app.command(name="names")
def train_names(
    *,
    out: Path,
    encoder: Path | None = None,
    recipe: str = "small",
    sounds: Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    half: bool | None = None,
) -> None:
    """Train a second opinion on what the sounds are called: small changes of YAMNet, on beams towards sounds in scenes.

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl, curves.png and the encoder with its second opinion.
    encoder
        Folder of a trained encoder; the shipped one if absent.
    recipe
        small, gpu (with the cores beside a graphics processor) or tiny.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    steps
        Instead of the recipe's.
    minutes
        The length of the run in time instead of steps.
    seed
        Instead of the recipe's.
    workers
        Processes that make scenes; the recipe's if absent.
    half
        Multiply in bfloat16; if not said, where the processor has instructions for it.
    """
    from twnm.model.loading import SHIPPED, load_encoder
    from twnm.train.names import NAMES_RECIPES
    from twnm.train.names import train_names as train

    chosen = _training(NAMES_RECIPES, recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
    folder = SHIPPED if encoder is None else encoder
    load_encoder(folder)  # shows a folder without one before anything is written
    open_sounds(sounds)
    make_folder(out)
    train(chosen.model_copy(update={"half": _half(chosen.half, half)}), folder, out)


_LESSONS = """{what}

    On several graphics processors: torchrun --nproc-per-node 8 -m twnm train {stage} --recipe 7b ...

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl, the weights and validation.json.
    encoder
        Folder of a trained encoder; the shipped one if absent.
    recipe
        {recipes}: small and tiny are for a processor, gpu and 7b (Qwen2-Audio, on several; 7b-omni: Qwen2.5-Omni) for graphics
        processors, further goes on from a trained model.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    begin_with
        Folder of a trained model whose projector and LoRA are gone on from; for the recipe further the shipped one if absent.
    steps
        Instead of the recipe's.
    minutes
        The length of the run in time instead of steps.
    seed
        Instead of the recipe's.
    workers
        Processes that make lessons, for each process that trains; the recipe's if absent.
    half
        Multiply in bfloat16; if not said, where the processor has instructions for it.
    validate
        Scenes of the validation split about which the trained model is asked at the end; 0: none.
    """
_STAGES = {
    "reason": "Train the language model's LoRA to answer from evidence that it reads, without any sound.",
    "align": "Train the projector so that the language model says what is heard.",
    "instruct": "Train the projector and the language model's LoRA to say what is heard and to answer.",
}


def _lessons_command(stage: str) -> Callable[..., None]:
    from_recipes = {"instruct": "small, further, gpu, 7b, 7b-omni or tiny"}

    def command(
        *,
        out: Path,
        encoder: Path | None = None,
        recipe: str = "small",
        sounds: Path | None = None,
        begin_with: Annotated[Path | None, Parameter(name="--from")] = None,
        steps: int | None = None,
        minutes: float | None = None,
        seed: int | None = None,
        workers: int | None = None,
        half: bool | None = None,
        validate: int = VALIDATION_SCENES,
    ) -> None:
        from twnm.model.loading import SHIPPED, load_encoder
        from twnm.train.instruct import STAGES, train_instruct

        _check_validation(validate)
        chosen = _training(STAGES[stage], recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
        folder = SHIPPED if encoder is None else encoder
        load_encoder(folder)  # shows a folder without one before anything is written
        start = SHIPPED if begin_with is None and recipe == "further" else begin_with
        more = {"begin_with": "" if start is None else str(start), "half": _half(chosen.half, half)}
        open_sounds(sounds)
        make_folder(out)
        train_instruct(chosen.model_copy(update=more), folder, out)
        _validate(out, sounds, validate)

    command.__doc__ = _LESSONS.format(what=_STAGES[stage], stage=stage, recipes=from_recipes.get(stage, "small, gpu, 7b, 7b-omni or tiny"))
    return command


for _stage in _STAGES:
    train_app.command(_lessons_command(_stage), name=_stage)


@train_app.command(name="prefer")
def train_prefer(
    *,
    out: Path,
    begin_with: Annotated[Path | None, Parameter(name="--from")] = None,
    recipe: str = "small",
    method: Literal["sapo", "grpo", "dpo"] | None = None,
    sounds: Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    half: bool | None = None,
    validate: int = VALIDATION_SCENES,
) -> None:
    """Train the language model's LoRA on its own replies, by rewards from the scenes' metadata.

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl and the weights.
    begin_with
        Folder of the trained model that it begins with; the shipped one if absent.
    recipe
        small, gpu (on a graphics processor) or tiny.
    method
        sapo, grpo or dpo instead of the recipe's (sapo).
    sounds
        Folder of dry sounds; your own catalogue if absent.
    steps
        Instead of the recipe's.
    minutes
        The length of the run in time instead of steps.
    seed
        Instead of the recipe's.
    workers
        Processes that make lessons; the recipe's if absent.
    half
        Multiply in bfloat16; if not said, where the processor has instructions for it.
    validate
        Scenes of the validation split about which the trained model is asked at the end; 0: none.
    """
    from twnm.model.loading import SHIPPED, read_config
    from twnm.train.prefer import PREFER_RECIPES
    from twnm.train.prefer import train_prefer as train

    _check_validation(validate)
    chosen = _training(PREFER_RECIPES, recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
    folder = SHIPPED if begin_with is None else begin_with
    read_config(folder)  # shows a folder without a model before anything is written
    open_sounds(sounds)
    make_folder(out)
    more = {"begin_with": str(folder), "half": _half(chosen.half, half), "method": method or chosen.method}
    train(chosen.model_copy(update=more), out)
    _validate(out, sounds, validate)


def _check_validation(scenes: int) -> None:
    if scenes < 0:
        raise InputError(f"--validate {scenes} is negative; give 0 or more scenes")


def _validate(out: Path, sounds: Path | None, scenes: int) -> None:
    """Ask the model of a stage about validation scenes, by level and task; kept in OUT/validation.json."""
    if not scenes or os.environ.get("RANK", "0") != "0":
        return
    from twnm.bench.evaluate import evaluate_model
    from twnm.report import evaluation_view

    kept = out / "validation.json"
    if not kept.is_file() or kept.stat().st_mtime < (out / "lora.safetensors").stat().st_mtime:
        result = evaluate_model(str(out), "" if sounds is None else str(sounds), scenes=scenes, questions=6, control=False, split="val", progress=counted)
        with atomic_write(kept) as path:
            path.write_text(dumps(result, indent=1))
    Console().print(evaluation_view(loads(kept.read_text())))


def _half(recipe: bool, given: bool | None) -> bool:
    """Whether to multiply in bfloat16: as it was said, else if the recipe or the processor is made for it."""
    from twnm.model.language import half_is_faster

    return (recipe or half_is_faster()) if given is None else given


def _training(recipes: dict[str, Any], name: str, sounds: Path | None, **instead: float | None) -> Any:
    """A recipe by name with what was given in its place."""
    if name not in recipes:
        raise InputError(f"unknown recipe {name!r}; choose one of {', '.join(recipes)}")
    given = {key: value for key, value in instead.items() if value is not None}
    check_counts(**{key: int(value) for key, value in given.items() if key in ("steps", "workers")})
    if given.get("minutes", 1.0) <= 0:
        raise InputError(f"--minutes {given['minutes']:g} is no length; give more than 0")
    if given.get("seed", 0) < 0:
        raise InputError(f"--seed {given['seed']} is negative; give 0 or more")
    if "steps" in given and "minutes" not in given:
        given["minutes"] = 0.0  # steps were asked for
    return recipes[name].model_copy(update=given | {"sounds": "" if sounds is None else str(sounds)})
