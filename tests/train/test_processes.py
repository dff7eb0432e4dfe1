"""Several processes that train one model: the same lessons give what one process makes of them; a resume, and a length in time, work on all of them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import crew_run
import pytest
import torch
from safetensors.torch import load_file

from twnm.errors import InputError
from twnm.train.instruct import INSTRUCT_RECIPES, train_instruct
from twnm.train.processes import Processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("crew")
    crew_run.make_parts(folder)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", crew_run.__file__, str(folder)]
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | own, start_new_session=True) as crew:
        try:
            _, errors = crew.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            os.killpg(crew.pid, signal.SIGKILL)  # torchrun alone would leave its processes behind
            raise
    assert crew.returncode == 0, errors[-3000:]
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    """What one process makes of the same lessons."""
    return crew_run.state_of(crew_run.run(folder, "alone"))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns_from_the_same_lessons(folder: Path, alone: dict[str, Any]) -> None:
    ranks = [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]
    parts = [state.pop("part") for state in ranks]
    assert parts[0].shape == parts[1].shape == (8, 16)  # half of a frozen layer each
    for name, value in alone.items():
        torch.testing.assert_close(ranks[0][name], ranks[1][name], rtol=0, atol=0, msg=name)
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-3, atol=1e-4, msg=name)
    assert rows(folder / "whole")[-1]["loss"] == pytest.approx(rows(folder / "alone")[-1]["loss"], abs=1e-3)
    assert sum("tokens_per_s" in row for row in rows(folder / "whole")) == 1  # one of the processes writes


def test_a_run_of_two_processes_resumes_at_the_same_bits(folder: Path) -> None:
    for name in ("lora.safetensors", "projector.safetensors"):
        whole, resumed = load_file(folder / "whole" / name), load_file(folder / "resumed" / name)
        for key, value in whole.items():
            torch.testing.assert_close(resumed[key], value, rtol=0, atol=0, msg=key)


def test_another_number_of_processes_can_go_on(folder: Path, alone: dict[str, Any]) -> None:
    for name, value in crew_run.state_of(crew_run.run(folder, "stopped")).items():
        torch.testing.assert_close(value, alone[name], rtol=1e-3, atol=1e-4, msg=name)


def test_the_first_process_decides_when_the_time_is_over(folder: Path) -> None:
    assert 1.2 <= rows(folder / "timed")[-1]["seconds"] < 60.0


def test_the_lessons_of_a_step_are_dealt_out_in_runs() -> None:
    crew = [Processes(rank, 4) for rank in range(4)]
    dealt = [[one.number(own, 8) for own in range(4)] for one in crew]
    assert dealt == [[0, 1, 8, 9], [2, 3, 10, 11], [4, 5, 12, 13], [6, 7, 14, 15]]
    assert [Processes().number(own, 3) for own in range(7)] == list(range(7))


def test_lessons_that_cannot_be_dealt_out_are_refused() -> None:
    with pytest.raises(InputError, match="6 lessons a step cannot be dealt out to 4 processes; start a number of processes that divides 6"):
        Processes(0, 4).share(6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with CUDA takes these recipes")
@pytest.mark.parametrize("name", ["7b", "7b-omni"])
def test_the_large_recipes_want_a_graphics_processor(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"the recipe '{name}' wants the device cuda, which this machine has not"):
        train_instruct(INSTRUCT_RECIPES[name], tmp_path, tmp_path / "run")
