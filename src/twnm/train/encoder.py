"""Stage 1: the spatial encoder with slots, trained on scenes made on the fly.

A chunk of new scenes comes `replay` times, each time turned by quarter turns and mirrored at random (exact in the feature domain), with other chunks between,
because making a scene costs more than learning from it. AdamW, warm-up and cosine decay over the recipe's steps. Everything random is a function
of (seed, step): a run that is stopped and resumed gives the same losses on a CPU with the same number of threads.

On a graphics processor, which learns faster than scenes are made, a run has a length in minutes instead and learns from a pool of all scenes made so far
(`pool`); such a run cannot be repeated exactly.
"""

import json
import math
import time
from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.metrics.localisation import PlacedObject, clip_errors, summarise
from twnm.model.accdoa import AccdoaEncoder
from twnm.model.ears import AccdoaEars, Ears, SlotEars
from twnm.model.features import turn_audio, turn_directions, turn_features
from twnm.model.semantic import SemanticEncoder
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig, Front
from twnm.simulate.recipe import Fidelity
from twnm.sounds.classes import CLASSES
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.curves import draw_curves
from twnm.train.log import Log, write_row
from twnm.train.objectives import Batch, Head, Objective, objective
from twnm.train.pool import pooled
from twnm.train.replay import replayed
from twnm.train.slot_loss import SlotTargets
from twnm.train.stream import Chunk, ChunkMaker, StreamSpec, stream_chunks, to_targets

_VALIDATION_SEED = 1_000_004
_MAY_CHANGE = frozenset({"steps", "minutes", "cache", "workers", "threads", "validation_chunks", "validate_every", "save_every", "half", "device"})
_AUDIO_DIM = 3
_COLOUR, _COLOUR_KNOTS = 0.3, 7  # standard deviation of a filter's knots in units of the features: 4 dB
_GROUPS = 4  # a chunk is turned in this many groups, each by its own turn


class EncoderRecipe(BaseModel):
    """Everything that defines an encoder training run.

    Attributes:
        scenes_seed: of the stream of scenes, so that runs with other seeds can learn from the same cached scenes.
        minutes: a length in time, in place of `steps`; 0: none.
        chunks_per_step, replay: a step learns from so many chunks, each of which comes `replay` times.
        pool: chunks that are kept and drawn from at random, in place of `replay`; 0: none.
        fidelity: how much of the physics the training scenes have (`render.Fidelity`); validation scenes have all.
        kept: how much of the weights to begin with is in those that are saved (a weighted mean; Wortsman et al., WiSE-FT, 2022): what further training
            on simulated scenes takes from hearing real ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "small"
    sounds: str = ""
    cache: str = ""
    begin_with: str = ""
    kept: float = 0.0
    without: tuple[str, ...] = ()
    scenes: str = "indoor 6, benchmark 3, moving 1"
    seed: int = 11
    scenes_seed: int = 11
    steps: int = 1500
    minutes: float = 0.0
    chunk: int = 16
    chunks_per_step: int = 2
    replay: int = 4
    pool: int = 0
    variants: int = 3
    fidelity: Fidelity = "microphone"
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 100
    still_stem: int = 0
    head: Head = "slots"
    slots: int = 6
    spatial: bool = True
    semantics: bool = True
    pointing: bool = True
    front: Front = "mel"
    width: int = 192
    layers: int = 4
    stem: tuple[int, ...] = (32, 64, 96, 128)
    validation_chunks: int = 8
    validate_every: int = 250
    save_every: int = 100
    workers: int = 1
    threads: int = 1
    half: bool = False
    device: str = "cpu"

    def config(self) -> EncoderConfig:
        """The encoder's sizes and inputs."""
        same = ("width", "layers", "stem", "slots", "spatial", "semantics", "pointing", "front")
        return EncoderConfig(CLASSES, **{name: getattr(self, name) for name in same})

    def stream(self, split: str) -> StreamSpec:
        """The scene stream of a split; validation scenes have their own seed, one recipe and their audio."""
        if split == "train":
            learned = self.front == "learned"
            return StreamSpec(self.sounds, self.scenes, split, self.scenes_seed, self.chunk, CLASSES, self.variants, self.cache, learned, self.fidelity)
        return StreamSpec(self.sounds, self.scenes.split()[0].rstrip(","), split, _VALIDATION_SEED, self.chunk, CLASSES, 0, self.cache, audio=True)


