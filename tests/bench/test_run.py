"""The run loop: asks what is missing and nothing else, in any number of processes, whatever systems and files do."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import faulty_systems
import pytest
from small_benchmark import items_about, write_benchmark, write_items

from twnm.bench import systems
from twnm.bench.results import RESULTS_NAME, read_rows
from twnm.bench.run import RUN_NAME, run
from twnm.errors import InputError

ITEMS = 16  # four recordings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "data")


def system(name: str) -> str:
    return f"python:faulty_systems:{name}"


def outcomes(out: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in {(row["system"], row["control"], row["sample_id"]): row for row in read_rows(out)}.values():
        found[row["outcome"]] = found.get(row["outcome"], 0) + 1
    return found


def test_everything_is_asked_once_and_a_second_run_asks_nothing(data, tmp_path):
    names = ("random", system("first_option"))
    first = run(names, data, tmp_path / "run", controls=("w-only",), workers=2)
    assert (first.asked, first.there, first.failed, first.corrupt) == (4 * ITEMS, 0, 0, 0)
    keys = [(row["system"], row["control"], row["sample_id"]) for row in read_rows(tmp_path / "run")]
    assert len(set(keys)) == len(keys) == 4 * ITEMS
    again = run(names, data, tmp_path / "run", controls=("xyz-zeroed",))
    assert (again.asked, again.there) == (0, 4 * ITEMS)
    described = json.loads((tmp_path / "run" / RUN_NAME).read_text())
    assert described["systems"] == list(names) and described["controls"] == ["w-only"] and len(described["commands"]) == 1


def test_replies_do_not_depend_on_the_number_of_workers(data, tmp_path):
    for workers in (1, 3):
        run(("random",), data, tmp_path / str(workers), controls=("wrong-clip",), workers=workers)
    one, three = ({(row["control"], row["sample_id"]): row["reply"] for row in read_rows(tmp_path / name)} for name in ("1", "3"))
    assert one == three


def test_a_torn_and_a_damaged_line_cost_their_replies_alone(here, data, tmp_path):
    run(("random",), data, tmp_path / "run")
    path = tmp_path / "run" / RESULTS_NAME
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "nonsense\n", *lines[4:9], lines[9][:40]]))
    again = run(("random",), data, tmp_path / "run")
    assert (again.asked, again.there, again.corrupt) == (ITEMS - 8, 8, 1)
    assert str(again) == "asked 8, 8 were there, 1 damaged lines in the results"
    assert run(("random",), data, tmp_path / "run").asked == 0


def test_a_run_that_was_killed_goes_on(data, tmp_path):
    """SIGKILL in the middle: the replies about the first two recordings are there, the others are asked."""
    out = tmp_path / "run"
    code = f"if __name__ == '__main__':\n    from twnm.bench.run import run\n    run(['python:faulty_systems:slow'], {str(data)!r}, {str(out)!r})\n"
    (tmp_path / "go.py").write_text(code)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen([sys.executable, tmp_path / "go.py"], env=os.environ | {"PYTHONPATH": path})
    deadline_s = time.monotonic() + 60
    while not (out / RESULTS_NAME).is_file() or (out / RESULTS_NAME).read_text().count("\n") < 8:
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = run(("python:faulty_systems:slow",), data, out, question_limit_s=0.2, load_limit_s=8.0)
    assert (again.there, again.asked, again.failed) == (8, 8, 4)


@pytest.mark.parametrize(
    ("name", "error"),
    [("raises_once", "ConnectionError: HTTP 500"), ("hangs_once", "no answer within"), ("dies_once", "the process died (exit code 9)")],
)
def test_a_system_that_raises_hangs_or_dies_fails_one_recording_and_the_run_goes_on(name, error, data, tmp_path):
    done = run((system(name),), data, tmp_path / "run", question_limit_s=0.2, load_limit_s=20.0)
    assert (done.asked, done.failed) == (ITEMS, 4)
    failures = [row for row in read_rows(tmp_path / "run") if row["outcome"] == "failed"]
    assert {row["scene_id"] for row in failures} == {"r-001"}
    assert all(str(row["error"]).startswith(error) for row in failures)


def test_failures_are_asked_again(here, data, tmp_path):
    audio = data / "audio" / "r-002.wav"
    audio.rename(data / "away.wav")
    done = run(("random",), data, tmp_path / "run")
    assert (done.asked, done.failed) == (ITEMS, 4)
    assert outcomes(tmp_path / "run")["failed"] == 4
    (data / "away.wav").rename(audio)
    again = run(("random",), data, tmp_path / "run")
    assert (again.asked, again.there, again.failed) == (4, ITEMS - 4, 0)
    assert "failed" not in outcomes(tmp_path / "run")


def test_a_recording_that_changed_is_asked_again(here, data, tmp_path):
    run(("random",), data, tmp_path / "run")
    (data / "audio" / "r-000.wav").write_bytes((data / "audio" / "r-001.wav").read_bytes())
    assert run(("random",), data, tmp_path / "run").asked == 4


def test_a_limit_asks_the_first_recordings_only(here, data, tmp_path):
    assert run(("random",), data, tmp_path / "run", limit=2).asked == 8
    assert run(("random",), data, tmp_path / "run").asked == 8


def test_progress_sees_every_reply_and_may_stop_the_run(here, data, tmp_path):
    seen = []

    def stop(counts: Iterator[int], total: int) -> Iterator[int]:
        for count in counts:
            seen.append((count, total))
            yield count
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(("random",), data, tmp_path / "run", progress=stop)
    assert seen == [(4, ITEMS)]
    assert run(("random",), data, tmp_path / "run").asked == ITEMS - 4


def test_a_system_that_cannot_be_made_ends_the_run(here, data, tmp_path):
    with pytest.raises(InputError, match="the weights are not there; fetch them"):
        run((system("cannot_be_made"),), data, tmp_path / "run")
    with pytest.raises(InputError, match=r"python:faulty_systems:nobody cannot be loaded \(.*nobody.*\); give python:MODULE:FUNCTION"):
        run((system("nobody"),), data, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("oracel",)}, "unknown system 'oracel'; choose from random, majority"),
        ({"controls": ("deaf",)}, "unknown control 'deaf'"),
        ({"split": "val"}, r"items-val\.jsonl does not exist; make a benchmark"),
        ({"names": ()}, "0 systems, 1 workers, limit None: give one system or more"),
        ({"workers": 0}, "0 workers"),
        ({"limit": 0}, "limit 0"),
    ],
)
def test_wrong_arguments_write_nothing(changes, message, data, tmp_path):
    with pytest.raises(InputError, match=message):
        run(**({"names": ("random",), "data": data, "out": tmp_path / "run"} | changes))
    assert not (tmp_path / "run").exists()


def test_a_run_folder_of_other_items_is_refused(here, data, tmp_path):
    run(("random",), data, tmp_path / "run")
    write_items(data / "items-test.jsonl", items_about(0))
    with pytest.raises(InputError, match="holds results of another benchmark, split or scorer"):
        run(("random",), data, tmp_path / "run")
    (tmp_path / "run" / RUN_NAME).write_text("{")
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        run(("random",), data, tmp_path / "run")


def test_a_damaged_item_names_its_line(data, tmp_path):
    path = data / "items-test.jsonl"
    path.write_text(path.read_text() + '{"sample_id": "x"}\n')
    with pytest.raises(InputError, match=r"items-test\.jsonl line 17: not a question"):
        run(("random",), data, tmp_path / "run")


def test_memory_does_not_grow_with_the_number_of_items(here, tmp_path):
    """All but a few dozen bytes for each reply that is there already; the others' audio would be 24 MB, their replies and items as much again."""
    peaks = []
    for recordings in (20, 640):  # 80 and 2,560 items with their twins
        data = write_benchmark(tmp_path / str(recordings), recordings, samples=2400)
        tracemalloc.start()
        run(("random",), data, tmp_path / f"run-{recordings}")
        run(("random",), data, tmp_path / f"run-{recordings}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1_500_000


def test_names_of_systems():
    for name in systems.NAMES:
        systems.check_name(name if name not in ("hf", "openai", "python") else f"{name}:x")
    with pytest.raises(InputError, match="the system hf needs something after a colon"):
        systems.check_name("hf")
    with pytest.raises(InputError, match="the system oracle takes nothing after a colon, but 'x' is given"):
        systems.check_name("oracle:x")


def test_replies_of_other_weights_are_not_mixed(here, data, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "encoder.safetensors").write_bytes(b"one")
    name = f"twnm:{folder}"
    load = lambda name, data: faulty_systems.first_option()  # noqa: E731
    run((name,), data, tmp_path / "run", load=load)
    assert set(json.loads((tmp_path / "run" / RUN_NAME).read_text())["weights"]) == {name}
    (folder / "encoder.safetensors").write_bytes(b"two")
    with pytest.raises(InputError, match=r"holds replies of twnm:.*model with other weights; give another --out"):
        run((name,), data, tmp_path / "run", load=load)
    assert systems.weights_digest("cascade") == systems.weights_digest("twnm-mono") != ""
    assert systems.weights_digest("random") == systems.weights_digest("hf:x/y") == ""
