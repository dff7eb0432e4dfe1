"""Stages 2 to 4: the projector and the LoRA of the language model learn to say what was heard and to answer from it, one packed lesson after another.

    reason    the LoRA learns to answer from evidence that it reads, without any sound
    align     the projector learns to be read: what was heard is said, without questions; the LoRA stays as it is
    instruct  both learn to answer from what was heard; questions of level 1 first, then those of levels 2 and 3 mixed in

Each may begin with what another has trained, or with nothing. The encoders are frozen. Loss is the cross-entropy over evidence, reasoning and answer tokens,
so that saying what was heard and reasoning from it are learnt together; the vocabulary layer is computed at those positions only. Several processes that
torchrun starts share the lessons of a step (`twnm.train.processes`).
"""

import functools
import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.model.language import LoraSettings, load_language_model, lora_weights
from twnm.model.loading import ModelConfig, Semantic, build_bridge, load_encoder, load_trained
from twnm.model.projector import Kind
from twnm.model.semantic import default_semantic
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.twnm import Twnm
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.encoder import check_device, save_encoder, share_over
from twnm.train.lessons import IGNORED, Lesson, LessonPlan, Packed, lesson_factory, pack, padded
from twnm.train.log import write_row
from twnm.train.pool import pooled
from twnm.train.processes import Processes, together
from twnm.train.stream import StreamSpec, ordered_stream

_ROW_EVERY = 5
USUAL_TARGETS = 400  # a constant near the number of targets, so that every target weighs the same


class Schedule(BaseModel):
    """How long a run is and how its learning rates rise and fall.

    Attributes:
        minutes: a length in time, in place of `steps`; 0: none.
        warmup: steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = 420
    minutes: float = 0.0
    warmup: int = Field(default=15, ge=1)
    lora_rate: float = 8e-4

    @property
    def rates(self) -> tuple[float, ...]:
        """The highest learning rates of the optimiser's groups."""
        return (self.lora_rate,)


class InstructRecipe(Schedule):
    """Everything that defines an instruction training run.

    Attributes:
        begin_with: folder of a trained model whose projector and LoRA are gone on from; empty: new ones.
        map_anew: whether the projector's dense map is not gone on from, as one of another kind cannot be.
        semantic: whose semantic vectors the projector reads: "yamnet", or the language model's "own" audio tower's.
        projector: how the dense map becomes tokens.
        text: whether lessons are read, not heard (`LessonPlan.text`).
        level_every: lessons after which questions of the next level are mixed in; 0: all levels from the first one on.
        checkpointing: whether the decoder's activations are computed again in the backward pass: much less memory, a third more time.
        lessons: in each step, of all processes together.
        together: lessons that pass through the model at once; a processor is fastest with one, which needs no padding.
        pool: lessons that are kept and drawn from at random when no new one is there yet (`twnm.train.pool`); 0: every lesson is new.
    """

    name: str = "small"
    sounds: str = ""
    begin_with: str = ""
    map_anew: bool = False
    scenes: str = "indoor"
    seed: int = 11
    language: str = "smollm2-135m-instruct"
    lora: LoraSettings = LoraSettings()
    semantic: Semantic = "yamnet"
    projector: Kind = "hybrid"
    text: bool = False
    level_every: int = 0
    checkpointing: bool = False
    lessons: int = Field(default=3, ge=1)
    together: int = Field(default=1, ge=1)
    pool: int = 0
    questions: int = 6
    evidence_weight: float = 0.25
    projector_rate: float = 1.5e-3
    save_every: int = 50
    workers: int = 1
    threads: int = 2
    half: bool = False
    device: str = "cpu"

    @property
    def rates(self) -> tuple[float, ...]:
        """The highest learning rates of the optimiser's groups: the LoRA's, the projector's."""
        return self.lora_rate, self.projector_rate


