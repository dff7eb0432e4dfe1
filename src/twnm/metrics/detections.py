"""What SELD metrics compare: the events that are active in each frame of a recording, with checks that guess what went wrong.

Conventions: one row per event and frame; frames of 100 ms counted from 0; classes numbered from 0; azimuth in degrees from -180 to 180, positive to the
left; elevation in degrees from -90 to 90, positive upwards; distance in metres, NaN where it is not known.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from twnm.ambisonics import unit_vector
from twnm.errors import InputError

_MANY_ROWS = 50
_FAR_M = 40.0


@dataclass(frozen=True)
class Detections:
    """The active events of one recording, one row per event and frame, in any order. Raises InputError for columns of unequal length."""

    frame: Int[np.ndarray, " _"]
    label: Int[np.ndarray, " _"]
    azimuth_deg: Float[np.ndarray, " _"]
    elevation_deg: Float[np.ndarray, " _"]
    distance_m: Float[np.ndarray, " _"]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items()}
        if len(set(lengths.values())) > 1:
            raise InputError(
                f"columns of unequal length: {', '.join(f'{name} {length}' for name, length in lengths.items())}; give one row per event and frame"
            )

    def __len__(self) -> int:
        return len(self.frame)

    @functools.cached_property
    def directions(self) -> Float[np.ndarray, "rows 3"]:
        """Unit vectors (x front, y left, z up)."""
        return unit_vector(self.azimuth_deg, self.elevation_deg)

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "Detections":
        """The chosen rows, in the order given."""
        return Detections(self.frame[rows], self.label[rows], self.azimuth_deg[rows], self.elevation_deg[rows], self.distance_m[rows])


def detections(rows: Sequence[Sequence[float]]) -> Detections:
    """Detections from rows (frame, class, azimuth in degrees, elevation in degrees, distance in metres); no row at all is silence."""
    table = np.array(rows, float).reshape(-1, 5)
    frame, label = table[:, :2].astype(int).T
    return Detections(frame, label, *table[:, 2:].T)


def silence() -> Detections:
    """A recording in which nothing is active."""
    return detections([])


def validate(found: Sequence[Detections], classes: int, name: str = "detections", need_distance: bool = True) -> None:
    """Raise InputError, with a guess at the cause, if recordings break the conventions above.

    Args:
        found: one side (truth or prediction) of all recordings; a check for radians needs many rows.
        classes: how many classes there are.
        name: of that side, for the message.
        need_distance: whether distances must be known.
    """
    frame = np.concatenate([one.frame for one in found]) if found else np.zeros(0, int)
    label = np.concatenate([one.label for one in found]) if found else frame
    if frame.size == 0:
        return
    azimuth, elevation, distance = (np.concatenate(column) for column in zip(*((o.azimuth_deg, o.elevation_deg, o.distance_m) for o in found), strict=True))
    if frame.min() < 0:
        raise InputError(f"{name}: frame {frame.min()} is negative; frames count from 0 in steps of 100 ms")
    if label.min() < 0 or label.max() >= classes:
        wrong = label.min() if label.min() < 0 else label.max()
        raise InputError(f"{name}: class {wrong} is not one of 0 to {classes - 1}; do the classes count from 1, or come from another list?")
    _check_angles(azimuth, elevation, name)
    _check_distances(distance, name, need_distance)


def _check_angles(azimuth: Float[np.ndarray, " rows"], elevation: Float[np.ndarray, " rows"], name: str) -> None:
    if not (np.isfinite(azimuth).all() and np.isfinite(elevation).all()):
        raise InputError(f"{name}: an azimuth or elevation is not a finite number; leave out the rows of events that are not active")
    if np.abs(elevation).max() > 90:
        worst = elevation[np.abs(elevation).argmax()]
        raise InputError(f"{name}: elevation {worst:g} is beyond ±90 degrees; are azimuth and elevation exchanged, or is it an angle from the zenith?")
    if np.abs(azimuth).max() > 180:
        worst = azimuth[np.abs(azimuth).argmax()]
        guess = "does the azimuth run from 0 to 360? Subtract 360 from what is over 180" if 0 <= azimuth.min() <= worst <= 360 else "wrap it first"
        raise InputError(f"{name}: azimuth {worst:g} is beyond ±180 degrees; {guess}")
    small = np.abs(azimuth).max() <= np.pi + 1e-3 and np.abs(elevation).max() <= np.pi / 2 + 1e-3
    # Degrees as small as this with a spread this large do not occur in many rows, and exported degrees are often whole numbers.
    if small and azimuth.size >= _MANY_ROWS and azimuth.std() > 1 and np.any(azimuth % 1):
        raise InputError(f"{name}: no azimuth is beyond ±3.14 although they spread; did you supply radians? Degrees are needed")


def _check_distances(distance: Float[np.ndarray, " rows"], name: str, needed: bool) -> None:
    known = distance[~np.isnan(distance)]
    if needed and known.size < distance.size:
        raise InputError(f"{name}: {distance.size - known.size} of {distance.size} distances are unknown; the 2024 metrics need them, those of 2023 do not")
    if known.size and not (np.isfinite(known).all() and known.min() > 0):
        raise InputError(f"{name}: distance {known.min() if known.min() <= 0 else known.max():g} m; every distance must be positive and finite")
    if known.size and np.median(known) > _FAR_M:
        raise InputError(f"{name}: the median distance is {np.median(known):.0f} m; are the distances in cm? Divide by 100")
