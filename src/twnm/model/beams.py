"""What each object sounds like: a first-order beam towards it that dims the others, heard by the semantic encoder.

The beam is the minimum-variance one for a modelled field: a diffuse part and the other objects that are active at that moment, at known directions,

    R(t) = DIFFUSE diag(1, 1/3, 1/3, 1/3) + sum_j a_j(t) v_j v_j',   v_j = [1, y_j, z_j, x_j],   w(t) = R^-1 v / (v' R^-1 v),

so that it is the first-order hypercardioid where an object sounds alone, and turns a zero towards others (Capon, 1969; with a model in place of a
measured covariance, which a few hundred milliseconds cannot give). Weights follow the directions ten times a second, so a beam follows what moves.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.yamnet import MEL_BANDS, PATCH_FRAMES, YamNet

DIFFUSE = 0.2
MOST_PATCHES = 3
PATCH_SAMPLES = 23_400  # 0.975 s at 24 kHz: exactly one patch of YAMNet
BEFORE_ONSET_S = 0.1
_FRAME_SAMPLES = SAMPLE_RATE_HZ // 10
_LEVEL_RMS, _SILENCE_RMS = 0.1, 1e-6


def beam_weights(directions: Float[np.ndarray, "objects time 3"], active: Float[np.ndarray, "objects time"]) -> Float[np.ndarray, "objects time 4"]:
    """Weights on W, Y, Z, X of the beam to each object at each frame; `directions` are unit vectors (x, y, z), `active` 0 to 1."""
    steering = np.concatenate([np.ones((*directions.shape[:2], 1)), directions[..., [1, 2, 0]]], axis=-1)
    each = steering[..., :, None] * steering[..., None, :] * active[..., None, None]
    field = DIFFUSE * np.diag([1.0, 1 / 3, 1 / 3, 1 / 3]) + each.sum(axis=0) - each
    solved = np.linalg.solve(field, steering[..., None])[..., 0]
    weights: np.ndarray = solved / (steering * solved).sum(axis=-1, keepdims=True)
    return weights


def patch_starts(first: int, last: int, samples: int) -> list[int]:
    """Where the patches of an object begin that is active in frames `first` to `last` - 1: one per second, three at most, evenly over its time."""
    begin = max(0, first * _FRAME_SAMPLES - round(BEFORE_ONSET_S * SAMPLE_RATE_HZ))
    end = last * _FRAME_SAMPLES
    count = min(MOST_PATCHES, max(1, round((end - begin) / PATCH_SAMPLES)))
    latest = max(0, samples - PATCH_SAMPLES)
    if count == 1:
        return [min(begin, latest)]
    return [min(latest, round(start)) for start in np.linspace(begin, max(begin, end - PATCH_SAMPLES), count)]


def beam_patches(
    foa: Float32[np.ndarray, "4 samples"], weights: Float[np.ndarray, "time 4"], first: int, last: int
) -> Float32[np.ndarray, "patches patch_samples"]:
    """The beam's sound in the patches of one object, brought to one level together."""
    starts = patch_starts(first, last, foa.shape[1])
    cut = np.zeros((len(starts), PATCH_SAMPLES), np.float32)
    for row, start in enumerate(starts):
        sound = steered(foa, weights, start, PATCH_SAMPLES)
        cut[row, : len(sound)] = sound
    return cut * np.float32(_LEVEL_RMS / max(math.sqrt(float(np.mean(np.square(cut)))), _SILENCE_RMS))


