"""Does what is heard turn with the sound? Real recordings have no labels of where sounds are, but a recording turned by a known angle must be heard turned.

    python benchmarks/rotation.py fuma:street.wav n3d:hall.ogg

Each recording is cut into windows of 5 s; each is heard as it is and turned to the left by 90°, 180° and 270°. Objects are matched by direction
(optimal assignment after turning back) and the angles left over are reported, one line per file and one JSON object for all.
"""

import json
import sys

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from twnm.ambisonics import angle_between_deg, rotate, unit_vector
from twnm.audio import read_foa
from twnm.model.features import spatial_features
from twnm.model.hear import HeardObject, cut_windows, read_objects
from twnm.model.semantic import default_semantic
from twnm.model.twnm import SHIPPED, load_encoder

TURNS_DEG = (90.0, 180.0, 270.0)
WITHIN_DEG = 15.0


def directions(objects: list[HeardObject], turn_back_deg: float) -> np.ndarray:
    """Unit vectors of objects, turned back."""
    return np.array([unit_vector(item.azimuth_deg - turn_back_deg, item.elevation_deg) for item in objects]).reshape(-1, 3)


def main(arguments: list[str]) -> None:
    """Measure each LAYOUT:FILE."""
    encoder, semantic = load_encoder(SHIPPED), default_semantic()

    def hear(foa: np.ndarray) -> list[HeardObject]:
        audio = torch.from_numpy(foa)[None]
        with torch.inference_mode():
            return read_objects(encoder(spatial_features(audio), semantic(audio)), 0, encoder.config.classes)

    rows = {}
    for argument in arguments:
        layout, _, file = argument.partition(":")
        left_over: list[float] = []
        counts: list[tuple[int, int]] = []
        for _, window in cut_windows(torch.from_numpy(read_foa(file, layout=layout))):
            plain = directions(hear(window.numpy()), 0.0)
            for turn_deg in TURNS_DEG:
                turned = directions(hear(rotate(window.numpy(), turn_deg)), turn_deg)
                counts.append((len(plain), len(turned)))
                if len(plain) and len(turned):
                    angles = angle_between_deg(plain[:, None], turned[None])
                    left_over += angles[linear_sum_assignment(angles)].tolist()
        objects = sum(first for first, _ in counts)
        rows[file] = {
            "objects": objects,
            "matched": len(left_over),
            "median_deg": round(float(np.median(left_over)), 1) if left_over else None,
            f"within_{WITHIN_DEG:.0f}_deg": round(sum(angle < WITHIN_DEG for angle in left_over) / max(1, objects), 3),
        }
        print(f"{file}: {rows[file]}", file=sys.stderr)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
