"""The language model: loading it with LoRA, and generating from and scoring behind a prefix of vectors.

The model is any causal language model of transformers, or an audio language model whose text model is used as one: Qwen2-Audio, and the thinker of
Qwen2.5-Omni, whose audio tower stays beside it (`twnm.model.audio_tower`). It is fed embeddings, since audio tokens are vectors without an id. A `Prefix`
is what the model has read, so that one recording is read once for many questions and one question once for many answers.

Sources: Hu et al., "LoRA", 2021; Leviathan et al., "Fast inference from transformers via speculative decoding", 2023 (here the draft comes from
the caller and decoding is greedy, so that the result is that of plain greedy decoding, up to ties in floating point).
"""

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoTokenizer,
    Cache,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from twnm.errors import InputError
from twnm.model.fetch import resolve_model
from twnm.model.pretrained import load_complete, writing_config

HEARING_MODELS = ("qwen2_audio", "qwen2_5_omni_thinker")
"""Kinds of audio language models whose text model and audio tower are used."""
Stop = Callable[[list[int]], bool]
"""Whether generation ends after these generated token ids; the last of them is kept."""


class LoraSettings(BaseModel):
    """Low-rank updates of every linear projection in the decoder layers.

    Attributes:
        rank: of each update.
        alpha: updates are scaled by alpha / rank.
        first_layer: layers before this one stay as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    first_layer: int = Field(default=0, ge=0)


class LanguageModel(NamedTuple):
    """A causal language model in evaluation mode and its tokenizer, which pads on the left."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Prefix(NamedTuple):
    """What one stream has read.

    Attributes:
        cache: keys and values of `length` positions; functions here read it and leave it as it is.
        logits: (vocabulary,) of the token that comes next.
        length: positions read.
    """

    cache: Cache
    logits: Float[Tensor, " vocabulary"]
    length: int


class Drafted(NamedTuple):
    """Generated token ids and the number of forward passes that they took."""

    ids: list[int]
    passes: int


def load_language_model(name_or_path: str, *, dtype: torch.dtype = torch.float32, lora: LoraSettings | None = None) -> LanguageModel:
    """A language model whose own weights are frozen; with `lora`, trainable updates that start at zero.

    Args:
        name_or_path: one of our names ("smollm2-135m-instruct"), a folder, or a hub name ("org/name"), of a causal language model, Qwen2-Audio or
            Qwen2.5-Omni.
        dtype: of the weights; LoRA weights are float32.
        lora: None for no updates.

    Raises:
        InputError: the model cannot be found or loaded, or is of another kind.
    """
    place = resolve_model(name_or_path)
    try:
        model = _read_model(place, dtype)
        tokenizer = AutoTokenizer.from_pretrained(place, padding_side="left")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"cannot load a language model from {name_or_path!r}: {reason}; give a folder or hub name of one, of Qwen2-Audio or Qwen2.5-Omni"
        ) from error
    model.requires_grad_(False)
    if lora is not None:
        add_lora(model, lora)
    return LanguageModel(model.eval(), tokenizer)


def _read_model(place: str, dtype: torch.dtype) -> PreTrainedModel:
    config = writing_config(AutoConfig.from_pretrained(place))
    if config.model_type not in HEARING_MODELS:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(place, dtype=dtype)
        return model
    model = load_complete(AutoModelForMultimodalLM, place, config, dtype)
    if hasattr(model.base_model, "visual"):
        model.base_model.visual = nn.Identity()  # pictures take no part: 1.3 GB less
    return model