SCALE = InstructRecipe(
    name="7b",
    scenes="indoor 6, moving 2",
    language="Qwen/Qwen2-Audio-7B-Instruct",
    lora=LoraSettings(rank=32, alpha=64),
    semantic="own",
    level_every=10_000,
    steps=3000,
    lessons=64,
    together=8,
    warmup=100,
    lora_rate=2e-4,
    projector_rate=1e-3,
    save_every=200,
    workers=15,
    half=True,
    device="cuda",
)
INSTRUCT_RECIPES = {
    "small": InstructRecipe(level_every=150),
    "further": InstructRecipe(
        name="further",
        scenes="indoor 6, moving 2",
        minutes=40.0,
        questions=10,
        evidence_weight=0.05,
        lora_rate=4e-4,
        projector_rate=3e-4,
        warmup=30,
    ),
    "gpu": InstructRecipe(
        name="gpu",
        scenes="indoor 6, moving 2",
        minutes=30.0,
        lessons=16,
        level_every=500,
        together=16,
        pool=100_000,
        warmup=60,
        save_every=500,
        workers=15,
        half=True,
        device="cuda",
    ),
    "7b": SCALE,
    "7b-omni": SCALE.model_copy(update={"name": "7b-omni", "language": "Qwen/Qwen2.5-Omni-7B"}),
    "tiny": InstructRecipe(name="tiny", scenes="anechoic", steps=2, lessons=1, questions=2, save_every=1, threads=1),
}
_READING: dict[str, Any] = {"text": True, "questions": 10, "evidence_weight": 0.0}
_ALIGNING: dict[str, Any] = {"questions": 0, "evidence_weight": 1.0, "lora_rate": 0.0}
STAGES = {
    "reason": {name: INSTRUCT_RECIPES[name].model_copy(update=_READING) for name in ("small", "gpu", "7b", "7b-omni", "tiny")},
    "align": {name: INSTRUCT_RECIPES[name].model_copy(update=_ALIGNING) for name in ("small", "gpu", "7b", "7b-omni", "tiny")},
    "instruct": INSTRUCT_RECIPES,
}
"""The recipes of each stage by name."""


