"""The second opinion on names: low-rank changes of YAMNet, trained on beams towards the sounds of scenes made on the fly.

A chunk of scenes gives the patches of a step and comes `replay` times, each time with other patches mixed in, another level and filter, and bands of
frequency and time left out: a class has four to a hundred recordings, which are soon known by heart. Beams go to where the sounds are, as badly known
as the slots know it. Everything random is a function of (seed, step): a run that is stopped and resumed gives the same losses.
"""

import functools
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from twnm.errors import InputError
from twnm.model.beams import mean_of_owners, object_patches
from twnm.model.loading import load_encoder
from twnm.model.namer import RANK, Namer
from twnm.model.semantic import default_semantic
from twnm.model.slots import SlotEncoder
from twnm.model.yamnet import MEL_BANDS, PATCH_FRAMES, YamNet
from twnm.simulate.render import render
from twnm.sounds.catalogue import load_catalogue
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.curves import draw_curves
from twnm.train.encoder import save_encoder, share_over
from twnm.train.log import Log
from twnm.train.replay import replayed
from twnm.train.stream import StreamSpec, draw_training_scene, misplaced, ordered_stream, scene_targets
from twnm.train.variants import varied

_FRAMES = 50
_VALIDATION_SEED = 1_000_005
_MAY_CHANGE = frozenset({"steps", "minutes", "workers", "threads", "validation_chunks", "validate_every", "save_every", "half"})
_MOST_MIXED, _MIXED_SHARE = 0.5, 0.5
_LEVEL, _FILTER, _FILTER_KNOTS = 0.5, 0.5, 7  # standard deviations, in log magnitude
_MASKED_SHARE, _MOST_BANDS, _MOST_FRAMES = 0.6, 16, 30
_SMOOTHING = 0.05


class NamesRecipe(BaseModel):
    """Everything that defines a run; a step learns from the patches of `chunk` scenes, which come `replay` times. `minutes`: a length in place of `steps`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "small"
    sounds: str = ""
    scenes: str = "indoor 6, benchmark 3, moving 1"
    seed: int = 77
    steps: int = 2800
    minutes: float = 0.0
    chunk: int = 16
    replay: int = 3
    variants: int = 6
    rank: int = RANK
    learning_rate: float = 1e-3
    warmup: int = 50
    validation_chunks: int = 8
    validate_every: int = 400
    save_every: int = 100
    workers: int = 1
    threads: int = 1
    half: bool = False

    def stream(self, split: str, classes: tuple[str, ...]) -> StreamSpec:
        """The scene stream of a split; validation scenes have their own seed."""
        train = split == "train"
        return StreamSpec(self.sounds, self.scenes, split, self.seed if train else _VALIDATION_SEED, self.chunk, classes, self.variants if train else 0)


NAMES_RECIPES = {
    "small": NamesRecipe(),
    "gpu": NamesRecipe(name="gpu", workers=12, threads=4),  # beside a graphics processor: this stage learns on the other cores
    "tiny": NamesRecipe(name="tiny", scenes="anechoic", steps=4, chunk=2, replay=2, variants=1, rank=2, save_every=2, validation_chunks=1),
}


@dataclass(frozen=True)
class Patches:
    """Log-mel patches in half precision, the object each belongs to, and the objects' classes."""

    mel: np.ndarray
    owners: np.ndarray
    labels: np.ndarray


class PatchMaker:
    """Makes the patches of a stream's chunks in this process."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.catalogue = varied(load_catalogue(spec.sounds or None), spec.variants)
        self.network = default_semantic().network

    def make(self, number: int) -> Patches:
        """The patches of chunk `number`."""
        mels, owners = [np.zeros((0, PATCH_FRAMES, MEL_BANDS), np.float16)], [np.zeros(0, int)]
        labels: list[int] = []
        for index in range(number * self.spec.chunk, (number + 1) * self.spec.chunk):
            foa, scene = render(draw_training_scene(self.catalogue, self.spec, index), self.catalogue)
            truth = scene_targets(scene, self.spec.classes, _FRAMES)
            events = truth["present"]
            known = misplaced(truth["direction"][events], np.random.default_rng([self.spec.seed, index, 4]))
            mel, of = object_patches(self.network, foa, known, truth["activity"][events])
            mels.append(mel.half().numpy())
            owners.append(of.numpy() + len(labels))
            labels += truth["label"][events].tolist()
        return Patches(np.concatenate(mels), np.concatenate(owners), np.array(labels, int))


def _factory(spec: StreamSpec) -> Callable[[int], Patches]:
    return PatchMaker(spec).make


def varied_patches(
    mel: Float[Tensor, "patches 96 64"], labels: Int[Tensor, " patches"], classes: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "patches 96 64"], Float[Tensor, "patches classes"]]:
    """Patches mixed in pairs (magnitudes added; Zhang et al., mixup, 2018), louder or softer, filtered, a band and a time masked; their classes' shares."""
    count = len(mel)
    share = torch.from_numpy(np.where(rng.random(count) < _MIXED_SHARE, _MOST_MIXED * rng.random(count), 0.0)).float()
    other = torch.from_numpy(rng.permutation(count))
    weight = share[:, None, None]
    mixed = torch.log((1 - weight) * mel.exp() + weight * mel[other].exp())
    told = functional.one_hot(labels, classes).float()
    told = (1 - share[:, None]) * told + share[:, None] * told[other]
    level, curve = rng.standard_normal((count, 1, 1)), rng.standard_normal((count, 1, _FILTER_KNOTS))
    mixed = mixed + _LEVEL * torch.from_numpy(level).float() + _FILTER * functional.interpolate(torch.from_numpy(curve).float(), MEL_BANDS, mode="linear")
    for patch in mixed:
        for axis, most in ((1, _MOST_BANDS), (0, _MOST_FRAMES)):
            if rng.random() < _MASKED_SHARE:
                width = int(rng.integers(1, most))
                patch.narrow(axis, int(rng.integers(0, patch.shape[axis] - width)), width).fill_(float(patch.mean()))
    return mixed, told


