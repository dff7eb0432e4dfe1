"""A whole model in miniature for tests: byte tokens, a random two-layer Llama, a random slot encoder, and semantic vectors made from loudness."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from twnm.model.beams import Beams, beam_patches, beam_weights
from twnm.model.language import LanguageModel
from twnm.model.loading import class_anchors
from twnm.model.namer import Namer
from twnm.model.projector import HeardBatch, Projector
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.twnm import Twnm
from twnm.questions.schema import Item

EVIDENCE = "dog | left 90° | level 0° | 2.0 m | 0.0-4.0 s"
CLASSES = ("dog", "bell", "male_speech")
SEMANTIC_SIZE = 16
CONFIG = EncoderConfig(CLASSES, width=32, layers=1, stem=(8, 8, 8, 8), semantic_size=SEMANTIC_SIZE)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, the chat tokens of SmolLM2, and its end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: index for index, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", padding_side="left", clean_up_tokenization_spaces=False)


def tiny_language(seed: int = 1, tied: bool = False) -> LanguageModel:
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LanguageModel(LlamaForCausalLM(config).requires_grad_(False).eval(), tokenizer)


def tiny_encoder(seed: int = 2, config: EncoderConfig = CONFIG) -> SlotEncoder:
    """Random weights, but all slots exist and sound most of the time."""
    torch.manual_seed(seed)
    encoder = SlotEncoder(config)
    with torch.no_grad():
        encoder.existence.bias.fill_(2.0)
        encoder.per_frame[-1].bias[0] = 1.0
    return encoder.eval().requires_grad_(False)


class LoudnessSemantic:
    """Two vectors per second that depend on the level of W only."""

    def __init__(self, size: int = SEMANTIC_SIZE) -> None:
        self.size = size

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        patches = max(1, audio.shape[-1] // 12_000)
        levels = torch.nn.functional.adaptive_avg_pool1d(audio[:, :1].abs(), patches).squeeze(1)
        return torch.sin(levels[..., None] * torch.arange(1, self.size + 1))

    def hear_beams(self, foa: np.ndarray, directions: np.ndarray, active: np.ndarray) -> Beams:
        """Two vectors per object that depend on the level of its beam only."""
        weights = beam_weights(directions, active)
        levels = np.array([np.abs(beam_patches(foa, weight, 0, foa.shape[1] // 2400)).mean() for weight in weights])
        vectors = torch.sin(torch.from_numpy(levels).float()[:, None, None] * torch.arange(1, self.size + 1)).repeat(1, 2, 1)
        return Beams(vectors, torch.zeros(0, 96, 64), torch.zeros(0, dtype=torch.long))

    def opinion(self, beams: Beams, classes: Sequence[str], namer: Namer | None) -> torch.Tensor:
        """No opinion on names."""
        return torch.zeros(len(beams.vectors), len(classes))


def tiny_twnm(seed: int = 3) -> Twnm:
    language, encoder = tiny_language(), tiny_encoder()
    torch.manual_seed(seed)
    projector = Projector(CONFIG, class_anchors(language, CLASSES)).eval().requires_grad_(False)
    return Twnm(encoder, LoudnessSemantic(), projector, language)


def noise(seconds: float = 5.0, seed: int = 0, gain: float = 0.1) -> np.ndarray:
    """Four channels of white noise."""
    return (gain * np.random.default_rng(seed).standard_normal((4, round(24_000 * seconds)))).astype(np.float32)


def slot_output(slots: int = 6, frames: int = 50, classes: int = len(CLASSES), batch: int = 1, **given: Any) -> SlotOutput:
    """Silent slots (existence and activity logits at -9, looking to the front at 1 m) with the given fields in their place."""
    fields = {
        "existence": torch.full((batch, slots), -9.0),
        "label": torch.zeros(batch, slots, classes),
        "activity": torch.full((batch, slots, frames), -9.0),
        "direction": torch.tensor([1.0, 0.0, 0.0]).repeat(batch, slots, frames, 1),
        "log_distance": torch.zeros(batch, slots),
        "log_distances": torch.zeros(batch, slots, frames),
        "log_spread": torch.zeros(batch, slots),
        "moves": torch.full((batch, slots), -9.0),
        "embedding": torch.randn(batch, slots, 32, generator=torch.Generator().manual_seed(0)),
        "evidence": torch.zeros(batch, slots, 64),
        "attention": torch.full((batch, slots, frames), 1 / frames),
        "room": torch.zeros(batch, 4),
        "walls": torch.zeros(batch),
        "frames": torch.randn(batch, frames, 32, generator=torch.Generator().manual_seed(1)),
        "accdoa": torch.zeros(batch, frames, classes, 3),
    }
    return SlotOutput(**(fields | given))


def heard_arrays(model: Twnm, seed: int = 0) -> dict[str, np.ndarray]:
    """What the encoders say of noise, as a lesson holds it."""
    heard = model.hear_window(torch.from_numpy(noise(seed=seed)))[0]
    return {field.name: getattr(heard, field.name).numpy() for field in fields(HeardBatch)}


def item(question: str, derivation: str, answer: str) -> Item:
    """A question about `EVIDENCE` with its reasoning and its answer."""
    return Item(
        sample_id="s-0",
        scene_id="s",
        file_name="",
        level="L1",
        task="side",
        family="spatial",
        question=question,
        options=(answer, "none of these"),
        answer_letter="A",
        answer_text=answer,
        derivation=derivation,
        evidence=(EVIDENCE,),
    )
