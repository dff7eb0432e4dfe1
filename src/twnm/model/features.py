"""What the spatial encoder sees: four log-mel spectra and three intensity spectra of an AmbiX recording.

Shapes: audio (batch, 4, samples) at 24 kHz -> features (batch, 7, frames, 64) with a frame every 20 ms. One gain (the root mean square of W) scales all
four channels, since a gain per channel would destroy direction. The intensity of a mel band is the energy-weighted mean over its bins,

    I = sum_f m_f Re(conj(W) [Y, Z, X]) / (eps + sum_f m_f (|W|^2 + (|Y|^2 + |Z|^2 + |X|^2) / 3)),

which departs from the DCASE baseline (normalise each bin, then mel): loud bins carry the direction, so they should weigh more. A plane wave has |I| = 3/4.

In place of the mel filters m the weights can be learnt (`LearnedFront`), apart for levels and for directions.
"""

import functools
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

SAMPLE_RATE_HZ = 24_000
HOP = 480  # 20 ms
WINDOW = 960  # 40 ms
N_FFT = 1024
MELS = 64
FEATURE_CHANNELS = 7
FRAMES_PER_LABEL = 5  # features every 20 ms, labels every 100 ms
LABEL_RATE_HZ = SAMPLE_RATE_HZ / HOP / FRAMES_PER_LABEL
_LOG_FLOOR = 1e-4
_LOG_MEAN, _LOG_SCALE = -4.5, 3.0  # brings the log-mel of ordinary scenes to about zero mean and unit variance
_SILENCE_RMS = 1e-5
_LEAST_WEIGHT = 1e-8
_FRAMES_AT_ONCE = 50  # what the spectra of one clip take stays in the processor's cache


