"""Variants of dry clips: other sounds of the same kind, the same again, for training alone."""

import pickle

import numpy as np
import pytest

from twnm.sounds.catalogue import Catalogue, load_catalogue
from twnm.train.variants import MOST_FASTER, VariedCatalogue, varied, vary


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return varied(load_catalogue(), 2)


def test_training_clips_alone_have_variants(catalogue: Catalogue) -> None:
    plain = load_catalogue()
    for split, times in (("train", 3), ("val", 1), ("test", 1)):
        assert len(catalogue.split(split)) == times * len(plain.split(split))
    assert varied(plain, 0) is plain


def test_a_variant_is_another_sound_of_the_same_class_and_loudness(catalogue: Catalogue) -> None:
    part = catalogue.split("train")
    original = next(clip for clip in part.clips if "~" not in clip.path)
    sounds = [part.read(original), *(part.read(part.clip(f"{original.path}~{number}")) for number in (1, 2))]
    assert len({sound.size for sound in sounds}) == 3
    assert part.clip(f"{original.path}~1").label == original.label
    for sound in sounds:
        assert 0.3 < np.sqrt(np.mean(sound**2)) <= 1.01  # the active parts have an RMS of one


def test_a_variant_is_the_same_in_every_process(catalogue: Catalogue) -> None:
    clip = next(clip for clip in catalogue.clips if clip.path.endswith("~1"))
    copy = pickle.loads(pickle.dumps(catalogue))
    assert isinstance(copy, VariedCatalogue)
    np.testing.assert_array_equal(copy.read(clip), catalogue.read(clip))


def tone(frequency_hz: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(24_000) / 24_000).astype(np.float32)


def pitch_hz(audio: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(audio)).argmax() * 24_000 / audio.size)


def test_sounds_change_their_pitch_by_an_eighth_at_most_and_voices_hardly() -> None:
    pitches = {label: [pitch_hz(vary(tone(400.0), label, np.random.default_rng(seed))) for seed in range(30)] for label in ("dog", "male_speech")}
    assert 400 / (1 + MOST_FASTER) - 3 <= min(pitches["dog"]) < 375
    assert 425 < max(pitches["dog"]) <= 400 * (1 + MOST_FASTER) + 3
    assert all(385 < pitch < 415 for pitch in pitches["male_speech"])
