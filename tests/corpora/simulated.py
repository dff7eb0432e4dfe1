"""Simulated scenes, and files of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from twnm.scene import Event, Room, Scene, Waypoint
from twnm.simulate.render import render
from twnm.sounds.catalogue import Catalogue


def position_m(azimuth_deg: float, elevation_deg: float, distance_m: float) -> tuple[float, float, float]:
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    x, y, z = distance_m * np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    return float(x), float(y), float(z)


def event(label: str, azimuth_deg: float, elevation_deg: float = 0.0, distance_m: float = 2.0, onset_s: float = 0.1, offset_s: float = 1.0) -> Event:
    path = (Waypoint(time_s=0.0, position_m=position_m(azimuth_deg, elevation_deg, distance_m)),)
    return Event(label=label, clip=f"{label}/{label}.wav", onset_s=onset_s, offset_s=offset_s, path=path, level_db=-25.0)


def scene_of(*events: Event, duration_s: float = 1.0, scene_id: str = "s") -> Scene:
    return Scene(scene_id=scene_id, seed=(1,), room=Room(kind="free"), duration_s=duration_s, events=events)


def drawn_scene(rng: np.random.Generator, count: int) -> Scene:
    labels = rng.choice(["bell", "female_speech", "footsteps", "door"], count, replace=False).tolist()
    return scene_of(*(event(label, *rng.uniform((-180, -40, 1), (180, 40, 4)).tolist()) for label in labels))


def heard(scene: Scene, bank: Catalogue) -> np.ndarray:
    return render(scene, bank)[0]


def write_wav(path: Path, audio: np.ndarray, rate_hz: int = 24_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate_hz, subtype="PCM_16")
    return path


def noise(channels: int, duration_s: float = 0.5) -> np.ndarray:
    return 0.1 * np.random.default_rng(channels).standard_normal((channels, round(24_000 * duration_s)))


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
