"""Stage 3: the language model's LoRA learns from its own replies, those with better rewards being made more probable.

In each step it hears one new scene, is asked the few of its questions whose right replies are least probable, and gives a group of sampled replies to
each (reasoning, newline, answer), which all start from one prefix. A reply's reward is made of three parts, each from 0 to 1, with weights in the recipe:

    right     the answer is the right option
    form      one line of reasoning, one of answer, in which an option stands, and the end
    evidence  its reasoning makes the same claims about what is where as the right derivation: claims in both over claims in either

Names in question and answer are those of the scene's metadata; figures are what the trained ears hear, since what they did not hear cannot be learnt here.
Reasonings are sampled as they are given to users: where the next words follow, they are put in (`twnm.model.reckoning`), and no loss is on them.
Groups whose replies all have the same reward teach nothing and are left out. The projector stays as it is. The losses are those of
`twnm.train.preference`; that of the instruction stage on the same lessons is mixed in, so that nothing is forgotten. Rows of the log say what a policy
that games its rewards would show: length, entropy of the letters, names out of the question alone.
"""

import functools
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.model.binding import names_in
from twnm.model.language import Guide, Sample, load_lora_weights, lora_weights, read, read_batch, sample_batch, stop_at
from twnm.model.loading import ModelConfig, read_config
from twnm.model.reckoning import Reckoner
from twnm.model.twnm import Twnm
from twnm.questions.schema import Item
from twnm.sounds.classes import CLASSES, spoken
from twnm.train.checkpoint import load_checkpoint, save_checkpoint
from twnm.train.encoder import check_device, share_over
from twnm.train.instruct import USUAL_TARGETS, InstructRecipe, Schedule, lessons_loss, prepare, save_model, update, wanted_logits
from twnm.train.lessons import Lesson, LessonPlan, heard_by, lesson_factory, pack, pack_replies
from twnm.train.log import write_row
from twnm.train.preference import Method, divergence, dpo_loss, group_advantages, policy_loss
from twnm.train.stream import StreamSpec, ordered_stream

_CLAIM = re.compile(rf"\b({'|'.join(sorted((spoken(label) for label in CLASSES), key=len, reverse=True))})\b(?: (-?\d+(?:\.\d+)?(?:°| m| s)))?")