def lessons_loss(model: Twnm, lessons: Sequence[Packed]) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies of packed lessons, and the sum of the weights."""
    logits, targets, weights = wanted_logits(model, lessons)
    losses = nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    return losses @ weights, weights.sum()


def wanted_logits(model: Twnm, lessons: Sequence[Packed]) -> tuple[Float[Tensor, "targets vocabulary"], Int[Tensor, " targets"], Float[Tensor, " targets"]]:
    """The language model's logits where packed lessons have targets, the targets, and their weights, in the lessons' order."""
    language = model.language.model
    embeddings, positions, visible = padded(lessons)
    mask = torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, -math.inf)
    states = language.get_decoder()(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state
    targets = nn.utils.rnn.pad_sequence([one.targets for one in lessons], batch_first=True, padding_value=IGNORED)
    weights = nn.utils.rnn.pad_sequence([one.weights for one in lessons], batch_first=True)
    wanted = targets != IGNORED
    return language.get_output_embeddings()(states[wanted]), targets[wanted], weights[wanted]


def prepare(recipe: InstructRecipe, encoder_folder: Path) -> Twnm:
    """The model at the start of the stage: trained encoder, projector and LoRA fresh or from the model to begin with.

    Raises InputError when that holds no model that fits.
    """
    torch.manual_seed(recipe.seed)
    encoder = load_encoder(encoder_folder)
    language = load_language_model(recipe.language, dtype=torch.bfloat16 if recipe.half else torch.float32, lora=recipe.lora)
    if recipe.half and recipe.device == "cpu":
        language.model.set_attn_implementation("eager")  # with such a mask a fifth faster in bfloat16 than the fused one
    if recipe.checkpointing:
        language.model.activation_checkpointing_enable()
        language.model.get_decoder().train()  # transformers does it in training only
    tower, projector = build_bridge(_config(recipe, encoder.config), language)
    if recipe.begin_with:
        load_trained(projector, language.model, Path(recipe.begin_with), recipe.map_anew)
    return Twnm(encoder, default_semantic(), projector, language, tower)


def _config(recipe: InstructRecipe, encoder: EncoderConfig) -> ModelConfig:
    return ModelConfig(encoder, recipe.language, recipe.lora, recipe.semantic, recipe.projector)


def save_model(model: Twnm, recipe: InstructRecipe, folder: Path) -> None:
    """Write what `twnm.load` takes: twnm.json, encoder, projector and LoRA, half precision."""
    save_encoder(model.encoder, folder)
    with atomic_write(folder / "projector.safetensors") as path:
        save_file({name: value.half().contiguous() for name, value in model.projector.state_dict().items()}, path)
    with atomic_write(folder / "lora.safetensors") as path:
        save_file({name: value.detach().half().contiguous() for name, value in lora_weights(model.language.model).items()}, path)
    with atomic_write(folder / "twnm.json") as path:
        path.write_text(_config(recipe, model.encoder.config).to_json())


def train_instruct(recipe: InstructRecipe, encoder_folder: Path, out: Path) -> Twnm:
    """Train to the recipe's last step or minute, resuming from OUT's checkpoint; writes OUT/log.jsonl and the weights.

    Each of several processes calls it with the same arguments, and all can read OUT. Raises InputError when OUT holds another recipe's run, the device is
    absent, or the lessons of a step cannot be dealt out; RuntimeError when the loss is not finite (the last checkpoint is kept).
    """
    check_device(recipe.name, recipe.device)
    with together(recipe.device) as processes:
        return _train(recipe, encoder_folder, out, processes)


def _train(recipe: InstructRecipe, encoder_folder: Path, out: Path, processes: Processes) -> Twnm:
    own = processes.share(recipe.lessons)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    model = prepare(recipe, encoder_folder)
    trained = nn.ModuleDict({"projector": model.projector, "language": model.language.model}).to(recipe.device)
    processes.deal_out(model.language.model)
    updates = list(lora_weights(model.language.model).values())
    parameters = updates + list(model.projector.parameters())
    optimiser = torch.optim.AdamW([{"params": updates}, {"params": list(model.projector.parameters())}], lr=0.0, weight_decay=0.01, betas=(0.9, 0.98))
    state = load_checkpoint(out, trained, optimiser)
    if state is not None and InstructRecipe().model_dump(mode="json") | state["recipe"] != recipe.model_dump(mode="json"):
        raise InputError(f"{out} holds a run of another recipe; train in another folder or remove it")
    done, spent_s = (state["step"], float(state.get("seconds", 0.0))) if state is not None else (0, 0.0)
    stream = _lessons(recipe, encoder_folder, done * own, processes)
    began, tokens, first = time.monotonic() - spent_s, 0.0, spent_s
    model.projector.train()
    over = share_over(recipe.steps, recipe.minutes, done, spent_s)
    while over < 1:
        made = next(stream)
        if done == 0:
            began = time.monotonic()
        total, weight, read = processes.added(_backward(model, made, recipe))
        if not math.isfinite(total):
            raise RuntimeError(f"the loss is not finite at step {done}; the last checkpoint in {out} is good")
        processes.add_gradients(parameters)
        update(optimiser, parameters, recipe, done, over)
        tokens += read
        done += 1
        spent_s = processes.agreed(time.monotonic() - began)
        over = share_over(recipe.steps, recipe.minutes, done, spent_s)
        if processes.leads and (done % _ROW_EVERY == 0 or over >= 1):
            write_row(out, {"step": done, "loss": total / max(1, weight), "seconds": spent_s, "tokens_per_s": tokens / max(spent_s - first, 1e-9)})
        if processes.leads and (done % recipe.save_every == 0 or over >= 1):
            save_checkpoint(out, done, trained, optimiser, {"recipe": recipe.model_dump(mode="json"), "seconds": spent_s})
            save_model(model, recipe, out)
    stream.close()
    return model


def _backward(model: Twnm, lessons: Sequence[Lesson], recipe: InstructRecipe) -> tuple[float, float, int]:
    """Add the gradients of a step; gives the weighted sum of its losses, the sum of the weights and the tokens read."""
    total, weight, tokens = 0.0, 0.0, 0
    for first in range(0, len(lessons), recipe.together):
        with torch.autocast(recipe.device.partition(":")[0], torch.bfloat16, enabled=recipe.half):
            packed = [pack(model, lesson, recipe.evidence_weight) for lesson in lessons[first : first + recipe.together]]
            loss, count = lessons_loss(model, packed)
        (loss / USUAL_TARGETS).backward()
        total, weight = total + loss.item(), weight + count.item()
        tokens += sum(len(one.targets) for one in packed)
    return total, weight, tokens


def _lessons(recipe: InstructRecipe, encoder_folder: Path, first: int, processes: Processes) -> Generator[list[Lesson]]:
    """This process's lessons of each step, from its lesson number `first`: new ones, or from a pool."""
    spec = StreamSpec(recipe.sounds, recipe.scenes, "train", recipe.seed, 1, load_encoder(encoder_folder).config.classes)
    plan = LessonPlan(recipe.questions, recipe.text, recipe.semantic == "own", recipe.level_every)
    factory = functools.partial(lesson_factory, spec, encoder_folder, plan)
    made = ordered_stream(functools.partial(_own_lessons, factory, processes, recipe.lessons), first, recipe.workers)
    own = processes.share(recipe.lessons)
    if recipe.pool:
        return pooled(made, recipe.pool, own, recipe.seed + first // own, least=10 * own)
    return _in_groups(made, own)


def _own_lessons(factory: Callable[[], Callable[[int], Lesson]], processes: Processes, lessons: int) -> Callable[[int], Lesson]:
    """For worker processes: a maker of a training process's own lessons, by their number among them."""
    make = factory()
    return lambda number: make(processes.number(number, lessons))


def _in_groups(made: Generator[Lesson], size: int) -> Generator[list[Lesson]]:
    try:
        while True:
            yield [next(made) for _ in range(size)]
    finally:
        made.close()


def update(optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter], recipe: Schedule, step: int, over: float | None = None) -> None:
    """One step of AdamW with warm-up and cosine decay to 3 %, gradients clipped to norm 1; `over` is the part of a run with a length in time that is over."""
    progress = over if over is not None and recipe.minutes else max(0.0, (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup))
    share = min(1.0, (step + 1) / recipe.warmup) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))
    for group, rate in zip(optimiser.param_groups, recipe.rates, strict=True):
        group["lr"] = rate * share
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    optimiser.zero_grad()
