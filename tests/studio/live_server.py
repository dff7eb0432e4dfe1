"""A studio listening on a free port of this machine, served from a thread."""

import queue
import threading

import uvicorn

from twnm.studio.app import create_app
from twnm.studio.server import Connection, Server
from twnm.studio.studio import Studio

START_LIMIT_S = 60.0


class LiveServer:
    """Serves until `stop`; `address` is like "http://127.0.0.1:40123"."""

    def __init__(self, studio: Studio, keep_alive_s: int = 30) -> None:
        ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        config = uvicorn.Config(create_app(studio), port=0, http=Connection, ws="none", log_config=None, access_log=False, timeout_keep_alive=keep_alive_s)
        self.studio, self.server = studio, Server(config, studio, ready.put)
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        self.address = ready.get(timeout=START_LIMIT_S).rstrip("/")

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(START_LIMIT_S)
        assert not self._thread.is_alive()
