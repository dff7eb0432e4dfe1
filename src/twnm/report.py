"""What was heard, in the forms that people and programs read: tables for the terminal, one JSON object, DCASE rows.

Azimuth +90° is left, elevation positive is up; degrees, metres, seconds.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.model.hear import WINDOW_S, HeardObject
from twnm.model.hearing import HeardScene, as_heard
from twnm.model.twnm import Answer
from twnm.questions.evidence import Heard, elevation_word, parse_evidence, sector8
from twnm.sounds.classes import CLASSES

DCASE_RATE_HZ = 10


def scene_row(file: str, scene: HeardScene, doubts: Sequence[str] = ()) -> dict[str, Any]:
    """A heard scene as one JSON-ready object: file, duration_s, objects by onset, room, and what is doubtful about the recording."""
    room = {"rt60_s": round(scene.room.rt60_s, 2), "volume_m3": round(scene.room.volume_m3, 1), "walls": round(scene.room.walls, 3)}
    objects = [_object_row(item) for item in scene.objects]
    return {"file": file, "duration_s": round(scene.duration_s, 3), "objects": objects, "room": room, "doubts": list(doubts)}


def _object_row(item: HeardObject) -> dict[str, Any]:
    row = {
        "label": item.label,
        "confidence": round(item.confidence, 3),
        "onset_s": round(item.onset_s, 2),
        "offset_s": round(item.offset_s, 2),
        "azimuth_deg": round(item.azimuth_deg, 1),
        "elevation_deg": round(item.elevation_deg, 1),
        "distance_m": round(item.distance_m, 2),
        "motion": item.motion,
    }
    if item.motion == "stands still":
        return row
    places = {"begin": 0, "nearest": round((item.nearest_s - item.onset_s) * DCASE_RATE_HZ), "end": -1}
    return row | {
        name: {"azimuth_deg": item.azimuths_deg[place], "elevation_deg": item.elevations_deg[place], "distance_m": item.distances_m[place]}
        for name, place in places.items()
    }


def scene_view(file: str, scene: HeardScene, doubts: Sequence[str] = ()) -> RenderableType:
    """A heard scene for the terminal: a table of its objects, a line about the room, and what is doubtful."""
    title = f"{Path(file).name}: {len(scene.objects)} sound{'s' if len(scene.objects) != 1 else ''} in {scene.duration_s:.1f} s"
    table = _table(title)
    table.add_column("motion", min_width=6)
    table.add_column("sure", justify="right", no_wrap=True)
    for item in scene.objects:
        table.add_row(*_cells(as_heard(item)), item.motion, f"{100 * item.confidence:.0f} %")
    room = f"room: reverberation time about {scene.room.rt60_s:.2f} s, volume about {_two_digits(scene.room.volume_m3)} m³"
    if scene.room.walls < 0.5:
        room = "no walls are heard: in the open, or very dry"
    return Group(table, *([Text(room)] if scene.objects else []), *(Text(f"doubtful: {doubt}", style="yellow") for doubt in doubts))


def dcase_rows(scene: HeardScene) -> str:
    """A heard scene as DCASE 2024 metadata: `frame,class,source,azimuth,elevation,distance`, 10 frames per second, integer degrees and centimetres.

    `class` is the place of the label in `twnm.sounds.classes.CLASSES`, `source` numbers the objects of the scene by onset.
    """
    rows = []
    for source, item in enumerate(scene.objects):
        first = round(item.onset_s * DCASE_RATE_HZ)
        distances_m = item.distances_m or (item.distance_m,) * len(item.azimuths_deg)
        for step, (azimuth, elevation, distance_m) in enumerate(zip(item.azimuths_deg, item.elevations_deg, distances_m, strict=True)):
            rows.append((first + step, CLASSES.index(item.label), source, round(azimuth), round(elevation), round(100 * distance_m)))
    return "".join(",".join(map(str, row)) + "\n" for row in sorted(rows))


def answer_view(answer: Answer, duration_s: float) -> RenderableType:
    """An answer for the terminal: the answer, what it rests on, the reasoning, and which part of a recording of `duration_s` was heard."""
    parts: list[RenderableType] = [Panel(Text(_lettered(answer), style="bold"), expand=False, padding=(0, 2))]
    if answer.evidence:
        parts.append(evidence_view(answer.evidence))
    if answer.why:
        parts.append(Text(f"why: {answer.why}{'' if answer.grounded else ' (not supported by what was heard)'}"))
    if duration_s > WINDOW_S:
        parts.append(
            Text(f"Heard: the 5 s from {answer.start_s:.1f} s of {duration_s:.1f} s, to which the times above are relative; --start SECONDS chooses others.")
        )
    return Group(*parts, Text(f"{answer.seconds:.1f} s", style="dim"))


def evidence_view(evidence: str) -> RenderableType:
    """Evidence as a table; a text that is not in the grammar is shown as it is."""
    heard = parse_evidence(evidence)
    if heard is None:
        return Text(f"heard: {evidence}")
    table = _table("what was heard")
    for it in heard:
        table.add_row(*_cells(it))
    return table


def pair_up(truth: Sequence[Heard], heard: Sequence[Heard]) -> dict[int, int]:
    """Which heard object (by index) stands for which true one: the pairing with the least sum of angles."""
    from scipy.optimize import linear_sum_assignment

    if not truth or not heard:
        return {}
    true_vectors = np.stack([unit_vector(it.azimuth_deg, it.elevation_deg) for it in truth])
    heard_vectors = np.stack([unit_vector(it.azimuth_deg, it.elevation_deg) for it in heard])
    rows, columns = linear_sum_assignment(angle_between_deg(true_vectors[:, None], heard_vectors[None]))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}


def comparison_view(truth: Sequence[Heard], heard: Sequence[Heard]) -> Table:
    """True and heard objects under one another, with the angle between them; what was missed or invented is marked."""
    pairs = pair_up(truth, heard)
    table = _table("what is there, and what was heard")
    table.add_column("off by", justify="right", no_wrap=True)
    for index, it in enumerate(truth):
        found = heard[pairs[index]] if index in pairs else None
        table.add_row(*_cells(it), "")
        if found is None:
            table.add_row(Text("  not heard", style="red"), "", "", "", "", "", end_section=True)
            continue
        angle_deg = float(angle_between_deg(unit_vector(it.azimuth_deg, it.elevation_deg), unit_vector(found.azimuth_deg, found.elevation_deg)))
        label, *cells = _cells(found)
        name = Text(f"  heard: {label}", style="green" if found.label == it.label else "red")
        table.add_row(name, *cells, f"{angle_deg:.0f}°", end_section=True)
    for index in sorted(set(range(len(heard))) - set(pairs.values())):
        label, *cells = _cells(heard[index])
        table.add_row(Text(f"  heard, not there: {label}", style="red"), *cells, "")
    return table


def evaluation_view(result: dict[str, Any]) -> RenderableType:
    """The figures of `twnm.bench.evaluate.evaluate_model` as two tables; the control has a column where it was measured."""
    flat = result["localisation_without_space"]
    control = ("without Y, Z, X",) if flat else ()
    placed = Table(title=f"where and what: {result['scenes']} unseen scenes ({result['recipe']})")
    placed.add_column("measure")
    for column in ("value", *control):
        placed.add_column(column, justify="right")
    for name, value in result["localisation"].items():
        placed.add_row(name, f"{value:.3f}", *((f"{flat[name]:.3f}" if name in flat else "-",) if control else ()))
    asked = Table(title="questions answered, %")
    for column in ("group", "n", "right", "95 % interval", *control, "chance"):
        asked.add_column(column, justify="left" if column == "group" else "right")
    for group, row in result["questions"].items():
        low, high = (_percent(bound) for bound in row["interval"])
        without = (_percent(row["without_space"]),) if control else ()
        asked.add_row(group, str(row["n"]), _percent(row["accuracy"]), f"{low}-{high}", *without, _percent(row["chance"]))
    return Group(placed, asked)


def kept_view(result: dict[str, Any]) -> Table:
    """The figures of `twnm.bench.kept.knowledge_kept` as a table."""
    table = Table(title="common knowledge without a recording, % right")
    for column in ("questions", "n", "before", "after", "difference", "p"):
        table.add_column(column, justify="left" if column == "questions" else "right")
    for kind, row in result.items():
        cells = [f"{100 * middle:.1f} [{100 * low:.0f}, {100 * high:.0f}]" for middle, low, high in (row["before"], row["after"], row["difference"])]
        table.add_row(kind, str(row["questions"]), *cells, f"{row['p']:.3f}")
    return table


def _table(title: str) -> Table:
    """A table of sounds that keeps their names on a terminal of 80 columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("sound", min_width=10)
    for column in ("direction", "height", "distance", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _cells(it: Heard) -> list[str]:
    shown = it.rounded()
    return [
        it.label,
        f"{sector8(shown.azimuth_deg)} {shown.azimuth_deg:.0f}°",
        f"{elevation_word(shown.elevation_deg)} {shown.elevation_deg:.0f}°",
        f"{shown.distance_m:.1f} m",
        f"{shown.onset_s:.1f}-{shown.offset_s:.1f} s",
    ]


def _lettered(answer: Answer) -> str:
    return f"{answer.letter}  {answer.answer}" if answer.letter else answer.answer


def _two_digits(value: float) -> str:
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{round(value, digits):g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
