"""What the tests of the studio's page share: a server with `PointingModel` and synthesised sounds, and steps that a user takes in the page."""

import io
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from twnm.ambisonics import encode, from_ambix

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Chromium as root, without looking for updates and for Google's hosts.
DESKTOP, PHONE = (1360, 900), (390, 844)
RATE_HZ = 24_000


class Served:
    """A studio on a free port of the loopback, as long as the context lasts."""

    def __init__(self, **settings: Any) -> None:
        import uvicorn
        from pointing_model import PointingModel

        from twnm.sounds import procedural
        from twnm.sounds.catalogue import Catalogue, Clip
        from twnm.studio.app import create_app
        from twnm.studio.settings import Settings
        from twnm.studio.studio import Studio

        catalogue = Catalogue(Clip(**row) for row in procedural.clip_rows())
        studio = Studio.of(Settings(port=0, **settings), PointingModel(), catalogue)
        self.server = uvicorn.Server(uvicorn.Config(create_app(studio), port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        for _ in range(600):
            if self.server.started:
                return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/"
            time.sleep(0.05)
        raise TimeoutError("the studio did not start within 30 s")

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=20)


def until(page: "Page", expression: str) -> None:
    """Wait until a JavaScript expression is true; playwright's own waiting evaluates text in the page, which its policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise TimeoutError(expression)


def two_sounds(layout: str = "ambix") -> bytes:
    """A WAV of 4 s: a low buzz ("dog") at 60° left, then bright noise ("bell") at 100° right."""
    rng = np.random.default_rng(5)
    seconds = np.arange(RATE_HZ) / RATE_HZ
    foa = np.zeros((4, 4 * RATE_HZ), np.float32)
    foa[:, 7_200 : 7_200 + RATE_HZ] += encode(0.2 * np.sign(np.sin(2 * np.pi * 120 * seconds)) * np.hanning(RATE_HZ), 60.0, 0.0)
    foa[:, 57_600 : 57_600 + RATE_HZ] += encode(np.diff(0.1 * rng.normal(size=RATE_HZ + 1)) * np.hanning(RATE_HZ), -100.0, 0.0)
    out = io.BytesIO()
    soundfile.write(out, from_ambix(foa, layout).T, RATE_HZ, format="WAV", subtype="PCM_16")
    return out.getvalue()


def upload(page: "Page", content: bytes, name: str = "street.wav") -> None:
    page.locator("#ask input[type=file]").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": content})


def uploaded(page: "Page", content: bytes) -> None:
    """Upload, and wait until it can be played."""
    upload(page, content)
    page.locator("#ask .stage button.primary:not([disabled])").wait_for()


ON_MAP = """view => Object.fromEntries([...document.querySelectorAll(`#${view} .objects tr[data-kind=heard]`)].map(row => {
  const spot = document.querySelector(`#${view} .plan [data-id="${row.dataset.id}"]`);
  return [row.querySelector('th button').childNodes[1].textContent, Number(spot.dataset.azimuth)];
}))"""


def on_map(page: "Page", view: str = "ask") -> dict[str, float]:
    """Where the heard objects are on the map as it is turned: azimuth in degrees by name."""
    return page.evaluate(ON_MAP, view)  # type: ignore[no-any-return]


def ask(page: "Page", question: str, view: str = "ask") -> "Locator":
    """Ask a question, and wait for the newest entry to have its answer."""
    page.locator(f"#{view} .asking textarea").first.fill(question)
    page.locator(f"#{view} .asking textarea").first.press("Enter")
    entry = page.locator(f"#{view} .answers .entry").first
    entry.locator(".answer").wait_for()
    return entry