@functools.cache
def mel_matrix(
    rate_hz: int = SAMPLE_RATE_HZ, n_fft: int = N_FFT, mels: int = MELS, low_hz: float = 50.0, high_hz: float = 12_000.0
) -> Float[Tensor, "bins mels"]:
    """Triangular mel filters (HTK scale), each with unit sum, shape (n_fft/2 + 1, mels)."""

    def to_mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges_hz = 700.0 * (10.0 ** (np.linspace(to_mel(low_hz), to_mel(high_hz), mels + 2) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    falling = (edges_hz[2:] - bins_hz) / np.diff(edges_hz)[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    empty = weights.sum(axis=0) == 0  # a band narrower than a bin takes the nearest bin
    weights[np.abs(bins_hz - edges_hz[1:-1]).argmin(axis=0)[empty], np.flatnonzero(empty)] = 1.0
    return torch.tensor(weights / weights.sum(axis=0), dtype=torch.float32)


@functools.cache
def _window() -> Tensor:
    return torch.hann_window(WINDOW) * math.sqrt(1.0 / WINDOW)


def normalise(audio: Float[Tensor, "batch 4 samples"]) -> Float[Tensor, "batch 4 samples"]:
    """Bring W to a root mean square of 1 with one gain for all channels; digital silence stays silent."""
    rms = audio[:, :1].square().mean(dim=-1, keepdim=True).sqrt()
    return audio / rms.clamp_min(_SILENCE_RMS)


def frame_count(samples: int) -> int:
    """Number of 100 ms label frames of a recording."""
    return max(1, round(samples / (HOP * FRAMES_PER_LABEL)))


def spatial_features(audio: Float[Tensor, "batch 4 samples"]) -> Float[Tensor, "batch 7 frames 64"]:
    """Log-mel of W, Y, Z, X, then intensity along y, z, x. frames = 5 x frame_count(samples)."""
    mels = [_spectra(part) @ mel_matrix().to(audio.device) for part in _framed(audio).split(_FRAMES_AT_ONCE, dim=2)]
    return _scaled(torch.cat(mels, dim=2))


class LearnedFront(nn.Module):
    """`spatial_features` with weights over the bins that are learnt, one set for the levels and one for the directions.

    They are positive and begin as the mel filters; what a filter does not cover it never does, since the softplus of next to nothing has no slope.
    """

    def __init__(self) -> None:
        super().__init__()
        start = torch.log(torch.expm1(mel_matrix().clamp_min(_LEAST_WEIGHT)))  # the inverse of softplus
        self.levels, self.directions = nn.Parameter(start.clone()), nn.Parameter(start.clone())

    def forward(self, audio: Float[Tensor, "batch 4 samples"]) -> Float[Tensor, "batch 7 frames 64"]:
        """The features of recordings."""
        with torch.no_grad():
            spectra = _spectra(_framed(audio.float()))
        weights = [nn.functional.softplus(part) for part in (self.levels, self.directions)]
        return _scaled(torch.cat([spectra[:, :4] @ weights[0], spectra[:, 4:] @ weights[1]], dim=1))


def _framed(audio: Float[Tensor, "batch 4 samples"]) -> Float[Tensor, "batch 4 frames window"]:
    """Windowed frames of recordings at one level."""
    frames = frame_count(audio.shape[-1]) * FRAMES_PER_LABEL
    padded = torch.nn.functional.pad(normalise(audio), (WINDOW // 2, max(0, frames * HOP + WINDOW - audio.shape[-1] - WINDOW // 2)))
    return padded.unfold(-1, WINDOW, HOP)[:, :, :frames] * _window().to(audio.device)


def _spectra(framed: Float[Tensor, "batch 4 frames window"]) -> Float[Tensor, "batch 8 frames bins"]:
    """Powers of W, Y, Z, X, the flow of energy along y, z, x, and the energy, of every bin."""
    spectrum = torch.fft.rfft(framed, n=N_FFT)
    real, imaginary = spectrum.real.contiguous(), spectrum.imag.contiguous()  # products of every second number take three times as long
    spectra = torch.empty(len(framed), 8, *real.shape[2:], device=framed.device)
    power, flow, energy = spectra[:, :4], spectra[:, 4:7], spectra[:, 7]
    torch.mul(real, real, out=power).addcmul_(imaginary, imaginary)
    torch.mul(real[:, :1], real[:, 1:], out=flow).addcmul_(imaginary[:, :1], imaginary[:, 1:])
    torch.sum(power[:, 1:], dim=1, out=energy).div_(3).add_(power[:, 0])
    return spectra


def _scaled(mels: Float[Tensor, "batch 8 frames 64"]) -> Float[Tensor, "batch 7 frames 64"]:
    """Logarithms of the powers, and the flow over the energy."""
    logs = (torch.log(mels[:, :4] + _LOG_FLOOR) - _LOG_MEAN) / _LOG_SCALE
    return torch.cat([logs, mels[:, 4:7] / (mels[:, 7:] + _LOG_FLOOR)], dim=1)


def turn_features(features: Float[Tensor, "batch 7 frames mels"], quarter_turns: int, mirror: bool, flip: bool) -> Float[Tensor, "batch 7 frames mels"]:
    """The features of the same recordings turned to the left by quarter turns, then mirrored left-right, then flipped up-down; exact.

    Quarter turns only exchange Y and X, so that the augmentation needs no second transform of the audio.
    """
    w, y, z, x, flow_y, flow_z, flow_x = features.unbind(dim=1)
    for _ in range(quarter_turns % 4):
        y, x, flow_y, flow_x = x, y, flow_x, -flow_y
    flow_y = -flow_y if mirror else flow_y
    flow_z = -flow_z if flip else flow_z
    return torch.stack([w, y, z, x, flow_y, flow_z, flow_x], dim=1)


def turn_audio(audio: Float[Tensor, "batch 4 samples"], quarter_turns: int, mirror: bool, flip: bool) -> Float[Tensor, "batch 4 samples"]:
    """Recordings turned and mirrored as `turn_features` does; exact."""
    w, y, z, x = audio.unbind(dim=1)
    for _ in range(quarter_turns % 4):
        y, x = x, -y
    return torch.stack([w, -y if mirror else y, -z if flip else z, x], dim=1)


def turn_directions(directions: Float[Tensor, "... 3"], quarter_turns: int, mirror: bool, flip: bool) -> Float[Tensor, "... 3"]:
    """Unit vectors (x, y, z) turned and mirrored as `turn_features` does."""
    x, y, z = directions.unbind(dim=-1)
    for _ in range(quarter_turns % 4):
        x, y = -y, x
    return torch.stack([x, -y if mirror else y, -z if flip else z], dim=-1)
