import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# The same examples in every run, and no failure because a machine is slow.
hypothesis.settings.register_profile("twnm", derandomize=True, deadline=None, max_examples=30, database=None)
hypothesis.settings.load_profile("twnm")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests see an empty cache, not what the user has fetched, unless TWNM_CACHE is set: `TWNM_CACHE=~/.cache/twnm pytest -m network` downloads once."""
    given = os.environ.get("TWNM_CACHE")
    folder = Path(given) if given else tmp_path_factory.mktemp("cache")
    os.environ["TWNM_CACHE"] = str(folder)
    yield folder
    if given is None:
        del os.environ["TWNM_CACHE"]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The system's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is not installed; apt-get install chromium, or leave these tests out: pytest -m 'not browser'")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()
