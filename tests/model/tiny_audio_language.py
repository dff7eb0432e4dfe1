"""Small random audio language models of the real classes with their extractors and tokenizers, as folders: Qwen2-Audio and Qwen2.5-Omni."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_model import byte_tokenizer

MELS, WIDTH = 16, 16


def text_config(vocabulary: int) -> dict[str, Any]:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    return {"model_type": "qwen2", "vocab_size": vocabulary, "initializer_range": 0.3, **sizes}


def audio_config() -> dict[str, Any]:
    return {"num_mel_bins": MELS, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": WIDTH, "initializer_range": 0.3}


def qwen2_audio(vocabulary: int) -> Any:
    config = transformers.Qwen2AudioConfig(audio_config=audio_config(), text_config=text_config(vocabulary), audio_token_index=vocabulary - 1)
    return transformers.Qwen2AudioForConditionalGeneration(config)


def qwen_omni(vocabulary: int) -> Any:
    """The thinker; its special tokens take no part here."""
    rotary = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    config = transformers.Qwen2_5OmniThinkerConfig(
        audio_config=audio_config() | {"output_dim": WIDTH},
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16},
        text_config=text_config(vocabulary) | {"model_type": "qwen2_5_omni_text", "rope_parameters": rotary},
    )
    return transformers.Qwen2_5OmniThinkerForConditionalGeneration(config)


def save(make: Any, folder: Path, seed: int = 4) -> Any:
    """Write weights, tokenizer and extractor as a published model has them; gives the model."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer()
    model = make(len(tokenizer)).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=MELS).save_pretrained(folder)
    return model
