"""YAMNet: the pretrained sound-event network, as a plain torch module.

521 AudioSet classes from patches of 96 log-mel frames (0.96 s). MobileNet-v1 with its batch normalisation folded into
the convolutions: one ordinary convolution, thirteen depthwise-separable ones, a mean over the map, one linear layer.

Front end as in the original: 16 kHz, periodic Hann window of 25 ms every 10 ms in a 512-point FFT, magnitudes, 64 HTK
mel bands of 125-7500 Hz whose triangles are straight in mel, log(mel + 0.001). Callers give audio at 24 kHz; it is
resampled inside. Convolutions pad as TensorFlow's "same": a stride of 2 pads only behind.

Source: Plakal and Ellis, "YAMNet", tensorflow/models/research/audioset/yamnet (2019); Howard et al., "MobileNets", 2017.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from twnm.audio import SAMPLE_RATE_HZ

YAMNET_RATE_HZ = 16_000
EMBEDDING_SIZE = 1024
CLASS_COUNT = 521
PATCH_FRAMES = 96
FRAME_HOP_S = 0.010
MEL_BANDS = 64

_WINDOW_SAMPLES = 400
_HOP_SAMPLES = round(FRAME_HOP_S * YAMNET_RATE_HZ)
_FFT_SAMPLES = 512
_MEL_RANGE_HZ = (125.0, 7500.0)
_LOG_OFFSET = 1e-3
_LOGIT_LIMIT = 30.0  # digital silence drives logits to -120, which says no more than -30 and unsettles what learns on them
_PATCHES_AT_ONCE = 64  # bounds memory on long recordings
_UP, _DOWN = 2, 3  # 24 kHz to 16 kHz
_SINC_ZEROS = 32  # zero crossings on each side of the resampling filter
_SINC_ROLLOFF = 0.97  # cut-off as a part of the 8 kHz Nyquist frequency; the mel bands end at 7.5 kHz

LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Output channels and stride of the thirteen depthwise-separable layers."""


class YamNetOutput(NamedTuple):
    """What YAMNet hears in each patch; patch p covers [p * hop, p * hop + 0.96] seconds.

    Attributes:
        embeddings: (batch, patches, 1024), non-negative: the last map averaged over time and frequency.
        logits: (batch, patches, 521), within +-30; a sigmoid gives independent class probabilities.
    """

    embeddings: Float[Tensor, "batch patches 1024"]
    logits: Float[Tensor, "batch patches 521"]


