"""The one thread that uses the model, and the queue in front of it: bounded, with a time limit, first come first served."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from twnm.studio.refusals import Refused

T = TypeVar("T")
_AVERAGED: Final = 0.2
"""Weight of the newest job in the average time of a job."""


class _Job(Generic[T]):
    """Work that waits, and where its outcome goes."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self.loop.create_future()

    def settle(self, result: T | None, error: BaseException | None) -> None:
        """Hand over the outcome, from the worker's thread; nobody may wait any more."""

        def hand_over() -> None:
            if self.done.done():
                return
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(result)  # type: ignore[arg-type]

        self.loop.call_soon_threadsafe(hand_over)


class Worker:
    """Runs jobs one after another. `limit` may wait beside the one that runs; a job has `limit_s` from being queued to its result."""

    def __init__(self, limit: int, limit_s: float) -> None:
        self._limit, self._limit_s = limit, limit_s
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._open = 0
        self._job_s = 0.0
        self._thread = threading.Thread(target=self._run, name="twnm worker", daemon=True)
        self._first: Callable[[], object] | None = None

    def start(self, first: Callable[[], object] | None = None) -> None:
        """Begin to take jobs, after doing something else first whose failure does not matter."""
        self._first = first
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then end."""
        self._jobs.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Jobs that wait or run."""
        return self._open

    @property
    def retry_s(self) -> int:
        """When it makes sense to come again: half of what waits is done by then, at least a second."""
        return max(1, min(60, round(0.5 * self._open * self._job_s)))

    def check(self) -> None:
        """Raise Refused (429) when the queue is full, or so long that its end would not be reached in time."""
        if self._open > self._limit or self._open * self._job_s > self._limit_s:
            raise Refused(429, "busy", f"{self._open} requests wait already; come again", retry_s=self.retry_s)

    async def run(self, work: Callable[[], T]) -> T:
        """Do work in the worker's thread.

        Raises Refused: 429 when the queue is full, 504 when the time is over (work that has not begun is then left out).
        """
        self.check()
        job = _Job(work)
        self._open += 1
        job.done.add_done_callback(self._forget)
        self._jobs.put(job)
        try:
            return await asyncio.wait_for(job.done, self._limit_s)
        except TimeoutError:
            if job.done.cancelled():
                raise Refused(504, "too_late", f"not done within {self._limit_s:g} s; try a shorter recording, or come again", retry_s=self.retry_s) from None
            raise

    def _forget(self, _: "asyncio.Future[Any]") -> None:
        self._open -= 1

    def _run(self) -> None:
        if self._first is not None:
            with contextlib.suppress(Exception):
                self._first()
        while (job := self._jobs.get()) is not None:
            if job.done.cancelled():
                continue
            began = time.monotonic()
            try:
                result, error = job.work(), None
            except BaseException as raised:
                result, error = None, raised
            took_s = time.monotonic() - began
            self._job_s = self._job_s + _AVERAGED * (took_s - self._job_s) if self._job_s else took_s
            job.settle(result, error)
