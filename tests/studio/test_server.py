"""The server as a process: what it refuses to be, and that a stop under load loses nothing that was accepted."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hostile_files import encoded
from stand_in import barking

from twnm.errors import InputError
from twnm.studio.settings import Settings, check_bind, is_loopback

STARTING_S = 240.0
CLIENTS = 24


def test_loopback_is_told_from_the_world() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.2", "studio", ""))


def test_a_public_bind_without_a_good_token_is_refused() -> None:
    for settings, says in (
        (Settings(host="0.0.0.0"), "can be reached from other machines"),
        (Settings(host="::"), "TWNM_TOKEN"),
        (Settings(host="0.0.0.0", token="short"), "16 or more"),
        (Settings(token="has a blank in it all"), "16 or more"),
    ):
        with pytest.raises(InputError, match=says):
            check_bind(settings)
    check_bind(Settings(host="0.0.0.0", token="0123456789abcdef"))
    check_bind(Settings())


def test_the_command_refuses_before_it_loads_anything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from twnm.cli import main

    monkeypatch.delenv("TWNM_TOKEN", raising=False)
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "without a token" in capsys.readouterr().err
    assert main(["serve", "--queue", "0"]) == 2 and main(["serve", "--max-upload-mb", "nan"]) == 2
    assert main(["serve", "--model", "no-such"]) == 2


def test_a_stop_under_load_loses_no_accepted_request(tmp_path: Path) -> None:
    """Clients ask without pause while the server gets SIGTERM, until they are refused with 503: every request is answered or refused; none breaks off."""
    import httpx

    program = Path(__file__).parent / "stand_in.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([sys.executable, str(program), "0", "0.05"], stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as server,
    ):
        watch = threading.Timer(STARTING_S, server.kill)
        watch.start()
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        watch.cancel()
        assert address.startswith("http://127.0.0.1:"), (tmp_path / "log").read_text()
        outcomes: list[Any] = []
        body = encoded(barking(0.0, 0.5))
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=address, timeout=60) as http:
                while not stop.is_set():
                    try:
                        outcomes.append(http.post("/v1/scene", content=body).status_code)
                        if outcomes[-1] == 503:
                            return  # it says when to come again
                    except httpx.ConnectError:
                        return  # nobody listens any more
                    except httpx.HTTPError as error:
                        outcomes.append(error)

        crew = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for one in crew:
            one.start()
        while outcomes.count(200) < 20:
            time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        stop.set()
        for one in crew:
            one.join()
    lost = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert not lost and set(outcomes) <= {200, 429, 503} and outcomes.count(200) >= 20
    finished = (tmp_path / "log").read_text().count('"status": 200')
    assert finished == outcomes.count(200), "every answer that the server gave arrived"
