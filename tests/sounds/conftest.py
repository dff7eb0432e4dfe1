"""Small sound banks for tests."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 24_000


def make_tone(number: int, duration_s: float = 0.2) -> np.ndarray:
    """A tone of its own for each number."""
    return (0.3 * np.sin(2 * np.pi * (200 + 37 * number) * np.arange(round(duration_s * RATE)) / RATE)).astype(np.float32)


def make_bank(folder: Path, clips_per_class: int = 12) -> list[dict[str, object]]:
    """A bank of dogs, bells and male speech with `manifest.json`; gives its rows."""
    rows: list[dict[str, object]] = []
    for label in ("bell", "dog", "male_speech"):
        (folder / label).mkdir(parents=True)
        for number in range(clips_per_class):
            file = f"{label}/{label}_{number:03d}.flac"
            soundfile.write(folder / file, make_tone(len(rows)), RATE)
            speaker = f"p:{number % 4}" if label == "male_speech" else None
            source = f"snd/{label}_{'abcdefghijkl'[number]}.wav"
            row = {"file": file, "cls": label, "package": f"p{number % 3}", "version": "1", "source": source, "speaker": speaker}
            rows.append({**row, "src_sr": RATE, "dur": 0.2, "yamnet_ok": number % 2 == 0, "yamnet": []})
    (folder / "manifest.json").write_text(json.dumps(rows))
    return rows


@pytest.fixture
def tone():
    """The function that makes the tone of a number."""
    return make_tone


@pytest.fixture
def bank(tmp_path):
    """The folder of a small bank."""
    make_bank(tmp_path / "bank")
    return tmp_path / "bank"
