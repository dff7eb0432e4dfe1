"""DCASE metadata read into the arrays of the metrics.

A file has no header; a row is `frame,class,source,azimuth,elevation,distance` (2024, STARSS23) or the same without the distance (2022): frames of 100 ms
from 0, whole degrees, distance in centimetres. Source: https://dcase.community/challenge2024/task-audio-and-audiovisual-sound-event-localization-and-detection-with-source-distance-estimation
"""

from pathlib import Path

from twnm.errors import InputError
from twnm.metrics.detections import Detections, detections

_CM = 100.0


def read_dcase(path: Path | str) -> Detections:
    """The rows of a DCASE file, distances in metres (NaN where the file has none); an empty file is silence.

    Raises:
        InputError: the file cannot be read or a row is not of the format above.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error}); give a DCASE metadata CSV") from None
    return detections([_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()])


def _row(path: Path | str, number: int, line: str) -> tuple[float, float, float, float, float]:
    cells = line.split(",")
    try:
        frame, label = int(cells[0]), int(cells[1])
        int(cells[2])
        azimuth_deg, elevation_deg = float(cells[3]), float(cells[4])
        distance_m = float(cells[5]) / _CM if len(cells) == 6 else float("nan")
    except (ValueError, IndexError):
        cells = []
    if len(cells) not in (5, 6):
        wanted = "'frame,class,source,azimuth,elevation[,distance in cm]'"
        raise InputError(f"{path} line {number} is {line[:60]!r}, which is not {wanted}; does the file have a header, or Cartesian coordinates?")
    return frame, label, azimuth_deg, elevation_deg, distance_m