def name_loss(logits: Float[Tensor, "patches classes"], told: Float[Tensor, "patches classes"]) -> Tensor:
    """Cross-entropy with smoothed labels."""
    probable = logits.log_softmax(dim=-1)
    return -(told * ((1 - _SMOOTHING) * probable + _SMOOTHING * probable.mean(dim=-1, keepdim=True))).sum(dim=-1).mean()


def validate_names(namer: Namer, network: YamNet, chunks: list[Patches]) -> dict[str, float]:
    """The share of objects named right by the namer alone, over all objects and as the mean over classes, and the cross-entropy."""
    right, labels, wrong = [], [], []
    for chunk in chunks:
        if not chunk.owners.size:
            continue
        with torch.no_grad():
            told = namer(network, torch.from_numpy(chunk.mel).float()).log_softmax(dim=-1)
        mean = mean_of_owners(told, torch.from_numpy(chunk.owners), len(chunk.labels))
        truth = torch.from_numpy(chunk.labels)
        right.append((mean.argmax(dim=-1) == truth).float())
        wrong.append(functional.cross_entropy(mean, truth, reduction="none"))
        labels.append(truth)
    if not labels:
        return {}
    hit, truth = torch.cat(right), torch.cat(labels)
    by_class = torch.stack([hit[truth == label].mean() for label in truth.unique()]).mean()
    return {"named": round(float(hit.mean()), 3), "class_mean": round(float(by_class), 3), "cross_entropy": round(float(torch.cat(wrong).mean()), 3)}


def train_names(recipe: NamesRecipe, encoder_folder: Path, out: Path) -> SlotEncoder:
    """Train the namer of an encoder, resuming from OUT's checkpoint; writes OUT/log.jsonl, OUT/curves.png and the encoder with its namer.

    Raises InputError when OUT holds another recipe's run; RuntimeError when the loss is not finite (the last checkpoint is kept).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    before = load_encoder(encoder_folder)
    classes = before.config.classes
    namer, network = Namer(classes, recipe.rank).train(), default_semantic().network
    optimiser = torch.optim.AdamW(namer.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    state = load_checkpoint(out, namer, optimiser)
    if state is not None and {**state["recipe"], **recipe.model_dump(mode="json", include=set(_MAY_CHANGE))} != recipe.model_dump(mode="json"):
        raise InputError(f"{out} holds a run of another recipe; train in another folder or remove it")
    done, spent_s = (int(state["step"]), float(state["seconds"])) if state is not None else (0, 0.0)
    maker = PatchMaker(recipe.stream("val", classes)) if recipe.validation_chunks else None
    checks = [maker.make(number) for number in range(recipe.validation_chunks)] if maker else []
    stream = replayed(functools.partial(_made, recipe, classes), recipe.replay, 1, done)
    began = time.monotonic() - spent_s
    over = share_over(recipe.steps, recipe.minutes, done, spent_s)
    with Log(out, 0 if recipe.minutes else recipe.steps, scenes_per_step=recipe.chunk) as log:
        while over < 1:
            with log.waiting():
                (patches,) = next(stream)
            total = _step(namer, network, optimiser, patches, recipe, done, over)
            if not math.isfinite(total):
                raise RuntimeError(f"the loss is not finite at step {done}; the last checkpoint in {out} is good")
            done += 1
            spent_s = time.monotonic() - began
            over = share_over(recipe.steps, recipe.minutes, done, spent_s)
            log.step(done, total, {})
            if checks and (done % recipe.validate_every == 0 or over >= 1):
                log.row({"step": done, "validation": validate_names(namer.eval(), network, checks)})
                namer.train()
            if done % recipe.save_every == 0 or over >= 1:
                save_checkpoint(out, done, namer, optimiser, {"recipe": recipe.model_dump(mode="json"), "seconds": spent_s})
    stream.close()
    encoder = SlotEncoder(replace(before.config, namer_rank=recipe.rank))
    encoder.load_state_dict(before.state_dict(), strict=False)
    encoder.namer = namer
    save_encoder(encoder, out)
    draw_curves(out)
    return encoder.eval().requires_grad_(False)


def _made(recipe: NamesRecipe, classes: tuple[str, ...], first: int) -> Generator[Patches]:
    return ordered_stream(functools.partial(_factory, recipe.stream("train", classes)), first, recipe.workers)


def _step(namer: Namer, network: YamNet, optimiser: torch.optim.AdamW, patches: Patches, recipe: NamesRecipe, step: int, over: float) -> float:
    """One update by the patches of a chunk; leaves the weights as they are if the loss is not finite, or if the chunk has no sound."""
    if not patches.owners.size:
        return 0.0
    rate = recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * over)))
    for group in optimiser.param_groups:
        group["lr"] = rate
    labels = torch.from_numpy(patches.labels[patches.owners])
    rng = np.random.default_rng([recipe.seed, step, 5])
    mel, told = varied_patches(torch.from_numpy(patches.mel).float(), labels, namer.classes, rng)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.half):
        logits = namer(network, mel)
    loss = name_loss(logits.float(), told)
    total = loss.item()
    if math.isfinite(total):
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(namer.parameters(), 2.0)
        optimiser.step()
    return total
