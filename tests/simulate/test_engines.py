"""Engines hand out shards one by one, give what each made, and end without a trace: processes, and a local Ray cluster of two workers."""

import functools
import itertools
import operator
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twnm.errors import InputError
from twnm.simulate import dataset, engines
from twnm.simulate.dataset import write
from twnm.simulate.engines import run
from twnm.simulate.recipe import RECIPES
from twnm.sounds.catalogue import Catalogue

TWELFTHS = functools.partial(operator.floordiv, 12)  # workers import it by name; it fails on 0


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A cluster of two cores on this machine that was there before."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def handed_out(counter: list[int]) -> Iterator[int]:
    for number in itertools.count(1):
        counter[0] = number
        yield number


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_shards_are_in_flight_than_there_are_workers(workers: int) -> None:
    given = [0]
    results = run("processes", TWELFTHS, handed_out(given), workers)
    for done in range(1, 30):
        next(results)
        assert given[0] <= done + workers
    results.close()


def test_every_shard_is_made_once_and_what_a_worker_raises_is_raised_here() -> None:
    assert sorted(run("processes", TWELFTHS, [1, 2, 3, 4, 6, 12], 2)) == [1, 2, 3, 4, 6, 12]
    assert list(run("processes", TWELFTHS, [], 2)) == []
    with pytest.raises(ZeroDivisionError):
        list(run("processes", TWELFTHS, [1, 2, 0, 3], 2))


def test_a_worker_that_dies_is_one_clear_error() -> None:
    with pytest.raises(RuntimeError, match=r"a worker process died .*run the same command again"):
        list(run("processes", os._exit, [1, 2, 3], 2))


def test_a_ray_of_our_own_writes_the_same_files_and_is_stopped(bank: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(dataset, "SHARD_SCENES", 4)
    monkeypatch.chdir(tmp_path)
    recipe = RECIPES["indoor"].model_copy(update={"name": "short", "duration_s": 1.0})
    write("with", 10, seed=3, recipe=recipe, catalogue=bank, engine="ray", workers=2)
    assert not sys.modules["ray"].is_initialized()
    write("without", 10, seed=3, recipe=recipe, catalogue=bank)
    files = [str(path.relative_to("without")) for path in sorted(Path("without").rglob("*"))]
    assert [str(path.relative_to("with")) for path in sorted(Path("with").rglob("*"))] == files
    for name in files:
        assert not Path("with", name).is_file() or Path("with", name).read_bytes() == Path("without", name).read_bytes()


def test_ray_hands_out_no_more_than_its_workers_hold_and_raises_what_they_raise(ray: None) -> None:
    given = [0]
    results = run("ray", TWELFTHS, handed_out(given), 2)
    for done in range(1, 10):
        next(results)
        assert given[0] <= done + 2
    results.close()
    with pytest.raises(ZeroDivisionError):
        list(run("ray", TWELFTHS, [1, 0], 2))


def test_more_workers_than_the_cluster_has_cores_are_refused(ray: None) -> None:
    with pytest.raises(InputError, match="cluster has 2; give --workers 2 or fewer"):
        next(run("ray", TWELFTHS, [1], 3))


def test_a_ray_worker_that_keeps_dying_is_one_clear_error(ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "RAY_RETRIES", 0)
    with pytest.raises(RuntimeError, match=r"a Ray worker died .*run the same command again"):
        list(run("ray", os._exit, [1, 2], 2))


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'twnm\[ray\]'"):
        next(run("ray", TWELFTHS, [1], 1))
