import numpy as np
import pytest
import torch

from twnm.bench.tags import MEANINGS, Tagger, female_chance
from twnm.model.yamnet import CLASS_COUNT, YamNet
from twnm.sounds.classes import CLASSES, spoken

NAMES = tuple(sorted({name for names in MEANINGS.values() for name in names}))


def tagger(loudest: str) -> Tagger:
    """YAMNet with random weights that always hears one AudioSet class."""
    network = YamNet((*NAMES, *(f"other {number}" for number in range(CLASS_COUNT - len(NAMES)))))
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.fill_(-6.0)
        network.classifier.bias[NAMES.index(loudest)] = 2.0
    return Tagger(network.requires_grad_(False).eval())


def voice(pitch_hz: float) -> np.ndarray:
    """A sawtooth of 1 s."""
    return (0.2 * (np.arange(24_000) * pitch_hz / 24_000 % 1 - 0.5)).astype(np.float32)


def test_each_of_our_classes_has_a_meaning() -> None:
    assert set(MEANINGS) == set(CLASSES)
    assert all(MEANINGS.values())


def test_an_audioset_class_is_read_as_ours_and_probabilities_sum_to_one() -> None:
    chances = tagger("Moo").chances(voice(100.0))
    assert max(chances, key=lambda name: chances[name]) == "cow"
    assert set(chances) == {spoken(label) for label in CLASSES}
    assert sum(chances.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(("pitch_hz", "label"), [(110.0, "male speech"), (220.0, "female speech")])
def test_the_pitch_of_speech_tells_men_from_women(pitch_hz: float, label: str) -> None:
    chances = tagger("Speech").chances(voice(pitch_hz))
    assert max(chances, key=lambda name: chances[name]) == label


def test_what_has_no_pitch_is_as_probably_a_woman_as_a_man() -> None:
    assert female_chance(np.zeros(24_000, np.float32)) == 0.5
    assert female_chance(np.zeros(10, np.float32)) == 0.5


@pytest.mark.network
def test_every_audioset_name_is_one_of_the_real_network() -> None:
    from twnm.model.fetch import get_model

    network = YamNet.from_folder(get_model("yamnet"))
    assert set(NAMES) <= set(network.class_names)
