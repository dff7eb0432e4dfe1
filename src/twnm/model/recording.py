"""Is this a first-order recording that can be heard? What cannot be used is refused; what is doubtful is said in words.

In AmbiX (SN3D) a plane wave has |Y|^2 + |Z|^2 + |X|^2 = |W|^2, and a diffuse field too, on average: so the sum of the energies of Y, Z and X over that of W is
about 1 in every room. FuMa's W is 3 dB lower (2), N3D's other channels are 4.8 dB higher (3), and no direction makes one of them louder than W. By that a
wrong layout, a wrong order that displaces W, and a dead channel show. An exchange of Y, Z and X among one another does not: it is another scene.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError

CHANNELS = ("W", "Y", "Z", "X")
SILENT_RMS = 1e-5
_MOST_BLOCKS = 24
DEAD_DB = -50.0
FLAT_TOP_SAMPLES = 3
CLIPPED_SHARE = 1e-4
DC_SHARE = 0.1
LOUDER_THAN_W = 1.4
EMPTY_ABOVE_DB = -55.0
_BAND_BORDERS_HZ = (2_000.0, 4_000.0, 6_000.0, 8_000.0)
_SPECTRUM_SAMPLES = 4096


class Sampled:
    """Some blocks of a recording of any length, evenly over it: at most `_MOST_BLOCKS`, so that its doubts can be told without keeping all of it."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._every, self._seen = 1, 0

    def through(self, blocks: Iterable[Float32[np.ndarray, "4 samples"]]) -> Iterator[Float32[np.ndarray, "4 samples"]]:
        """The same blocks, of which some are kept."""
        for block in blocks:
            if self._seen % self._every == 0:
                self._kept.append(block)
            self._seen += 1
            if len(self._kept) > _MOST_BLOCKS:
                self._kept, self._every = self._kept[::2], 2 * self._every
            yield block

    @property
    def foa(self) -> Float32[np.ndarray, "4 samples"]:
        """What was kept."""
        return np.concatenate(self._kept, axis=1)


def usable(foa: Float32[np.ndarray, "channels samples"]) -> Float32[np.ndarray, "4 samples"]:
    """The recording without the offsets of its channels.

    Raises InputError unless it is four channels of at least one sample, all finite.
    """
    if foa.ndim != 2 or foa.shape[0] != 4 or foa.shape[1] == 0:
        raise InputError(f"audio of shape {tuple(foa.shape)} was given; needs (4, samples): W, Y, Z, X")
    if not np.isfinite(foa).all():
        raise InputError(f"the audio has {np.count_nonzero(~np.isfinite(foa))} NaN or infinite samples; export it again")
    offsets = foa.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    if not np.abs(offsets).max() > SILENT_RMS:
        return foa
    return foa - offsets


def doubts(foa: Float32[np.ndarray, "4 samples"]) -> list[str]:
    """What is doubtful about a recording, one sentence each; none for an ordinary one."""
    offsets = np.abs(foa.mean(axis=1, dtype=np.float64))
    rms = np.sqrt(np.maximum(np.square(foa, dtype=np.float64).mean(axis=1) - offsets**2, 0.0))
    if rms.max() < SILENT_RMS:
        return ["the recording is silent: nothing can be heard in it"]
    found = []
    if (offsets > DC_SHARE * rms.max()).any():
        found.append("the channels have a constant offset (DC); it was taken away")
    found += _clipping(foa)
    dead = [CHANNELS[place] for place in np.flatnonzero(rms < rms.max() * 10 ** (DEAD_DB / 20))]
    found += [_dead(dead)] if dead else _layout(rms**2)
    return found + _bandwidth(foa)


def _dead(dead: list[str]) -> str:
    names = " and ".join(dead)
    if dead == ["Z"]:
        return "Z is silent: heights cannot be heard (a horizontal microphone?)"
    if len(dead) == 3 and "W" not in dead:
        return f"{names} are silent: this is a mono recording, and directions cannot be heard"
    return f"{names} {'is' if len(dead) == 1 else 'are'} silent: directions are wrong; check the channels"


def _layout(energy: np.ndarray) -> list[str]:
    """A wrong layout or a displaced W, from the ratios of the channels' energies."""
    if energy[0] <= 0:
        return []
    ratio, loudest = float(energy[1:].sum() / energy[0]), float(energy[1:].max() / energy[0])
    if loudest > 3 * LOUDER_THAN_W or ratio > 6:
        return [f"{CHANNELS[1 + int(energy[1:].argmax())]} is much louder than W, which no sound can make it: are channels exchanged?"]
    if ratio > 2.45 or (loudest > LOUDER_THAN_W and ratio > 1.6):
        together = f"Y, Z and X together are {ratio:.1f} times as strong as W (1 in AmbiX, 2 in FuMa, 3 in N3D)"
        return [f"{together}: is --layout n3d or fuma meant, or are channels exchanged?"]
    return []


def _clipping(foa: np.ndarray) -> list[str]:
    """Runs of equal samples at a channel's peak."""
    share = 0.0
    for channel in foa:
        peak = np.abs(channel).max()
        if peak <= 0.05:
            continue
        top = np.abs(channel) >= peak * (1 - 1e-4)
        runs = np.convolve(top.astype(np.int8), np.ones(FLAT_TOP_SAMPLES, np.int8), "valid") == FLAT_TOP_SAMPLES
        share = max(share, float(runs.mean()))
    return [f"{100 * share:.2g} % of the samples are clipped: classes and distances are less reliable"] if share > CLIPPED_SHARE else []


def _bandwidth(foa: np.ndarray) -> list[str]:
    """The border above which W is empty, if there is one."""
    frames = foa[0, : foa.shape[1] // _SPECTRUM_SAMPLES * _SPECTRUM_SAMPLES].reshape(-1, _SPECTRUM_SAMPLES)[:64]
    if not len(frames):
        return []
    power = (np.abs(np.fft.rfft(frames * np.hanning(_SPECTRUM_SAMPLES), axis=1)) ** 2).mean(axis=0)
    frequencies_hz = np.fft.rfftfreq(_SPECTRUM_SAMPLES, 1 / SAMPLE_RATE_HZ)
    for border_hz in _BAND_BORDERS_HZ:
        above = power[frequencies_hz > 1.05 * border_hz].mean()
        if above < power[frequencies_hz <= border_hz].max() * 10 ** (EMPTY_ABOVE_DB / 10) and above < power.mean() * 10 ** (EMPTY_ABOVE_DB / 10):
            rate_khz = 2 * border_hz / 1000
            return [f"there is nothing above {border_hz / 1000:.0f} kHz (recorded at {rate_khz:.0f} kHz?): heights and classes are less reliable"]
    return []
