"""Which channel layout a file of four channels has: guessed from its sound, with the reason and whether it can be told.

Two things tell. The scale: (|X|² + |Y|² + |Z|²) / |W|² is 1 with SN3D weights, 2 with W at -3 dB (FuMa), 3 with N3D, for a plane wave and for a diffuse
field alike. The order: sounds lie mostly around the listener, not above or below, so that Z is the weakest of the three; it is the third channel in
ACN order and the fourth in W,X,Y,Z. Whether it is Ambisonics at all shows in each short time and band: there the energy of W follows that of the other
three together. Bins are weighted by the square root of their energy, so that one loud sound does not decide alone. A single sound at the left or right has
no X, which then looks like Z: sound alone cannot always tell the order, so it also counts how usual a layout is.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Shaped

from twnm.audio import SAMPLE_RATE_HZ

NAMES: Final = {
    "ambix": "AmbiX: W,Y,Z,X with SN3D weights (the usual)",
    "n3d": "ACN with N3D weights: W,Y,Z,X",
    "fuma": "FuMa (traditional B-format): W,X,Y,Z, W at -3 dB",
    "wxyz": "W,X,Y,Z with SN3D weights",
}
_RATIOS: Final = {"ambix": ("third", 1.0), "n3d": ("third", 3.0), "fuma": ("fourth", 2.0), "wxyz": ("fourth", 1.0)}
_RARITY: Final = {"ambix": 0.0, "n3d": 1.5, "fuma": 0.7, "wxyz": 3.0}
_FRAME: Final = 1024
_BANDS_HZ: Final = (200.0, 400.0, 800.0, 1600.0, 3200.0)
_SCALE_SPREAD_DB: Final = 0.9
_ORDER_SPREAD_DB: Final = 2.5
_SURE: Final = 3.0
"""Difference of penalties (negative logarithms of odds) from which a layout is called certain: 20 to 1 if the spreads and rarities above are right."""
_STRANGE: Final = 6.0
"""A scale that no layout has says no more than this for or against one."""
_LEAST_CORRELATION: Final = 0.5


@dataclass(frozen=True)
class Guess:
    """A layout, one sentence why, and whether it is beyond reasonable doubt."""

    layout: str
    reason: str
    certain: bool


def guess_layout(channels: Shaped[np.ndarray, "4 samples"], among: tuple[str, ...] = tuple(_RATIOS)) -> Guess:
    """The likeliest layout of a file's four channels at 24 kHz, `among` those that come into question; AmbiX where nothing can be told."""
    energies = _energies(np.asarray(channels, np.float32))
    if energies.shape[1] < 8 or energies.sum() <= 0:
        return Guess("ambix", "the recording is too short or silent to tell; AmbiX is the usual layout", False)
    weights = np.sqrt(energies.sum(axis=0))
    strength = (energies / np.maximum(energies.sum(axis=0), 1e-20) * weights).sum(axis=1) / weights.sum()
    if min(strength[0], strength[1:].sum()) < 1e-4:
        return Guess("ambix", "only one of W and the directional channels has sound, so nothing can be told; AmbiX is the usual layout", False)
    found = _companion(energies)
    if found < _LEAST_CORRELATION:
        return Guess("ambix", f"the first channel does not follow the other three (correlation {found:.2f}), so this may be no Ambisonics with W first", False)
    scale_db = 10 * math.log10(strength[1:].sum() / strength[0])
    order_db = 10 * math.log10(max(strength[3], 1e-9) / max(strength[2], 1e-9))  # above 0: the third channel is weaker, as Z is in ACN order
    return _decide(scale_db, float(np.clip(order_db, -20, 20)), among)


def _energies(channels: Float[np.ndarray, "4 samples"]) -> Float[np.ndarray, "4 bins"]:
    """Energy per channel in frames of 43 ms and octave bands; at most about two minutes are looked at."""
    if channels.shape[1] < _FRAME:
        return np.zeros((4, 0))
    frames = np.lib.stride_tricks.sliding_window_view(channels[:, : 120 * SAMPLE_RATE_HZ], _FRAME, axis=-1)[:, ::_FRAME]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=-1)) ** 2
    edges = [round(edge_hz * _FRAME / SAMPLE_RATE_HZ) for edge_hz in _BANDS_HZ]
    bands = [power[..., low:high].sum(axis=-1) for low, high in itertools.pairwise(edges)]
    return np.stack(bands, axis=-1).reshape(4, -1)


def _companion(energies: Float[np.ndarray, "4 bins"]) -> float:
    """How far the first channel's energy follows that of the other three together: correlation of logarithms over the louder half of the bins."""
    total = energies.sum(axis=0)
    loud = energies[:, total >= np.median(total)]
    w, rest = np.log(np.maximum(loud[0], 1e-20)), np.log(np.maximum(loud[1:].sum(axis=0), 1e-20))
    if w.std() < 1e-3 or rest.std() < 1e-3:
        return 1.0 if abs(w.std() - rest.std()) < 1e-3 else 0.0
    return float(np.corrcoef(w, rest)[0, 1])


def _decide(scale_db: float, order_db: float, among: tuple[str, ...]) -> Guess:
    penalties = {}
    for layout, (weakest, ratio) in ((layout, _RATIOS[layout]) for layout in among):
        off = (scale_db - 10 * math.log10(ratio)) / _SCALE_SPREAD_DB
        against = max(0.0, -order_db if weakest == "third" else order_db) / _ORDER_SPREAD_DB
        penalties[layout] = min(0.5 * off**2, _STRANGE) + against + _RARITY[layout]
    best, second = sorted(penalties, key=lambda layout: penalties[layout])[:2]
    certain = penalties[second] - penalties[best] > _SURE
    order = "third and fourth channel are about equally strong, so the order cannot be told from them"
    if abs(order_db) >= 1:
        weaker, stronger, written = ("third", "fourth", "W,Y,Z,X") if order_db > 0 else ("fourth", "third", "W,X,Y,Z")
        order = f"the {weaker} channel is {abs(order_db):.0f} dB weaker than the {stronger}, as Z is in the order {written}"
        if weaker != _RATIOS[best][0]:
            order += ", but scale and custom weigh more"
    scale = f"the last three channels together have {scale_db:+.1f} dB against W (SN3D: 0, FuMa: +3, N3D: +4.8)"
    doubt = "" if certain else f"; not certain, {second} fits too: choose it if the directions look wrong"
    return Guess(best, f"{order}; {scale}{doubt}", certain)
