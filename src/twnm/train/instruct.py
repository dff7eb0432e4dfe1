"""Stage 2: the projector and the LoRA of the language model learn to say what was heard and to answer from it, one packed lesson after another.

The encoders are frozen. Loss is the cross-entropy over evidence, reasoning and answer tokens, so that saying what was heard and reasoning from it are learnt
together; the vocabulary layer is computed at those positions only.
"""

import functools
import math
import time
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.model.language import LoraSettings, load_language_model, lora_weights
from twnm.model.semantic import default_semantic
from twnm.model.twnm import Projector, Twnm, TwnmConfig, class_anchors, load_encoder
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.encoder import save_encoder
from twnm.train.lessons import IGNORED, Sequence, build_sequence, lesson_factory
from twnm.train.log import write_row
from twnm.train.stream import StreamSpec, ordered_stream


class InstructRecipe(BaseModel):
    """Everything that defines an instruction training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "small"
    sounds: str = ""
    scenes: str = "indoor"
    seed: int = 11
    language: str = "smollm2-135m-instruct"
    lora: LoraSettings = LoraSettings()
    steps: int = 420
    lessons: int = 3
    questions: int = 6
    evidence_weight: float = 0.25
    lora_rate: float = 8e-4
    projector_rate: float = 1.5e-3
    warmup: int = Field(default=15, ge=1)
    save_every: int = 50
    workers: int = 1
    threads: int = 2


INSTRUCT_RECIPES = {
    "small": InstructRecipe(),
    "tiny": InstructRecipe(name="tiny", scenes="anechoic", steps=2, lessons=1, questions=2, save_every=1, threads=1),
}


def sequence_loss(model: Twnm, sequence: Sequence) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies of a packed sequence, and the sum of the weights."""
    language = model.language.model
    visible = torch.zeros(sequence.visible.shape).masked_fill(~sequence.visible, torch.finfo(torch.float32).min)
    states = language.get_decoder()(
        inputs_embeds=sequence.embeddings[None], attention_mask=visible[None, None], position_ids=sequence.positions[None], use_cache=False
    ).last_hidden_state[0]
    wanted = sequence.targets != IGNORED
    logits = language.get_output_embeddings()(states[wanted])
    losses = nn.functional.cross_entropy(logits.float(), sequence.targets[wanted], reduction="none")
    return losses @ sequence.weights[wanted], sequence.weights[wanted].sum()


def prepare(recipe: InstructRecipe, encoder_folder: Path) -> Twnm:
    """The model at the start of the stage: trained encoder, fresh projector and LoRA."""
    torch.manual_seed(recipe.seed)
    encoder = load_encoder(encoder_folder)
    language = load_language_model(recipe.language, lora=recipe.lora)
    projector = Projector(encoder.config, class_anchors(language, encoder.config.classes))
    return Twnm(encoder, default_semantic(), projector, language)


def save_model(model: Twnm, recipe: InstructRecipe, folder: Path) -> None:
    """Write what `twnm.load` takes: twnm.json, encoder, projector and LoRA, half precision."""
    save_encoder(model.encoder, folder)
    with atomic_write(folder / "projector.safetensors") as path:
        save_file({name: value.half().contiguous() for name, value in model.projector.state_dict().items()}, path)
    with atomic_write(folder / "lora.safetensors") as path:
        save_file({name: value.detach().half().contiguous() for name, value in lora_weights(model.language.model).items()}, path)
    with atomic_write(folder / "twnm.json") as path:
        path.write_text(TwnmConfig(model.encoder.config, recipe.language, recipe.lora).to_json())


def train_instruct(recipe: InstructRecipe, encoder_folder: Path, out: Path) -> Twnm:
    """Train to the recipe's last step, resuming from OUT's checkpoint; writes OUT/log.jsonl and the weights.

    Raises InputError when OUT holds another recipe's run; RuntimeError when the loss is not finite (the last checkpoint is kept).
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    model = prepare(recipe, encoder_folder)
    trained = nn.ModuleDict({"projector": model.projector, "language": model.language.model})
    updates = list(lora_weights(model.language.model).values())
    optimiser = torch.optim.AdamW([{"params": updates}, {"params": list(model.projector.parameters())}], lr=0.0, weight_decay=0.01, betas=(0.9, 0.98))
    state = load_checkpoint(out, trained, optimiser)
    if state is not None and state["recipe"] != recipe.model_dump(mode="json"):
        raise InputError(f"{out} holds a run of another recipe; train in another folder or remove it")
    first = state["step"] if state is not None else 0
    spec = StreamSpec(recipe.sounds, recipe.scenes, "train", recipe.seed, 1, model.encoder.config.classes)
    lessons = ordered_stream(functools.partial(lesson_factory, spec, encoder_folder, recipe.questions), first * recipe.lessons, recipe.workers)
    began, tokens = time.monotonic(), 0
    model.projector.train()
    for step in range(first, recipe.steps):
        losses, count = [], 0.0
        for _ in range(recipe.lessons):
            sequence = build_sequence(model, next(lessons), recipe.evidence_weight)
            loss, targets = sequence_loss(model, sequence)
            if not torch.isfinite(loss):
                raise RuntimeError(f"the loss is not finite at step {step}; the last checkpoint in {out} is good")
            (loss / 400).backward()  # a constant near the number of targets, so that every target weighs the same
            losses.append(loss.item())
            count += float(targets)
            tokens += len(sequence.targets)
        _update(optimiser, updates + list(model.projector.parameters()), recipe, step)
        done = step + 1
        if done % 5 == 0 or done == recipe.steps:
            seconds = time.monotonic() - began
            write_row(out, {"step": done, "loss": sum(losses) / max(1, count), "seconds": seconds, "tokens_per_s": tokens / seconds})
        if done % recipe.save_every == 0 or done == recipe.steps:
            save_checkpoint(out, done, trained, optimiser, {"recipe": recipe.model_dump(mode="json")})
            save_model(model, recipe, out)
    lessons.close()
    return model


def _update(optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter], recipe: InstructRecipe, step: int) -> None:
    """One step of AdamW with warm-up and cosine decay to 3 %, gradients clipped to norm 1."""
    progress = max(0.0, (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup))
    share = min(1.0, (step + 1) / recipe.warmup) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))
    for group, rate in zip(optimiser.param_groups, (recipe.lora_rate, recipe.projector_rate), strict=True):
        group["lr"] = rate * share
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    optimiser.zero_grad()
