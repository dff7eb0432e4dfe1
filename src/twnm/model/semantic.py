"""The semantic branch: what is heard, from a frozen pretrained audio encoder on the omnidirectional channel W and on beams towards objects.

Default is YAMNet (1024 numbers for each 0.96 s). Patches are centred at 0.5, 1.5, 2.5 ... s, so that they spread evenly over a clip.
W is brought to one level first, because the encoder knows sounds at ordinary recording levels and a scene's level says nothing of its sounds.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.beams import Beams, hear_beams, mean_of_owners
from twnm.model.namer import Namer
from twnm.model.yamnet import YamNet
from twnm.sounds.audioset import MEANINGS

PATCH_HOP_S = 1.0
_PATCH_S = 0.96
_LEVEL_RMS = 0.1
_SILENCE_RMS = 1e-5
AUDIOSET_WEIGHT, NAMER_WEIGHT = 0.15, 0.5
"""What the two opinions on a name weigh beside the slots' logits; chosen on validation scenes (docs/log.md, 2026-11-27)."""
_USUAL_LOGITS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "aircraft": -11.5,
        "alarm_phone": -8.9,
        "bell": -11.2,
        "bird_song": -9.5,
        "chicken": -11.9,
        "coins": -12.9,
        "cow": -17.6,
        "dog": -10.0,
        "door": -8.9,
        "drums": -7.9,
        "engine": -7.7,
        "explosion": -9.7,
        "female_speech": -3.8,
        "fire_crackling": -10.8,
        "footsteps": -10.4,
        "glass_breaking": -10.6,
        "guitar": -9.1,
        "gunshot": -13.2,
        "hammering": -8.5,
        "horn": -11.4,
        "horse": -11.5,
        "keyboard_typing": -14.2,
        "laughter": -10.9,
        "male_speech": -3.8,
        "piano": -8.9,
        "pig": -13.5,
        "rain": -11.8,
        "running_water": -10.4,
        "sawing": -12.7,
        "scream_pain": -12.1,
        "sheep_goat": -12.3,
        "thunder": -16.2,
        "train": -9.4,
        "water_splash": -13.5,
        "wind": -9.7,
        "wood_chopping": -10.7,
    }
)
"""The largest logit among a class's AudioSet classes, mean over 811 objects that were heard in validation scenes: what says nothing for or against it."""


@runtime_checkable
class WaveEncoder(Protocol):
    """Anything that turns audio at 24 kHz, W first, into one vector per second of W."""

    def __call__(self, audio: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch patches size"]: ...


@runtime_checkable
class SemanticEncoder(WaveEncoder, Protocol):
    """A `WaveEncoder` that also turns AmbiX audio into two vectors for each object, by a beam towards it, and has an opinion of its own on its name."""

    def hear_beams(
        self, foa: Float32[np.ndarray, "4 samples"], directions: Float[np.ndarray, "objects time 3"], active: Float[np.ndarray, "objects time"]
    ) -> Beams: ...

    def opinion(self, beams: Beams, classes: Sequence[str], namer: Namer | None) -> Float[Tensor, "objects classes"]: ...


def at_one_level(wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch samples"]:
    """Each wave brought to the level of an ordinary recording (0.1 RMS); near silence stays near silence."""
    return wave * (_LEVEL_RMS / wave.square().mean(dim=-1, keepdim=True).sqrt().clamp_min(_SILENCE_RMS))


class YamNetSemantic:
    """Frozen YAMNet embeddings of W, shape (batch, patches, 1024)."""

    def __init__(self, network: YamNet) -> None:
        self.network = network

    def __call__(self, audio: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch patches size"]:
        wave = at_one_level(audio[:, 0])
        patches = max(1, math.ceil(wave.shape[-1] / SAMPLE_RATE_HZ / PATCH_HOP_S - 1e-6))
        lead = round((_PATCH_S - PATCH_HOP_S) / 2 * SAMPLE_RATE_HZ)
        with torch.inference_mode():
            embeddings = self.network(torch.nn.functional.pad(wave, (lead, lead)), hop_s=PATCH_HOP_S).embeddings
        return embeddings[:, :patches].clone()

    def hear_beams(
        self, foa: Float32[np.ndarray, "4 samples"], directions: Float[np.ndarray, "objects time 3"], active: Float[np.ndarray, "objects time"]
    ) -> Beams:
        """What each object sounds like, on a beam towards it (`beams.hear_beams`)."""
        return hear_beams(self.network, foa, directions, active)

    def opinion(self, beams: Beams, classes: Sequence[str], namer: Namer | None) -> Float[Tensor, "objects classes"]:
        """What speaks for each class besides the slots, to be added to the logits of a name (0 for a class that nothing is known of).

        How much more than usual YAMNet's own AudioSet classes say so: it has heard thousands of recordings of a class of which there are a handful to
        train on. And what a `namer` says, if there is one.
        """
        logits = self.network.classifier(beams.vectors[:, 0])
        out = torch.zeros(len(logits), len(classes))
        places = {name: place for place, name in enumerate(self.network.class_names)}
        for column, label in enumerate(classes):
            if meant := [places[name] for name in MEANINGS.get(label, ()) if name in places]:
                out[:, column] = AUDIOSET_WEIGHT * (logits[:, meant].amax(dim=1) - _USUAL_LOGITS[label])
        if namer is not None and len(beams.patches):
            out += NAMER_WEIGHT * mean_of_owners(namer(self.network, beams.patches).log_softmax(dim=-1), beams.owners, len(out))
        return out


@functools.cache
def default_semantic() -> YamNetSemantic:
    """YAMNet from the cache of fetched models; raises InputError saying how to get it when it is absent."""
    from twnm.model.fetch import resolve_model

    return YamNetSemantic(YamNet.from_folder(resolve_model("yamnet")))