def add_lora(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Put trainable low-rank updates beside the linear projections of the decoder layers, in place."""
    from peft import LoraConfig, inject_adapter_in_model

    layers: nn.ModuleList = model.get_decoder().layers
    paths = {module: name for name, module in model.named_modules()}
    targets = [paths[module] for layer in layers[settings.first_layer :] for module in layer.modules() if isinstance(module, nn.Linear)]
    if not targets:
        raise InputError(f"LoRA from layer {settings.first_layer} of {len(layers)} touches nothing; choose an earlier first_layer")
    inject_adapter_in_model(LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=targets), model)
    for weight in lora_weights(model).values():
        weight.data = weight.data.float()  # they come in the model's precision, in which small steps would be lost


def lora_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable updates by name: what is optimised and what is saved."""
    return {name: weight for name, weight in model.named_parameters() if ".lora_" in name}


def load_lora_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Set the updates that `add_lora` made to those saved from `lora_weights`.

    Raises:
        InputError: names or shapes differ, as when the settings were others.
    """
    own = lora_weights(model)
    if own.keys() != weights.keys() or any(own[name].shape != weights[name].shape for name in own):
        raise InputError("the LoRA weights do not fit the language model; use the model and the LoRA settings they were trained with")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])


def merge_lora(model: nn.Module) -> None:
    """Add the updates into the weights for good: the same function, generated faster."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            model.set_submodule(name, module.get_base_layer())


def stop_at(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str] = (), ids: Sequence[int] = ()) -> Stop:
    """Generation ends at the end-of-text token, at any of `ids`, or when the generated text holds any of `texts`."""
    last_ids = {*ids, tokenizer.eos_token_id}
    window = 2 + max((len(tokenizer(text, add_special_tokens=False).input_ids) for text in texts), default=0)  # the text may be split otherwise

    def stop(generated: list[int]) -> bool:
        if generated[-1] in last_ids:
            return True
        return bool(texts) and any(text in tokenizer.decode(generated[-window:]) for text in texts)

    return stop


