"""A baseline: multi-ACCDOA with distance (Shimada et al., 2022; DCASE 2024 task 3), on the same encoder trunk, without slots.

For every frame, each of `TRACKS` tracks and each class there is a vector whose length is the activity and whose direction is that of the sound, and a
distance. A class is active in a track where the vector is longer than 0.5. Up to three sounds of one class can so be told apart in a frame; nothing binds
a sound to itself over time.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from twnm.ambisonics import angle_between_deg, angles_deg
from twnm.model.features import LABEL_RATE_HZ
from twnm.model.hear import HeardObject
from twnm.model.spatial_encoder import EncoderConfig, Seen, SpatialEncoder

TRACKS = 3
ACTIVE_ABOVE = 0.5
UNIFY_DEG = 15.0  # tracks of one class nearer than this say the same thing (as in the DCASE baseline)
_GAP_FRAMES = 6
_SHORTEST_FRAMES = 2
_FOLLOW_DEG = 30.0


@dataclass(frozen=True)
class AccdoaOutput:
    """Vectors (x, y, z) and log distances of B clips, T frames, `TRACKS` tracks, C classes."""

    vectors: Float[Tensor, "batch time tracks classes 3"]
    log_distance: Float[Tensor, "batch time tracks classes"]


class AccdoaEncoder(nn.Module):
    """The spatial encoder of the slots with a multi-ACCDOA head in their place."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SpatialEncoder(config)
        self.head = nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, TRACKS * len(config.classes) * 4))

    def forward(self, seen: Seen, semantic: Float[Tensor, "batch patches size"]) -> AccdoaOutput:
        """Hear a batch of clips, as `SlotEncoder` does."""
        said = self.head(self.encoder(self.encoder.features(seen), semantic)[0]).unflatten(-1, (TRACKS, len(self.config.classes), 4))
        return AccdoaOutput(said[..., :3], said[..., 3] + math.log(2.0))


def read_accdoa(output: AccdoaOutput, row: int, classes: tuple[str, ...]) -> list[HeardObject]:
    """Objects of clip `row`: active vectors of one class are unified within a frame, and followed from frame to frame over gaps up to 0.5 s."""
    vectors = output.vectors[row].numpy(force=True).astype(float)
    distances_m = np.exp(output.log_distance[row].numpy(force=True).astype(float))
    lengths = np.linalg.norm(vectors, axis=-1)
    objects = []
    for label in np.flatnonzero((lengths > ACTIVE_ABOVE).any(axis=(0, 1))):
        frames = [_unified(vectors[time, :, label], distances_m[time, :, label], lengths[time, :, label]) for time in range(len(vectors))]
        objects += [_object(classes[label], path) for path in _follow(frames) if len(path) >= _SHORTEST_FRAMES]
    return sorted(objects, key=lambda item: (item.onset_s, item.azimuth_deg))


Sight = tuple[np.ndarray, float]
"""A vector and a distance in one frame."""


def _unified(vectors: np.ndarray, distances_m: np.ndarray, lengths: np.ndarray) -> list[Sight]:
    """The active tracks of a class in a frame; those that point the same way are averaged."""
    groups: list[list[int]] = []
    for track in np.flatnonzero(lengths > ACTIVE_ABOVE):
        for group in groups:
            if angle_between_deg(vectors[track], vectors[group[0]]) < UNIFY_DEG:
                group.append(int(track))
                break
        else:
            groups.append([int(track)])
    return [(vectors[group].mean(axis=0), float(np.exp(np.log(distances_m[group]).mean()))) for group in groups]


def _follow(frames: list[list[Sight]]) -> list[dict[int, Sight]]:
    """Sights of one class joined over time: each continues the nearest path that is still open."""
    paths: list[dict[int, Sight]] = []
    for time, sights in enumerate(frames):
        still_open = [path for path in paths if time - max(path) <= _GAP_FRAMES]
        for sight in sights:
            near = [(float(angle_between_deg(sight[0], path[max(path)][0])), place) for place, path in enumerate(still_open) if time not in path]
            angle_deg, place = min(near, default=(math.inf, -1))
            if angle_deg < _FOLLOW_DEG:
                still_open[place][time] = sight
            else:
                paths.append({time: sight})
                still_open.append(paths[-1])
    return paths


def _object(label: str, path: dict[int, Sight]) -> HeardObject:
    first, last = min(path), max(path) + 1
    held, at = [], path[first]
    for time in range(first, last):
        at = path.get(time, at)
        held.append(at)
    vectors = np.stack([vector for vector, _ in held])
    azimuth, elevation = angles_deg(vectors.sum(axis=0))
    azimuths, elevations = angles_deg(vectors)
    distances_m = [distance_m for _, distance_m in held]
    return HeardObject(
        label=label,
        confidence=float(min(1.0, np.linalg.norm(vectors, axis=-1).mean())),
        onset_s=first / LABEL_RATE_HZ,
        offset_s=last / LABEL_RATE_HZ,
        azimuth_deg=float(azimuth),
        elevation_deg=float(elevation),
        distance_m=distances_m[len(distances_m) // 2],
        distance_spread=0.0,
        azimuths_deg=tuple(np.round(azimuths, 1).tolist()),
        elevations_deg=tuple(np.round(elevations, 1).tolist()),
        distances_m=tuple(np.round(distances_m, 2).tolist()),
    )
