"""Stage 1: the spatial encoder with slots, trained on scenes made on the fly.

Every step takes one new chunk of scenes and the chunk of `REPLAY` steps before, each turned by quarter turns and mirrored at random (exact in the feature
domain), so that a scene is seen twice from other sides. AdamW, warm-up and cosine decay over the recipe's steps. Everything random is a function
of (seed, step): a run that is stopped and resumed gives the same losses on a CPU with the same number of threads.
"""

import json
import math
import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save_file

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.metrics.localisation import PlacedObject, clip_errors, summarise
from twnm.model.features import turn_directions, turn_features
from twnm.model.hear import read_objects
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig
from twnm.sounds.classes import CLASSES
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.log import write_row
from twnm.train.slot_loss import SlotTargets, slot_loss
from twnm.train.stream import Chunk, ChunkMaker, StreamSpec, stream_chunks, to_targets

REPLAY = 8
_GROUPS = 4  # a chunk is turned in this many groups, each by its own turn


class EncoderRecipe(BaseModel):
    """Everything that defines an encoder training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "small"
    sounds: str = ""
    scenes: str = "indoor"
    seed: int = 1
    steps: int = 1500
    chunk: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 100
    width: int = 192
    layers: int = 4
    stem: tuple[int, ...] = (32, 64, 96, 128)
    validation_chunks: int = 12
    validate_every: int = 250
    save_every: int = 125
    workers: int = 1
    threads: int = 1

    def stream(self, split: str) -> StreamSpec:
        """The scene stream of a split; validation scenes have their own seed."""
        return StreamSpec(self.sounds, self.scenes, split, self.seed if split == "train" else self.seed + 1_000_003, self.chunk, CLASSES)


ENCODER_RECIPES = {
    "small": EncoderRecipe(),
    "tiny": EncoderRecipe(
        name="tiny", scenes="anechoic", steps=6, chunk=4, width=32, layers=1, stem=(8, 8, 8, 8), validation_chunks=1, validate_every=3, save_every=3
    ),
}


def learning_rate_at(recipe: EncoderRecipe, step: int) -> float:
    """Linear warm-up, then cosine decay to 1 % at the last step."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def _turned(chunk: Chunk, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, SlotTargets]:
    """A chunk as tensors, its groups of scenes turned and mirrored at random."""
    features = torch.from_numpy(chunk.features).float()
    targets = to_targets(chunk.targets)
    turned, directions = [], []
    for part, where in zip(features.chunk(_GROUPS), targets.direction.chunk(_GROUPS), strict=True):
        turn = (int(rng.integers(4)), bool(rng.integers(2)), bool(rng.integers(2)))
        turned.append(turn_features(part, *turn))
        directions.append(turn_directions(where, *turn))
    return torch.cat(turned), torch.from_numpy(chunk.semantic).float(), replace(targets, direction=torch.cat(directions))


def batches(recipe: EncoderRecipe, first_step: int) -> Generator[tuple[torch.Tensor, torch.Tensor, SlotTargets]]:
    """Batches from `first_step` on: a new chunk and an earlier one, both turned."""
    begin = max(0, first_step - REPLAY)
    chunks = stream_chunks(recipe.stream("train"), begin, recipe.workers)
    recent: deque[Chunk] = deque(maxlen=REPLAY + 1)
    for number, chunk in enumerate(chunks, start=begin):
        recent.append(chunk)
        if number < first_step:
            continue
        rng = np.random.default_rng([recipe.seed, number, 2])
        halves = [_turned(item, rng) for item in (recent[-1], recent[0])]
        targets = SlotTargets(**{name: torch.cat([getattr(half[2], name) for half in halves]) for name in SlotTargets.__dataclass_fields__})
        yield torch.cat([half[0] for half in halves]), torch.cat([half[1] for half in halves]), targets


def true_objects(targets: dict[str, np.ndarray], row: int, classes: tuple[str, ...]) -> list[PlacedObject]:
    """The true objects of a scene from its target arrays, for scoring."""
    out = []
    for event in np.flatnonzero(targets["present"][row]):
        active = np.flatnonzero(targets["activity"][row, event] > 0.5)
        if active.size == 0:
            continue
        x, y, z = targets["direction"][row, event, active].mean(axis=0)
        place = (math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y))), float(np.exp(targets["log_distance"][row, event])))
        out.append(PlacedObject(classes[int(targets["label"][row, event])], active[0] / 10, (active[-1] + 1) / 10, *place))
    return out


def validate(model: SlotEncoder, chunks: list[Chunk]) -> dict[str, float]:
    """The figures of `metrics.localisation.summarise` on prepared chunks."""
    model.eval()
    errors = []
    classes = model.config.classes
    with torch.inference_mode():
        for chunk in chunks:
            output = model(torch.from_numpy(chunk.features).float(), torch.from_numpy(chunk.semantic).float())
            for row in range(len(chunk.features)):
                objects = read_objects(output, row, classes)
                heard = [PlacedObject(item.label, item.onset_s, item.offset_s, item.azimuth_deg, item.elevation_deg, item.distance_m) for item in objects]
                errors.append(clip_errors(heard, true_objects(chunk.targets, row, classes)))
    model.train()
    return {name: round(value, 3) for name, value in summarise(errors).items()}


def save_encoder(model: SlotEncoder, folder: Path) -> None:
    """Write encoder.safetensors (half precision) and encoder.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "encoder.safetensors") as path:
        save_file({name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}, path)
    with atomic_write(folder / "encoder.json") as path:
        path.write_text(json.dumps(model.config.to_dict(), indent=1))


def train_encoder(recipe: EncoderRecipe, out: Path) -> SlotEncoder:
    """Train to the recipe's last step, resuming from OUT's checkpoint; writes OUT/log.jsonl and the encoder's weights.

    Raises InputError when OUT holds another recipe's run; RuntimeError when the loss is not finite (the last checkpoint is kept).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    config = EncoderConfig(CLASSES, width=recipe.width, layers=recipe.layers, stem=recipe.stem)
    model = SlotEncoder(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    state = load_checkpoint(out, model, optimiser)
    if state is not None and state["recipe"] != recipe.model_dump(mode="json"):
        raise InputError(f"{out} holds a run of another recipe; train in another folder or remove it")
    first = state["step"] if state is not None else 0
    maker = ChunkMaker(recipe.stream("val"))
    checks = [maker.make(number) for number in range(recipe.validation_chunks)]
    began = time.monotonic()
    stream = batches(recipe, first)
    for step in range(first, recipe.steps):
        features, semantic, targets = next(stream)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(recipe, step)
        loss, terms = slot_loss(model(features, semantic), targets)
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss is not finite at step {step}; the last checkpoint in {out} is good")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        done = step + 1
        if done % 50 == 0 or done == recipe.steps:
            write_row(out, {"step": done, "loss": loss.item(), "seconds": time.monotonic() - began, **{name: float(term) for name, term in terms.items()}})
        if done % recipe.validate_every == 0 or done == recipe.steps:
            write_row(out, {"step": done, "validation": validate(model, checks)})
        if done % recipe.save_every == 0 or done == recipe.steps:
            save_checkpoint(out, done, model, optimiser, {"recipe": recipe.model_dump(mode="json")})
    stream.close()
    save_encoder(model, out)
    return model
