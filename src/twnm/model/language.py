"""The language model: loading it with LoRA, and generating from and scoring behind a prefix of vectors.

The model is any causal language model of transformers, or an audio language model whose text model is used as one: Qwen2-Audio, and the thinker of
Qwen2.5-Omni, whose audio tower stays beside it (`twnm.model.audio_tower`). It is fed embeddings, since audio tokens are vectors without an id. A `Prefix`
is what the model has read, so that one recording is read once for many questions and one question once for many answers.

Decoding is greedy, or draws. A guide may allow certain continuations only, as `twnm.model.reckoning` does for figures: those that follow are put in
without asking.

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
    states = _states(model, cache, inputs_embeds=embeddings[None].to(model.dtype))
    return Prefix(cache, _logits(model, states[:, -1])[0], (prefix.length if prefix else 0) + len(embeddings))


@torch.no_grad()
def read_batch(model: PreTrainedModel, embeddings: Sequence[Float[Tensor, "_ width"]], prefixes: Sequence[Prefix]) -> list[Prefix]:
    """What `read` gives of embeddings behind each of several prefixes, read together: for short ones in a fraction of the time.

    Args:
        embeddings: of any lengths, one or more positions each.
        prefixes: of any lengths.
    """
    if len(prefixes) < 2:
        return [read(model, one, prefix) for one, prefix in zip(embeddings, prefixes, strict=True)]
    streams = _Streams(model, prefixes)
    padded = nn.utils.rnn.pad_sequence(list(embeddings), batch_first=True).to(model.dtype)
    positions = streams.positions + torch.arange(padded.shape[1], device=padded.device)
    mask = torch.cat([streams.mask, streams.mask.new_ones(padded.shape[:2])], 1)  # what follows the end of a stream comes too late to be seen
    states = _states(model, streams.cache, inputs_embeds=padded, attention_mask=mask, position_ids=positions)
    longest = streams.mask.shape[1]
    ends = torch.tensor([len(one) for one in embeddings], device=padded.device)
    logits = _logits(model, states[torch.arange(len(ends), device=padded.device), ends - 1])
    return [
        Prefix(_part(streams.cache, row, slice(longest - prefix.length, longest + len(one))), logits[row], prefix.length + len(one))
        for row, (prefix, one) in enumerate(zip(prefixes, embeddings, strict=True))
    ]


def _states(model: PreTrainedModel, cache: Cache, **given: Tensor) -> Float[Tensor, "batch time width"]:
    """The last layer's states of what is given; the cache grows by it."""
    states: Tensor = model.get_decoder()(**given, past_key_values=cache, use_cache=True).last_hidden_state
    return states


def _logits(model: PreTrainedModel, states: Float[Tensor, "positions width"]) -> Float[Tensor, "positions vocabulary"]:
    """Logits of states, which are a matrix: for a batch of single states the whole vocabulary layer is copied each time."""
    logits: Tensor = model.get_output_embeddings()(states)
    return logits


def score_continuations(model: PreTrainedModel, prefix: Prefix, continuations: Sequence[Sequence[int]]) -> Float[Tensor, " continuations"]:
    """Log-probability of each continuation after a prefix, summed over its tokens (divide by its length for the mean).

    Args:
        continuations: token ids, at least one each.
    """
    return score_batch(model, [prefix], [continuations])[0]


