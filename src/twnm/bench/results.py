"""The results of a run: one JSON line for each reply, appended as replies come, so that a run that was killed goes on where it stopped.

A reply is known by (system, control, sample_id, input_hash). Of several with one name the last counts. A last line that was torn is cut off when the run
goes on; lines in the middle that cannot be read stay, are counted, and what they answered is asked again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from twnm.errors import InputError

RESULTS_NAME: Final = "results.jsonl"
NOT_APPLICABLE: Final = "not applicable"
UNSCORED: Final = "unscored"
"""The outcomes of a question that a system cannot be asked (four channels are wanted, there are two), and of a reply to an item without an answer."""
_TEXTS: Final = ("system", "control", "sample_id", "input_hash", "outcome", "level", "task", "family", "form", "scene_id", "renderer", "transform")


def key_of(row: dict[str, Any]) -> bytes:
    """What a reply is known by, in 16 bytes."""
    names = "\0".join(row[name] for name in ("system", "control", "sample_id", "input_hash"))
    return hashlib.blake2b(names.encode(), digest_size=16).digest()


def read_rows(folder: Path | str, corrupt: list[int] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a run in the order in which they were written, one at a time; the numbers of lines that are no rows go to `corrupt`.

    Raises InputError if the folder has no results.
    """
    path = Path(folder) / RESULTS_NAME
    if not path.is_file():
        raise InputError(f"{path} does not exist; run a benchmark with `twnm bench run SYSTEM --data DIR --out {folder}`")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            row = _parse(line)
            if row is not None:
                yield row
            elif corrupt is not None:
                corrupt.append(number)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in _TEXTS) and isinstance(row.get("right"), bool)
    return row if whole else None


class Results:
    """The results file of a run, open for this process alone; use it as a context.

    `done` holds the keys of replies that need not be asked for again; failures are not among them. `failed` counts those, `corrupt` the damaged lines.

    Raises:
        InputError: another process writes here.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS_NAME
        self._lock = FileLock(folder / ".twnm-lock", timeout=0)
        self.done: set[bytes] = set()
        self.failed: set[bytes] = set()
        self.corrupt: list[int] = []

    def __enter__(self) -> "Results":
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(f"another run writes to {self.path}; wait for it, or give another --out") from None
        self.path.touch()
        _cut_torn_line(self.path)
        for row in read_rows(self.path.parent, self.corrupt):
            there, other = (self.failed, self.done) if row["outcome"] == "failed" else (self.done, self.failed)
            there.add(key_of(row))
            other.discard(key_of(row))
        self._stream = self.path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._lock.release()

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows; when this returns, a killed process loses none of them."""
        self._stream.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace"))
        self._stream.flush()


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last line break: a killed process wrote it in part."""
    with path.open("rb+") as stream:
        end = size = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            place = stream.read(end - start).rfind(b"\n")
            end = start + place + 1 if place >= 0 else start
            if place >= 0:
                break
        if end < size:
            stream.truncate(end)
