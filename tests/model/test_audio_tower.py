"""The audio towers of small random models of the real classes: what they hear is what the whole model would read, one vector per second."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import tiny_audio_language
import torch
import transformers
from tiny_audio_language import MELS, WIDTH, qwen2_audio, qwen_omni, save
from tiny_model import CONFIG, LoudnessSemantic, noise, tiny_encoder, tiny_language
from tokenizers import Tokenizer, models

from twnm.errors import InputError
from twnm.model.audio_tower import AudioTower, load_tower, with_tower
from twnm.model.hear import hear_clips, sounds_of
from twnm.model.language import LanguageModel, LoraSettings, load_language_model, lora_weights, read
from twnm.model.loading import ModelConfig, build_bridge, load
from twnm.model.projector import summarise_slots
from twnm.model.semantic import WaveEncoder
from twnm.model.twnm import Twnm
from twnm.train.instruct import InstructRecipe, save_model

MAKERS = {"qwen2-audio": qwen2_audio, "qwen-omni": qwen_omni}
CLASSES_OF: dict[str, Any] = {
    name: getattr(transformers, name) for name in ("Qwen2AudioForConditionalGeneration", "Qwen2_5OmniThinkerForConditionalGeneration")
}


@pytest.fixture(scope="module", params=list(MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    save(MAKERS[request.param], folder)
    return folder


@pytest.fixture(scope="module")
def language(folder: Path) -> LanguageModel:
    return load_language_model(str(folder), lora=LoraSettings(rank=2))


@pytest.fixture(scope="module")
def tower(folder: Path, language: LanguageModel) -> AudioTower:
    return load_tower(language, str(folder))


def test_the_text_model_is_read_and_only_its_layers_are_trained(folder: Path, language: LanguageModel) -> None:
    model, tokenizer = language
    ids = tokenizer("<|im_start|>hi\n<|im_end|>", add_special_tokens=False).input_ids
    whole = CLASSES_OF[type(model).__name__].from_pretrained(folder)
    expected = whole(input_ids=torch.tensor([ids])).logits[0, -1].detach()
    embedded = model.get_input_embeddings()(torch.tensor(ids)).detach()
    torch.testing.assert_close(read(model, embedded[2:], read(model, embedded[:2])).logits, expected, rtol=1e-4, atol=1e-4)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained == list(lora_weights(model)) and len(trained) == 2 * 7 * 2
    assert all(".language_model.layers." in name for name in trained)


def test_pictures_take_no_room(language: LanguageModel) -> None:
    assert not any(".visual." in name for name, _ in language.model.named_parameters())


@pytest.mark.parametrize(("seconds", "patches"), [(5.0, 5), (1.0, 1), (2.3, 3), (0.5, 1)])
def test_there_is_a_vector_for_each_second(tower: AudioTower, seconds: float, patches: int) -> None:
    heard = tower(torch.from_numpy(noise(seconds))[None].repeat(2, 1, 1))
    assert heard.shape == (2, patches, WIDTH) and heard.dtype == torch.float32
    assert isinstance(tower, WaveEncoder) and tower.size == WIDTH
    torch.testing.assert_close(heard[0], heard[1])
    assert heard.std(dim=-1).min() > 1e-3


def test_only_w_is_heard_and_at_one_level(tower: AudioTower) -> None:
    foa = torch.from_numpy(noise(2.0))[None]
    other = torch.cat([0.2 * foa[:, :1], torch.zeros(1, 3, foa.shape[-1])], dim=1)
    torch.testing.assert_close(tower(other), tower(foa), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(tower(foa[:, :1]), tower(foa))
    assert (tower(foa) - tower(torch.from_numpy(noise(2.0, seed=1))[None])).abs().max() > 1e-3


def test_it_hears_under_bfloat16_too(tower: AudioTower) -> None:
    foa = torch.from_numpy(noise(2.0))[None]
    with torch.autocast("cpu", torch.bfloat16):
        half = tower(foa)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, tower(foa), rtol=0, atol=0.1)


def heard_by_the_whole_model(language: LanguageModel, wave: np.ndarray) -> torch.Tensor:
    """The audio states that a forward pass over a prompt with audio reads, (states, size)."""
    model: Any = language.model
    extractor = transformers.WhisperFeatureExtractor(feature_size=MELS)
    inputs = extractor(wave, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    states: list[torch.Tensor] = []
    hook = model.base_model.audio_tower.register_forward_hook(lambda module, given, output: states.append(output.last_hidden_state))
    place = model.config.audio_token_id
    count = int(len(wave) / 16_000 * 25)
    model(
        input_ids=torch.tensor([[1, *[place] * count, 2]]),
        attention_mask=torch.ones(1, count + 2, dtype=torch.long),
        input_features=inputs.input_features,
        feature_attention_mask=inputs.attention_mask,
    )
    hook.remove()
    return states[0].detach().reshape(-1, WIDTH)[:count]


def test_the_vectors_are_means_of_the_states_that_the_whole_model_reads(tmp_path: Path) -> None:
    save(qwen2_audio, tmp_path)
    language = load_language_model(str(tmp_path))
    foa = noise(3.0)
    level = 0.1 / np.sqrt(np.square(foa[0]).mean())
    states = heard_by_the_whole_model(language, soxr.resample(level * foa[0], 24_000, 16_000, quality="HQ"))
    heard = load_tower(language, str(tmp_path))(torch.from_numpy(foa)[None])[0]
    torch.testing.assert_close(heard, states.reshape(3, 25, WIDTH).mean(dim=1), rtol=1e-4, atol=1e-4)


def test_more_than_half_a_minute_is_refused(tower: AudioTower) -> None:
    with pytest.raises(ValueError, match=r"hears 30 s at most, got 31\.0 s"):
        tower(torch.zeros(1, 4, 31 * 24_000))


def whole(folder: Path, language: LanguageModel) -> Twnm:
    encoder = tiny_encoder()
    tower, projector = build_bridge(ModelConfig(encoder.config, str(folder), LoraSettings(rank=2), "own"), language)
    return Twnm(encoder, LoudnessSemantic(), projector.eval().requires_grad_(False), language, tower)


def test_the_projector_reads_what_the_tower_hears_of_w_and_of_each_beam(folder: Path, language: LanguageModel) -> None:
    model = whole(folder, language)
    audio = torch.from_numpy(noise())
    output, semantic = hear_clips(model.encoder, model.semantic, audio[None])
    output = replace(output, existence=torch.tensor([[3.0, -3.0, 3.0, -3.0, -3.0, -3.0]]))
    heard = summarise_slots(output, semantic)
    heard = replace(heard, span=torch.tensor([[[0.0, 5.0], [0.0, 5.0], [1.2, 2.9], [0.0, 5.0], [0.0, 5.0], [0.0, 5.0]]]))
    sounds = torch.from_numpy(sounds_of(output, 0, audio.numpy()))
    assert model.tower is not None and sounds.shape == (3, 120_000)
    read_by_projector = with_tower(model.tower, heard, sounds)
    vectors = model.tower(sounds[:, None])
    torch.testing.assert_close(read_by_projector.semantic, vectors[:1])
    own, beams = read_by_projector.embedding[0].split([CONFIG.width, WIDTH], dim=-1)
    torch.testing.assert_close(own, torch.nn.functional.layer_norm(heard.embedding[0], (CONFIG.width,)))
    torch.testing.assert_close(beams[0], torch.nn.functional.layer_norm(vectors[1].mean(dim=0), (WIDTH,)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(beams[2], torch.nn.functional.layer_norm(vectors[2, 1:3].mean(dim=0), (WIDTH,)), rtol=1e-3, atol=1e-4)
    assert not beams[[1, 3, 4, 5]].any()
    assert model.projector(read_by_projector).shape == (13 + 2 * 4 + 1, 16)


def test_a_scene_without_objects_is_heard_too(folder: Path, language: LanguageModel) -> None:
    model = whole(folder, language)
    listening = model.listen(torch.zeros(4, 120_000))
    assert listening.objects == ()
    assert model.answer(listening, "Where is it?", ("on your left", "behind you")).answer in ("on your left", "behind you")


def test_a_saved_model_is_loaded_with_its_tower(folder: Path, language: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.model.loading.default_semantic", LoudnessSemantic)
    model = whole(folder, language)
    save_model(model, InstructRecipe(language=str(folder), lora=LoraSettings(rank=2), semantic="own"), tmp_path)
    loaded = load(tmp_path, half=False)
    audio = torch.from_numpy(noise())
    assert isinstance(loaded.tower, AudioTower)
    torch.testing.assert_close(loaded.listen(audio).prefix.logits, model.listen(audio).prefix.logits, rtol=0, atol=0.05)  # kept in half precision


def test_a_model_of_before_reads_yamnet() -> None:
    text = ModelConfig(CONFIG).to_json().replace('"semantic": "yamnet"', '"old": 0')
    assert ModelConfig.from_json(text).semantic == "yamnet"


def test_a_language_model_without_a_tower_is_refused() -> None:
    with pytest.raises(InputError, match=r"'smol' has no audio tower; use the semantic branch yamnet, or give Qwen2-Audio or Qwen2\.5-Omni"):
        load_tower(tiny_language(), "smol")


def test_a_folder_without_an_extractor_is_refused(tmp_path: Path) -> None:
    save(qwen2_audio, tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"has no feature extractor \(.*\); put its preprocessor_config.json beside the weights"):
        load_tower(load_language_model(str(tmp_path)), str(tmp_path))


def test_another_audio_language_model_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tiny_audio_language.text_config(300)
    audio = {"num_mel_bins": MELS, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    config = transformers.AudioFlamingo3Config(audio_config=audio, text_config=text, audio_token_id=299)
    transformers.AudioFlamingo3ForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"give a folder or hub name of one, of Qwen2-Audio or Qwen2\.5-Omni") as caught:
        load_language_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_of_a_whole_omni_model_the_thinker_is_read(tmp_path: Path) -> None:
    thinker = save(qwen_omni, tmp_path)
    config = transformers.Qwen2_5OmniConfig(thinker_config=thinker.config, enable_audio_output=False)
    whole = transformers.Qwen2_5OmniForConditionalGeneration(config)
    whole.save_pretrained(tmp_path)
    model = load_language_model(str(tmp_path)).model
    assert type(model) is transformers.Qwen2_5OmniThinkerForConditionalGeneration
    torch.testing.assert_close(model.lm_head.weight, whole.thinker.lm_head.weight)


def test_a_tokenizer_without_the_chat_tokens_is_refused(folder: Path, language: LanguageModel) -> None:
    plain = language.tokenizer.__class__(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[], unk_token="a")))
    with pytest.raises(InputError, match=r"tokenizer has no <\|im_start\|>; give a model that is tuned to chat"):
        whole(folder, language._replace(tokenizer=plain))


def test_missing_weights_are_not_left_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(qwen2_audio, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({name: value for name, value in tensors.items() if "lm_head" not in name}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"the weights .*lm_head.* are missing or misshaped; download it again"):
        load_language_model(str(tmp_path))
