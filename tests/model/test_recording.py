"""Bad recordings: refused, or heard with a sentence about what is wrong; ordinary ones without a word."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from twnm.ambisonics import encode
from twnm.errors import InputError
from twnm.model.recording import Sampled, doubts, usable

SAMPLES = 120_000


def scene(seed: int = 0, level: float = 0.05) -> np.ndarray:
    """Two sounds and a diffuse background."""
    rng = np.random.default_rng(seed)
    sounds = [encode((level * rng.standard_normal(SAMPLES)).astype(np.float32), *angles) for angles in ((100.0, 5.0), (-20.0, -10.0))]
    field = level / 4 * rng.standard_normal((4, SAMPLES)) * np.array([[1.0], [3**-0.5], [3**-0.5], [3**-0.5]])
    return (sum(sounds) + field).astype(np.float32)


@pytest.mark.parametrize("angles", [(0.0, 0.0), (90.0, 0.0), (45.0, 80.0)])
def test_an_ordinary_recording_raises_no_doubts(angles: tuple[float, float]) -> None:
    assert doubts(scene()) == []
    assert doubts(encode(np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32) * 0.05, *angles) + 0.1 * scene(1)) == []


def clipped() -> np.ndarray:
    return np.clip(scene() * 10, -0.5, 0.5)


def with_offset() -> np.ndarray:
    return scene() + np.float32(0.2)


def without(*channels: int) -> np.ndarray:
    foa = scene()
    foa[list(channels)] = 0
    return foa


def in_n3d() -> np.ndarray:
    return scene() * np.array([[1], [3**0.5], [3**0.5], [3**0.5]], np.float32)


def exchanged() -> np.ndarray:
    return scene()[[2, 1, 0, 3]]  # Z, which is weak, stands where W should be


def dull() -> np.ndarray:
    return sosfiltfilt(butter(12, 3_500, fs=24_000, output="sos"), scene()).astype(np.float32)


@pytest.mark.parametrize(
    ("foa", "said"),
    [
        (np.zeros((4, SAMPLES), np.float32), "silent: nothing can be heard"),
        (clipped(), "clipped"),
        (with_offset(), "constant offset"),
        (without(2), "Z is silent: heights cannot be heard"),
        (without(0), "W is silent: directions are wrong"),
        (without(1, 2, 3), "mono recording"),
        (in_n3d(), "is --layout n3d or fuma meant"),
        (exchanged(), "channels exchanged"),
        (dull(), "nothing above 4 kHz"),
    ],
    ids=["silence", "clipped", "DC", "no Z", "no W", "mono", "N3D", "exchanged", "8 kHz"],
)
def test_what_is_wrong_is_said_in_one_sentence(foa: np.ndarray, said: str) -> None:
    (sentence,) = doubts(foa)
    assert said in sentence


def test_a_long_recording_is_doubted_by_a_part_of_it() -> None:
    sampled = Sampled()
    blocks = [np.full((4, 10), number, np.float32) for number in range(200)]
    passed = list(sampled.through(iter(blocks)))
    assert all(one is other for one, other in zip(passed, blocks, strict=True))
    kept = sampled.foa[0, ::10]
    assert 12 <= len(kept) <= 24
    assert (np.diff(kept) == 16).all()  # every sixteenth block


def test_a_single_click_and_a_short_recording_are_no_error() -> None:
    click = np.zeros((4, SAMPLES), np.float32)
    click[:, 60_000] = 0.5
    assert all("offset" not in sentence for sentence in doubts(click))
    assert isinstance(doubts(scene()[:, :100]), list)


def test_an_offset_is_taken_away_and_nothing_else() -> None:
    np.testing.assert_allclose(usable(with_offset()), scene() - scene().mean(axis=1, keepdims=True), atol=1e-6)
    quiet = scene() - scene().mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(usable(quiet), quiet)


@pytest.mark.parametrize("foa", [np.zeros((3, 100), np.float32), np.zeros((4, 0), np.float32)])
def test_another_shape_is_refused(foa: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"needs \(4, samples\)"):
        usable(foa)


def test_samples_that_are_no_numbers_are_refused() -> None:
    foa = scene()
    foa[2, 17] = np.nan
    with pytest.raises(InputError, match="1 NaN or infinite samples"):
        usable(foa)
