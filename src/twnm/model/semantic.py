"""The semantic branch: what is heard, from a frozen pretrained audio encoder on the omnidirectional channel W.

Default is YAMNet (1024 numbers for each 0.96 s). Patches are centred at 0.5, 1.5, 2.5 ... s, so that they spread evenly over a clip.
W is brought to one level first, because the encoder knows sounds at ordinary recording levels and a scene's level says nothing of its sounds.
"""

import functools
import math
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.beams import hear_beams
from twnm.model.yamnet import YamNet

PATCH_HOP_S = 1.0
_PATCH_S = 0.96
_LEVEL_RMS = 0.1
_SILENCE_RMS = 1e-5


@runtime_checkable
class WaveEncoder(Protocol):
    """Anything that turns audio at 24 kHz, W first, into one vector per second of W."""

    def __call__(self, audio: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch patches size"]: ...


@runtime_checkable
class SemanticEncoder(WaveEncoder, Protocol):
    """A `WaveEncoder` that also turns AmbiX audio into two vectors for each object, by a beam towards it."""

    def hear_beams(
        self, foa: Float32[np.ndarray, "4 samples"], directions: Float[np.ndarray, "objects time 3"], active: Float[np.ndarray, "objects time"]
    ) -> Float[Tensor, "objects 2 size"]: ...


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
    ) -> Float[Tensor, "objects 2 size"]:
        """What each object sounds like, on a beam towards it (`beams.hear_beams`)."""
        return hear_beams(self.network, foa, directions, active)


@functools.cache
def default_semantic() -> YamNetSemantic:
    """YAMNet from the cache of fetched models; raises InputError saying how to get it when it is absent."""
    from twnm.model.fetch import resolve_model

    return YamNetSemantic(YamNet.from_folder(resolve_model("yamnet")))
