"""A benchmark of plain files in miniature: short noises, and questions of four options about them; every second one has a twin."""

import json
from pathlib import Path

import numpy as np

from twnm.audio import write_audio
from twnm.questions.schema import Item

OPTIONS = ("front", "left", "back", "right")
PER_RECORDING = 3


def item(recording: int, number: int, transform: str = "", **changes: object) -> Item:
    name = f"r-{recording:03d}-l1_identify_by_direction-{number}"
    place = (recording + number + (1 if transform else 0)) % 4
    twin = None if number else name if transform else f"{name}~yaw90"
    fields = {
        "sample_id": f"{name}~yaw90" if transform else name,
        "scene_id": f"r-{recording:03d}",
        "file_name": f"audio/r-{recording:03d}.wav",
        "level": f"L{1 + number % 3}",
        "task": "l1_identify_by_direction",
        "family": "spatial",
        "question": f"Where is sound {number}?",
        "options": OPTIONS,
        "answer_letter": "ABCD"[place],
        "answer_text": OPTIONS[place],
        "derivation": f"it is at the {OPTIONS[place]}",
        "evidence": (),
        "transform": transform,
        "twin": twin,
    }
    return Item(**fields | changes)


def items_about(recording: int) -> list[Item]:
    first = [item(recording, 0), item(recording, 0, "yaw 90")]
    return first + [item(recording, number) for number in range(1, PER_RECORDING)]


def write_items(path: Path, items: list[Item]) -> None:
    path.write_text("".join(json.dumps(one.to_row()) + "\n" for one in items), encoding="utf-8")


def write_benchmark(folder: Path, recordings: int = 4, samples: int = 240) -> Path:
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for recording in range(recordings):
        write_audio(folder / "audio" / f"r-{recording:03d}.wav", 0.1 * rng.standard_normal((4, samples)).clip(-4, 4))
    write_items(folder / "items-test.jsonl", [one for recording in range(recordings) for one in items_about(recording)])
    return folder
