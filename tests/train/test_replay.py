"""The schedule by which what is made once is learnt from several times."""

import itertools
from collections import Counter
from collections.abc import Generator

import numpy as np
import pytest

from twnm.train.replay import chunk_of, replayed


@pytest.mark.parametrize("replay", [1, 2, 4, 5])
def test_every_chunk_comes_as_often_as_the_recipe_says_and_never_before_it_is_made(replay: int) -> None:
    uses = [chunk_of(replay, use) for use in range(200 * replay)]
    assert all(0 <= chunk <= newest and newest - chunk < replay * 16 for chunk, newest in uses)
    newest = [new for _, new in uses]
    assert newest == sorted(newest)
    assert set(np.diff(newest)) <= {0, 1}
    times = Counter(chunk for chunk, _ in uses)
    assert {times[chunk] for chunk in range(200 - 16 * replay)} == {replay}


def test_a_schedule_can_begin_at_any_step_and_leaves_no_stream_open() -> None:
    closed = []

    def numbers(first: int) -> Generator[int]:
        try:
            yield from itertools.count(first)
        finally:
            closed.append(first)

    whole = replayed(numbers, 3, 2, 0)
    steps = list(itertools.islice(whole, 120))
    whole.close()
    for first in (5, 60, 119):
        later = replayed(numbers, 3, 2, first)
        assert next(later) == steps[first]
        later.close()
    assert len(closed) == 4
