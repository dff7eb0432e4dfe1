"""Which convention recordings keep, found out from places that texts state: the sense of rotation, the order of the channels and their scale.

Every time-frequency bin has an intensity vector Re(conj(W) (X, Y, Z)), which points to where the energy comes from. A hypothesis (an order of channels and a
sense of rotation) puts the stated places at directions; its agreement with a recording is the cosine of the angle between a bin's vector and the nearest of
these directions, averaged with the vectors' lengths as weights. It is 1 for sounds that come exactly from there, and about 0 for one unrelated direction.

The scale follows from energies: (|X|² + |Y|² + |Z|²) / |W|² is 1 with SN3D weights, both for a plane wave and for a diffuse field, 2 in FuMa, 3 with N3D.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float, Shaped

from twnm.ambisonics import unit_vector, wrap_deg
from twnm.audio import SAMPLE_RATE_HZ

Sense = Literal["anticlockwise", "clockwise"]
SENSES: Final[tuple[Sense, Sense]] = ("anticlockwise", "clockwise")
ORDERS: Final = {"W,Y,Z,X": [3, 1, 2], "W,X,Y,Z": [1, 2, 3]}  # where X, Y and Z lie
SCALES: Final = {1.0: "SN3D", 2.0: "FuMa", 3.0: "N3D"}
LAYOUT_OF: Final = {("W,Y,Z,X", "SN3D"): "ambix", ("W,Y,Z,X", "N3D"): "n3d", ("W,X,Y,Z", "FuMa"): "fuma", ("W,X,Y,Z", "SN3D"): "wxyz"}
SURE: Final = 0.01
_FRAME: Final = 1024
_BAND_HZ: Final = (200.0, 6000.0)
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_ANGLE: Final = rf"\D{{0,8}}?{_NUMBER}\s*°?"
_PLACE: Final = re.compile(
    rf"(?:([^:;]+):)?\s*azimuth{_ANGLE}(?:\s*,\s*elevation{_ANGLE})?(?:\s*,\s*(?:distance\s*:?\s*)?{_NUMBER}\s*m\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Place:
    """A place that a text states: azimuth in (-180, 180] degrees, positive to the left; None for what it does not state."""

    label: str
    azimuth_deg: float
    elevation_deg: float | None
    distance_m: float | None


@dataclass(frozen=True)
class Convention:
    """What the recordings say, and how sure that is.

    `agreement`: mean over recordings by hypothesis; `share`: of the recordings that tell the senses apart, the part for `sense`; `p_value`: of a two-sided
    sign test; `sense` and `order` are "undecided" and `layout` is None where the recordings do not say.
    """

    recordings: int
    agreement: dict[str, float]
    sense: str
    share: float | None
    p_value: float | None
    order: str
    energy_ratio: float | None
    scale: str
    layout: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def places_in(text: str, sense: Sense = "anticlockwise") -> tuple[Place, ...]:
    """The places in a text like "Dog: azimuth 242.52°, elevation 36.27°, 2.23m; Bell: azimuth 26.73°"; azimuths of any range, counted in `sense`."""
    sign = 1.0 if sense == "anticlockwise" else -1.0
    return tuple(
        Place(
            (match[1] or "").strip(),
            wrap_deg(sign * float(match[2])),
            None if match[3] is None else float(match[3]),
            None if match[4] is None else float(match[4]),
        )
        for match in _PLACE.finditer(text)
    )


def agreements(channels: Shaped[np.ndarray, "4 samples"], places: tuple[Place, ...]) -> Float[np.ndarray, "orders senses"]:
    """Agreement of one recording with places (read as anticlockwise) under every order of channels and sense of rotation.

    `channels` are those of the file, 24 kHz, at least 1024 samples; all zero for silence.
    """
    w, *others = _bins(np.asarray(channels, float))
    scores = np.zeros((len(ORDERS), len(SENSES)))
    for row, order in enumerate(ORDERS.values()):
        flow = np.stack([(np.conj(w) * others[channel - 1]).real for channel in order], axis=-1)
        total = np.linalg.norm(flow, axis=-1).sum()
        for column, sign in enumerate((1.0, -1.0)):
            stated = np.stack([unit_vector(sign * place.azimuth_deg, place.elevation_deg or 0.0) for place in places])
            scores[row, column] = (flow @ stated.T).max(axis=-1).sum() / total if total > 0 else 0.0
    return scores


def _bins(channels: Float[np.ndarray, "4 samples"]) -> Shaped[np.ndarray, "4 bins"]:
    frames = np.lib.stride_tricks.sliding_window_view(channels, _FRAME, axis=-1)[:, :: _FRAME // 2]
    low, high = (round(edge_hz * _FRAME / SAMPLE_RATE_HZ) for edge_hz in _BAND_HZ)
    return np.fft.rfft(frames * np.hanning(_FRAME), axis=-1)[..., low:high].reshape(4, -1)


def energy_ratio(channels: Shaped[np.ndarray, "4 samples"]) -> float | None:
    """(|X|² + |Y|² + |Z|²) / |W|², None for silence."""
    energy = (np.asarray(channels, float) ** 2).sum(axis=-1)
    return float(energy[1:].sum() / energy[0]) if energy[0] > 0 else None


def convention_of(recordings: Iterable[tuple[Shaped[np.ndarray, "4 samples"], tuple[Place, ...]]]) -> Convention:
    """What recordings (the file's channels at 24 kHz, and the places stated of them, read as anticlockwise) say together."""
    scores, ratios = [], []
    for channels, places in recordings:
        ratio = energy_ratio(channels)
        if ratio is not None:
            ratios.append(ratio)
            if places and channels.shape[1] >= _FRAME:
                scores.append(agreements(channels, places))
    ratio = float(np.median(ratios)) if ratios else None
    scale = "undecided" if ratio is None else SCALES[min(SCALES, key=lambda known: abs(np.log(max(ratio, 1e-9) / known)))]
    if not scores:
        return Convention(0, {}, "undecided", None, None, "undecided", ratio, scale, None)
    table = np.stack(scores)
    mean = table.mean(axis=0)
    best = int(mean.max(axis=1).argmax())
    better = int((table[:, best].max(axis=1) > table[:, 1 - best].max(axis=1)).sum())
    order = list(ORDERS)[best] if 2 * better > len(table) and _sign_test(better, len(table)) <= SURE else "undecided"
    names = {f"{name} {sense}": round(float(mean[row, column]), 3) for row, name in enumerate(ORDERS) for column, sense in enumerate(SENSES)}
    return Convention(len(scores), names, *_sense(table[:, best]), order, ratio, scale, LAYOUT_OF.get((order, scale)))


def _sense(scores: Float[np.ndarray, "recordings 2"]) -> tuple[str, float | None, float | None]:
    difference = scores[:, 0] - scores[:, 1]
    telling = int((difference != 0).sum())
    if telling == 0:
        return "undecided", None, None
    first = int((difference > 0).sum())
    share, p_value = max(first, telling - first) / telling, _sign_test(first, telling)
    return (SENSES[int(2 * first < telling)] if p_value <= SURE else "undecided"), share, p_value


def _sign_test(successes: int, trials: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(successes, trials).pvalue)
