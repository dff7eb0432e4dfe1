"""The language model: loading it with LoRA, and generating from and scoring behind a prefix of vectors.

The model is any causal language model of transformers, or an audio language model whose text model is used as one: Qwen2-Audio, and the thinker of
Qwen2.5-Omni, whose audio tower stays beside it (`twnm.model.audio_tower`). It is fed embeddings, since audio tokens are vectors without an id. A `Prefix`
is what the model has read, so that one recording is read once for many questions and one question once for many answers.

Decoding is greedy. A guide may allow certain continuations only, as `twnm.model.reckoning` does for figures: those that follow are put in without asking.

Source: Hu et al., "LoRA", 2021.
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

Guide = Callable[[list[int], int], Sequence[Sequence[int]]]
"""Given the generated token ids and the most probable next one, the continuations that are allowed; empty for that one."""


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


def half_is_faster() -> bool:
    """Whether this processor has instructions for bfloat16; elsewhere it multiplies slower so than in float32."""
    supported: bool = torch.cpu._is_avx512_bf16_supported()
    return supported


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
    logits = _last_logits(model, cache, inputs_embeds=embeddings[None].to(model.dtype))
    return Prefix(cache, logits[0], (prefix.length if prefix else 0) + len(embeddings))


def _last_logits(model: PreTrainedModel, cache: Cache, **given: Tensor) -> Float[Tensor, "batch vocabulary"]:
    """Logits behind the last position of each row; the cache grows by what is given."""
    states = model.get_decoder()(**given, past_key_values=cache, use_cache=True).last_hidden_state
    logits: Tensor = model.get_output_embeddings()(states[:, -1])  # as a matrix: for a batch of them the whole vocabulary layer is copied each time
    return logits


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


class _Stream:
    """What one stream has generated, and what is left of the continuations that its guide allows."""

    def __init__(self, guide: Guide | None) -> None:
        self.guide = guide
        self.said: list[int] = []
        self._left: list[list[int]] = []

    def go_on(self, logits: Float[Tensor, " vocabulary"], whole: bool) -> list[int]:
        """The tokens that come next: the most probable one that is allowed, or with `whole` all of the only continuation that is left."""
        if not self._left and self.guide is not None:
            self._left = [list(ids) for ids in self.guide(self.said, int(logits.argmax()))]
        if not self._left:
            tokens = [int(logits.argmax())]
        elif whole and len(self._left) == 1:
            tokens = self._left.pop()
        else:
            firsts = sorted({ids[0] for ids in self._left})
            tokens = [firsts[int(logits[firsts].argmax())]]
            self._left = [ids[1:] for ids in self._left if ids[0] == tokens[0]]
            if not all(self._left):
                self._left = []
        self.said += tokens
        return tokens


@torch.no_grad()
def greedy(model: PreTrainedModel, prefix: Prefix, *, stop: Stop, max_new_tokens: int, guide: Guide | None = None) -> list[int]:
    """The most probable token after each other, among those that a guide allows."""
    stream, cache, logits = _Stream(guide), _fork(prefix.cache), prefix.logits
    while len(stream.said) < max_new_tokens:
        tokens = stream.go_on(logits, whole=True)
        if stop(stream.said) or len(stream.said) >= max_new_tokens:
            break
        ids = torch.tensor([tokens], device=prefix.logits.device)
        logits = _last_logits(model, cache, input_ids=ids)[0]
    return stream.said[:max_new_tokens]


@torch.no_grad()
def greedy_batch(
    model: PreTrainedModel, prefixes: Sequence[Prefix], *, stop: Stop, max_new_tokens: int, guides: Sequence[Guide | None] = ()
) -> list[list[int]]:
    """What `greedy` gives behind each of several prefixes, generated together; finished streams leave the batch.

    Args:
        prefixes: of any lengths.
        guides: one for each stream, if any.
    """
    streams = [_Stream(guide) for guide in guides or [None] * len(prefixes)]
    running = list(streams)
    cache, mask = _stacked(model, prefixes)
    logits = torch.stack([prefix.logits for prefix in prefixes])
    position = torch.tensor([[prefix.length] for prefix in prefixes], device=mask.device)
    for _ in range(max_new_tokens):
        tokens = torch.tensor([stream.go_on(row, whole=False)[0] for stream, row in zip(running, logits, strict=True)], device=mask.device)
        kept = [row for row, stream in enumerate(running) if not stop(stream.said) and len(stream.said) < max_new_tokens]
        if not kept:
            break
        if len(kept) < len(running):
            rows = torch.tensor(kept, device=mask.device)
            cache.batch_select_indices(rows)
            mask, tokens, position = mask[rows], tokens[rows], position[rows]
            running = [running[row] for row in kept]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        logits = _last_logits(model, cache, input_ids=tokens[:, None], attention_mask=mask, position_ids=position)
        position = position + 1
    return [stream.said for stream in streams]


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
        logits = _last_logits(model, cache, input_ids=tokens)
    return generated


def _stacked(model: PreTrainedModel, prefixes: Sequence[Prefix]) -> tuple[Cache, Tensor]:
    """One cache of several prefixes, padded on the left, and the mask of what is no padding."""
    longest = max(prefix.length for prefix in prefixes)
    short = [longest - prefix.length for prefix in prefixes]
    cache = DynamicCache(config=model.config)
    for number, layers in enumerate(zip(*(prefix.cache.layers for prefix in prefixes), strict=True)):
        keys, values = (
            torch.cat([nn.functional.pad(getattr(layer, name), (0, 0, less, 0)) for layer, less in zip(layers, short, strict=True)])
            for name in ("keys", "values")
        )
        cache.update(keys, values, number)
    mask = torch.arange(longest) >= torch.tensor(short)[:, None]
    return cache, mask.long().to(prefixes[0].logits.device)


def _fork(cache: Cache) -> Cache:
    """A cache with the same past; layers replace their tensors when they grow, so nothing is copied."""
    fork = copy.copy(cache)
    fork.layers = [copy.copy(layer) for layer in cache.layers]
    return fork