_GPU = EncoderRecipe(
    name="gpu",
    minutes=30.0,
    chunks_per_step=6,
    pool=4000,
    variants=6,
    learning_rate=1.5e-3,
    warmup=200,
    device="cuda",
    workers=15,
    half=True,
    save_every=1000,
    validation_chunks=0,
)
ENCODER_RECIPES = {
    "small": EncoderRecipe(),
    "further": EncoderRecipe(name="further", steps=8000, replay=4, variants=12, learning_rate=8e-4, warmup=200, validate_every=500, kept=0.25),
    "baseline": EncoderRecipe(name="baseline", head="accdoa"),
    "gpu": _GPU,
    "gpu-baseline": _GPU.model_copy(update={"name": "gpu-baseline", "head": "accdoa"}),
    "tiny": EncoderRecipe(
        name="tiny",
        scenes="anechoic",
        steps=6,
        chunk=4,
        variants=1,
        width=32,
        layers=1,
        stem=(8, 8, 8, 8),
        validation_chunks=1,
        validate_every=3,
        save_every=3,
    ),
}


def learning_rate_at(recipe: EncoderRecipe, step: int, over: float | None = None) -> float:
    """Linear warm-up, then cosine decay to 1 % at the end; `over` is the part of the run that is over, by default that of the recipe's steps."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup) if over is None else over
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def to_batch(chunk: Chunk, device: str = "cpu", front: Front = "mel") -> Batch:
    """A chunk as tensors, in half precision as it is kept; `seen` is its audio for a learned front, else its features."""
    arrays = (chunk.audio if front == "learned" else chunk.features, chunk.semantic, chunk.beams)
    seen, semantic, beams = (torch.from_numpy(part).to(device) for part in arrays)
    targets = to_targets(chunk.targets)
    return Batch(seen, semantic, beams, SlotTargets(**{field.name: getattr(targets, field.name).to(device) for field in fields(targets)}))


def _turned(batch: Batch, rng: np.random.Generator) -> Batch:
    """A batch in single precision, its groups of scenes turned and mirrored at random; semantic vectors do not change by that."""
    turned, directions = [], []
    for part, where in zip(batch.seen.float().chunk(_GROUPS), batch.targets.direction.chunk(_GROUPS), strict=True):
        turn = (int(rng.integers(4)), bool(rng.integers(2)), bool(rng.integers(2)))
        turned.append(turn_audio(part, *turn) if part.dim() == _AUDIO_DIM else _masked(_coloured(turn_features(part, *turn), rng), rng))
        directions.append(turn_directions(where, *turn))
    return Batch(torch.cat(turned), batch.semantic.float(), batch.beams.float(), replace(batch.targets, direction=torch.cat(directions)))


def _coloured(features: Tensor, rng: np.random.Generator) -> Tensor:
    """Recordings through a smooth filter each, the same for all channels (Nam et al., FilterAugment, 2022): levels change, directions do not."""
    knots = _COLOUR * torch.from_numpy(rng.standard_normal((len(features), 1, _COLOUR_KNOTS))).float()
    curves = nn.functional.interpolate(knots, features.shape[-1], mode="linear", align_corners=True)
    features[:, :4] += curves[:, :, None].to(features.device)
    return features


def _masked(features: Tensor, rng: np.random.Generator) -> Tensor:
    """One band of up to 12 mel bands set to zero in every second group (Park et al., 2019), so that no band alone carries a direction."""
    if rng.random() < 0.5:
        return features
    width = int(rng.integers(1, 13))
    first = int(rng.integers(0, features.shape[-1] - width))
    features[..., first : first + width] = 0.0
    return features


def batches(recipe: EncoderRecipe, first_step: int) -> Generator[Batch]:
    """Batches from `first_step` on: each of some chunks, turned."""
    chosen = _from_pool(recipe, first_step) if recipe.pool else _replayed(recipe, first_step)
    for step, parts in enumerate(chosen, first_step):
        first = recipe.chunks_per_step * step
        yield joined([_turned(part, np.random.default_rng([recipe.seed, first + place, 2])) for place, part in enumerate(parts)])


def _replayed(recipe: EncoderRecipe, first_step: int) -> Generator[list[Batch]]:
    """The chunks of each step, each `replay` times."""

    def made(first: int) -> Generator[Batch]:
        return (to_batch(chunk, recipe.device, recipe.front) for chunk in stream_chunks(recipe.stream("train"), first, recipe.workers))

    return replayed(made, recipe.replay, recipe.chunks_per_step, first_step)


def _from_pool(recipe: EncoderRecipe, first_step: int) -> Generator[list[Batch]]:
    """The newest chunks, then any of the pool."""
    made = (to_batch(chunk, recipe.device, recipe.front) for chunk in stream_chunks(recipe.stream("train"), 0, recipe.workers))
    return pooled(made, recipe.pool, recipe.chunks_per_step, recipe.seed + first_step, least=min(recipe.pool, 10 * recipe.chunks_per_step))


def joined(batches: list[Batch]) -> Batch:
    """Several batches as one."""
    targets = SlotTargets(**{field.name: torch.cat([getattr(part.targets, field.name) for part in batches]) for field in fields(SlotTargets)})
    seen, semantic, beams = (torch.cat([getattr(part, name) for part in batches]) for name in ("seen", "semantic", "beams"))
    return Batch(seen, semantic, beams, targets)


def true_objects(targets: dict[str, np.ndarray], row: int, classes: tuple[str, ...]) -> list[PlacedObject]:
    """The true objects of a scene from its target arrays, for scoring."""
    out = []
    for event in np.flatnonzero(targets["present"][row]):
        active = np.flatnonzero(targets["activity"][row, event] > 0.5)
        if active.size == 0:
            continue
        x, y, z = targets["direction"][row, event, active].mean(axis=0)
        distance_m = float(np.exp(targets["log_distance"][row, event, active[len(active) // 2]]))
        place = (math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y))), distance_m)
        out.append(PlacedObject(classes[int(targets["label"][row, event])], active[0] / 10, (active[-1] + 1) / 10, *place))
    return out


def validate(ears: Ears, chunks: list[Chunk]) -> dict[str, float]:
    """The figures of `metrics.localisation.summarise` on prepared chunks with audio."""
    errors = []
    for chunk in chunks:
        for row, (objects, _) in enumerate(ears.hear(torch.from_numpy(chunk.audio).float())):
            heard = [PlacedObject(item.label, item.onset_s, item.offset_s, item.azimuth_deg, item.elevation_deg, item.distance_m) for item in objects]
            errors.append(clip_errors(heard, true_objects(chunk.targets, row, ears.classes)))
    return {name: round(value, 3) for name, value in summarise(errors).items()}


def save_encoder(model: SlotEncoder | AccdoaEncoder, folder: Path) -> None:
    """Write encoder.safetensors (half precision) and encoder.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "encoder.safetensors") as path:
        save_file({name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}, path)
    head = {"head": "accdoa"} if isinstance(model, AccdoaEncoder) else {}
    with atomic_write(folder / "encoder.json") as path:
        path.write_text(json.dumps(head | model.config.to_dict(), indent=1))


