"""The Hugging Face system with small random models of the real classes and their real processors: Qwen2-Audio, Audio Flamingo 3, Qwen2.5-Omni."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from twnm.ambisonics import encode
from twnm.bench.prompts import render_audio, write_prompt
from twnm.bench.systems.base import Labels, Question, Recording
from twnm.bench.systems.huggingface import HuggingFace, load, load_model
from twnm.errors import InputError

WHERE = Question("s1", "Where is the dog?", ("front", "left"), "choice")
NOISE = (0.1 * np.random.default_rng(0).standard_normal(24_000)).astype(np.float32)
RECORDING = Recording(encode(NOISE, 60.0, 10.0))
MELS = 16
CHAT_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
OMNI_TOKENS = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'audio' %}AUDIO{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(*special: str, **named: Any) -> transformers.PreTrainedTokenizerFast:
    """One token per byte, and the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: index for index, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*CHAT_TOKENS, *special])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", **named)


def text_config(vocabulary: int) -> dict[str, Any]:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    return {"model_type": "qwen2", "vocab_size": vocabulary, "initializer_range": 0.3, **sizes}


def audio_config() -> dict[str, Any]:
    return {"num_mel_bins": MELS, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16}


def qwen2_audio() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    processor = transformers.Qwen2AudioProcessor(transformers.WhisperFeatureExtractor(feature_size=MELS), tokenizer)
    place = tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    config = transformers.Qwen2AudioConfig(audio_config=audio_config(), text_config=text_config(len(tokenizer)), audio_token_index=place)
    return transformers.Qwen2AudioForConditionalGeneration(config), processor


def audio_flamingo() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("<sound>")
    extractor = transformers.WhisperFeatureExtractor(feature_size=MELS)
    processor = transformers.AudioFlamingo3Processor(extractor, tokenizer, chat_template=TEMPLATE.replace("AUDIO", "<sound>"))
    audio = {"num_mel_bins": MELS, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    place = tokenizer.convert_tokens_to_ids("<sound>")
    config = transformers.AudioFlamingo3Config(audio_config=audio, text_config=text_config(len(tokenizer)), audio_token_id=place)
    return transformers.AudioFlamingo3ForConditionalGeneration(config), processor


def omni_config(tokenizer: Any) -> Any:
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in OMNI_TOKENS.items()}
    thinker = {
        "audio_config": audio_config() | {"output_dim": 16},
        "vision_config": {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16},
        "text_config": text_config(len(tokenizer))
        | {"model_type": "qwen2_5_omni_text", "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}},
        "audio_token_index": ids["audio_token"],
        "image_token_index": ids["image_token"],
        "video_token_index": ids["video_token"],
        "vision_start_token_id": ids["vision_bos_token"],
        "audio_start_token_id": ids["audio_bos_token"],
        "audio_end_token_id": ids["audio_eos_token"],
        "pad_token_id": tokenizer.pad_token_id,
    }
    return transformers.Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False)


def omni_tokenizer() -> Any:
    return byte_tokenizer(*OMNI_TOKENS.values(), extra_special_tokens=OMNI_TOKENS)