def steered(foa: Float32[np.ndarray, "4 samples"], weights: Float[np.ndarray, "time 4"], start: int, count: int) -> Float32[np.ndarray, " steered"]:
    """What a beam hears in up to `count` samples from `start`; the weights, ten a second, are interpolated where they change."""
    part = foa[:, start : start + count]
    near = slice(max(0, start // _FRAME_SAMPLES - 1), (start + count) // _FRAME_SAMPLES + 2)
    if np.ptp(weights[near], axis=0).max() < 1e-3:
        held: np.ndarray = weights[near][0].astype(np.float32) @ part
        return held
    return _turning(part, weights.astype(np.float32), start)


def _turning(part: Float32[np.ndarray, "4 samples"], weights: Float32[np.ndarray, "time 4"], start: int) -> Float32[np.ndarray, " samples"]:
    """What a beam hears in samples from `start` whose weights go in a straight line from the middle of each frame to that of the next."""
    sound = np.empty(part.shape[1], np.float32)
    begin = 0
    while begin < len(sound):
        before, into = divmod(start + begin - _FRAME_SAMPLES // 2, _FRAME_SAMPLES)  # the frame whose middle was last, and the samples since
        end = min(len(sound), begin + _FRAME_SAMPLES - into)
        one, other = np.clip([before, before + 1], 0, len(weights) - 1)
        share = np.arange(into, into + end - begin, dtype=np.float32) / np.float32(_FRAME_SAMPLES)
        heard = weights[[one, other]] @ part[:, begin:end]
        sound[begin:end] = heard[0] + share * (heard[1] - heard[0])
        begin = end
    return sound


@dataclass(frozen=True)
class Beams:
    """What objects sound like on beams towards them.

    Attributes:
        vectors: mean and largest semantic vector over an object's patches; zeros for an object that is never active.
        patches, owners: log-mel patches of all objects as YAMNet wants them, and the object each belongs to; none from another semantic encoder.
    """

    vectors: Float[Tensor, "objects 2 size"]
    patches: Float[Tensor, "patches 96 64"]
    owners: Int[Tensor, " patches"]


def mean_of_owners(values: Float[Tensor, "patches size"], owners: Int[Tensor, " patches"], count: int) -> Float[Tensor, "owners size"]:
    """The mean over the patches of each of `count` owners; zeros for one without any."""
    return torch.zeros(count, values.shape[-1]).index_add(0, owners, values) / torch.bincount(owners, minlength=count).clamp_min(1)[:, None]


def object_patches(
    network: YamNet,
    foa: Float32[np.ndarray, "4 samples"],
    directions: Float[np.ndarray, "objects time 3"],
    active: Float[np.ndarray, "objects time"],
) -> tuple[Float[Tensor, "patches 96 64"], Int[Tensor, " patches"]]:
    """Log-mel patches of the beams to all objects, one after another, and the object each belongs to."""
    weights = beam_weights(directions, active)
    sounds: list[Float32[np.ndarray, "own samples"]] = []
    owners: list[int] = []
    for row, activity in enumerate(active):
        frames = np.flatnonzero(activity > 0.5)
        if frames.size:
            patches = beam_patches(foa, weights[row], int(frames[0]), int(frames[-1]) + 1)
            sounds.append(patches)
            owners += [row] * len(patches)
    if not sounds:
        return torch.zeros(0, PATCH_FRAMES, MEL_BANDS), torch.zeros(0, dtype=torch.long)
    with torch.inference_mode():
        mels = network.patches(torch.from_numpy(np.concatenate(sounds)))[:, 0]
    return mels.clone(), torch.tensor(owners)


def hear_beams(
    network: YamNet,
    foa: Float32[np.ndarray, "4 samples"],
    directions: Float[np.ndarray, "objects time 3"],
    active: Float[np.ndarray, "objects time"],
) -> Beams:
    """Each object on its beam, heard by YAMNet."""
    patches, owners = object_patches(network, foa, directions, active)
    vectors = torch.zeros(len(active), 2, network.classifier.in_features)
    if len(owners):
        with torch.no_grad():
            embeddings = network.embed(patches)
        for row in owners.unique().tolist():
            own = embeddings[owners == row]
            vectors[row, 0], vectors[row, 1] = own.mean(dim=0), own.amax(dim=0)
    return Beams(vectors, patches, owners)