@torch.no_grad()
def score_batch(model: PreTrainedModel, prefixes: Sequence[Prefix], continuations: Sequence[Sequence[Sequence[int]]]) -> list[Float[Tensor, " continuations"]]:
    """Log-probabilities of the continuations of each prefix, read together: those of one prefix in one row, in which none sees another.

    Args:
        prefixes: of any lengths.
        continuations: those of each prefix, at least one of at least one token each.
    """
    if any(not each or not all(each) for each in continuations):
        raise ValueError("scores are of continuations of at least one token.")
    device = prefixes[0].logits.device
    streams = _Streams(model, prefixes)
    rows = [[(number, place, token) for number, ids in enumerate(each) for place, token in enumerate(ids[:-1])] for each in continuations]
    longest = max(map(len, rows))
    known = streams.logits.float().log_softmax(-1)
    scores = [known[row, [ids[0] for ids in each]] for row, each in enumerate(continuations)]
    if longest == 0:
        return scores
    number, place, token = torch.tensor([[*row, *[(-1, 0, 0)] * (longest - len(row))] for row in rows], device=device).unbind(dim=-1)
    order = torch.arange(longest, device=device)
    sees = (number[:, :, None] == number[:, None]) & (order[:, None] >= order)
    sees = torch.cat([streams.mask[:, None].bool().expand(-1, longest, -1), sees], dim=-1)
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=device).masked_fill_(~sees, torch.finfo(model.dtype).min)[:, None]
    states = _states(model, streams.cache, input_ids=token, attention_mask=mask, position_ids=streams.positions + place)
    for row, each in enumerate(continuations):
        follows = torch.tensor([ids[at + 1] for ids in each for at in range(len(ids) - 1)], dtype=torch.long, device=device)
        logps = _logits(model, states[row, : len(follows)]).float().log_softmax(-1).gather(1, follows[:, None])[:, 0]
        scores[row] = scores[row].index_add(0, number[row, : len(follows)], logps)
    return scores


class _Streams:
    """Several streams that go on together: one cache, padded on the left wherever a stream has less in it than another.

    `mask` is 1 for what is no padding, `positions` how much each stream has read, `logits` those of the next token of each.
    """

    def __init__(self, model: PreTrainedModel, prefixes: Sequence[Prefix]) -> None:
        self.model = model
        device = prefixes[0].logits.device
        lengths = [prefix.length for prefix in prefixes]
        short = [max(lengths) - length for length in lengths]
        self.cache = _fork(prefixes[0].cache)
        for number, layer in enumerate(self.cache.layers):
            for name in ("keys", "values"):
                parts = [getattr(prefix.cache.layers[number], name) for prefix in prefixes]
                padded = [nn.functional.pad(part, (0, 0, less, 0)) if less else part for part, less in zip(parts, short, strict=True)]
                setattr(layer, name, torch.cat(padded) if len(padded) > 1 else padded[0])
        self.mask = (torch.arange(max(lengths)) >= torch.tensor(short)[:, None]).long().to(device)
        self.positions = torch.tensor(lengths, device=device)[:, None]
        self.logits = torch.stack([prefix.logits for prefix in prefixes])

    def repeat(self, count: int) -> None:
        """Each stream `count` times, one after another."""
        self.cache.batch_repeat_interleave(count)
        self.mask, self.positions, self.logits = (part.repeat_interleave(count, 0) for part in (self.mask, self.positions, self.logits))

    def keep(self, rows: Sequence[int]) -> None:
        """Only these streams."""
        if len(rows) == len(self.mask):
            return
        which = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(which)
        self.mask, self.positions, self.logits = self.mask[which], self.positions[which], self.logits[which]

    def read(self, said: Sequence[Sequence[int]]) -> None:
        """Each stream reads one or more tokens of its own."""
        longest = max(map(len, said))
        device = self.mask.device
        tokens = torch.tensor([[0] * (longest - len(ids)) + list(ids) for ids in said], device=device)
        own = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in said], device=device)
        self.mask = torch.cat([self.mask, own], 1)
        positions = self.positions + (own.cumsum(1) - 1).clamp_min(0)
        self.positions = self.positions + own.sum(1, keepdim=True)
        padding = {} if bool(self.mask.all()) else {"attention_mask": self.mask}
        self.logits = _logits(self.model, _states(self.model, self.cache, input_ids=tokens, position_ids=positions, **padding)[:, -1])


Choose = Callable[[Float[Tensor, " vocabulary"]], int]


