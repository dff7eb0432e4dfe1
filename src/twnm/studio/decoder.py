"""The process that decodes files: bounded in memory and time.

A decoder that crashes, hangs or takes too much memory costs the one request its answer, and the process is replaced.
"""

import asyncio
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Final

from twnm.studio.decode import Decoded
from twnm.studio.refusals import Refused

_START_S: Final = 120.0
_PROGRAM: Final = "import sys; from twnm.studio.decode import main; main(int(sys.argv[1]), int(sys.argv[2]))"


class Decoder:
    """A process that decodes one file at a time."""

    def __init__(self, limit_s: float, limit_bytes: int, waiting: int) -> None:
        """`limit_s` and `limit_bytes` are for one file; of further requests `waiting` may wait."""
        self._limit_s, self._limit_bytes, self._waiting = limit_s, limit_bytes, waiting
        self._turn = asyncio.Lock()
        self._queued = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._greeted = False
        self._lock = threading.Lock()

    async def decode(self, path: Path, layout: str, max_duration_s: float) -> Decoded:
        """As `decode.decode`. Raises Refused (400) for what it raises InputError for, and for a file that takes too much; 429 when too many wait."""
        if self._queued >= self._waiting:
            raise Refused(429, "busy", "too many recordings wait to be read; come again", retry_s=2)
        self._queued += 1
        try:
            async with self._turn:
                found = await asyncio.to_thread(self._ask, (str(path), layout, max_duration_s))
        finally:
            self._queued -= 1
        if isinstance(found, str):
            raise Refused(400, "bad_input", found)
        return found

    def start(self) -> None:
        """Start the process if it does not run."""
        if self._process is not None and self._process.poll() is None:
            return
        ours, theirs = Pipe()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(self._limit_bytes)]
        self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), env=environment, stdin=subprocess.DEVNULL)
        theirs.close()
        self._pipe, self._greeted = ours, False

    def stop(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._pipe = None

    def _ask(self, job: tuple[str, str, float]) -> Decoded | str:
        with self._lock:
            self.start()
            assert self._pipe is not None
            try:
                if not self._greeted:
                    self._greeted = self._pipe.poll(_START_S) and self._pipe.recv() == "ready"
                self._pipe.send(job)
                if self._pipe.poll(self._limit_s):
                    found: Decoded | str = self._pipe.recv()
                    return found
                problem = f"the file took longer than {self._limit_s:g} s to decode"
            except (EOFError, OSError):
                problem = "the file broke the decoder"
            self.stop()
            return f"{problem}; export it again as a plain WAV file"
