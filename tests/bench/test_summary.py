"""The figures of a run, against sums by hand."""

import io
import json
from pathlib import Path

import pytest

from twnm.bench.results import RESULTS_NAME
from twnm.bench.summary import RunSummary
from twnm.errors import InputError

LABELS = {"input": "foa", "trained_on": "nothing", "output": "letter", "spatial_access": "all"}


def row(scene: int, name: str, outcome: str, system: str = "a", control: str = "", twin: str | None = None, **changes: object) -> dict[str, object]:
    return {
        **{"system": system, "control": control, "sample_id": name, "input_hash": "0", "scorer": "twnm-1", "labels": LABELS, "outcome": outcome},
        **{"read": "A", "right": outcome == "right", "grounded": False, "reply": "A", "evidence": None, "error": "", "seconds": 0.1, "tokens": None},
        **{"level": "L1", "task": "l1_identify_event", "family": "semantic", "form": "choice", "scene_id": f"s{scene}", "renderer": "native"},
        **{"transform": "yaw 90" if "~" in name else "", "twin": twin, "chance": 0.25},
        **changes,
    }


def summary(folder: Path, *rows: dict[str, object], tail: str = "") -> RunSummary:
    (folder / RESULTS_NAME).write_text("".join(json.dumps(one) + "\n" for one in rows) + tail)
    return RunSummary(folder)


def pair(scene: int, first: str, second: str, **changes: object) -> list[dict[str, object]]:
    name = f"s{scene}-x"
    return [row(scene, name, first, twin=f"{name}~yaw90", **changes), row(scene, f"{name}~yaw90", second, twin=name, **changes)]


def test_the_line_of_a_system(tmp_path):
    rows = [
        *pair(0, "right", "right", family="spatial", level="L2"),
        *pair(1, "right", "wrong", family="spatial", level="L2", renderer="pyroomacoustics"),
        row(2, "s2-y", "right", grounded=True, chance=0.5),
        row(3, "s3-y", "unparseable"),
        row(4, "s4-y", "failed", renderer=""),
    ]
    line = summary(tmp_path, *rows).to_json()["a"]
    expected = {"overall": 60.0, "L1": 33.3, "L2": 100.0, "L3": None, "spatial": 100.0, "pair": 50.0, "grounded": 20.0, "unparseable": 20.0}
    assert {name: line[name] for name in expected} == expected
    assert (line["chance"], line["n"], line["failed"], line["pair_chance"]) == (30.0, 5, 1, 6.2)
    assert line["renderers"] == {"native": 66.7, "pyroomacoustics": 100.0}
    assert line["intervals"]["overall"][0] < 60 < line["intervals"]["overall"][1]


def test_controls_lie_within_their_system_and_are_compared_with_it(tmp_path):
    rows = [row(scene, f"s{scene}-y", "right") for scene in range(12)] + [row(scene, f"s{scene}-y", "wrong", control="w-only") for scene in range(12)]
    found = summary(tmp_path, *rows)
    assert found.to_json()["a"]["controls"]["w-only"]["overall"] == 0.0
    (difference,) = found.controls
    assert (difference.first, difference.second, difference.result.difference, difference.count) == ("a", "w-only", 1.0, 12)
    assert difference.result.p_value < 0.01


def test_systems_are_compared_in_pairs_and_corrected_together(tmp_path):
    rows = [row(scene, f"s{scene}-y", "right" if scene < many else "wrong", system) for system, many in (("a", 12), ("b", 6), ("c", 5)) for scene in range(12)]
    found = summary(tmp_path, *rows).between
    assert {(it.first, it.second) for it in found} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert all(it.p_holm >= it.result.p_value for it in found)


def test_the_tables_can_be_read_and_damage_is_told(tmp_path):
    from rich.console import Console

    found = summary(tmp_path, *pair(0, "right", "wrong"), row(0, "s0-x", "wrong", control="w-only"), tail="{torn\n")
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(found.view())
    text = console.export_text()
    assert "overall" in text and "w-only" in text and "1 damaged lines in the results" in text


def test_a_run_without_results(tmp_path):
    with pytest.raises(InputError, match=r"results\.jsonl"):
        RunSummary(tmp_path)
