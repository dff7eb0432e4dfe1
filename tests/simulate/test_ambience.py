"""Backgrounds are diffuse at every frequency that matters, sound like what they are made of, and loop without a seam."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import coherence, lfilter, welch

from twnm.ambisonics import intensity_direction
from twnm.audio import write_audio
from twnm.errors import InputError
from twnm.scene import Ambience
from twnm.simulate.ambience import ambience, looped
from twnm.sounds.catalogue import Catalogue, Clip

RATE = 24_000
SAMPLES = 10 * RATE
VOICES = ("voice/a.wav", "voice/b.wav", "voice/c.wav")


def catalogue_of(folder: Path, sounds: dict[str, np.ndarray]) -> Catalogue:
    clips, files = [], {}
    for path, audio in sounds.items():
        files[path] = folder / path.replace("/", "-")
        write_audio(files[path], 0.9 * (audio / np.abs(audio).max())[None].astype(np.float32))
        clips.append(Clip(path, path.split("/")[0], "pack", "tests", "CC0-1.0", "train", None, audio.size / RATE, 1.0, False))
    return Catalogue(clips, files)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Rain-like noise with a resonance at 1 kHz, wind that swells every 4 s, and talkers: noise that sounds half of the time, in syllables."""
    rng = np.random.default_rng(5)
    coloured = lfilter([1.0], [1.0, -1.8 * np.cos(2 * np.pi * 1000 / RATE), 0.81], rng.standard_normal(4 * RATE))
    swell = 10 ** (-0.75 * (1 + np.cos(2 * np.pi * np.arange(12 * RATE) / (4 * RATE))))
    made = {"rain/a.wav": coloured, "wind/a.wav": rng.standard_normal(swell.size) * swell}
    for path in VOICES:
        syllables = np.repeat(rng.random(30) < 0.5, RATE // 5).astype(float)
        made[path] = lfilter([1.0], [1.0, -0.8], rng.standard_normal(syllables.size)) * (0.001 + np.convolve(syllables, np.hanning(1200) / 600, "same"))
    return catalogue_of(tmp_path_factory.mktemp("backgrounds"), made)


def field_of(sounds: Catalogue, kind: str, clips: tuple[str, ...] = (), seed: int = 3, samples: int = SAMPLES, level_db: float = -40.0) -> np.ndarray:
    description = Ambience.model_validate({"kind": kind, "clips": clips, "level_db": level_db})
    return ambience(description, samples, np.random.default_rng(seed), sounds)


KINDS = [("white", ()), ("pink", ()), ("brown", ()), ("recording", ("rain/a.wav",)), ("recording", ("wind/a.wav", "rain/a.wav")), ("babble", VOICES)]


@pytest.mark.parametrize(("kind", "clips"), KINDS)
def test_powers_are_those_of_a_diffuse_field_and_channels_are_uncorrelated(kind: str, clips: tuple[str, ...], sounds: Catalogue) -> None:
    field = field_of(sounds, kind, clips)
    covariance = np.cov(field.astype(float)) / np.var(field[0])
    np.testing.assert_allclose(np.diag(covariance), [1, 1 / 3, 1 / 3, 1 / 3], atol=0.05)
    assert np.abs(np.corrcoef(field) - np.eye(4)).max() < 0.1
    assert intensity_direction(field)[2] > 0.9


@pytest.mark.parametrize(("kind", "clips"), KINDS)
def test_channels_are_incoherent_at_every_frequency_above_200_hz(kind: str, clips: tuple[str, ...], sounds: Catalogue) -> None:
    field = field_of(sounds, kind, clips)
    for first in range(4):
        for second in range(first):
            frequency_hz, squared = coherence(field[first], field[second], RATE, nperseg=1024)  # 43 ms, as in the model's features
            octaves = [squared[(frequency_hz >= low) & (frequency_hz < 2 * low)].mean() for low in (200, 400, 800, 1600, 3200, 6400)]
            assert max(octaves) < 0.1, (first, second, octaves)


def test_intensity_of_a_recording_points_everywhere_over_time(sounds: Catalogue) -> None:
    field = field_of(sounds, "recording", ("rain/a.wav",))
    frames = field.reshape(4, -1, RATE // 10)
    flow = np.einsum("tn,ctn->tc", frames[0], frames[1:])
    flow /= np.linalg.norm(flow, axis=1, keepdims=True)
    assert np.linalg.norm(flow.mean(axis=0)) < 0.3
    assert np.linalg.eigvalsh(flow.T @ flow / len(flow)).min() > 0.2  # a third each if every direction is as likely


def test_w_of_a_recording_has_its_spectrum(sounds: Catalogue) -> None:
    clip = sounds.read(sounds.clip("rain/a.wav"))
    frequency_hz, wanted = welch(clip, RATE, nperseg=1024)
    made = welch(field_of(sounds, "recording", ("rain/a.wav",))[0], RATE, nperseg=1024)[1]
    bands = [(frequency_hz >= low) & (frequency_hz < low * 2**0.5) for low in 200 * 2 ** (0.5 * np.arange(11))]
    decibels = np.array([10 * np.log10(made[band].sum() / wanted[band].sum()) for band in bands])
    assert np.ptp(decibels) < 2.0
    assert np.ptp([10 * np.log10(wanted[band].sum()) for band in bands]) > 10  # the recording is far from flat


def test_a_recording_keeps_its_swells(sounds: Catalogue) -> None:
    w = field_of(sounds, "recording", ("wind/a.wav",), samples=12 * RATE)[0]
    power = np.mean(w.reshape(-1, RATE // 4) ** 2, axis=1)
    at_4_s = np.abs(np.fft.rfft(power))[3] * 2 / power.sum()  # three swells in twelve seconds
    clip = sounds.read(sounds.clip("wind/a.wav"))[: 12 * RATE - RATE // 4]
    wanted = np.abs(np.mean(clip**2 * np.exp(-2j * np.pi * np.arange(clip.size) / (4 * RATE)))) * 2 / np.mean(clip**2)
    assert at_4_s > 0.75 * wanted


def test_every_clip_of_a_recording_is_heard(sounds: Catalogue) -> None:
    one, other, both = (
        welch(field_of(sounds, "recording", clips)[0], RATE, nperseg=512)[1] for clips in (("rain/a.wav",), ("wind/a.wav",), ("rain/a.wav", "wind/a.wav"))
    )
    shares, *_ = np.linalg.lstsq(np.stack([one, other], axis=1), both, rcond=None)
    assert np.all(shares > 0.3)


def test_babble_is_many_voices_not_one_with_pauses(sounds: Catalogue) -> None:
    def pauses(audio: np.ndarray) -> float:
        power = np.mean(audio[: audio.size // 240 * 240].reshape(-1, 240) ** 2, axis=1)
        return float(np.mean(power < 0.05 * power.mean()))

    assert pauses(sounds.read(sounds.clip(VOICES[0]))) > 0.2
    assert pauses(field_of(sounds, "babble", VOICES)[0]) < 0.01
    assert pauses(field_of(sounds, "babble", VOICES[:1])[0]) < 0.01


def test_a_loop_has_no_seam_and_no_dip_or_rise_of_level() -> None:
    noise = lfilter([1.0], [1.0, -0.95], np.random.default_rng(0).standard_normal(2 * RATE))
    clip = (noise * np.linspace(1, 1.2, noise.size)).astype(np.float32)  # its end is louder than its beginning: pasted, it would jump
    out = looped(clip, 20 * RATE, np.random.default_rng(1))
    assert np.abs(np.diff(out)).max() <= 1.05 * np.abs(np.diff(clip)).max()
    power_db = 10 * np.log10(np.mean(out.reshape(-1, RATE // 10) ** 2, axis=1))
    clip_db = 10 * np.log10(np.mean(clip.reshape(-1, RATE // 10) ** 2, axis=1))
    assert clip_db.min() - 1 < power_db.min() and power_db.max() < clip_db.max() + 1


def test_a_loop_of_a_ramp_shows_its_period_and_never_jumps() -> None:
    clip = np.arange(RATE, dtype=np.float32)
    out = looped(clip, 5 * RATE, np.random.default_rng(2))
    period = RATE - RATE // 4
    np.testing.assert_allclose(out[period:], out[:-period], rtol=1e-6)
    assert np.abs(np.diff(out)).max() < 10  # the step from the end to the beginning is 24,000


@pytest.mark.parametrize("size", [1, 2, 100])
def test_even_a_click_can_be_looped(size: int) -> None:
    out = looped(np.ones(size, np.float32), 1000, np.random.default_rng(0))
    assert np.all((out > 0.99) & (out < 1.5))


@pytest.mark.parametrize(("kind", "clips"), KINDS)
def test_level_of_w_over_the_scene_is_the_one_described(kind: str, clips: tuple[str, ...], sounds: Catalogue) -> None:
    field = field_of(sounds, kind, clips, samples=2 * RATE, level_db=-51.5)
    assert 20 * np.log10(np.sqrt(np.mean(field[0].astype(float) ** 2))) == pytest.approx(-51.5, abs=0.01)


@pytest.mark.parametrize(("kind", "clips"), KINDS)
def test_samples_follow_from_the_generator_alone(kind: str, clips: tuple[str, ...], sounds: Catalogue) -> None:
    first = field_of(sounds, kind, clips, samples=RATE)
    other = field_of(sounds, kind, clips, seed=4, samples=RATE)
    again = field_of(Catalogue(sounds.clips, sounds.files, cache_bytes=0), kind, clips, samples=RATE)
    assert first.tobytes() == again.tobytes()
    assert abs(np.corrcoef(first[0], other[0])[0, 1]) < 0.3


def test_no_ambience_is_silence_and_no_samples_are_none(sounds: Catalogue) -> None:
    assert not field_of(sounds, "none", samples=100).any()
    assert field_of(sounds, "recording", ("rain/a.wav",), samples=0).shape == (4, 0)


def test_a_clip_that_the_bank_lacks_is_named(sounds: Catalogue) -> None:
    with pytest.raises(InputError, match=r"rain/b\.wav.*not in this sound bank"):
        field_of(sounds, "recording", ("rain/b.wav",))
