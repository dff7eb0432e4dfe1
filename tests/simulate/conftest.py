"""A sound bank of short noises as files: quick to read, with the labels and splits that the sampler needs."""

import numpy as np
import pytest

from twnm.audio import write_audio
from twnm.sounds.catalogue import Catalogue, Clip

LABELS = ("bell", "bird_song", "dog", "footsteps", "gunshot", "piano", "rain")
LONG = ("piano", "rain")


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    clips, files = [], {}
    for label in LABELS:
        for split in ("train", "val", "test"):
            duration_s = float(rng.uniform(2.0, 5.0)) if label in LONG else float(rng.uniform(0.25, 0.9))
            path = f"{label}/{split}.wav"
            files[path] = folder / f"{label}-{split}.wav"
            write_audio(files[path], 0.1 * rng.uniform(-1, 1, (1, round(duration_s * 24_000))).astype(np.float32))
            clips.append(Clip(path, label, f"pack-{split}", "tests", "CC0-1.0", split, None, duration_s, 1.0, False))
    return Catalogue(clips, files)
