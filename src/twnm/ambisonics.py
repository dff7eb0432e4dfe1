"""First-order Ambisonics in one convention, and converters at the border.

Inside twnm every four-channel array is AmbiX: channel order W, Y, Z, X (ACN) with SN3D weights, shape (4, samples). Azimuth is 0° in front and +90°
to the left (anticlockwise seen from above), elevation is positive upwards; the axes are x front, y left, z up. A plane wave of pressure s has
W = s, Y = s sin(az) cos(el), Z = s sin(el), X = s cos(az) cos(el). Rotations and mirrors are exact: they are linear maps of the first-order channels.

Sources: Nachbar et al., "AmbiX", Ambisonics Symposium 2011; Gerzon, "Periphony", JAES 1973 (FuMa); Merimaa and Pulkki, JAES 2005 (intensity).
"""

import functools
import importlib.resources
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, Shaped

from twnm.errors import InputError

Layout = Literal["ambix", "n3d", "fuma", "wxyz"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
Plane = Literal["left-right", "front-back", "up-down"]

_SQRT2, _SQRT3 = np.sqrt(2.0), np.sqrt(3.0)
# For each layout: the channel that holds W, Y, Z, X and the factor that makes it SN3D.
_TO_AMBIX: dict[str, tuple[list[int], list[float]]] = {
    "ambix": ([0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0]),
    "n3d": ([0, 1, 2, 3], [1.0, 1 / _SQRT3, 1 / _SQRT3, 1 / _SQRT3]),
    "fuma": ([0, 2, 3, 1], [_SQRT2, 1.0, 1.0, 1.0]),
    "wxyz": ([0, 2, 3, 1], [1.0, 1.0, 1.0, 1.0]),
}
_MIRROR_SIGNS: dict[str, list[float]] = {"left-right": [1, -1, 1, 1], "front-back": [1, 1, 1, -1], "up-down": [1, 1, -1, 1]}


def _layout(layout: str) -> tuple[list[int], list[float]]:
    if layout not in _TO_AMBIX:
        raise InputError(
            f"unknown channel layout {layout!r}; allowed: {', '.join(LAYOUTS)} (ambix: W,Y,Z,X SN3D; fuma: W,X,Y,Z with W at -3 dB; wxyz: W,X,Y,Z SN3D)"
        )
    return _TO_AMBIX[layout]


def to_ambix(audio: Shaped[np.ndarray, "4 samples"], layout: str = "ambix") -> Float32[np.ndarray, "4 samples"]:
    """Reorder and scale four channels of `layout` to AmbiX.

    `n3d`: W,Y,Z,X with N3D weights; `fuma`: W,X,Y,Z with W at -3 dB (traditional B-format); `wxyz`: W,X,Y,Z with SN3D weights.
    Raises InputError for an unknown layout.
    """
    order, scale = _layout(layout)
    return np.ascontiguousarray(audio[order] * np.array(scale)[:, None], dtype=np.float32)


def from_ambix(foa: Float[np.ndarray, "4 samples"], layout: str = "ambix") -> Float32[np.ndarray, "4 samples"]:
    """The inverse of `to_ambix`: AmbiX channels written in another layout."""
    order, scale = _layout(layout)
    out = np.empty(foa.shape, np.float32)
    out[order] = foa / np.array(scale)[:, None]
    return out


def unit_vector(azimuth_deg: float | Float[np.ndarray, "..."], elevation_deg: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "... 3"]:
    """Unit vectors (x front, y left, z up) of directions in degrees."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    return np.stack(np.broadcast_arrays(np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)), axis=-1)


def angles_deg(vectors: Float[np.ndarray, "... 3"]) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Azimuth in (-180, 180] and elevation in [-90, 90], in degrees, of vectors (x, y, z) of any length; the zero vector is (0, 0)."""
    x, y, z = np.moveaxis(np.asarray(vectors, float), -1, 0)
    return np.asarray(np.degrees(np.arctan2(y, x))), np.asarray(np.degrees(np.arctan2(z, np.hypot(x, y))))


def angle_between_deg(first: Float[np.ndarray, "... 3"], second: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
    """Great-circle angle in degrees between vectors; accurate for small angles (atan2 of cross and dot)."""
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, np.sum(first * second, axis=-1))))


def wrap_deg(azimuth_deg: float) -> float:
    """The same azimuth in (-180, 180]."""
    return float(-((-azimuth_deg + 180.0) % 360.0 - 180.0))


def gains(azimuth_deg: float | Float[np.ndarray, "..."], elevation_deg: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "4 ..."]:
    """Gains of W, Y, Z, X for plane waves from the given directions."""
    x, y, z = np.moveaxis(unit_vector(azimuth_deg, elevation_deg), -1, 0)
    return np.stack([np.ones_like(x), y, z, x])