def _ears(model: SlotEncoder | AccdoaEncoder, semantic: SemanticEncoder) -> Ears:
    return SlotEars(model, semantic) if isinstance(model, SlotEncoder) else AccdoaEars(model, semantic)


def load_matching(model: nn.Module, folder: Path) -> list[str]:
    """Take over every tensor of a trained encoder that has the same name and shape; gives the names of those that start anew.

    Raises InputError when the folder holds no encoder.
    """
    path = folder / "encoder.safetensors"
    if not path.is_file():
        raise InputError(f"{folder} holds no encoder.safetensors to begin with; `twnm train encoder` makes one")
    given = load_file(path)
    own = model.state_dict()
    fitting = {name: value.to(own[name].dtype) for name, value in given.items() if name in own and own[name].shape == value.shape}
    model.load_state_dict(fitting, strict=False)
    return sorted(own.keys() - fitting.keys())


def mix_in(model: nn.Module, folder: Path, share: float) -> None:
    """Make every tensor of a model the weighted mean of itself and the one of the same name and shape in a trained encoder's folder, which has `share`."""
    given, own = load_file(folder / "encoder.safetensors"), model.state_dict()
    with torch.no_grad():
        for name, value in given.items():
            if name in own and own[name].shape == value.shape and own[name].is_floating_point():
                own[name].lerp_(value.to(own[name]), share)


def _config(recipe: EncoderRecipe) -> EncoderConfig:
    """The recipe's sizes; the namer of the encoder to begin with stays as it is."""
    before = Path(recipe.begin_with) / "encoder.json"
    if recipe.head != "slots" or not recipe.begin_with or not before.is_file():
        return recipe.config()
    return replace(recipe.config(), namer_rank=json.loads(before.read_text()).get("namer_rank", 0))


