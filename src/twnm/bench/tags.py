"""What a sound is, from the pretrained tagger YAMNet alone: its 521 AudioSet classes read as ours, nothing trained.

Each of our classes has the AudioSet classes that say the same; its score is the largest of their probabilities, averaged over the patches heard.
AudioSet's "Speech" does not tell women from men: the pitch does (autocorrelation; the border of 165 Hz lies between the ranges of both).
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.yamnet import YamNet
from twnm.sounds.audioset import MEANINGS
from twnm.sounds.classes import spoken

PITCH_RANGE_HZ: Final = (70.0, 400.0)
PITCH_BORDER_HZ: Final = 165.0
FLOOR: Final = 1e-3
_LEVEL_RMS, _SILENCE_RMS = 0.1, 1e-5
_PATCH_HOP_S = 0.48
_WINDOW = 1024


class Tagger:
    """YAMNet with our classes; `Tagger.shared()` uses the one in the cache."""

    def __init__(self, network: YamNet) -> None:
        self.network = network
        index = {name: place for place, name in enumerate(network.class_names)}
        self.places = {label: torch.tensor([index[name] for name in names]) for label, names in MEANINGS.items()}

    def chances(self, mono: Float32[np.ndarray, " samples"]) -> dict[str, float]:
        """The probability of each spoken label for a sound at 24 kHz that one of our classes made."""
        wave = torch.from_numpy(mono) * (_LEVEL_RMS / max(float(np.sqrt(np.mean(np.square(mono, dtype=float)))), _SILENCE_RMS))
        with torch.inference_mode():
            heard = self.network(wave[None], hop_s=_PATCH_HOP_S).logits[0].sigmoid()
        scores = {label: float(heard[:, places].amax(dim=1).mean()) + FLOOR for label, places in self.places.items()}
        female = female_chance(mono)
        scores["female_speech"] *= female
        scores["male_speech"] *= 1 - female
        total = sum(scores.values())
        return {spoken(label): score / total for label, score in scores.items()}


def female_chance(mono: Float[np.ndarray, " samples"]) -> float:
    """How probably a voice is a woman's, from its pitch: the median over voiced frames of 43 ms, a logistic of an octave's width about 165 Hz."""
    count = len(mono) // _WINDOW
    if count == 0:
        return 0.5
    frames = np.asarray(mono[: count * _WINDOW], float).reshape(count, _WINDOW)
    energy = np.sum(frames**2, axis=1)
    frames = frames[energy >= 0.05 * energy.max(initial=0.0)] * np.hanning(_WINDOW)
    spectra = np.abs(np.fft.rfft(frames, 2 * _WINDOW, axis=1)) ** 2
    likeness = np.fft.irfft(spectra, axis=1)[:, :_WINDOW] / np.maximum(np.fft.irfft(spectra, axis=1)[:, :1], 1e-12)
    shortest, longest = (round(SAMPLE_RATE_HZ / pitch_hz) for pitch_hz in reversed(PITCH_RANGE_HZ))
    best = likeness[:, shortest:longest]
    voiced = best.max(axis=1) > 0.3
    if not voiced.any():
        return 0.5
    pitch_hz = float(np.median(SAMPLE_RATE_HZ / (shortest + best[voiced].argmax(axis=1))))
    return float(1 / (1 + (PITCH_BORDER_HZ / pitch_hz) ** 6))
