"""Learning several times from what is made once, at times that only the number of a step decides: a run can be resumed and repeated exactly."""

import itertools
from collections.abc import Callable, Generator
from typing import TypeVar

Made = TypeVar("Made")
_LAG = 16  # things between two uses of the same one


def chunk_of(replay: int, use: int) -> tuple[int, int]:
    """Which chunk the use number `use` takes, and the newest one that was made by then: each comes `replay` times, `_LAG` new ones apart."""
    begin = 0
    for passes in range(1, replay):
        if use < _LAG * passes:
            new, turn = divmod(use, passes)
            return begin + new - turn * _LAG, begin + new
        use, begin = use - _LAG * passes, begin + _LAG
    new, turn = divmod(use, replay)
    return begin + new - turn * _LAG, begin + new


def replayed(made: Callable[[int], Generator[Made]], replay: int, per_step: int, first_step: int) -> Generator[list[Made]]:
    """What each step from `first_step` on learns from: `per_step` things by the schedule of `chunk_of`; made(n) gives the things from number n on."""
    begin = max(0, chunk_of(replay, first_step * per_step)[1] - replay * _LAG)
    things = made(begin)
    held: dict[int, Made] = {}
    newest = begin - 1
    try:
        for step in itertools.count(first_step):
            parts = []
            for use in range(per_step * step, per_step * (step + 1)):
                number, needed = chunk_of(replay, use)
                while newest < needed:
                    newest += 1
                    held[newest] = next(things)
                    held.pop(newest - replay * _LAG, None)
                parts.append(held[number])
            yield parts
    finally:
        things.close()
