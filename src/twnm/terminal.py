"""What every command shares at the terminal: paths checked before the work, notes and progress on standard error, quiet libraries."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from twnm.errors import InputError


def check_writable(path: Path) -> None:
    """Raise InputError unless a file can be made at `path`; leaves nothing behind."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror} in {path.parent}; choose a folder that can be written") from None


def check_picture(path: Path) -> None:
    """Raise InputError unless a picture can be written at `path`."""
    from twnm.plot import check_picture_path

    check_picture_path(path)
    check_writable(path)


def make_folder(path: Path) -> None:
    """Create a folder if absent; raises InputError when it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"cannot write to the folder {path}: {error.strerror}; choose another") from None


def notes() -> Console:
    """The console for notes and progress: standard error."""
    return Console(stderr=True, highlight=False)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on a terminal; what libraries print meanwhile goes to standard error."""
    with notes().status(f"{what} ..."), contextlib.redirect_stdout(sys.stderr):
        yield


def counted(results: Iterator[Any], total: int) -> Iterator[Any]:
    """Results as they come, under a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TextColumn("scenes"), TimeRemainingColumn())
    with Progress(*columns, console=notes(), disable=not sys.stderr.isatty()) as progress:
        yield from progress.track(results, total=total)


@contextlib.contextmanager
def quiet(debug: bool) -> Iterator[None]:
    """Without `--debug`, libraries show neither warnings nor progress bars of their own; worker processes inherit it."""
    if debug:
        yield
        return
    quieter = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    before = {name: os.environ.get(name) for name in quieter}
    os.environ.update(quieter)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
