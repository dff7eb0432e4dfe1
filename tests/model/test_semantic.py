"""The semantic branch around its frozen network: what reaches the network, and how many vectors leave."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from twnm.model.beams import Beams
from twnm.model.namer import Namer
from twnm.model.semantic import _USUAL_LOGITS, AUDIOSET_WEIGHT, NAMER_WEIGHT, YamNetSemantic
from twnm.sounds.audioset import MEANINGS
from twnm.sounds.classes import CLASSES


class Recorder:
    """Stands in for YAMNet: keeps the wave it was given and returns one vector per hop, the power of its patch; silence completes the last patch."""

    def __init__(self) -> None:
        self.wave = torch.zeros(0)

    def __call__(self, wave: torch.Tensor, hop_s: float) -> Any:
        self.wave = wave
        size, hop = round(0.96 * 24_000), round(hop_s * 24_000)
        lacking = size + math.ceil(max(0, wave.shape[-1] - size) / hop) * hop - wave.shape[-1]
        patches = torch.nn.functional.pad(wave, (0, lacking)).unfold(-1, size, hop)
        return SimpleNamespace(embeddings=patches.square().mean(dim=-1)[..., None].expand(-1, -1, 8))


@pytest.fixture
def network() -> Recorder:
    return Recorder()


def semantic_of(network: Recorder) -> YamNetSemantic:
    semantic = YamNetSemantic.__new__(YamNetSemantic)
    semantic.network = network  # type: ignore[assignment]
    return semantic


@pytest.mark.parametrize(("seconds", "patches"), [(5.0, 5), (1.0, 1), (0.3, 1), (1.2, 2)])
def test_there_is_one_vector_per_second(network: Recorder, seconds: float, patches: int) -> None:
    audio = torch.randn(2, 4, round(24_000 * seconds))
    assert semantic_of(network)(audio).shape == (2, patches, 8)


def test_only_w_is_heard_and_its_level_does_not_matter(network: Recorder) -> None:
    audio = torch.randn(1, 4, 120_000)
    first = semantic_of(network)(audio)
    louder = audio * torch.tensor([0.01, 5.0, 0.0, 1.0])[None, :, None]
    torch.testing.assert_close(semantic_of(network)(louder), first, rtol=1e-4, atol=1e-7)
    assert network.wave.square().mean().sqrt().item() == pytest.approx(0.1, rel=0.01)


def test_a_patch_is_centred_on_its_second(network: Recorder) -> None:
    audio = torch.full((1, 4, 120_000), 1e-4)
    audio[..., round(2.5 * 24_000)] = 1.0  # the centre of patch 2, and of no other
    power = semantic_of(network)(audio)[0, :, 0]
    assert int(power.argmax()) == 2
    assert (power > 0.1 * power.max()).sum() == 1


def test_silence_stays_finite(network: Recorder) -> None:
    assert torch.isfinite(semantic_of(network)(torch.zeros(1, 4, 24_000))).all()


def test_the_opinion_is_what_the_best_of_a_class_s_audioset_classes_says_above_the_usual(network: Recorder) -> None:
    names = tuple(sorted({name for meant in MEANINGS.values() for name in meant}))
    network.class_names = names  # type: ignore[attr-defined]
    network.classifier = torch.nn.Linear(4, len(names))  # type: ignore[attr-defined]
    beams = Beams(torch.randn(3, 2, 4), torch.zeros(0, 96, 64), torch.zeros(0, dtype=torch.long))
    with torch.no_grad():
        opinion = semantic_of(network).opinion(beams, ("train", "no such class", "cow"), None)
        logits = dict(zip(names, network.classifier(beams.vectors[:, 0]).T, strict=True))  # type: ignore[attr-defined]
    cow = torch.stack([logits[name] for name in MEANINGS["cow"]]).amax(dim=0)
    torch.testing.assert_close(opinion[:, 2], AUDIOSET_WEIGHT * (cow - _USUAL_LOGITS["cow"]))
    assert (opinion[:, 1] == 0).all()


def test_a_namer_s_opinion_is_the_mean_over_an_object_s_patches(network: Recorder) -> None:
    network.class_names, network.classifier = (), torch.nn.Linear(4, 1)  # type: ignore[attr-defined]
    patches = torch.zeros(3, 96, 64)
    told = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    beams = Beams(torch.zeros(3, 2, 4), patches, torch.tensor([0, 0, 2]))

    class Told(Namer):
        def forward(self, network: Any, patches: torch.Tensor) -> torch.Tensor:
            return told

    with torch.no_grad():
        opinion = semantic_of(network).opinion(beams, ("no such class", "nor such"), Told(("a", "b")))
    logs = NAMER_WEIGHT * told.log_softmax(dim=-1)
    torch.testing.assert_close(opinion, torch.stack([logs[:2].mean(dim=0), torch.zeros(2), logs[2]]))


def test_every_class_has_an_audioset_class_and_a_usual_logit() -> None:
    assert set(CLASSES) == set(MEANINGS) == set(_USUAL_LOGITS)
