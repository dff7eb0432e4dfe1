"""YAMNet's front end against textbook signals, its resampler against soxr, its convolutions against TensorFlow's padding rule."""

import json
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from safetensors.torch import save_file

from twnm.files import cache_dir
from twnm.model.yamnet import CLASS_COUNT, YamNet, mel_weights

NAMES = tuple(f"class {index}" for index in range(CLASS_COUNT))


@pytest.fixture(scope="module")
def network() -> YamNet:
    torch.manual_seed(0)
    return YamNet(NAMES).requires_grad_(False).eval()


def test_five_seconds_give_ten_patches_that_cover_all_of_it(network: YamNet) -> None:
    output = network(torch.zeros(2, 5 * 24_000))
    assert output.embeddings.shape == (2, 10, 1024)
    assert output.logits.shape == (2, 10, 521)


@pytest.mark.parametrize(("samples", "patches"), [(1, 1), (23_400, 1), (23_460, 2), (24_000 * 2, 4)])
def test_short_audio_is_padded_to_whole_patches(network: YamNet, samples: int, patches: int) -> None:
    assert network.patches(torch.zeros(1, samples)).shape == (1, patches, 96, 64)


def test_a_patch_depends_only_on_its_own_time(network: YamNet) -> None:
    audio = torch.randn(1, 24_000 * 2)
    later = audio.clone()
    later[:, 24_000:] = 0.0
    before, after = network.patches(audio, hop_s=0.24), network.patches(later, hop_s=0.24)
    torch.testing.assert_close(before[:, 0], after[:, 0])
    assert (before[:, 1] - after[:, 1]).abs().max() > 0.1


def test_hop_must_be_a_multiple_of_ten_milliseconds(network: YamNet) -> None:
    with pytest.raises(ValueError, match=r"multiple of 0.01 s, got 0.005"):
        network.patches(torch.zeros(1, 24_000), hop_s=0.005)


def test_resampling_agrees_with_soxr_below_7_kilohertz(network: YamNet) -> None:
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.normal(size=24_000))
    spectrum[np.fft.rfftfreq(24_000, 1 / 24_000) > 7_000] = 0
    audio = np.fft.irfft(spectrum).astype(np.float32)
    expected = soxr.resample(audio, 24_000, 16_000)[200:-200]
    resampled = network.resample(torch.tensor(audio)[None])[0].numpy()[200:-200]
    assert np.sqrt(np.mean((resampled - expected) ** 2)) < 0.01 * np.sqrt(np.mean(expected**2))


def test_resampling_removes_what_16_kilohertz_cannot_carry(network: YamNet) -> None:
    tone = torch.sin(2 * torch.pi * 9_000 * torch.arange(24_000) / 24_000)[None]
    assert network.resample(tone)[:, 200:-200].abs().max() < 0.01


@pytest.mark.parametrize("frequency_hz", [250.0, 1_000.0, 4_000.0])
def test_a_tone_sounds_in_its_own_mel_band(network: YamNet, frequency_hz: float) -> None:
    frames = network.log_mel(torch.sin(2 * torch.pi * frequency_hz * torch.arange(16_000) / 16_000)[None])
    low, high = (1127 * np.log1p(edge / 700) for edge in (125.0, 7_500.0))
    band = (1127 * np.log1p(frequency_hz / 700) - low) / ((high - low) / 65) - 1  # bands are centred at 1..64 of 65 steps
    assert abs(float(frames.mean((0, 1)).argmax()) - band) <= 1.0


def test_silence_is_the_log_of_the_offset_and_gives_bounded_logits(network: YamNet) -> None:
    torch.testing.assert_close(network.log_mel(torch.zeros(1, 16_000)), torch.full((1, 98, 64), float(np.log(1e-3))))
    assert network(torch.zeros(1, 24_000)).logits.abs().max() <= 30.0


def test_mel_bands_leave_out_the_constant_and_peak_at_one() -> None:
    weights = mel_weights()
    assert weights.shape == (257, 64)
    assert weights[0].max() == 0.0
    assert 0.9 < weights.max() <= 1.0


def test_a_saved_network_is_loaded_frozen_with_the_same_answers(network: YamNet, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"class_names": NAMES}))
    loaded = YamNet.from_folder(tmp_path)
    audio = 0.1 * torch.randn(1, 24_000)
    torch.testing.assert_close(loaded(audio).embeddings, network(audio).embeddings, atol=1e-5, rtol=1e-3)
    assert loaded.class_names == NAMES
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_gradients_reach_the_audio(network: YamNet) -> None:
    audio = (0.1 * torch.randn(1, 24_000)).requires_grad_()
    network(audio).embeddings.sum().backward()
    assert audio.grad is not None
    assert torch.isfinite(audio.grad).all()


@pytest.mark.network
def test_the_pretrained_network_knows_noise_from_a_tone() -> None:
    pretrained = YamNet.from_folder(cache_dir() / "models" / "yamnet")
    time_s = torch.arange(48_000) / 24_000
    tone = pretrained(0.3 * torch.sin(2 * torch.pi * 440 * time_s)[None]).logits[0].amax(0)
    assert "Sine wave" in [pretrained.class_names[index] for index in tone.topk(5).indices]
    noise = pretrained(0.1 * torch.randn(1, 48_000)).logits[0].amax(0)
    heard = {pretrained.class_names[index] for index in noise.topk(8).indices}
    assert heard & {"White noise", "Noise", "Static", "Pink noise", "Waterfall", "Rain", "Hiss"}
