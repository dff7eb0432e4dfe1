"""A benchmark in miniature and a run on it: scenes of noise bursts, all their questions and twins, and systems that throw dice of known skill."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twnm.ambisonics import gains
from twnm.bench.score import score
from twnm.questions import Item, ask_twins
from twnm.questions.evidence import heard_of
from twnm.scene import Event, Room, Scene, Waypoint
from twnm.simulate import layout, shards
from twnm.sounds.classes import CLASSES

RATE_HZ = 24_000
SETS = {"native": "test-native", "pyroomacoustics": "test-foreign"}


def scene_of(rng: np.random.Generator, number: int, renderer: str) -> Scene:
    events = []
    for label in rng.choice(["dog", "bell", "piano", "rain", "horn"], 3, replace=False).tolist():
        azimuth_deg, distance_m = rng.uniform(-180, 180), rng.uniform(0.8, 5)
        place = distance_m * np.array([np.cos(np.radians(azimuth_deg)), np.sin(np.radians(azimuth_deg)), rng.uniform(-0.5, 0.5)])
        onset_s = float(rng.uniform(0, 1))
        path = (Waypoint(time_s=0.0, position_m=tuple(float(axis) for axis in place)),)
        events.append(Event(label=label, clip=f"{label}.wav", onset_s=onset_s, offset_s=onset_s + float(rng.uniform(0.5, 1)), path=path))
    return Scene(scene_id=f"{renderer}-{number:06d}", split="test", duration_s=2.0, room=Room(kind="free"), events=tuple(events), renderer=renderer)


def audio_of(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    foa = np.zeros((4, round(scene.duration_s * RATE_HZ)), np.float32)
    for event in scene.events:
        first, last = round(event.onset_s * RATE_HZ), round(event.offset_s * RATE_HZ)
        azimuth_deg, elevation_deg, distance_m = scene.place(event)
        foa[:, first:last] += np.outer(gains(azimuth_deg, elevation_deg), 0.05 / distance_m * rng.uniform(-1, 1, last - first))
    return foa


def make_benchmark(folder: Path, scenes: int, seed: int = 0) -> list[Item]:
    """Write a benchmark folder, half of it by each renderer; gives its items, twins included."""
    items = []
    for renderer, name in SETS.items():
        rng = np.random.default_rng([seed, len(name)])
        made = [scene_of(rng, number, renderer) for number in range(scenes // 2)]
        (folder / name / "data").mkdir(parents=True)
        shards.write_shard(layout.shard_path(folder / name, 0), [shards.make_row(audio_of(scene, rng), scene, CLASSES) for scene in made], 2.0)
        config = {"twnm": "0", "recipe": {}, "seed": 0, "split": "test", "renderer": renderer, "sound_bank": "", "procedural_sounds": False}
        shape = {"classes": CLASSES, "shard_scenes": 64, "scenes": len(made)}
        layout.write_model(folder / name / layout.CONFIG_NAME, layout.Config.model_validate(config | shape))
        for scene in made:
            for form in ("choice", "open"):
                asked = ask_twins(scene, rng, split="test", file_name=f"{name}/{scene.scene_id}.flac", form=form)
                new = [one for pair in asked for one in pair if one is not None]
                items += [item.model_copy(update=_named(item, form)) for item in new]
    with (folder / "items-test.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(item.to_row()) + "\n" for item in items)
    return items


def _named(item: Item, form: str) -> dict[str, Any]:
    """Names that tell choice and open forms apart."""
    return {"sample_id": f"{form}/{item.sample_id}", "twin": None if item.twin is None else f"{form}/{item.twin}"}


@dataclass(frozen=True)
class Player:
    """A made-up system: `skill` is how often it knows the answer, by level; a deaf one says the same to the same words."""

    name: str
    skill: dict[str, float]
    input: str = "foa"
    deaf: bool = False
    evidence: bool = False
    unparseable: float = 0.0
    failing: float = 0.0
    sure: bool = False
    seconds: float = 0.05
    tokens: int | None = None
    control: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    def reply(self, item: Item, rng: np.random.Generator) -> str:
        if rng.random() < self.unparseable:
            return "It is hard to tell <b>where</b> that is."
        if self.deaf:
            rng = np.random.default_rng(list(hashlib.sha256(f"{item.question}{item.options}".encode()).digest()[:8]))
        if rng.random() < self.skill[item.level]:
            return item.answer_text
        others = [option for option in item.options if option != item.answer_text] if not self.deaf else list(item.options)
        return (
            others[int(rng.integers(len(others)))] if others else {"deg": f"{rng.integers(-180, 180)}°", "m": "9.9 m", "s": "4.9 s"}.get(str(item.unit), "no")
        )


PLAYERS = (
    Player("random", dict.fromkeys(("L1", "L2", "L3"), 0.0), "none", deaf=True),
    Player("oracle", dict.fromkeys(("L1", "L2", "L3"), 1.0), "metadata", evidence=True, seconds=0.0004),
    Player("intensity", {"L1": 0.6, "L2": 0.5, "L3": 0.35}, seconds=0.2),
    Player("twnm", {"L1": 0.7, "L2": 0.5, "L3": 0.4}, evidence=True, unparseable=0.03, sure=True, seconds=0.4, tokens=41),
    Player("twnm", {"L1": 0.3, "L2": 0.1, "L3": 0.1}, deaf=True, unparseable=0.0, control="w-only", tokens=41),
    Player("twnm", {"L1": 0.7, "L2": 0.5, "L3": 0.4}, control="options-rotated", tokens=41),
    Player("hf:Qwen/Qwen2-Audio-7B-Instruct", {"L1": 0.3, "L2": 0.05, "L3": 0.05}, "mono", deaf=True, failing=0.02, unparseable=0.08, seconds=2.2, tokens=12),
)


def rows_of(player: Player, items: list[Item], scenes: dict[str, Scene], seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of results as `twnm bench run` writes them."""
    rng = np.random.default_rng([seed, *player.name.encode(), *player.control.encode()])
    labels = {"input": player.input, "trained_on": "nothing", "output": "text", "spatial_access": "all" if player.input == "foa" else "none"} | player.labels
    for item in items:
        same = {"system": player.name, "control": player.control, "sample_id": item.sample_id, "input_hash": "0", "scorer": "twnm-1", "labels": labels}
        about = {"level": item.level, "task": item.task, "family": item.family, "form": item.form, "scene_id": item.scene_id, "transform": item.transform}
        rest = {"renderer": item.scene_id.partition("-")[0], "twin": item.twin, "chance": 1 / len(item.options) if item.options else 0.0}
        row = same | about | rest | {"error": "", "seconds": 0.0, "tokens": None}
        if rng.random() < player.failing:
            lost = {"outcome": "failed", "read": None, "right": False, "grounded": False, "reply": "", "evidence": None}
            yield row | lost | {"error": "TimeoutError: no answer within 180 s", "renderer": "", "labels": None}
            continue
        said = player.reply(item, rng)
        evidence = "; ".join(item.evidence) if player.evidence and rng.random() < 0.8 else None
        found = score(item, said, evidence, heard_of(scenes[item.scene_id]) if item.scene_id in scenes else ())
        figures = {"outcome": found.outcome, "read": found.read, "right": found.right, "grounded": found.grounded, "reply": said, "evidence": evidence}
        confidence = {"confidence": float(np.clip(0.35 + 0.5 * found.right + rng.normal(0, 0.2), 0, 1))} if player.sure else {}
        yield row | figures | confidence | {"seconds": player.seconds * float(rng.uniform(0.5, 2)), "tokens": player.tokens}


def write_run(folder: Path, data: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> Path:
    """Write a run folder; gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, list[str]] = {"systems": [], "controls": []}
    with (folder / "results.jsonl").open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(row) + "\n")
            kinds["systems"] += [row["system"]] * (row["system"] not in kinds["systems"])
            kinds["controls"] += [row["control"]] * (row["control"] not in ["", *kinds["controls"]])
    run = {"split": "test", "items_sha256": "ab" * 32, "scorer": "twnm-1", "data": str(data), **kinds, "twnm": "0.1.0", "python": "3.11.7"}
    (folder / "run.json").write_text(json.dumps(run))
    return folder