def encode(mono: Float[np.ndarray, " samples"], azimuth_deg: float, elevation_deg: float) -> Float32[np.ndarray, "4 samples"]:
    """A mono signal as a plane wave from one direction."""
    return (gains(azimuth_deg, elevation_deg)[:, None] * mono).astype(np.float32)


def rotation_matrix(yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Float[np.ndarray, "3 3"]:
    """Rotation of vectors (x, y, z): roll about x (left side up), then pitch about y (nose up), then yaw about z (to the left)."""
    yaw, pitch, roll = np.radians([yaw_deg, -pitch_deg, roll_deg])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]])
    return about_z @ about_y @ about_x


def rotate(foa: Float[np.ndarray, "4 samples"], yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Float32[np.ndarray, "4 samples"]:
    """Turn the scene: a source at azimuth a and elevation 0 moves to a + yaw; a source in front rises by pitch; a source at the left rises by roll.

    Turning the listener to the left by psi is `rotate(foa, -psi)`.
    """
    if pitch_deg or roll_deg:
        x, y, z = rotation_matrix(yaw_deg, pitch_deg, roll_deg) @ foa[[3, 1, 2]]
        return np.stack([foa[0], y, z, x]).astype(np.float32)
    w, y, z, x = foa.astype(np.float32)
    cos, sin = np.float32(np.cos(np.radians(yaw_deg))), np.float32(np.sin(np.radians(yaw_deg)))
    return np.stack([w, y * cos + x * sin, z, x * cos - y * sin])


def mirror(foa: Float[np.ndarray, "4 samples"], plane: Plane = "left-right") -> Float32[np.ndarray, "4 samples"]:
    """Exchange left and right, front and back, or up and down."""
    if plane not in _MIRROR_SIGNS:
        raise InputError(f"unknown mirror {plane!r}; allowed: {', '.join(_MIRROR_SIGNS)}")
    return (foa * np.array(_MIRROR_SIGNS[plane])[:, None]).astype(np.float32)


def intensity_direction(foa: Float[np.ndarray, "4 samples"]) -> tuple[float, float, float]:
    """Direction of the mean active intensity of a recording, and its diffuseness.

    Returns azimuth and elevation in degrees and the diffuseness in [0, 1]: 0 for one plane wave, 1 for a field without net flow (or silence).
    """
    w, y, z, x = np.asarray(foa, float)
    flow = np.array([w @ x, w @ y, w @ z])
    energy = 0.5 * (w @ w + x @ x + y @ y + z @ z)
    if energy <= 0:
        return 0.0, 0.0, 1.0
    azimuth, elevation = angles_deg(flow)
    return float(azimuth), float(elevation), float(np.clip(1 - np.linalg.norm(flow) / energy, 0, 1))


def beam(foa: Float[np.ndarray, "4 samples"], azimuth_deg: float, elevation_deg: float) -> Float32[np.ndarray, " samples"]:
    """A first-order cardioid pointed at a direction: gain 1 there, 0 behind."""
    weights = 0.5 * gains(azimuth_deg, elevation_deg)
    return np.asarray(weights @ foa, np.float32)


def decode_mono(foa: Float[np.ndarray, "4 samples"]) -> Float32[np.ndarray, " samples"]:
    """The omnidirectional channel."""
    return np.asarray(foa[0], np.float32)


def decode_stereo(foa: Float[np.ndarray, "4 samples"], spread_deg: float = 60.0) -> Float32[np.ndarray, "2 samples"]:
    """Two cardioids at +spread and -spread: left, right."""
    return np.stack([beam(foa, spread_deg, 0.0), beam(foa, -spread_deg, 0.0)])


@functools.cache
def binaural_filters() -> Float32[np.ndarray, "2 4 taps"]:
    """Filters from AmbiX to the left and right ear at 24 kHz, fitted to the MIT KEMAR head responses (Gardner and Martin, 1994)."""
    from safetensors.numpy import load

    data = importlib.resources.files("twnm").joinpath("data", "kemar_foa.safetensors").read_bytes()
    return np.asarray(load(data)["filters"], np.float32)


def decode_binaural(foa: Float[np.ndarray, "4 samples"]) -> Float32[np.ndarray, "2 samples"]:
    """Left and right ear of a listener who looks to the front, 24 kHz, same length as the input."""
    from scipy.signal import oaconvolve

    filtered = oaconvolve(foa[None], binaural_filters(), axes=-1)[..., : foa.shape[1]]
    return np.asarray(filtered.sum(axis=1), np.float32)
