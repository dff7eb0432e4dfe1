"""The log of a run: what its rows say, and that a resume or a torn line does not spoil it."""

import json
from pathlib import Path

import pytest

from twnm.train.curves import draw_curves
from twnm.train.log import ROW_EVERY, Log, read_rows, write_row


def test_rows_hold_the_means_of_their_steps_and_the_rates(tmp_path: Path) -> None:
    with Log(tmp_path, steps=2 * ROW_EVERY + 5, scenes_per_step=4) as log:
        for step in range(1, 2 * ROW_EVERY + 6):
            with log.waiting():
                pass
            log.step(step, float(step), {"dir": 2.0 * step})
    rows = read_rows(tmp_path)
    assert [row["step"] for row in rows] == [ROW_EVERY, 2 * ROW_EVERY, 2 * ROW_EVERY + 5]
    assert rows[0]["loss"] == pytest.approx((ROW_EVERY + 1) / 2)
    assert rows[1]["dir"] == pytest.approx(3 * ROW_EVERY + 1)
    assert all(row["scenes_per_s"] > 0 and 0 <= row["waited"] <= 1 for row in rows)


def test_a_run_without_a_last_step_ends_with_a_row_unless_it_was_broken_off(tmp_path: Path) -> None:
    with Log(tmp_path, steps=0, scenes_per_step=4) as log:
        log.step(1, 2.0, {})
        log.step(2, 4.0, {})
    assert [(row["step"], row["loss"]) for row in read_rows(tmp_path)] == [(2, 3.0)]
    with pytest.raises(KeyboardInterrupt), Log(tmp_path, steps=0, scenes_per_step=4) as log:
        log.step(3, 1.0, {})
        raise KeyboardInterrupt
    assert [row["step"] for row in read_rows(tmp_path)] == [2]


def test_after_a_resume_steps_count_once_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    for step, loss in ((25, 5.0), (50, 4.0), (75, 3.0)):
        write_row(tmp_path, {"step": step, "loss": loss}, quiet=True)
    write_row(tmp_path, {"step": 60, "validation": {"recall": 0.5}}, quiet=True)
    write_row(tmp_path, {"step": 50, "loss": 4.5}, quiet=True)
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 75, "lo')
    rows = read_rows(tmp_path)
    assert [(row["step"], row.get("loss")) for row in rows] == [(25, 5.0), (50, 4.5), (60, None)]


def test_rows_are_printed_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Log(tmp_path, 1, 1) as log:
        log.row({"step": 1, "validation": {"recall": 0.25}})
    assert json.loads(capsys.readouterr().out) == {"step": 1, "validation": {"recall": 0.25}}


def test_the_curves_are_a_picture(tmp_path: Path) -> None:
    for step in (25, 50):
        write_row(tmp_path, {"step": step, "loss": 5.0 - step / 25, "dir": 0.4, "scenes_per_s": 20.0, "waited": 0.1}, quiet=True)
    write_row(tmp_path, {"step": 50, "validation": {"angle_median_1": 9.0, "recall": 0.9}}, quiet=True)
    assert draw_curves(tmp_path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