@torch.no_grad()
def read(model: PreTrainedModel, embeddings: Float[Tensor, "time width"], prefix: Prefix | None = None) -> Prefix:
    """Read embeddings, after `prefix` if one is given (which stays usable).

    Args:
        embeddings: (time, width), at least one position.
    """
    cache = DynamicCache(config=model.config) if prefix is None else _fork(prefix.cache)
    output = model(inputs_embeds=embeddings[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Prefix(cache, output.logits[0, -1], (prefix.length if prefix else 0) + len(embeddings))


@torch.no_grad()
def score_continuations(model: PreTrainedModel, prefix: Prefix, continuations: Sequence[Sequence[int]]) -> Float[Tensor, " continuations"]:
    """Log-probability of each continuation after the prefix, summed over its tokens (divide by its length for the mean), in one batch.

    Args:
        continuations: token ids, at least one each.
    """
    lengths = torch.tensor([len(ids) for ids in continuations])
    if len(lengths) == 0 or lengths.min() < 1:
        raise ValueError("score_continuations needs continuations of at least one token.")
    ids = nn.utils.rnn.pad_sequence([torch.tensor(list(ids)) for ids in continuations], batch_first=True).to(prefix.logits.device)
    first = prefix.logits.float().log_softmax(-1)[ids[:, :1]]
    if ids.shape[1] == 1:
        return first[:, 0]
    cache = _fork(prefix.cache)
    cache.batch_repeat_interleave(len(ids))
    logits = model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits.float()
    later = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    counted = torch.arange(ids.shape[1]) < lengths[:, None]
    return (torch.cat([first, later], 1) * counted.to(first.device)).sum(1)


def greedy(model: PreTrainedModel, prefix: Prefix, *, stop: Stop, max_new_tokens: int) -> list[int]:
    """The most probable token after each other, one forward pass each."""
    return draft_verify(model, prefix, [], stop=stop, max_new_tokens=max_new_tokens).ids


@torch.no_grad()
def draft_verify(
    model: PreTrainedModel,
    prefix: Prefix,
    draft: Sequence[int],
    *,
    stop: Stop,
    max_new_tokens: int,
    redraft: Callable[[list[int]], list[int]] | None = None,
) -> Drafted:
    """Greedy decoding that checks a whole draft in one forward pass and keeps what the model itself would have said.

    The model's own token stands wherever it differs from the draft, and the rest of the draft is then given up.

    Args:
        draft: a guess of what the model will say; a bad guess costs time, never changes the result.
        redraft: given all generated ids, the guess of what follows them (may be empty); asked when a draft is used up or given up.
    """
    if max_new_tokens < 1:
        return Drafted([], 0)
    cache, generated, passes = _fork(prefix.cache), [int(prefix.logits.argmax())], 0
    guess = _after(generated[-1], list(draft))
    while not stop(generated) and len(generated) < max_new_tokens:
        guess = (guess or (redraft(list(generated)) if redraft else []))[: max_new_tokens - len(generated) - 1]
        ids = torch.tensor([[generated[-1], *guess]], device=prefix.logits.device)
        said = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[0].argmax(-1).tolist()
        passes += 1
        for accepted, token in enumerate(said):
            generated.append(token)
            if stop(generated):
                return Drafted(generated, passes)
            if accepted == len(guess) or token != guess[accepted]:
                cache.crop(accepted - len(guess))
                break
        guess = []
    return Drafted(generated, passes)


@torch.no_grad()
def greedy_batch(model: PreTrainedModel, prompts: Sequence[Float[Tensor, "_ width"]], *, stop: Stop, max_new_tokens: int) -> list[list[int]]:
    """Greedy decoding of many streams at once: prompts of different lengths are padded on the left, finished streams leave the batch.

    Args:
        prompts: (time, width) embeddings of each stream, at least one position each.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    longest = int(lengths.max())
    embeddings = torch.stack([nn.functional.pad(prompt, (0, 0, longest - len(prompt), 0)) for prompt in prompts])
    mask = (torch.arange(longest) >= longest - lengths[:, None]).long().to(embeddings.device)
    cache = DynamicCache(config=model.config)
    inputs = {"inputs_embeds": embeddings, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    generated: list[list[int]] = [[] for _ in prompts]
    running = list(range(len(prompts)))
    for _ in range(max_new_tokens):
        tokens = model(**inputs, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].argmax(-1)
        for stream, token in zip(running, tokens.tolist(), strict=True):
            generated[stream].append(token)
        kept = [row for row, stream in enumerate(running) if not stop(generated[stream])]
        if not kept:
            break
        position = inputs["position_ids"][:, -1:] + 1
        if len(kept) < len(running):
            rows = torch.tensor(kept, device=mask.device)
            cache.batch_select_indices(rows)
            mask, tokens, position = mask[rows], tokens[rows], position[rows]
            running = [running[row] for row in kept]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        inputs = {"input_ids": tokens[:, None], "position_ids": position}
    return generated


@torch.no_grad()
def sample_batch(
    model: PreTrainedModel, prefix: Prefix, count: int, *, stop: Stop, max_new_tokens: int, temperature: float = 1.0, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Several continuations of one prefix, drawn token by token from the softmax of the logits over `temperature`; finished streams leave the batch."""
    generated: list[list[int]] = [[] for _ in range(count)]
    running = list(range(count))
    cache = _fork(prefix.cache)
    cache.batch_repeat_interleave(count)
    logits = prefix.logits.expand(count, -1)
    for _ in range(max_new_tokens):
        tokens = torch.multinomial((logits.float() / temperature).softmax(-1), 1, generator=generator)
        for stream, token in zip(running, tokens[:, 0].tolist(), strict=True):
            generated[stream].append(token)
        kept = [row for row, stream in enumerate(running) if not stop(generated[stream])]
        if not kept:
            break
        if len(kept) < len(running):
            rows = torch.tensor(kept, device=tokens.device)
            cache.batch_select_indices(rows)
            tokens, running = tokens[rows], [running[row] for row in kept]
        logits = model(input_ids=tokens, past_key_values=cache, use_cache=True).logits[:, -1]
    return generated


def _after(token: int, draft: list[int]) -> list[int]:
    return draft[1:] if draft and draft[0] == token else []


def _fork(cache: Cache) -> Cache:
    """A cache with the same past; layers replace their tensors when they grow, so nothing is copied."""
    fork = copy.copy(cache)
    fork.layers = [copy.copy(layer) for layer in cache.layers]
    return fork
