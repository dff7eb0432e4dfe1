"""SOFA files (AES69) of first-order responses: impulse responses of four receivers and where source and listener were.

Understood: the data types FIR (conventions SingleRoomSRIR, SingleRoomDRIR, GeneralFIR: responses of M measurements) and FIR-E (SingleRoomMIMOSRIR,
MultiSpeakerBRIR: of E loudspeakers, whose positions are taken along the room's axes from the source's). Receivers after the fourth belong to higher
orders and are left out. Order and scale of the channels are not said by the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from twnm.ambisonics import unit_vector
from twnm.errors import InputError


def read_sofa(path: Path) -> Iterator[tuple[str, Float32[np.ndarray, "4 samples"], float, Float[np.ndarray, " 3"]]]:
    """The responses of a file: name, four channels, sample rate (Hz), and the source's place as the listener sees it (metres: front, left, up).

    Raises InputError without h5py, for a file that is not SOFA, has fewer than four receivers, or another data type.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: SOFA files need h5py, which is not installed; install it with: pip install 'twnm[sofa]'") from None
    try:
        with h5py.File(path, "r") as file:
            responses = _responses(path, file)
            rate_hz = float(np.ravel(file["Data.SamplingRate"][()])[0])
            offsets_m = _offsets_m(path, file, responses.shape[0], responses.shape[1])
            delays = np.asarray(file["Data.Delay"][()] if "Data.Delay" in file else [[0.0]], float)
    except InputError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as SOFA ({error}); give a file of impulse responses after AES69") from error
    if np.ptp(delays.reshape(delays.shape[0], -1), axis=1).any():
        raise InputError(f"{path} has other delays for some receivers than for others (Data.Delay); put them into the impulse responses")
    for measurement, emitters in enumerate(responses):
        for emitter, channels in enumerate(emitters):
            name = f"{path.name}#{measurement}" + (f".{emitter}" if responses.shape[1] > 1 else "")
            yield name, np.ascontiguousarray(channels[:4], np.float32), rate_hz, offsets_m[measurement, emitter]


def _responses(path: Path, file: Any) -> Float[np.ndarray, "measurements emitters receivers samples"]:
    kind, data = _text(file.attrs.get("DataType", "FIR")), np.asarray(file["Data.IR"][()], float)
    if data.ndim == 3 and kind == "FIR":
        data = data[:, None]
    elif data.ndim == 4 and kind in ("FIR-E", "FIRE"):
        emitters = file["EmitterPosition"].shape[0]
        data = np.moveaxis(data, 3 if data.shape[3] == emitters else 2, 1)
    else:
        raise InputError(f"{path} holds data of type {kind!r} with {data.ndim} dimensions; impulse responses are needed (FIR or FIR-E)")
    if data.shape[2] < 4:
        raise InputError(f"{path} has {data.shape[2]} receivers; needs 4 (first-order Ambisonics), or the 9, 16, ... of a higher order")
    return data


def _offsets_m(path: Path, file: Any, measurements: int, emitters: int) -> Float[np.ndarray, "measurements emitters 3"]:
    source_m, listener_m = (_cartesian(file, name, measurements) for name in ("SourcePosition", "ListenerPosition"))
    offsets = np.repeat((source_m - listener_m)[:, None], emitters, axis=1)
    if emitters > 1:
        offsets = offsets + _cartesian(file, "EmitterPosition", emitters)[None]
    if "ListenerView" not in file:
        return offsets
    front = _cartesian(file, "ListenerView", measurements)
    up = _cartesian(file, "ListenerUp", measurements) if "ListenerUp" in file else np.tile([0.0, 0.0, 1.0], (measurements, 1))
    axes = np.stack([front, np.cross(up, front), up], axis=1)
    lengths = np.linalg.norm(axes, axis=-1, keepdims=True)
    if not lengths.all():
        raise InputError(f"{path} has a ListenerView of no length, or along ListenerUp; correct it")
    return np.einsum("mac,mec->mea", axes / lengths, offsets)


def _cartesian(file: Any, name: str, rows: int) -> Float[np.ndarray, "rows 3"]:
    """Positions in metres, one per row: a single one stands for all. Spherical ones are azimuth, elevation (degrees) and radius."""
    data = np.asarray(file[name][()], float)
    data = data[..., 0] if data.ndim == 3 else data
    if _text(file[name].attrs.get("Type", "cartesian")).startswith("spherical"):
        data = data[:, 2:3] * unit_vector(data[:, 0], data[:, 1])
    return np.array(np.broadcast_to(data, (rows, 3)))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
