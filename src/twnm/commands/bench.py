"""Commands that measure systems: bench make, bench run, bench report."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console

from twnm.commands.shared import Flag, Options, app, check_counts, open_sounds, print_json
from twnm.terminal import make_folder, notes, working

WIDTH = 120
"""Columns of the tables where nobody says how many there are."""

bench_app = App(name="bench", help="Make a benchmark, put it to any system, read the report.")
app.command(bench_app)


@bench_app.command(name="make")
def bench_make(
    out: Path,
    *,
    sounds: Path | None = None,
    split: Literal["val", "test", "all"] = "all",
    workers: int = 1,
    val_items: int = 1000,
    test_items: int = 3000,
    train_per_task: int = 400,
) -> None:
    """Make Bench v1 from a sound bank; run again to resume. The same bank gives the same bytes.

    Parameters
    ----------
    out
        A new folder, or one that the same command began.
    sounds
        Folder of dry sounds; your own catalogue if absent.
    split
        val, test, or all of it.
    workers
        Processes that render.
    val_items
        Items of the validation split, beside their twins; less for a trial.
    test_items
        Items of the test split, beside their twins; less for a trial.
    train_per_task
        Training texts of each task, for systems that learn from questions alone.
    """
    from twnm.bench.make import make

    check_counts(workers=workers, val_items=val_items, test_items=test_items, train_per_task=train_per_task)
    bank = open_sounds(sounds and sounds.absolute())
    splits = ("val", "test") if split == "all" else (split,)
    bar = _Bar("rendering", "scenes")
    make(out, bank, splits, workers, {"val": val_items, "test": test_items}, train_per_task, progress=bar)
    print(f"{out} is complete; {bar.total} scenes rendered now")


@bench_app.command(name="run")
def bench_run(
    *systems: str,
    data: Path,
    out: Path | None = None,
    split: Literal["val", "test", "val-open", "test-open", "unanswered"] = "test",
    controls: Options = (),
    limit: int | None = None,
    workers: int = 1,
    json: Flag = False,
) -> None:
    """Put a benchmark to one or several systems; run again to ask only for what is missing or failed.

    Parameters
    ----------
    systems
        random, majority, question-only, oracle, intensity, cascade, twnm, twnm:FOLDER, twnm-mono, twnm-stereo, hf:MODEL, openai:URL#MODEL,
        python:MODULE:FUNCTION.
    data
        The folder of a benchmark.
    out
        The run folder, for results.jsonl; ./bench-SPLIT if absent.
    split
        val or test; val-open or test-open for questions without options; unanswered for the questions of an import whose answers are kept
        back: their letters go to RUN/predictions.jsonl.
    controls
        Also asked so: question-only, w-only, shuffled, wrong-clip, options-rotated, noise-floor.
    limit
        Only the first so many recordings.
    workers
        Processes; each holds one system.
    json
        Print one JSON object on one line and nothing else.
    """
    from twnm.bench.data import UNANSWERED
    from twnm.bench.run import PREDICTIONS_NAME, run
    from twnm.bench.summary import RunSummary

    check_counts(workers=workers, limit=1 if limit is None else limit)
    folder = Path(f"bench-{split}") if out is None else out
    make_folder(folder)
    started_s = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):
        done = run(systems, data, folder, split, controls, workers, limit, _Bar("asking", "replies"))
    notes().print(f"{done}, in {time.monotonic() - started_s:.0f} s; results in {folder}", soft_wrap=True)
    if split == UNANSWERED:
        path = str(folder / PREDICTIONS_NAME)
        print_json({"predictions": path}) if json else print(path)
        return
    summary = RunSummary(folder)
    if json:
        print_json(summary.to_json())
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(summary.view())


@bench_app.command(name="report")
def bench_report(run: Path, *, out: Annotated[Path | None, Parameter()] = None, small: Flag = False) -> None:
    """Write the report of a run: one HTML file that opens offline.

    Parameters
    ----------
    run
        A folder that `twnm bench run` wrote.
    out
        The file to write; RUN/report.html if absent.
    small
        Leave out the players, which are most of the file.
    """
    from twnm.bench.report import write_report

    path = run / "report.html" if out is None else out
    with working("writing the report"):
        write_report(run, path, small)
    print(path)


class _Bar:
    """A progress bar with time left, which counts what passes."""

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit, self.total = what, unit, 0

    def __call__(self, counts: Iterator[int], total: int) -> Iterator[int]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(self.what), BarColumn(), MofNCompleteColumn(), TextColumn(self.unit), TimeRemainingColumn())
        with Progress(*columns, console=notes(), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task(self.what, total=total)
            for count in counts:
                self.total += count
                progress.advance(task, count)
                yield count
