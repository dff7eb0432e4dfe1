"""Training in miniature on a random Qwen2-Audio, as one process or by torchrun as several: `python -m torch.distributed.run ... crew_run.py FOLDER`."""

import contextlib
import functools
import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tiny_audio_language
import torch
from tiny_model import EVIDENCE, LoudnessSemantic, heard_arrays, item, noise, tiny_encoder, tiny_twnm

from twnm.model.language import LoraSettings, lora_weights
from twnm.model.twnm import Twnm
from twnm.train import instruct
from twnm.train.encoder import save_encoder
from twnm.train.instruct import INSTRUCT_RECIPES, InstructRecipe, train_instruct
from twnm.train.lessons import Lesson

STEPS, LESSONS = 4, 4


def make_parts(folder: Path) -> None:
    """The encoder and the language model that all processes read."""
    save_encoder(tiny_encoder(), folder / "encoder")
    tiny_audio_language.save(tiny_audio_language.qwen2_audio, folder / "language")


def recipe_of(folder: Path) -> InstructRecipe:
    rates = {"lora_rate": 0.01, "projector_rate": 0.01, "warmup": 2, "lora": LoraSettings(rank=2, alpha=4)}
    own = {"language": str(folder / "language"), "semantic": "own", "checkpointing": True}
    return INSTRUCT_RECIPES["tiny"].model_copy(update=rates | own | {"steps": STEPS, "lessons": LESSONS, "together": 2, "save_every": 2})


@functools.cache
def lesson(number: int) -> Lesson:
    question = item("Where is the dog?", "dog 90° is left", f"on your left, {number % 5} m away")
    heard = heard_arrays(tiny_twnm(), number)
    sounds = np.concatenate([noise(2.0, seed=10 * number + part)[:2] for part in range(4)]).astype(np.float16)
    return Lesson(heard, EVIDENCE, (question,) * (1 + number % 2), sounds=sounds[: 1 + int((heard["exists"] > 0.5).sum())])


def stream(factory: Callable[[], Callable[[int], Lesson]], first: int, workers: int) -> Iterator[Lesson]:
    yield from map(factory(), itertools.count(first))


def stopped(steps: int) -> Callable[..., Iterator[Lesson]]:
    def killed(factory: Callable[[], Callable[[int], Lesson]], first: int, workers: int) -> Iterator[Lesson]:
        yield from itertools.islice(stream(factory, first, workers), steps)
        raise KeyboardInterrupt

    return killed


def run(folder: Path, out: str, given: Any = stream, **changes: Any) -> Twnm:
    """Train into FOLDER/OUT on lessons that are made in this process."""
    with (
        mock.patch.object(instruct, "default_semantic", LoudnessSemantic),
        mock.patch.object(instruct, "lesson_factory", lambda *spec: lesson),
        mock.patch.object(instruct, "ordered_stream", given),
    ):
        return train_instruct(recipe_of(folder).model_copy(update=changes), folder / "encoder", folder / out)


def state_of(model: Twnm) -> dict[str, torch.Tensor]:
    return dict(model.projector.state_dict()) | {name: weight.detach() for name, weight in lora_weights(model.language.model).items()}


def main(folder: Path) -> None:
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    whole = run(folder, "whole")  # in a process group of its own
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=count)
    layer = whole.language.model.get_decoder().layers[0].mlp.up_proj.base_layer.weight
    torch.save(state_of(whole) | {"part": layer.to_local().clone()}, folder / f"rank{rank}.pt")
    with contextlib.suppress(KeyboardInterrupt):
        run(folder, "resumed", stopped(3 * LESSONS // count))
    if rank == 0:
        shutil.copytree(folder / "resumed", folder / "stopped")
    run(folder, "resumed")
    real = time.monotonic
    with mock.patch.object(time, "monotonic", lambda: real() * (1000.0 if rank else 1.0)):
        run(folder, "timed", minutes=0.02, half=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
