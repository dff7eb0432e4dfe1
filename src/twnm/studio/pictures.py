"""Audio as pictures and files: the waveform's envelope, a spectrogram, WAV files; figures as PNG."""

import io
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile
from jaxtyping import Float32

from twnm.ambisonics import decode_binaural, rotate
from twnm.audio import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS: Final = ("W", "Y", "Z", "X")
_POINTS: Final = 1000
_FRAME: Final = 1024
_ROWS: Final = 160
_MOST_COLUMNS: Final = 1200
_LOWEST_HZ: Final = 50.0
_RANGE_DB: Final = 80.0
THEMES: Final = {"light": "magma_r", "dark": "magma"}


def envelope(foa: Float32[np.ndarray, "4 samples"]) -> tuple[list[list[float]], list[list[float]]]:
    """Least and greatest sample of each channel in at most 1000 equal parts."""
    points = min(_POINTS, foa.shape[1])
    starts = np.linspace(0, foa.shape[1], points + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(foa, starts, axis=1), np.maximum.reduceat(foa, starts, axis=1)
    return np.round(low.astype(float), 4).tolist(), np.round(high.astype(float), 4).tolist()


def spectrogram_png(mono: Float32[np.ndarray, " samples"], theme: str) -> bytes:
    """The spectrogram of a recording at 24 kHz: its whole length from left to right, 50 Hz to 12 kHz in equal intervals upwards, 80 dB of range."""
    from matplotlib import image

    padded = np.pad(mono, (_FRAME // 2, _FRAME // 2))
    columns = max(2, min(_MOST_COLUMNS, mono.size // 240))
    starts = np.linspace(0, padded.size - _FRAME, columns).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[starts]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2
    wanted_hz = np.geomspace(_LOWEST_HZ, SAMPLE_RATE_HZ / 2, _ROWS)
    bins = wanted_hz * _FRAME / SAMPLE_RATE_HZ
    low = np.clip(np.floor(bins).astype(int), 0, power.shape[1] - 2)
    share = np.clip(bins - low, 0, 1)
    level_db = 10 * np.log10(np.maximum((1 - share) * power[:, low] + share * power[:, low + 1], 1e-12))
    top_db = max(float(level_db.max()), -60.0)
    out = io.BytesIO()
    image.imsave(out, level_db.T, cmap=THEMES[theme], vmin=top_db - _RANGE_DB, vmax=top_db, origin="lower", format="png")
    return out.getvalue()


def wav_bytes(channels: Float32[np.ndarray, "channels samples"], rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """A 16-bit WAV file of audio at 24 kHz, resampled to `rate_hz`; all channels are lowered by one gain if one of them would clip."""
    import soxr

    audio = channels if rate_hz == SAMPLE_RATE_HZ else soxr.resample(channels.T, SAMPLE_RATE_HZ, rate_hz, quality="HQ").T
    peak = float(np.abs(audio).max(initial=0.0))
    out = io.BytesIO()
    soundfile.write(out, (audio / max(1.0, peak)).T, rate_hz, format="WAV", subtype="PCM_16")
    return out.getvalue()


def binaural_wav(foa: Float32[np.ndarray, "4 samples"], yaw_deg: float) -> bytes:
    """The two ears of a listener who has turned by `yaw_deg` to the left."""
    return wav_bytes(decode_binaural(rotate(foa, -yaw_deg)))


def figure_png(figure: "Figure") -> bytes:
    """A figure of matplotlib as a file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return out.getvalue()
