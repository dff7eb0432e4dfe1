import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

# The model in miniature, tiny_model.py, lies with the tests of the model.
sys.path.insert(0, str(Path(__file__).parent.parent / "model"))
# Tests here share simulated_run.py and small_benchmark.py; worker processes import faulty_systems.py by its name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a run are served in this process, which starts faster."""
    import twnm.bench.run
    from twnm.bench.asking import Ask
    from twnm.errors import InputError

    def work(serve: Callable[[Ask], object], jobs: Iterable[Ask], workers: int, limit_s: object) -> Iterator[tuple[Ask, object]]:
        for job in jobs:
            try:
                yield job, serve(job)
            except InputError as error:
                yield job, error

    monkeypatch.setattr(twnm.bench.run, "work", work)
