import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Tests here share pointing_model.py and stand_in.py; a run to browse is made by simulated_run.py of the tests of the benchmark.
for folder in ("studio", "bench", "model"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A benchmark in miniature and a run on it."""
    from simulated_run import PLAYERS, make_benchmark, rows_of, write_run

    folder = tmp_path_factory.mktemp("browse")
    items = make_benchmark(folder / "bench", scenes=4)
    rows = [row for player in PLAYERS for row in rows_of(player, items, {})]
    return folder / "bench", write_run(folder / "run", folder / "bench", rows)


@pytest.fixture(scope="session")
def studio_of(browsed: tuple[Path, Path]) -> Callable[..., Any]:
    """Makes a studio with the stand-in model, synthesised sounds and the run to browse; given settings and the model's pause."""
    from stand_in import StandIn

    from twnm.sounds.catalogue import load_catalogue
    from twnm.studio.settings import Settings
    from twnm.studio.studio import Studio

    bank = load_catalogue()

    def make(pause_s: float = 0.0, **given: Any) -> Any:
        settings = Settings.model_validate({"data": (browsed[0],), "runs": (browsed[1],), "hosts": ("testserver",), "port": 0, "time_limit_s": 600} | given)
        return Studio.of(settings, StandIn(pause_s), bank)

    return make


@pytest.fixture(scope="session")
def client(studio_of: Callable[..., Any]) -> Iterator[Any]:
    """A client of a studio in this process."""
    from starlette.testclient import TestClient

    from twnm.studio.app import create_app

    with TestClient(create_app(studio_of()), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="session")
def live(studio_of: Callable[..., Any]) -> Iterator[Callable[..., str]]:
    """Starts servers on free ports of this machine, in threads; given what `studio_of` is, gives the address."""
    from live_server import LiveServer

    servers: list[LiveServer] = []
    lock = threading.Lock()

    def start(pause_s: float = 0.0, **given: Any) -> str:
        server = LiveServer(studio_of(pause_s, **given))
        with lock:
            servers.append(server)
        return server.address

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def studio(browsed: tuple[Path, Path]) -> Iterator[str]:
    """The address of a studio whose page is tested, with a data set and a run to browse."""
    from page_steps import Served

    with Served(data=(browsed[0],), runs=(browsed[1],)) as address:
        yield address


@pytest.fixture
def open_page(browser: "Browser", studio: str) -> "Iterator[Callable[..., Page]]":
    """Opens pages; afterwards none may have complained, or asked for anything from elsewhere."""
    from page_steps import DESKTOP

    trouble: list[str] = []
    pages: list[Page] = []

    def opened(view: str = "", theme: str = "light", expected: tuple[str, ...] = (), address: str = studio) -> "Page":
        page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, color_scheme="dark" if theme == "dark" else "light")
        pages.append(page)
        page.on("console", lambda message: trouble.append(message.text) if message.type != "log" and not any(one in message.text for one in expected) else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else trouble.append(request.url))
        page.set_default_timeout(20_000)
        page.goto(f"{address}#{view}")
        return page

    yield opened
    for page in pages:
        page.close()
    assert not trouble
