"""More clips for training than there are: variants of each dry recording, faster or slower and through another filter.

A class of a few dozen recordings is soon known by heart, with its microphones and rooms. A variant is a recording of its own to the sampler (its own length),
a pure function of its name: played at another speed (up to an eighth; voices a thirtieth, whose pitch says who speaks), with smooth random gains
over frequency, sometimes without what lies above 3-9 kHz, as an old recording.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.conditioning import condition

MARK = "~"
VOICES = frozenset({"female_speech", "male_speech"})
MOST_FASTER, MOST_FASTER_VOICE = 0.125, 0.03
GAIN_SPREAD_DB = 4.0
DULL_SHARE = 0.25
DULL_FROM_HZ = (3_000.0, 9_000.0)
_KNOTS_HZ = (40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 12_000.0)


class VariedCatalogue(Catalogue):
    """The training clips of a catalogue with `count` variants beside each; the variants are named `path~1`, `path~2` ..."""

    def __init__(self, clips: Iterable[Clip], files: Mapping[str, Path], count: int) -> None:
        self.count = count
        own = tuple(clips)
        varied = [replace(clip, path=f"{clip.path}{MARK}{number}") for clip in own if clip.split == "train" for number in range(1, count + 1)]
        super().__init__([*own, *varied], files)

    def split(self, name: str) -> "Catalogue":
        """The catalogue of one split, with its variants."""
        part = VariedCatalogue((clip for clip in self.clips if clip.split == name and MARK not in clip.path), self.files, self.count)
        part._cache = self._cache
        return part

    def read(self, clip: Clip) -> Float32[np.ndarray, " samples"]:
        """A clip's samples, as `Catalogue.read`; those of a variant are made from its recording."""
        path, _, number = clip.path.rpartition(MARK)
        if not path:
            return super().read(clip)
        audio = self._cache.get(clip.path)
        if audio is None:
            audio = vary(super().read(replace(clip, path=path)), clip.label, np.random.default_rng([zlib.crc32(path.encode()), int(number)]))
            audio.setflags(write=False)
            self._cache.put(clip.path, audio)
        return audio


def varied(catalogue: Catalogue, count: int) -> Catalogue:
    """A catalogue with `count` variants of each training clip."""
    return VariedCatalogue(catalogue.clips, catalogue.files, count) if count else catalogue


def vary(audio: Float32[np.ndarray, " samples"], label: str, rng: np.random.Generator) -> Float32[np.ndarray, " other"]:
    """Another speed and another filter, drawn; conditioned again."""
    most = MOST_FASTER_VOICE if label in VOICES else MOST_FASTER
    speed = float(np.exp(rng.uniform(-1, 1) * np.log1p(most)))
    played = soxr.resample(audio, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ).astype(np.float32)
    gains_db = GAIN_SPREAD_DB * rng.standard_normal(len(_KNOTS_HZ))
    dull = rng.random() < DULL_SHARE, rng.uniform(*DULL_FROM_HZ)
    spectrum = np.fft.rfft(played, n=played.size + SAMPLE_RATE_HZ // 20)
    frequencies_hz = np.fft.rfftfreq(played.size + SAMPLE_RATE_HZ // 20, 1 / SAMPLE_RATE_HZ)
    curve_db = np.interp(np.log(np.maximum(frequencies_hz, 20.0)), np.log(_KNOTS_HZ), gains_db)
    if dull[0]:
        curve_db -= 60.0 * np.clip(np.log2(np.maximum(frequencies_hz, 1.0) / dull[1]), 0.0, 1.0)
    filtered = np.fft.irfft(spectrum * 10 ** (curve_db / 20), n=played.size + SAMPLE_RATE_HZ // 20)[: played.size].astype(np.float32)
    made = condition(filtered)
    return made if made.size else audio.copy()
