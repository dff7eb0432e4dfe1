"""The commands of the benchmark as a user gives them."""

import json
from pathlib import Path

import pytest
from small_benchmark import write_benchmark

from twnm.bench import report
from twnm.cli import main

PERCENT = ("overall", "L1", "L2", "L3", "spatial", "pair", "grounded", "unparseable", "chance")


def test_a_run_ends_with_one_line_of_json_and_a_second_one_counts_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data, out = write_benchmark(tmp_path / "data", 2), tmp_path / "run"
    words = ["bench", "run", "random", "--data", str(data), "--out", str(out), "--controls", "w-only", "--json"]
    assert main(words) == 0
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    figures = json.loads(line)["random"]
    assert all(0 <= figures[name] <= 100 for name in PERCENT) and figures["n"] == 6
    assert figures["controls"]["w-only"]["n"] == 6
    assert "asked 16, 0 were there" in told.err
    assert main(words[:-1]) == 0
    told = capsys.readouterr()
    assert "asked 0, 16 were there" in told.err
    assert "overall" in told.out and "w-only" in told.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["oracel", "--data", "{data}"], "unknown system 'oracel'"),
        (["random", "--data", "{data}", "--split", "val"], "items-val.jsonl does not exist"),
        (["random", "--data", "{data}", "--workers", "0"], "--workers 0 is too small"),
        (["random", "--data", "{data}", "--controls", "deaf"], "unknown control 'deaf'"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(words, message, tmp_path, capsys):
    data = write_benchmark(tmp_path / "data", 1)
    assert main(["bench", "run", *(word.format(data=data) for word in words), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_report_writes_beside_the_results_unless_told_where(tmp_path, capsys, monkeypatch):
    written = []
    monkeypatch.setattr(report, "write_report", lambda run, out, small: written.append((run, out, small)) or out)
    assert main(["bench", "report", str(tmp_path)]) == 0
    assert main(["bench", "report", str(tmp_path), "--out", str(tmp_path / "x.html"), "--small"]) == 0
    assert written == [(tmp_path, tmp_path / "report.html", False), (tmp_path, tmp_path / "x.html", True)]


def test_make_refuses_counts_below_one(tmp_path, capsys):
    assert main(["bench", "make", str(tmp_path / "b"), "--test-items", "0"]) == 2
    assert "--test_items 0 is too small" in capsys.readouterr().err