class _Speech:
    """What one stream says, and what is left of the continuations that its guide allows.

    `chosen` tells of each token whether there was a choice: not where only one continuation was left.
    """

    def __init__(self, guide: Guide | None, choose: Choose) -> None:
        self.guide, self.choose = guide, choose
        self.said: list[int] = []
        self.chosen: list[bool] = []
        self._left: list[list[int]] = []

    def go_on(self, logits: Float[Tensor, " vocabulary"]) -> list[int]:
        """The tokens that come next: one that is chosen among those allowed, or all of the only continuation that is left."""
        token = None
        if not self._left:
            token = self.choose(logits)
            if self.guide is not None:
                self._left = [list(ids) for ids in self.guide(self.said, token)]
        forced = len(self._left) == 1
        if forced:
            tokens = self._left.pop()
        elif self._left:
            firsts = sorted({ids[0] for ids in self._left})
            tokens = [firsts[self.choose(logits[firsts])] if len(firsts) > 1 else firsts[0]]
            forced = len(firsts) == 1
            self._left = [ids[1:] for ids in self._left if ids[0] == tokens[0]]
            if not all(self._left):
                self._left = []
        else:
            assert token is not None
            tokens = [token]
        self.said += tokens
        self.chosen += [not forced] * len(tokens)
        return tokens


def _speak(streams: _Streams, speeches: Sequence[_Speech], stop: Stop, max_new_tokens: int) -> None:
    """All streams say what they say, together; finished ones leave the batch."""
    running = list(speeches)
    while max_new_tokens > 0:
        given = [speech.go_on(row) for speech, row in zip(running, streams.logits, strict=True)]
        kept = [row for row, speech in enumerate(running) if not stop(speech.said) and len(speech.said) < max_new_tokens]
        if not kept:
            return
        streams.keep(kept)
        running = [running[row] for row in kept]
        streams.read([given[row] for row in kept])


@torch.no_grad()
def greedy_batch(
    model: PreTrainedModel, prefixes: Sequence[Prefix], *, stop: Stop, max_new_tokens: int, guides: Sequence[Guide | None] = ()
) -> list[list[int]]:
    """The most probable token after each other behind each of several prefixes, among those that a guide allows; finished streams leave the batch.

    Args:
        prefixes: of any lengths.
        guides: one for each stream, if any.
    """
    speeches = [_Speech(guide, lambda logits: int(logits.argmax())) for guide in guides or [None] * len(prefixes)]
    _speak(_Streams(model, prefixes), speeches, stop, max_new_tokens)
    return [speech.said[:max_new_tokens] for speech in speeches]


class Sample(NamedTuple):
    """A continuation that was drawn: its tokens, and of each whether there was a choice (a guide may have put it in)."""

    ids: list[int]
    chosen: list[bool]


@torch.no_grad()
def sample_batch(
    model: PreTrainedModel,
    prefixes: Sequence[Prefix],
    count: int,
    *,
    stop: Stop,
    max_new_tokens: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    guides: Sequence[Guide | None] = (),
) -> list[list[Sample]]:
    """`count` continuations of each prefix, drawn token by token from the softmax of the logits over `temperature`, among those that a guide allows.

    Args:
        prefixes: of any lengths.
        guides: one for each prefix, if any.
    """

    def draw(logits: Float[Tensor, " vocabulary"]) -> int:
        return int(torch.multinomial((logits.float() / temperature).softmax(-1), 1, generator=generator))

    streams = _Streams(model, prefixes)
    streams.repeat(count)
    speeches = [_Speech(guide, draw) for guide in guides or [None] * len(prefixes) for _ in range(count)]
    _speak(streams, speeches, stop, max_new_tokens)
    drawn = [Sample(speech.said[:max_new_tokens], speech.chosen[:max_new_tokens]) for speech in speeches]
    return [drawn[begin : begin + count] for begin in range(0, len(drawn), count)]


def _fork(cache: Cache) -> Cache:
    """A cache with the same past; layers replace their tensors when they grow, so nothing is copied."""
    fork = copy.copy(cache)
    fork.layers = [copy.copy(layer) for layer in cache.layers]
    return fork


def _part(cache: Cache, row: int, columns: slice) -> Cache:
    """Some positions of one stream, as views."""
    part = _fork(cache)
    for layer in part.layers:
        for name in ("keys", "values"):
            setattr(layer, name, getattr(layer, name)[row : row + 1, :, columns])
    return part
