"""Learning as fast as the processor allows while things are still being made: what is new first, then what was made before, drawn at random.

For a machine whose graphics processor learns many times faster than its other cores make scenes. Which things meet in a step depends on how fast they
come, so a run over a pool cannot be repeated exactly.
"""

import contextlib
import queue
import random
import threading
from collections import deque
from collections.abc import Generator
from typing import TypeVar

Made = TypeVar("Made")
_POLL_S = 0.5


def pooled(source: Generator[Made], size: int, per_step: int, seed: int, least: int = 0) -> Generator[list[Made]]:
    """Lists of `per_step` things for ever; waits only until `least` of them, and enough for one list, have come from `source`.

    Each is given once as soon as it can be, then again at random as long as it is among the newest `size`. Raises what `source` raises.
    """
    fresh: queue.Queue[Made | Exception] = queue.Queue(2 * per_step)  # a source that is faster than the learning waits
    over = threading.Event()

    def offer(made: Made | Exception) -> None:
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                fresh.put(made, timeout=_POLL_S)
                return

    def read() -> None:
        try:
            for made in source:
                offer(made)
                if over.is_set():
                    return
            offer(RuntimeError("the stream to learn from has ended"))
        except Exception as error:
            offer(error)
        finally:
            source.close()

    threading.Thread(target=read, daemon=True).start()
    kept: list[Made] = []
    unseen: deque[Made] = deque()
    draw = random.Random(seed)
    oldest = 0
    try:
        while True:
            while len(kept) < max(least, per_step) or (len(unseen) < per_step and not fresh.empty()):
                made = fresh.get()
                if isinstance(made, Exception):
                    raise made
                unseen.append(made)
                if len(kept) < size:
                    kept.append(made)
                else:
                    kept[oldest] = made
                    oldest = (oldest + 1) % size
            given = [unseen.popleft() for _ in range(min(per_step, len(unseen)))]
            yield given + draw.sample(kept, per_step - len(given))
    finally:
        over.set()
