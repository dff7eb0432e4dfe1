"""The results file survives kills and damage: torn lines are cut off, damaged ones counted, failures asked again."""

import json
from pathlib import Path

import pytest

from twnm.bench.results import RESULTS_NAME, Results, key_of, read_rows
from twnm.errors import InputError

FIELDS = {"level": "L1", "task": "t", "family": "spatial", "form": "choice", "scene_id": "s", "renderer": "", "transform": ""}


def row(number: int, outcome: str = "right", **changes: object) -> dict[str, object]:
    names = {"system": "a", "control": "", "sample_id": f"s-{number}", "input_hash": "0"}
    return {**names, **FIELDS, "outcome": outcome, "right": outcome == "right", **changes}


def write(folder: Path, text: str | bytes) -> None:
    (folder / RESULTS_NAME).write_bytes(text if isinstance(text, bytes) else text.encode())


def lines(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


def test_what_was_appended_is_there_again(tmp_path):
    with Results(tmp_path) as results:
        results.append([row(0), row(1)])
        results.append([row(2, reply="\ud800 and ü")])
    with Results(tmp_path) as results:
        assert results.done == {key_of(row(number)) for number in range(3)}
        assert not results.corrupt


@pytest.mark.parametrize("tail", [b'{"system": "a", "contr', b"\xff", lines(row(2))[:-1].encode()])
def test_a_torn_last_line_is_cut_off_and_the_next_line_begins_afresh(tmp_path, tail):
    write(tmp_path, lines(row(0), row(1)).encode() + tail)
    with Results(tmp_path) as results:
        assert len(results.done) == 2 and not results.corrupt
        results.append([row(3)])
    assert [one["sample_id"] for one in read_rows(tmp_path)] == ["s-0", "s-1", "s-3"]


def test_a_torn_only_line_leaves_an_empty_file(tmp_path):
    write(tmp_path, b"x" * 200_000)
    with Results(tmp_path) as results:
        assert not results.done
    assert (tmp_path / RESULTS_NAME).read_bytes() == b""


def test_damaged_lines_are_counted_and_what_they_answered_is_missing(tmp_path):
    broken = lines(row(1)).replace('"right": true', '"right": tr')
    write(tmp_path, lines(row(0)) + broken + "[1]\n" + lines({"system": "a"}) + lines(row(4)))
    corrupt: list[int] = []
    assert [one["sample_id"] for one in read_rows(tmp_path, corrupt)] == ["s-0", "s-4"]
    assert corrupt == [2, 3, 4]
    with Results(tmp_path) as results:
        assert results.corrupt == [2, 3, 4] and key_of(row(1)) not in results.done


def test_failures_are_not_done_until_a_later_reply(tmp_path):
    write(tmp_path, lines(row(0, "failed"), row(1, "failed"), row(1), row(2), row(2, "failed")))
    with Results(tmp_path) as results:
        assert results.done == {key_of(row(1))}
        assert results.failed == {key_of(row(0)), key_of(row(2))}


@pytest.mark.parametrize("name", ["system", "control", "sample_id", "input_hash"])
def test_a_reply_is_known_by_system_control_item_and_input(name):
    assert key_of(row(0)) != key_of(row(0, **{name: "other"}))
    assert key_of(row(0)) == key_of(row(0, "wrong"))


def test_two_runs_cannot_write_at_once(tmp_path):
    with Results(tmp_path), pytest.raises(InputError, match=r"another run writes to .*results\.jsonl"), Results(tmp_path):
        pass


def test_no_results(tmp_path):
    with pytest.raises(InputError, match=r"results\.jsonl does not exist; run a benchmark"):
        list(read_rows(tmp_path))
