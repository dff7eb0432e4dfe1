"""`hf:MODEL`: an audio language model of the Hugging Face hub, or of a folder, through transformers.

Any model that takes audio and chat messages and writes text, by the model and processor classes of transformers itself: Qwen2-Audio, Qwen2.5-Omni and
Qwen3-Omni (their thinkers: the half that writes text), Audio Flamingo 3, Voxtral, ... Code from the hub is never run. Such models take one channel, so
the recording is mixed down to mono (channel W; of two channels the mean) at the model's own rate. Answers are greedy, one question at a time.

Tested with small random models of the real classes; not tested: the published weights, and GPUs.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from twnm.bench.prompts import SPATIAL_ACCESS, render_audio, write_prompt
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.errors import InputError

MAX_NEW_TOKENS = 256


class HuggingFace:
    """A model with its processor, as a system of the benchmark.

    Args:
        name: of the system, "hf:MODEL".
        model: a transformers model that generates text from audio and text.
        processor: that of the model; its chat template writes the prompt.

    Raises:
        InputError: the processor has no chat template, or takes no audio.
    """

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        if getattr(processor, "chat_template", None) is None:
            raise InputError(f"{name}: its processor has no chat template; give a model that is tuned to chat")
        if getattr(processor, "feature_extractor", None) is None:
            raise InputError(f"{name}: its processor takes no audio; give an audio language model")
        self.name, self._model, self._processor = name, model.eval(), processor
        self.rate_hz = int(processor.feature_extractor.sampling_rate)
        self.two_channels = True
        self.labels = Labels("mono", "other data", "text", f"{SPATIAL_ACCESS['mono']} at {self.rate_hz} Hz")

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question, in the model's own words; without a recording the question alone is asked."""
        mono = None if recording.audio is None else render_audio(recording.audio, "mono", self.rate_hz)[0]
        return [self._reply(question, mono) for question in questions]

    def _reply(self, question: Question, mono: Float32[np.ndarray, " samples"] | None) -> Reply:
        import torch

        began = time.perf_counter()
        inputs = self._inputs(write_prompt(question.question, question.options, None if mono is None else "mono"), mono)
        with torch.inference_mode():
            whole = self._model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, temperature=None, top_p=None, top_k=None)
        said = whole[0, inputs["input_ids"].shape[1] :]
        text = self._processor.tokenizer.decode(said, skip_special_tokens=True)
        return Reply(str(text).strip(), seconds=time.perf_counter() - began, tokens=len(said))

    def _inputs(self, prompt: str, mono: Float32[np.ndarray, " samples"] | None) -> Any:
        content: list[dict[str, Any]] = [] if mono is None else [{"type": "audio", "audio": mono}]
        message = {"role": "user", "content": [*content, {"type": "text", "text": prompt}]}
        inputs = self._processor.apply_chat_template([message], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
        return inputs.to(self._model.device, dtype=self._model.dtype)


def load(model: str) -> HuggingFace:
    """The system `hf:MODEL`: weights and processor from a folder, or from the hub and its cache; on the GPU if there is one.

    Raises InputError if they cannot be loaded: no such model, no network, a class that writes no text from audio, weights that do not fit, or a
    library that the processor needs and that is not installed.
    """
    from transformers import AutoProcessor

    try:
        return HuggingFace(f"hf:{model}", load_model(model), AutoProcessor.from_pretrained(model))
    except InputError:
        raise
    except (OSError, ValueError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"hf:{model} cannot be loaded ({reason[:300]}); give the name of an audio language model on the Hugging Face hub, or a folder"
        ) from error


def load_model(model: str) -> Any:
    """The text-writing model of a hub name or folder. Errors as of transformers, and InputError for another kind of model or weights that do not fit."""
    import torch
    from transformers import AutoConfig

    from twnm.model.pretrained import load_complete, writing_config

    config = writing_config(AutoConfig.from_pretrained(model))
    loaded: Any = load_complete(_auto_class(model, config), model, config, "auto")
    return loaded.to("cuda" if torch.cuda.is_available() else "cpu")


def _auto_class(model: str, config: Any) -> Any:
    import transformers

    for auto, mapping in (
        (transformers.AutoModelForMultimodalLM, transformers.MODEL_FOR_MULTIMODAL_LM_MAPPING),
        (transformers.AutoModelForSeq2SeqLM, transformers.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING),
    ):
        if type(config) in mapping:
            return auto
    raise InputError(f"hf:{model} is of the kind {config.model_type}, which writes no text from audio; give an audio language model")
