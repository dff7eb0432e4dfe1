"""Sounds and simulated recordings for folders in the layouts that others publish; nothing here is or pretends to be their data."""

import sys
from pathlib import Path

import numpy as np
import pytest

from twnm.audio import write_audio
from twnm.sounds.catalogue import Catalogue, Clip

sys.path.insert(0, str(Path(__file__).parent))

LABELS = ("bell", "female_speech", "footsteps", "door")


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    clips, files = [], {}
    for label in LABELS:
        path = f"{label}/{label}.wav"
        files[path] = folder / f"{label}.wav"
        write_audio(files[path], 0.1 * rng.uniform(-1, 1, (1, 48_000)).astype(np.float32))
        clips.append(Clip(path, label, "pack", "tests", "CC0-1.0", "test", None, 2.0, 2.0, False))
    return Catalogue(clips, files)
