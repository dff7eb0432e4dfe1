import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

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
