"""Labels as DCASE 2024 task 3 has them: every 100 ms, what sounds, from where and how far; whole degrees and centimetres.

Frames, classes and sources are counted from 0. A source is an event of the scene, in the scene's order. A class is a place in the data set's own list
(`classes_of`), because DCASE's thirteen are other ones. Azimuth increases to the left, as everywhere here.
Source: https://dcase.community/challenge2024/task-audio-and-audiovisual-sound-event-localization-and-detection-with-source-distance-estimation
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue
from twnm.sounds.classes import CLASSES

RATE_HZ: Final = 10.0
COLUMNS: Final = ("frame", "class", "source", "azimuth", "elevation", "distance_cm")


def classes_of(bank: Catalogue) -> tuple[str, ...]:
    """The labels that class numbers stand for: `CLASSES`, then the labels that only this bank has, sorted. All splits of a bank share it."""
    return (*CLASSES, *sorted(set(bank.labels) - set(CLASSES)))


def dcase_rows(scene: Scene, classes: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
    """The active frames of a scene as rows of COLUMNS, sorted by frame and source.

    A frame is active when the event sounds in more than half of it; its direction and distance are those of its middle.
    """
    rows = []
    for source, track in enumerate(scene.tracks(RATE_HZ)):
        label = classes.index(track.label)
        whole = np.rint([track.azimuth_deg, track.elevation_deg, 100 * track.distance_m]).astype(int)
        rows += [(frame, label, source, *whole[:, frame].tolist()) for frame in np.flatnonzero(track.active).tolist()]
    return sorted(rows, key=lambda row: (row[0], row[2]))
