"""Who makes the shards: this process, worker processes, or Ray actors on one machine or many.

A worker gets what all shards have in common once, then one number at a time, and answers when that shard is on disk. So as many shards are in flight as
there are workers, whatever the number of scenes, and a worker holds its own cache of sounds.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Literal, cast, get_args

from twnm.errors import InputError

Engine = Literal["processes", "ray"]
ENGINES: Final[tuple[str, ...]] = get_args(Engine)
MAX_WORKERS: Final = {"processes": 256, "ray": 100_000}
RAY_RETRIES: Final = 3
_AGAIN = "run the same command again: it goes on where it stopped"
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Make = Callable[[int], int]


def run(engine: str, make: Make, shards: Iterable[int], workers: int) -> Iterator[int]:
    """Call `make` on every shard number; yield what each call gives, in the order in which they end.

    Raises what `make` raises, RuntimeError when a worker dies, and InputError when Ray is not installed or its cluster is too small. When it is closed
    or raises, no worker is left.
    """
    if engine == "ray":
        yield from _with_ray(make, shards, workers)
    elif workers == 1:
        yield from map(make, shards)
    else:
        yield from _with_processes(make, shards, workers)


def _serve(connection: Connection, make: Make) -> None:
    """A worker process: answer numbers until the other end is closed, also because that process was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process stops the others
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            shard = connection.recv()
            try:
                answer: int | Exception = make(shard)
            except Exception as error:
                answer = error
            connection.send(answer)


def _with_processes(make: Make, shards: Iterable[int], workers: int) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    waiting = iter(shards)
    crew: list[SpawnProcess] = []
    busy: list[Connection] = []
    try:
        with one_thread_each():
            for _, shard in zip(range(workers), waiting, strict=False):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, make), daemon=True)
                process.start()
                crew.append(process)
                busy.append(ours)
                theirs.close()
                _hand(ours, shard)
        while busy:
            for connection in cast("list[Connection]", wait(busy)):
                yield _answer(connection)
                if (following := next(waiting, None)) is not None:
                    _hand(connection, following)
                else:
                    busy.remove(connection)
                    connection.close()
    finally:
        for connection in busy:
            connection.close()
        for process in crew:
            process.terminate()
        for process in crew:
            process.join()


def _hand(connection: Connection, shard: int) -> None:
    with _alive():
        connection.send(shard)


def _answer(connection: Connection) -> int:
    with _alive():
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return int(answer)


@contextlib.contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise RuntimeError(f"a worker process died (killed, or out of memory); use fewer workers if memory is short, and {_AGAIN}") from None


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started here run one thread each: numeric libraries that start more on a busy machine are ten times slower."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


class _Worker:
    """A Ray actor: keeps what all shards have in common, so that its cache of sounds serves them all."""

    def __init__(self) -> None:
        self.work: Make | None = None

    def make(self, common: list[Any], shard: int) -> int:
        """`common` holds a reference, which Ray leaves alone in a list; a worker that was started again follows it again."""
        if self.work is None:
            import ray

            self.work = cast(Make, ray.get(common[0]))
        return self.work(shard)


def _with_ray(make: Make, shards: Iterable[int], workers: int) -> Iterator[int]:
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed; pip install 'twnm[ray]', or use the engine 'processes'") from None
    crew: list[Any] = []
    with _connected(ray, workers):
        try:
            common = [ray.put(make)]
            actor = ray.remote(num_cpus=1, max_restarts=RAY_RETRIES, max_task_retries=RAY_RETRIES)(_Worker)
            waiting = iter(shards)
            busy: dict[Any, Any] = {}
            for _, shard in zip(range(workers), waiting, strict=False):
                crew.append(actor.remote())
                busy[crew[-1].make.remote(common, shard)] = crew[-1]
            while busy:
                for done in ray.wait(list(busy), num_returns=1)[0]:
                    worker = busy.pop(done)
                    yield int(ray.get(done))
                    if (following := next(waiting, None)) is not None:
                        busy[worker.make.remote(common, following)] = worker
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise RuntimeError(f"a Ray worker died more than {RAY_RETRIES} times ({reason}); {_AGAIN}") from None
        finally:
            for worker in crew:
                ray.kill(worker)


@contextlib.contextmanager
def _connected(ray: Any, workers: int) -> Iterator[None]:
    """Use the Ray that runs in this process, or the cluster that RAY_ADDRESS names, or one of our own on this machine, stopped at the end."""
    if ray.is_initialized():
        _check_cluster(ray, workers)
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to Ray's makers unless the user wants it
    address = os.environ.get("RAY_ADDRESS")
    where = {"address": address} if address else {"address": "local", "num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except ConnectionError as error:
        raise InputError(f"no Ray cluster answers at RAY_ADDRESS={address} ({error}); start one with `ray start --head`, or unset it") from None
    try:
        _check_cluster(ray, workers)
        yield
    finally:
        ray.shutdown()


def _check_cluster(ray: Any, workers: int) -> None:
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < workers:
        raise InputError(f"{workers} workers need as many cores, and the Ray cluster has {cores}; give --workers {cores} or fewer, or add machines")
