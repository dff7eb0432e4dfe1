"""The log of a training run: one JSON object per line in log.jsonl, and what the terminal shows of it.

On a terminal one table is kept up to date; elsewhere the rows are printed. Rows say how many scenes a second are learnt from and which part of the time
the trainer waited for scenes: near 0 the trainer bounds the run, near 1 the making of scenes does.
"""

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

ROW_EVERY = 25


def write_row(folder: Path, row: dict[str, Any], quiet: bool = False) -> None:
    """Append a row (floats to four decimals) to FOLDER/log.jsonl and print it unless `quiet`."""
    text = json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()})
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(text + "\n")
    if not quiet:
        print(text, flush=True)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of FOLDER/log.jsonl; a torn last line is left out. After a resume the rows of steps that were done again count once, the later ones."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for line in (folder / "log.jsonl").read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            kind = next((name for name in ("validation", "loss") if name in row), "other")
            rows = {key: value for key, value in rows.items() if key[0] != kind or key[1] < row["step"]}
            rows[kind, row["step"]] = row
    return sorted(rows.values(), key=lambda row: row["step"])


class Log:
    """Rows of a run and its table; a context manager.

    Args:
        folder: of the run.
        steps: the last step; 0 if it is not known.
        scenes_per_step: for the rate.
    """

    def __init__(self, folder: Path, steps: int, scenes_per_step: int) -> None:
        self.folder, self.steps, self.scenes_per_step = folder, steps, scenes_per_step
        self.began = self._row_began = time.monotonic()
        self._waited = 0.0
        self._sums: dict[str, float] = defaultdict(float)
        self._count = self._done = 0
        console = Console()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._validation: dict[str, Any] = {}

    def __enter__(self) -> "Log":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._count:  # a run with a length in time ends between two rows
            self._means()
        if self._live:
            self._live.stop()

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Around what waits for scenes."""
        began = time.monotonic()
        yield
        self._waited += time.monotonic() - began

    def step(self, done: int, loss: float, terms: dict[str, float]) -> None:
        """Count a step; every `ROW_EVERY` steps their means become a row."""
        for name, value in {"loss": loss, **terms}.items():
            self._sums[name] += value
        self._count += 1
        self._done = done
        if done % ROW_EVERY == 0 or done == self.steps:
            self._means()

    def _means(self) -> None:
        """The means since the last row as a row."""
        now = time.monotonic()
        took_s = max(now - self._row_began, 1e-9)
        means = {name: value / self._count for name, value in self._sums.items()}
        rates = {"scenes_per_s": self._count * self.scenes_per_step / took_s, "waited": self._waited / took_s}
        self.row({"step": self._done, "seconds": now - self.began, **means, **rates})
        self._sums.clear()
        self._count, self._waited, self._row_began = 0, 0.0, now

    def row(self, row: dict[str, Any]) -> None:
        """Write any row and show it."""
        write_row(self.folder, row, quiet=self._live is not None)
        if self._live:
            self._validation = row.get("validation", self._validation)
            self._live.update(self._table(row), refresh=True)

    def _table(self, row: dict[str, Any]) -> Table:
        table = Table(title=f"step {row['step']}{f' of {self.steps}' if self.steps else ''}, {time.monotonic() - self.began:.0f} s")
        table.add_column("now")
        table.add_column("", justify="right")
        table.add_column("validation")
        table.add_column("", justify="right")
        now = [(name, value) for name, value in row.items() if isinstance(value, float)]
        checked = list(self._validation.items())
        for place in range(max(len(now), len(checked))):
            pairs = [side[place] if place < len(side) else ("", "") for side in (now, checked)]
            table.add_row(*(text if isinstance(text, str) else f"{text:.3f}" for pair in pairs for text in pair))
        return table