class YamNet(nn.Module):
    """YAMNet with random weights; `YamNet.from_folder` loads the pretrained ones.

    Args:
        class_names: the 521 AudioSet display names in the order of the logits.
    """

    def __init__(self, class_names: tuple[str, ...]) -> None:
        super().__init__()
        if len(class_names) != CLASS_COUNT:
            raise ValueError(f"YAMNet has {CLASS_COUNT} classes, got {len(class_names)} names.")
        self.class_names = class_names
        self.stem = nn.Conv2d(1, 32, 3, stride=2)
        channels_in = 32
        layers = []
        for channels_out, stride in LAYERS:
            layers.append(_Separable(channels_in, channels_out, stride))
            channels_in = channels_out
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(EMBEDDING_SIZE, CLASS_COUNT)
        self.resampler = nn.Buffer(_resampling_kernels(), persistent=False)
        self.window = nn.Buffer(torch.hann_window(_WINDOW_SAMPLES, periodic=True), persistent=False)
        self.mel = nn.Buffer(mel_weights(), persistent=False)

    @classmethod
    def from_folder(cls, folder: Path | str) -> "YamNet":
        """The pretrained network, frozen and in evaluation mode.

        Args:
            folder: what `twnm.model.fetch.get_model("yamnet")` returns: model.safetensors and config.json.
        """
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        network = cls(tuple(config["class_names"]))
        network.load_state_dict(load_file(Path(folder) / "model.safetensors"))
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
        return network.requires_grad_(False).eval()

    def forward(self, audio: Float[Tensor, "batch samples"], hop_s: float = 0.48) -> YamNetOutput:
        """Embeddings and logits of mono audio.

        Args:
            audio: (batch, samples) at 24 kHz, full scale 1.0; the end is padded with silence to a whole patch.
            hop_s: seconds between patches, a multiple of 10 ms.
        """
        patches = self.patches(audio, hop_s)
        batch, count = patches.shape[:2]
        outputs = [self.embed(part) for part in patches.flatten(0, 1).split(_PATCHES_AT_ONCE)]
        embeddings = torch.cat(outputs).unflatten(0, (batch, count))
        return YamNetOutput(embeddings, self.classifier(embeddings).clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT))

    def embed(self, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches 1024"]:
        """Embeddings of log-mel patches."""
        padded = functional.pad(patches[:, None], (0, 1, 0, 1)).contiguous(memory_format=torch.channels_last)
        hidden = functional.relu_(self.stem(padded)).contiguous(memory_format=torch.channels_last)
        embeddings: Tensor = self.layers(hidden).mean((2, 3))
        return embeddings

    def patches(self, audio: Float[Tensor, "batch samples"], hop_s: float = 0.48) -> Float[Tensor, "batch patches 96 64"]:
        """Log-mel patches of mono audio at 24 kHz, as many as it takes to cover all of it."""
        hop_frames = round(hop_s / FRAME_HOP_S)
        if hop_frames < 1 or not math.isclose(hop_frames * FRAME_HOP_S, hop_s):
            raise ValueError(f"hop_s must be a positive multiple of {FRAME_HOP_S} s, got {hop_s}.")
        wave = self.resample(audio)
        first = _WINDOW_SAMPLES + (PATCH_FRAMES - 1) * _HOP_SAMPLES
        further = math.ceil(max(0, wave.shape[-1] - first) / (hop_frames * _HOP_SAMPLES))
        wave = functional.pad(wave, (0, first + further * hop_frames * _HOP_SAMPLES - wave.shape[-1]))
        return self.log_mel(wave).unfold(1, PATCH_FRAMES, hop_frames).transpose(2, 3)

    def log_mel(self, wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames 64"]:
        """log(mel + 0.001) of audio at 16 kHz, one frame of 25 ms every 10 ms, no padding."""
        frames = wave.unfold(-1, _WINDOW_SAMPLES, _HOP_SAMPLES) * self.window
        return torch.log(torch.fft.rfft(frames, _FFT_SAMPLES).abs() @ self.mel + _LOG_OFFSET)

    def resample(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch fewer"]:
        """24 kHz to 16 kHz by a windowed sinc in two phases; ceil(2 / 3 samples) come out, in time with the input."""
        wanted = math.ceil(audio.shape[-1] * _UP / _DOWN)
        reach = (self.resampler.shape[-1] - _DOWN) // 2
        padded = functional.pad(audio, (reach, reach + _DOWN))
        phases = functional.conv1d(padded[:, None], self.resampler, stride=_DOWN)
        return phases.transpose(1, 2).flatten(1)[:, :wanted]


class _Separable(nn.Module):
    """A depthwise 3 x 3 and a pointwise convolution, each with a ReLU.

    The pointwise one is a matrix product over channels that lie last in memory: a convolution would bring its weights into another order for every call,
    which for a few patches takes longer than the product.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.pads_behind = stride == 2
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride=stride, padding=0 if self.pads_behind else 1, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, hidden: Float[Tensor, "patches channels time mel"]) -> Float[Tensor, "patches more shorter lower"]:
        if self.pads_behind:
            hidden = functional.pad(hidden, (0, 1, 0, 1))
        last = functional.relu_(self.depthwise(hidden)).permute(0, 2, 3, 1)
        return functional.relu_(functional.linear(last, self.pointwise.weight.flatten(1), self.pointwise.bias)).permute(0, 3, 1, 2)


def mel_weights() -> Float[Tensor, "257 64"]:
    """Triangles that are straight on the HTK mel scale, as `tf.signal.linear_to_mel_weight_matrix` makes them."""

    def to_mel(frequency_hz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(frequency_hz / 700.0)

    bins = to_mel(torch.linspace(0, YAMNET_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1, dtype=torch.float64))[:, None]
    low, high = to_mel(torch.tensor(_MEL_RANGE_HZ, dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, MEL_BANDS + 2, dtype=torch.float64)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def _resampling_kernels() -> Float[Tensor, "2 1 taps"]:
    """One low-pass filter per output phase: phase p is sampled 1.5 p input samples after the input sample it starts at."""
    assert SAMPLE_RATE_HZ * _UP == YAMNET_RATE_HZ * _DOWN
    cutoff = _SINC_ROLLOFF * _UP / _DOWN  # as a part of the input's Nyquist frequency
    reach = math.ceil(_SINC_ZEROS / cutoff)
    tap = torch.arange(-reach, reach + _DOWN, dtype=torch.float64)
    offset = tap - torch.arange(_UP, dtype=torch.float64)[:, None] * _DOWN / _UP
    window = torch.cos(math.pi / 2 * (offset * cutoff / _SINC_ZEROS).clamp(-1, 1)) ** 2
    return (cutoff * torch.sinc(cutoff * offset) * window).float()[:, None]
