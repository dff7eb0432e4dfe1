"""Running the studio: one process, uvicorn, connections that may not dawdle, a stop that finishes what runs, and a log of JSON lines."""

import asyncio
import json
import logging
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from twnm.errors import InputError
from twnm.studio.app import create_app
from twnm.studio.guard import LOG
from twnm.studio.settings import Settings, check_bind
from twnm.studio.studio import Studio

BACKLOG: Final = 1024
KEEP_ALIVE_S: Final = 30
GRACE_S: Final = 0.5
"""How long a stopping server still answers (with 503): what came in before the signal is then no broken connection to its client."""
_FRAMES: Final = 8
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time (UTC), level, message and what the record brings with it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        row: dict[str, Any] = {"time": stamp, "level": record.levelname.lower(), "message": record.getMessage()}
        row |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            row["error"] = "".join(traceback.format_exception(*record.exc_info, limit=-_FRAMES))
        return json.dumps(row, ensure_ascii=False, default=str)


class Connection(H11Protocol):
    """A connection that must bring a request within the keep-alive time, and may close its sending side while it waits for the answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with the clock running."""
        super().connection_made(transport)
        self._heard_out = False
        self._begin_s = self.loop.call_later(self.config.timeout_keep_alive, self._check_begun)

    def _check_begun(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._begin_s.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """An answer is out; who has closed its side will not ask again."""
        if self._heard_out:
            self.transport.close()
        super().on_response_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """True keeps the other direction open: for a whole request that is being answered."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._heard_out = True
            return True
        if self.cycle is not None and not self.cycle.response_complete:
            self.data_received(b"")  # a request that ends before its body: answered with 400
        return None


class Server(uvicorn.Server):
    """uvicorn, which on SIGTERM or SIGINT first refuses new requests for a moment, then stops listening, and ends when all answers are out.

    A second signal ends it at once. `ready` is called with the address when it listens.
    """

    def __init__(self, config: uvicorn.Config, studio: Studio, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._studio, self._ready = studio, ready
        self._stopping_since: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        listening = self.servers[0].sockets[0].getsockname() if self.started else ("", 0)
        host = f"[{listening[0]}]" if ":" in str(listening[0]) else listening[0]
        self._ready(f"http://{host}:{listening[1]}/")

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal: stop, or stop at once."""
        if self._stopping_since is not None:
            self.force_exit = self.should_exit = True
            return
        self._stopping_since = time.monotonic()
        self._studio.life.stopping = True
        LOG.info("stopping", extra={"running": self._studio.life.running})

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True ends the main loop."""
        over = self._stopping_since is not None and time.monotonic() - self._stopping_since >= GRACE_S
        return await super().on_tick(counter) or over


def serve(studio: Studio, ready: Callable[[str], None], log: bool = True) -> None:
    """Serve until a signal comes.

    Args:
        studio: what is served.
        ready: called with the address once it can be reached.
        log: whether requests are logged to standard error.

    Raises:
        InputError: the bind is not safe (`check_bind`), or the port cannot be had.
    """
    settings = studio.settings
    check_bind(settings)
    listener = _listen(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO if log else logging.WARNING)
    LOG.propagate = False
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # broken requests of clients are no news; our own failures are in our log
    config = uvicorn.Config(
        create_app(studio),
        http=Connection,
        ws="none",
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    try:
        Server(config, studio, ready).run(sockets=[listener])
    finally:
        listener.close()
        LOG.removeHandler(handler)


def _listen(settings: Settings) -> socket.socket:
    """A socket at the address; raises InputError when that is not to be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        listener.close()
        raise InputError(f"cannot listen at {settings.host} port {settings.port}: {error.strerror}; choose another with --port or --host") from None
    return listener