def qwen_omni(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The thinker, and the processor without its parts for pictures, which need torchvision and take no part here."""
    check = transformers.Qwen2_5OmniProcessor.check_argument_for_proper_class
    monkeypatch.setattr(
        transformers.Qwen2_5OmniProcessor, "check_argument_for_proper_class", lambda self, name, part: type(part) if part is None else check(self, name, part)
    )
    tokenizer = omni_tokenizer()
    template = TEMPLATE.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>")
    extractor = transformers.WhisperFeatureExtractor(feature_size=MELS)
    processor = transformers.Qwen2_5OmniProcessor(feature_extractor=extractor, tokenizer=tokenizer, chat_template=template)
    return transformers.Qwen2_5OmniThinkerForConditionalGeneration(omni_config(tokenizer).thinker_config), processor


@pytest.fixture(params=["qwen2-audio", "audio-flamingo", "qwen-omni"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    torch.manual_seed(0)
    makers: dict[str, Callable[[], tuple[Any, Any]]] = {"qwen2-audio": qwen2_audio, "audio-flamingo": audio_flamingo}
    return makers[request.param]() if request.param in makers else qwen_omni(monkeypatch)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.bench.systems.huggingface.MAX_NEW_TOKENS", 6)


def seen(parts: tuple[Any, Any], recording: Recording, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What reaches the model for one question."""
    model, processor = parts
    calls: list[dict[str, Any]] = []
    generate = type(model).generate
    monkeypatch.setattr(type(model), "generate", lambda self, **inputs: calls.append(inputs) or generate(self, **inputs))
    HuggingFace("hf:tiny", model, processor).answer(recording, [WHERE])
    return calls[0]


def test_a_model_answers_in_text_from_mono_audio(parts: tuple[Any, Any]) -> None:
    system = HuggingFace("hf:tiny", *parts)
    first, again = system.answer(RECORDING, [WHERE, WHERE])
    assert first.text == again.text and "<|im_end|>" not in first.text and "Where" not in first.text
    assert first.tokens is not None and 1 <= first.tokens <= 6
    assert first.seconds > 0
    assert system.labels == Labels("mono", "other data", "text", "none: down-mix to mono (channel W) at 16000 Hz")


def test_the_prompt_stands_in_the_chat_with_the_audio(parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ids = seen(parts, RECORDING, monkeypatch)["input_ids"][0]
    text = parts[1].tokenizer.decode(ids)
    prompt = write_prompt(WHERE.question, WHERE.options, "mono")
    assert text.index(prompt) > text.rindex(parts[1].audio_token)
    assert text.endswith("<|im_start|>assistant\n")
    assert text.count(parts[1].audio_token) == 25  # 1 s of audio at 25 tokens a second


def test_the_model_gets_the_spectrum_of_w_at_16_khz(parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    features = seen(parts, RECORDING, monkeypatch)["input_features"]
    assert RECORDING.foa is not None
    mono = render_audio(RECORDING.foa, "mono", 16_000)[0]
    np.testing.assert_allclose(features[0], parts[1].feature_extractor(mono, sampling_rate=16_000)["input_features"][0], atol=1e-5)


def test_only_the_channel_w_matters(parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    other = seen(parts, Recording(encode(NOISE, -120.0, -30.0)), monkeypatch)
    assert torch.equal(other["input_features"], seen(parts, RECORDING, monkeypatch)["input_features"])


def test_without_a_recording_no_audio_reaches_the_model(parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = seen(parts, Recording(None), monkeypatch)
    assert inputs.get("input_features") is None
    assert "There is no recording" in parts[1].tokenizer.decode(inputs["input_ids"][0])


@pytest.mark.parametrize("make", [qwen2_audio, audio_flamingo])
def test_a_folder_is_loaded_with_its_own_weights(make: Callable[[], tuple[Any, Any]], tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, processor = make()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    system = load(str(tmp_path))
    assert system.name == f"hf:{tmp_path}"
    assert system.answer(RECORDING, [WHERE])[0].text == HuggingFace("hf:tiny", model, processor).answer(RECORDING, [WHERE])[0].text


def test_the_thinker_of_a_whole_omni_model_is_loaded_with_its_weights(tmp_path: Path) -> None:
    whole = transformers.Qwen2_5OmniForConditionalGeneration(omni_config(omni_tokenizer()))
    whole.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path))
    assert isinstance(loaded, transformers.Qwen2_5OmniThinkerForConditionalGeneration)
    expected = whole.thinker.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_missing_weights_are_not_left_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model, _ = qwen2_audio()
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if "lm_head" not in name}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"weights .*lm_head.* missing or misshaped"):
        load_model(str(tmp_path))


def test_a_model_that_hears_nothing_is_refused(tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="of the kind bert, which writes no text from audio"):
        load(str(tmp_path))


def test_a_model_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be loaded \(.*\); give the name of an audio language model") as caught:
        load(str(tmp_path / "absent"))
    assert "\n" not in str(caught.value)


def test_a_processor_without_chat_template_or_audio_is_refused() -> None:
    model, processor = qwen2_audio()
    with pytest.raises(InputError, match="takes no audio"):
        HuggingFace("hf:x", model, byte_tokenizer(chat_template=TEMPLATE))
    processor.chat_template = None
    with pytest.raises(InputError, match="no chat template"):
        HuggingFace("hf:x", model, processor)
