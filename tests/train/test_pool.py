"""A pool never waits once it is filled, gives everything once, keeps the newest, and passes errors on."""

import itertools
import threading
from collections import Counter
from collections.abc import Generator

import pytest

from twnm.train.pool import pooled


def slowly(go: threading.Semaphore) -> Generator[int]:
    for number in itertools.count():
        go.acquire()
        yield number


def test_what_is_new_comes_first_and_the_pool_fills_up_without_waiting() -> None:
    go = threading.Semaphore(4)
    lists = pooled(slowly(go), size=10, per_step=3, seed=0, least=4)
    assert next(lists) == [0, 1, 2]
    second = next(lists)
    assert second[0] == 3
    assert set(second[1:]) <= {0, 1, 2, 3}
    for _ in range(20):  # nothing new: still no waiting
        assert set(next(lists)) <= {0, 1, 2, 3}


def test_a_source_that_ends_is_an_error() -> None:
    lists = pooled((number for number in range(3)), size=5, per_step=2, seed=1)
    with pytest.raises(RuntimeError, match="has ended"):
        for _ in range(1000):
            next(lists)


def test_the_oldest_leave_the_pool() -> None:
    go = threading.Semaphore(20)
    lists = pooled(slowly(go), size=5, per_step=1, seed=1, least=5)
    seen: Counter[int] = Counter()
    while len(seen) < 20:
        seen.update(next(lists))
    again = {number for _ in range(200) for number in next(lists)}
    assert again == set(range(15, 20))


def test_an_error_of_the_source_is_raised() -> None:
    def broken() -> Generator[int]:
        yield 1
        raise RuntimeError("no scene")

    lists = pooled(broken(), size=5, per_step=1, seed=0)
    with pytest.raises(RuntimeError, match="no scene"):
        for _ in range(1000):
            next(lists)
