"""Checkpoints of training: weights, optimiser, random state and step in safetensors and JSON, written in one step.

The two files of a checkpoint lie in one numbered folder that appears by a rename, so a kill leaves the checkpoint before it whole.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from twnm.errors import InputError


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained and all buffers, by name."""
    state = {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}  # a table that two layers share has two names
    return state | {name: value.detach() for name, value in model.state_dict().items() if name not in parameters}


def save_checkpoint(folder: Path, step: int, model: nn.Module, optimiser: torch.optim.Optimizer, extra: dict[str, Any]) -> None:
    """Write FOLDER/step_N and remove the older ones; `extra` is plain data (the recipe, the best figures)."""
    target = folder / f"step_{step:07d}"
    building = folder / f".building_{step:07d}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    tensors = {f"model.{name}": value.contiguous() for name, value in trainable_state(model).items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()}
    save_file(tensors | {"rng": torch.get_rng_state()}, building / "state.safetensors")
    (building / "state.json").write_text(json.dumps({"step": step, **extra}, indent=1))
    for path in building.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    for old in sorted(folder.glob("step_*"))[:-1]:
        shutil.rmtree(old)


def load_checkpoint(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any] | None:
    """Restore the newest checkpoint of a folder in place; returns its JSON, or None when there is none.

    Raises InputError when its tensors do not fit the model.
    """
    found = sorted(folder.glob("step_*"))
    if not found:
        return None
    tensors = load_file(found[-1] / "state.safetensors")
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    expected = trainable_state(model)
    wrong = [name for name in weights.keys() | expected.keys() if name not in weights or name not in expected or weights[name].shape != expected[name].shape]
    if wrong:
        raise InputError(f"{found[-1]} does not fit this model: {', '.join(sorted(wrong)[:5])}; train in another folder or with the same recipe")
    model.load_state_dict(weights, strict=False)
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["rng"])
    extra: dict[str, Any] = json.loads((found[-1] / "state.json").read_text())
    return extra