def _prepare(recipe: EncoderRecipe, out: Path) -> tuple[Objective, torch.optim.AdamW, int, float]:
    """The model with its loss, the optimiser, the steps done and the seconds spent: from OUT's checkpoint, the encoder to begin with, or nothing."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    wanted = objective(recipe.head, _config(recipe), recipe.without, half=recipe.half)
    model = wanted.model.train()
    if recipe.begin_with:
        anew = load_matching(model, Path(recipe.begin_with))
        write_row(out, {"step": 0, "begin_with": recipe.begin_with, "anew": anew})
    model.to(recipe.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    state = load_checkpoint(out, model, optimiser)
    if state is None:
        return wanted, optimiser, 0, 0.0
    before, now = state["recipe"], recipe.model_dump(mode="json")
    other = sorted(name for name in before.keys() | now.keys() if name not in _MAY_CHANGE and before.get(name) != now.get(name))
    if other:
        raise InputError(f"{out} holds a run of another recipe ({', '.join(other)} differ); train in another folder or remove it")
    return wanted, optimiser, int(state["step"]), float(state.get("seconds", 0.0))


def train_encoder(recipe: EncoderRecipe, out: Path) -> SlotEncoder | AccdoaEncoder:
    """Train to the recipe's last step or minute, resuming from OUT's checkpoint; writes OUT/log.jsonl, OUT/curves.png and the encoder's weights.

    Raises InputError when OUT holds another recipe's run or the device is absent; RuntimeError when the loss is not finite (the last checkpoint is kept).
    """
    check_device(recipe.name, recipe.device)
    out.mkdir(parents=True, exist_ok=True)
    wanted, optimiser, done, spent_s = _prepare(recipe, out)
    model = wanted.model
    maker = ChunkMaker(recipe.stream("val")) if recipe.validation_chunks else None
    checks = [maker.make(number) for number in range(recipe.validation_chunks)] if maker else []
    stream = batches(recipe, done)
    began = time.monotonic() - spent_s
    over = share_over(recipe.steps, recipe.minutes, done, spent_s)
    with Log(out, 0 if recipe.minutes else recipe.steps, scenes_per_step=recipe.chunk * recipe.chunks_per_step) as log:
        while over < 1:
            with log.waiting():
                batch = next(stream)
                if done == 0:
                    began = time.monotonic()
            model.encoder.stem.still = recipe.still_stem
            total, terms = _step(wanted, optimiser, batch, learning_rate_at(recipe, done, over if recipe.minutes else None))
            if not math.isfinite(total):
                raise RuntimeError(f"the loss is not finite at step {done}; the last checkpoint in {out} is good")
            done += 1
            spent_s = time.monotonic() - began
            over = share_over(recipe.steps, recipe.minutes, done, spent_s)
            log.step(done, total, terms)
            if maker and (done % recipe.validate_every == 0 or over >= 1):
                log.row({"step": done, "validation": validate(_ears(model.eval(), maker.semantic), checks)})
                model.train()
            if done % recipe.save_every == 0 or over >= 1:
                save_checkpoint(out, done, model, optimiser, {"recipe": recipe.model_dump(mode="json"), "seconds": spent_s})
    stream.close()
    if recipe.begin_with and recipe.kept:
        mix_in(model, Path(recipe.begin_with), recipe.kept)
    save_encoder(model, out)
    draw_curves(out)
    return model


def share_over(steps: int, minutes: float, done: int, spent_s: float) -> float:
    """The part of a run that is over: by its minutes if it has a length in time, else by its steps."""
    return spent_s / 60 / minutes if minutes else done / steps


def check_device(recipe: str, device: str) -> None:
    """Raises InputError when the device that a recipe wants is absent."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"the recipe {recipe!r} wants the device {device}, which this machine has not; choose another recipe")


def _step(wanted: Objective, optimiser: torch.optim.AdamW, batch: Batch, rate: float) -> tuple[float, dict[str, float]]:
    """One update; gives the loss and its terms, and leaves the weights as they are if the loss is not finite."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    loss, terms = wanted.loss(batch)
    total, *values = torch.stack([loss.detach(), *terms.values()]).tolist()
    if math.isfinite(total):
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(wanted.model.parameters(), 2.0)
        optimiser.step()
    return total, dict(zip(terms, values, strict=True))
