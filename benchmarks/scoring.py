"""How long scoring, statistics and the report of a large run take: `python benchmarks/scoring.py [ITEMS]` (10,000 items, 3 systems).

Items and replies are made up, so that nothing but the scoring is measured: four items a scene, evidence of two objects, every second item with a twin.
Prints seconds of wall clock and of processor for each step, and the peak memory of the process.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twnm.bench.report import write_report
from twnm.bench.score import SCORER_VERSION, score
from twnm.bench.summary import RunSummary
from twnm.questions.ask import TASKS
from twnm.questions.evidence import SECTORS, Heard, sector8, write_evidence
from twnm.questions.schema import Item

SYSTEMS = {"good": 0.8, "fair": 0.5, "guess": 0.25}


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Prints how long what is inside took."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    yield
    print(f"{name:12} {time.perf_counter() - wall_s:7.1f} s wall {time.process_time() - processor_s:7.1f} s processor")


def items_of(count: int) -> Iterator[Item]:
    """Items about made-up scenes, each twin behind its item."""
    rng = np.random.default_rng(0)
    tasks = list(TASKS)
    for number in range(count):
        azimuth_deg = float(rng.uniform(-180, 180))
        task, scene_id = tasks[number % len(tasks)], f"scene-{number // 4:06d}"
        for transform, turned_deg in (("", azimuth_deg), ("yaw 90", azimuth_deg + 90))[: 2 - number % 2]:
            heard = (Heard("dog", (turned_deg + 180) % 360 - 180, 0.0, 2.0, 0.5, 1.5), Heard("bell", 90.0, 5.0, 1.0, 0.0, 1.0))
            answer = sector8(heard[0].azimuth_deg)
            options = tuple(rng.permutation([answer, *rng.permutation([one for one in SECTORS if one != answer])[:3]]).tolist())
            names = (f"{scene_id}-{number}", f"{scene_id}-{number}~yaw90")
            yield Item(
                sample_id=names[bool(transform)],
                scene_id=scene_id,
                file_name=f"audio/{scene_id}.flac",
                level=TASKS[task].level,
                task=task,
                family=TASKS[task].family,
                question="Where is the dog?",
                options=options,
                answer_letter="ABCD"[options.index(answer)],
                answer_text=answer,
                derivation=f"dog is {answer}",
                evidence=tuple(it.line() for it in heard),
                transform=transform,
                twin=None if number % 2 else names[not transform],
            )


def rows_of(system: str, skill: float, items: list[Item]) -> Iterator[dict[str, Any]]:
    """Rows of results; `skill` is how often the answer is known."""
    rng = np.random.default_rng(len(system))
    labels = {"input": "foa", "trained_on": "nothing", "output": "text", "spatial_access": "made up"}
    for item in items:
        letter = item.answer_letter if rng.random() < skill else "ABCD"[int(rng.integers(4))]
        evidence = write_evidence(item.heard) if rng.random() < skill else None
        found = score(item, f"<answer>{letter}</answer>", evidence)
        about = {name: getattr(item, name) for name in ("sample_id", "level", "task", "family", "form", "scene_id", "transform", "twin")}
        figures = {"outcome": found.outcome, "read": found.read, "right": found.right, "grounded": found.grounded, "confidence": skill}
        said = {"reply": f"<answer>{letter}</answer>", "evidence": evidence, "error": "", "seconds": 0.1, "tokens": None}
        same = {"system": system, "control": "", "input_hash": "0", "scorer": SCORER_VERSION, "labels": labels, "renderer": "native", "chance": 0.25}
        yield same | about | figures | said


def main() -> None:
    """Time every step."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    items = list(items_of(count))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "items-test.jsonl").write_text("".join(json.dumps(item.to_row()) + "\n" for item in items), encoding="utf-8")
        (folder / "run.json").write_text(json.dumps({"split": "test", "data": str(folder), "systems": list(SYSTEMS)}), encoding="utf-8")
        with timed("scoring"), (folder / "results.jsonl").open("w", encoding="utf-8") as lines:
            for system, skill in SYSTEMS.items():
                lines.writelines(json.dumps(row) + "\n" for row in rows_of(system, skill, items))
        with timed("statistics"):
            summary = RunSummary(folder).to_json()
        with timed("report"):
            write_report(folder, folder / "report.html")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{summary['good']['n']} items and {len(items) - count} twins, {len(SYSTEMS)} systems; peak {peak_mb} MB")


if __name__ == "__main__":
    main()
