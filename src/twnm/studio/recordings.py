"""The recordings that a server holds for its clients, in memory: bounded in number, size and age; the one that was used longest ago goes first."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float32

from twnm.model.hearing import HeardScene
from twnm.scene import Scene
from twnm.studio.refusals import Refused, not_found

Source = Literal["upload", "example", "build", "browse", "twin"]


@dataclass(frozen=True)
class Suggestion:
    """A question that suits a recording."""

    question: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Recording:
    """A recording, what the model heard in it, and what is known of it.

    `foa` is AmbiX at 24 kHz, `scene` the true scene if there is one, `transform` what was done to its parent, `layout_given` what the client said.
    """

    name: str
    source: Source
    foa: Float32[np.ndarray, "4 samples"]
    heard: HeardScene
    heard_s: float
    layout: str = "ambix"
    layout_given: str = "ambix"
    layout_reason: str = "made here, so known"
    layout_certain: bool = True
    scene: Scene | None = None
    questions: tuple[Suggestion, ...] = ()
    transform: str = ""
    parent: str | None = None
    note: str | None = None
    recording_id: str = field(default_factory=lambda: f"r{secrets.token_hex(12)}")

    @property
    def size_bytes(self) -> int:
        """Memory of the samples."""
        return self.foa.nbytes


class Recordings:
    """Recordings by id. Ids cannot be guessed: who has one may use it."""

    def __init__(self, count: int, size_bytes: int, age_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._count, self._size_bytes, self._age_s, self._now = count, size_bytes, age_s, now
        self._held: OrderedDict[str, tuple[Recording, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def size_bytes(self) -> int:
        """Memory of all samples."""
        return sum(recording.size_bytes for recording, _ in self._held.values())

    def put(self, recording: Recording) -> Recording:
        """Keep a recording, in the place of one with its id; others go if there is no room. Raises Refused (413) if it alone is too large."""
        if recording.size_bytes > self._size_bytes:
            raise Refused(413, "too_large", f"a recording of {recording.size_bytes / 1e6:.0f} MB is more than this server keeps; cut it")
        self._held.pop(recording.recording_id, None)
        self._held[recording.recording_id] = (recording, self._now())
        self._expire()
        while len(self._held) > self._count or self.size_bytes > self._size_bytes:
            self._held.popitem(last=False)
        return recording

    def get(self, recording_id: str) -> Recording:
        """A recording; raises Refused (404)."""
        self._expire()
        if recording_id not in self._held:
            raise not_found("this recording is not here, or not any more: a server keeps only the last ones for a while; load it again")
        recording, _ = self._held.pop(recording_id)
        self._held[recording_id] = (recording, self._now())
        return recording

    def drop(self, recording_id: str) -> None:
        """Forget a recording; raises Refused (404)."""
        self.get(recording_id)
        del self._held[recording_id]

    def _expire(self) -> None:
        oldest = self._now() - self._age_s
        for recording_id in [name for name, (_, used) in self._held.items() if used < oldest]:
            del self._held[recording_id]
