"""Workers may die or hang; the work goes on, and none is left afterwards."""

import functools
import multiprocessing
import operator
import os
import time

import pytest

from twnm.bench.crew import WorkerDied, work

START_S = 60.0
TWELFTHS = functools.partial(operator.floordiv, 12)  # workers import it by name; it fails on 0


def patient(job: float, before: float | None) -> float:
    return START_S


def test_every_job_is_served_once_and_an_exception_is_an_answer():
    found = dict(work(TWELFTHS, [1, 2, 0, 3, 4], 2, patient))
    assert {job: answer for job, answer in found.items() if job} == {1: 12, 2: 6, 3: 4, 4: 3}
    assert isinstance(found[0], ZeroDivisionError)
    assert not multiprocessing.active_children()


def test_a_process_that_dies_costs_its_job_alone():
    found = list(work(os._exit, [7, 8], 1, patient))
    assert [job for job, _ in found] == [7, 8]
    for job, answer in found:
        assert isinstance(answer, WorkerDied) and str(answer) == f"the process died (exit code {job})"


def test_a_job_that_hangs_is_given_up_and_the_next_is_served():
    found = list(work(time.sleep, [0.0, 600.0, 0.01], 1, lambda job, before: START_S if before is None else 0.3))
    assert [job for job, _ in found] == [0.0, 600.0, 0.01]
    assert [type(answer) for _, answer in found] == [type(None), TimeoutError, type(None)]


def test_closing_early_leaves_no_worker():
    results = work(time.sleep, [0.0, 600.0, 600.0], 2, patient)
    next(results)
    results.close()
    assert not multiprocessing.active_children()


def test_no_jobs_need_no_worker():
    assert list(work(TWELFTHS, [], 2, patient)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_jobs_are_taken_than_there_are_workers(workers):
    taken = [0]

    def jobs():
        for taken[0] in range(1, 9):
            yield taken[0]

    for done, _ in enumerate(work(TWELFTHS, jobs(), workers, patient), 1):
        assert taken[0] <= done + workers
