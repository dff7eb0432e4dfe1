"""Commands that train a stage: train encoder, train instruct, train prefer."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from twnm.commands.shared import app, check_counts, open_sounds
from twnm.errors import InputError
from twnm.terminal import make_folder

train_app = App(name="train", help="Train a stage of the model; run again to resume.")
app.command(train_app)


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


@train_app.command(name="instruct")
def train_instruct(
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
) -> None:
    """Train the projector and the language model's LoRA to say what is heard and to answer.

    On several graphics processors: torchrun --nproc-per-node 8 -m twnm train instruct --recipe 7b ...

    Parameters
    ----------
    out
        Folder for checkpoints, log.jsonl and the weights.
    encoder
        Folder of a trained encoder; the shipped one if absent.
    recipe
        small, further (from a trained model), gpu (on a graphics processor), 7b (Qwen2-Audio, on several), 7b-omni (Qwen2.5-Omni) or tiny.
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
    """
    from twnm.model.loading import SHIPPED, load_encoder
    from twnm.train.instruct import INSTRUCT_RECIPES
    from twnm.train.instruct import train_instruct as train

    chosen = _training(INSTRUCT_RECIPES, recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
    folder = SHIPPED if encoder is None else encoder
    load_encoder(folder)  # shows a folder without one before anything is written
    start = SHIPPED if begin_with is None and recipe == "further" else begin_with
    more = {"begin_with": "" if start is None else str(start), "half": _half(chosen.half, half)}
    open_sounds(sounds)
    make_folder(out)
    train(chosen.model_copy(update=more), folder, out)


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
    """
    from twnm.model.loading import SHIPPED, read_config
    from twnm.train.prefer import PREFER_RECIPES
    from twnm.train.prefer import train_prefer as train

    chosen = _training(PREFER_RECIPES, recipe, sounds, steps=steps, minutes=minutes, seed=seed, workers=workers)
    folder = SHIPPED if begin_with is None else begin_with
    read_config(folder)  # shows a folder without a model before anything is written
    open_sounds(sounds)
    make_folder(out)
    more = {"begin_with": str(folder), "half": _half(chosen.half, half), "method": method or chosen.method}
    train(chosen.model_copy(update=more), out)


def _half(recipe: bool, given: bool | None) -> bool:
    """Whether to multiply in bfloat16: as it was said, else if the recipe or the processor is made for it."""
    import torch

    return (recipe or torch.cpu._is_avx512_bf16_supported()) if given is None else given


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