class PreferRecipe(Schedule):
    """Everything that defines a run of preference optimisation.

    Attributes:
        begin_with: folder of the trained model that it begins with.
        offered, questions, samples: of each scene; the hardest of these, which are asked; replies to each.
        lost: how probably a question loses each of its words: asked in whole, nearly all replies to wordings of training are right.
        passes: updates on the same replies.
        temperature: of sampling; `max_tokens` of a reply.
        clip, kl_weight, dpo_weight: of the losses.
        right_weight, form_weight, evidence_weight: of the parts of the reward.
        replay_weight: of the loss of the instruction stage.
    """

    name: str = "small"
    sounds: str = ""
    begin_with: str = ""
    scenes: str = "indoor 6, moving 2"
    seed: int = 12
    method: Method = "sapo"
    steps: int = 200
    warmup: int = Field(default=10, ge=1)
    lora_rate: float = 5e-5
    offered: int = Field(default=16, ge=1)
    questions: int = Field(default=4, ge=1)
    samples: int = Field(default=8, ge=2)
    lost: float = Field(default=0.4, ge=0, lt=1)
    passes: int = Field(default=2, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    max_tokens: int = 90
    clip: float = 0.2
    kl_weight: float = 0.02
    dpo_weight: float = 0.1
    right_weight: float = 1.0
    form_weight: float = 0.1
    evidence_weight: float = 0.3
    replay_weight: float = 0.2
    save_every: int = 25
    workers: int = 1
    threads: int = 2
    half: bool = False
    device: str = "cpu"


PREFER_RECIPES = {
    "small": PreferRecipe(),
    "gpu": PreferRecipe(name="gpu", steps=2000, questions=6, samples=16, workers=15, half=True, device="cuda", save_every=200),
    "tiny": PreferRecipe(name="tiny", scenes="anechoic", steps=2, questions=1, samples=3, max_tokens=12, save_every=1, threads=1),
}


@dataclass(frozen=True)
class Reply:
    """A sampled reply: its tokens, which of them were chosen and not put in, and the parts of its reward."""

    ids: tuple[int, ...]
    chosen: tuple[bool, ...]
    letter: int | None
    right: float
    form: float
    evidence: float
    copied: float

    def reward(self, recipe: PreferRecipe) -> float:
        """The weighted sum of its parts."""
        return recipe.right_weight * self.right + recipe.form_weight * self.form + recipe.evidence_weight * self.evidence


def claims(reasoning: str) -> set[tuple[str, str]]:
    """What a reasoning says of sounds: their names with the figure that follows each, empty if none does."""
    return {(match[1], match[2] or "") for match in _CLAIM.finditer(reasoning)}


def judge(model: Twnm, sample: Sample, item: Item, evidence: str) -> Reply:
    """The parts of the reward of a reply to a question with options; `copied` is the share of its names that only the question has."""
    ids = sample.ids
    ended = bool(ids) and ids[-1] == model.end_id
    reasoning, _, answer = model.text(list(ids[: -1 if ended else None])).partition("\n")
    letter = item.options.index(answer) if answer in item.options else None
    made, wanted = claims(reasoning), claims(item.derivation)
    same = len(made & wanted) / len(made | wanted) if made | wanted else 1.0
    names = names_in(reasoning, CLASSES)
    told, asked = names_in(evidence, CLASSES), names_in(item.question, CLASSES)
    copied = sum(name in asked and name not in told for name in names) / max(1, len(names))
    chosen = sample.chosen if any(sample.chosen) else [*sample.chosen[:-1], True]  # the losses are means over at least one token
    return Reply(tuple(ids), tuple(chosen), letter, float(answer == item.answer_text), float(ended and letter is not None), same, copied)


def sample_replies(model: Twnm, lesson: Lesson, items: Sequence[Item], recipe: PreferRecipe, generator: torch.Generator) -> list[list[Reply]]:
    """A group of judged replies to each question about a lesson."""
    language = model.language.model
    heard = read(language, model.audio_prefix(heard_by(model, lesson)))
    told = read(language, model.embed(model.told_ids(lesson.evidence, lesson.notes)), heard)
    stop = stop_at(model.language.tokenizer, ids=[model.end_id])
    asked = read_batch(language, [model.embed(model.asked_ids(item.question, item.options)) for item in items], [told] * len(items))
    groups = sample_batch(
        language,
        [model.with_a_word(prefix) for prefix in asked],
        recipe.samples,
        stop=stop,
        max_new_tokens=recipe.max_tokens,
        temperature=recipe.temperature,
        generator=generator,
        guides=[_until_the_answer(model, model.guide(Reckoner(lesson.evidence, lesson.notes, item.options))) for item in items],
    )
    return [[judge(model, sample, item, lesson.evidence) for sample in group] for item, group in zip(items, groups, strict=True)]


def _until_the_answer(model: Twnm, guide: Guide | None) -> Guide | None:
    """A guide of reasonings that lets the answers be."""
    return guide and (lambda said, token: [] if model.newline_id in said else guide(said, token))


def reply_logps(
    model: Twnm, lesson: Lesson, items: Sequence[Item], groups: Sequence[Sequence[Reply]]
) -> tuple[Float[Tensor, "replies tokens"], Bool[Tensor, "replies tokens"]]:
    """Log-probabilities of the tokens of all replies in one packed pass, padded with zeros, and which are tokens that were chosen."""
    parts = _logps(model, lesson, items, [[list(reply.ids) for reply in group] for group in groups])
    chosen = [torch.tensor(reply.chosen, device=parts[0].device) for group in groups for reply in group]
    return nn.utils.rnn.pad_sequence(parts, batch_first=True), nn.utils.rnn.pad_sequence(chosen, batch_first=True)


def _logps(model: Twnm, lesson: Lesson, items: Sequence[Item], replies: Sequence[Sequence[list[int]]]) -> list[Float[Tensor, " tokens"]]:
    asked = [(model.asked_ids(item.question, item.options), said) for item, said in zip(items, replies, strict=True)]
    logits, targets, _ = wanted_logits(model, [pack_replies(model, lesson, asked)])
    flat = logits.float().log_softmax(-1).gather(1, targets[:, None])[:, 0]
    return list(flat.split([len(ids) for said in replies for ids in said]))


@torch.no_grad()
def hardest(model: Twnm, lesson: Lesson, count: int) -> tuple[Item, ...]:
    """The `count` questions with options whose right replies are least probable: those that it is sure of would have replies of one reward."""
    items = [item for item in lesson.items if item.form == "choice"]
    right = [[[*model.ids(item.derivation), model.newline_id, *model.ids(item.answer_text), model.end_id]] for item in items]
    sure = [float(logps.sum()) for logps in _logps(model, lesson, items, right)] if len(items) > count else []
    return tuple(items[place] for place in sorted(range(len(items)), key=lambda place: sure[place])[:count]) if sure else tuple(items)


@contextmanager
def as_at_the_beginning(model: Twnm, begun: dict[str, Tensor]) -> Iterator[None]:
    """The LoRA as it was at the beginning of the stage, then as it is again."""
    now = {name: weight.detach().clone() for name, weight in lora_weights(model.language.model).items()}
    load_lora_weights(model.language.model, begun)
    try:
        yield
    finally:
        load_lora_weights(model.language.model, now)


def train_prefer(recipe: PreferRecipe, out: Path) -> Twnm:
    """Train to the recipe's last step or minute, resuming from OUT's checkpoint; writes OUT/log.jsonl and the weights.

    Raises InputError when OUT holds another recipe's run, the device is absent or there is no model to begin with; RuntimeError when the loss is not finite
    (the last checkpoint is kept).
    """
    check_device(recipe.name, recipe.device)
    folder = Path(recipe.begin_with)
    config: ModelConfig = read_config(folder)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    source = InstructRecipe(
        language=config.language,
        lora=config.lora,
        semantic=config.semantic,
        projector=config.projector,
        begin_with=recipe.begin_with,
        seed=recipe.seed,
        half=recipe.half,
        device=recipe.device,
    )
    model = prepare(source, folder)
    model.projector.requires_grad_(False)
    trained = nn.ModuleDict({"projector": model.projector, "language": model.language.model}).to(recipe.device)
    updates = lora_weights(model.language.model)
    begun = {name: weight.detach().clone() for name, weight in updates.items()}
    optimiser = torch.optim.AdamW(list(updates.values()), lr=0.0, weight_decay=0.0, betas=(0.9, 0.98))
    state = load_checkpoint(out, trained, optimiser)
    if state is not None and state["recipe"] != recipe.model_dump(mode="json"):
        raise InputError(f"{out} holds a run of another recipe; train in another folder or remove it")
    done, spent_s = (state["step"], float(state["seconds"])) if state is not None else (0, 0.0)
    spec = StreamSpec(recipe.sounds, recipe.scenes, "train", recipe.seed, 1, config.encoder.classes)
    plan = LessonPlan(recipe.offered, sounds=config.semantic == "own", thinned=1.0, lost=recipe.lost)
    stream = ordered_stream(functools.partial(lesson_factory, spec, folder, plan), done, recipe.workers)
    began = time.monotonic() - spent_s
    over = share_over(recipe.steps, recipe.minutes, done, spent_s)
    while over < 1:
        lesson = next(stream)
        with torch.autocast(recipe.device.partition(":")[0], torch.bfloat16, enabled=recipe.half):
            items = hardest(model, lesson, recipe.questions)
        row = _learn(model, replace(lesson, items=items, bare=frozenset(), direct=frozenset()), begun, optimiser, recipe, done, over) if items else {}
        if not math.isfinite(row.get("loss", 0.0)):
            raise RuntimeError(f"the loss is not finite at step {done}; the last checkpoint in {out} is good")
        done += 1
        spent_s = time.monotonic() - began
        over = share_over(recipe.steps, recipe.minutes, done, spent_s)
        if row:
            write_row(out, {"step": done, **row, "seconds": spent_s})
        if done % recipe.save_every == 0 or over >= 1:
            save_checkpoint(out, done, trained, optimiser, {"recipe": recipe.model_dump(mode="json"), "seconds": spent_s})
            save_model(model, source, out)
    stream.close()
    return model


def _learn(
    model: Twnm, lesson: Lesson, begun: dict[str, Tensor], optimiser: torch.optim.Optimizer, recipe: PreferRecipe, step: int, over: float
) -> dict[str, float]:
    """Sample, judge and update on one lesson; a row of the log."""
    generator = torch.Generator(recipe.device).manual_seed((recipe.seed << 32) + step)
    autocast = functools.partial(torch.autocast, recipe.device.partition(":")[0], torch.bfloat16, enabled=recipe.half)
    parameters = list(lora_weights(model.language.model).values())
    with autocast():
        groups = sample_replies(model, lesson, lesson.items, recipe, generator)
    rewards = torch.tensor([[reply.reward(recipe) for reply in group] for group in groups], device=recipe.device)
    differ = [row for row, group in enumerate(rewards) if group.max() > group.min()]
    items, differing = [lesson.items[row] for row in differ], [groups[row] for row in differ]
    moved, total = 0.0, 0.0
    if differ:  # autocast keeps what it has cast, so that this has one of its own: else the LoRA of the beginning would be used further on, without gradients
        with torch.no_grad(), as_at_the_beginning(model, begun), autocast():
            reference, _ = reply_logps(model, lesson, items, differing)
    for number in range(recipe.passes):
        loss = torch.zeros((), device=recipe.device)
        with autocast():
            if differ:
                logps, mask = reply_logps(model, lesson, items, differing)
                if number == 0:
                    sampled = logps.detach()
                    moved = float(divergence(sampled, reference)[mask].mean())
                loss = loss + _preference(recipe, logps, sampled, reference, mask, rewards[differ])
            if number == 0 and recipe.replay_weight:
                loss = loss + recipe.replay_weight * lessons_loss(model, [pack(model, lesson)])[0] / USUAL_TARGETS
        if not loss.requires_grad:
            break
        if not torch.isfinite(loss):
            return {"loss": float(loss.item())}
        loss.backward()
        update(optimiser, parameters, recipe, step, over)
        total += float(loss.item()) / recipe.passes
    return _row(groups, rewards, total, moved)


def _preference(recipe: PreferRecipe, logps: Tensor, sampled: Tensor, reference: Tensor, mask: Tensor, rewards: Tensor) -> Tensor:
    """The loss of the recipe's method on groups of replies that differ in their rewards."""
    if recipe.method != "dpo":
        better = group_advantages(rewards).flatten()
        return policy_loss(recipe.method, logps, sampled, better, mask, clip=recipe.clip, reference=reference, kl_weight=recipe.kl_weight)
    offsets = torch.arange(len(rewards), device=rewards.device) * rewards.shape[1]
    best, worst = rewards.argmax(1) + offsets, rewards.argmin(1) + offsets
    whole, before = (logps * mask).sum(1), (reference * mask).sum(1)
    return dpo_loss(whole[best], whole[worst], before[best], before[worst], recipe.dpo_weight)


def _row(groups: Sequence[Sequence[Reply]], rewards: Tensor, loss: float, moved: float) -> dict[str, float]:
    replies = [reply for group in groups for reply in group]
    letters = Counter(reply.letter for reply in replies if reply.letter is not None)
    shares = [count / sum(letters.values()) for count in letters.values()]
    means = {name: sum(getattr(reply, name) for reply in replies) / len(replies) for name in ("right", "form", "evidence", "copied")}
    return {
        "loss": loss,
        "reward": float(rewards.mean()),
        **means,
        "spread": float((rewards.amax(1) > rewards.amin(1)).float().mean()),
        "tokens": sum(len(reply.ids) for reply in replies) / len(replies),
        "letter_entropy_bits": -sum(share * math.log2(share) for share in shares),
        "divergence": moved,
        "questions": float(len(groups)),
    }
