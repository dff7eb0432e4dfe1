"""Worker processes that may die or hang without ending the work: each serves one job at a time, and is replaced when it does.

A job is handed out when a worker is free, so memory holds as many jobs as there are workers. Processes are started afresh (spawn) with one thread each.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar, cast

from twnm.simulate.engines import one_thread_each

Job = TypeVar("Job")
_GRACE_S = 2.0


class WorkerDied(RuntimeError):
    """The process that had a job ended without an answer."""


def _serve(connection: Connection, serve: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process stops the others
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = connection.recv()
            try:
                answer = serve(job)
            except Exception as error:
                answer = error
            connection.send(answer)


@dataclass
class _Worker(Generic[Job]):
    process: SpawnProcess
    connection: Connection
    job: Job
    started_s: float
    limit_s: float

    def left_s(self) -> float:
        return self.started_s + self.limit_s - time.monotonic()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(_GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def work(serve: Callable[[Job], Any], jobs: Iterable[Job], workers: int, limit_s: Callable[[Job, Job | None], float]) -> Iterator[tuple[Job, Any]]:
    """Have every job served; yield each with its answer, in the order in which they end.

    The answer is what `serve` gives or the exception that it raises; WorkerDied when the process died; TimeoutError after `limit_s` seconds, a function of
    the job and of the worker's job before (None: it has just been started). When this is closed, no worker is left.
    """
    waiting, crew = iter(jobs), list[_Worker[Job]]()
    try:
        while True:
            while len(crew) < workers and (job := next(waiting, None)) is not None:
                crew.append(_start(serve, job, limit_s(job, None)))
            if not crew:
                return
            ready = set(cast("list[Connection]", wait([worker.connection for worker in crew], max(0.0, min(worker.left_s() for worker in crew)))))
            for worker in [worker for worker in crew if worker.connection in ready or worker.left_s() <= 0]:
                answer = _answer(worker) if worker.connection in ready else TimeoutError(f"no answer within {worker.limit_s:.0f} s")
                done = worker.job
                following = None if isinstance(answer, (WorkerDied, TimeoutError)) else next(waiting, None)
                if following is None:
                    worker.stop()
                    crew.remove(worker)
                else:
                    worker.job, worker.started_s, worker.limit_s = following, time.monotonic(), limit_s(following, done)
                    _hand(worker.connection, following)
                yield done, answer
    finally:
        for worker in crew:
            worker.stop()


def _start(serve: Callable[[Job], Any], job: Job, limit_s: float) -> _Worker[Job]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, serve), daemon=True)
    with one_thread_each():
        process.start()
    theirs.close()
    _hand(ours, job)
    return _Worker(process, ours, job, time.monotonic(), limit_s)


def _hand(connection: Connection, job: Any) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died already: shown when its answer is read
        connection.send(job)


def _answer(worker: _Worker[Job]) -> Any:
    try:
        return worker.connection.recv()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        worker.process.join(_GRACE_S)
        return WorkerDied(f"the process died (exit code {worker.process.exitcode})")
