"""Files that are never half-written, and checksums that show what changed.

Every file of twnm is written through `atomic_write`; every data set and weight folder carries a `SHA256SUMS` in the format of sha256sum(1).
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from twnm.errors import InputError

CHECKSUMS_NAME = "SHA256SUMS"
_TEMPORARY_PREFIX = ".twnm-"


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path` in one step, on any exception `path` stays as it was.

    A reader sees the old content or the whole new content, never a part. In detail:

    - The temporary file lies in the folder of `path` (a rename is atomic only within one file system), exists already (empty), begins with
      `.twnm-` and ends in the suffix of `path`, so that writers which choose a format by suffix work.
    - When the block ends, the file is flushed to disk (fsync), given the permissions of the file that it replaces, if any, renamed over
      `path` and the folder is flushed: after the block the content survives a power cut.
    - On any exception, KeyboardInterrupt too, the temporary file is removed and the exception goes on. A killed process leaves it behind.
    - The block must close what it opened. Two writers at once do not disturb one another: the last to finish wins.

    Args:
        path: the file to write. Its folder must exist and be writable.

    Yields:
        The temporary path.

    Raises:
        InputError: the folder does not exist or is not writable, or `path` is a folder.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _flush(temporary)
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def sha256_file(path: Path | str) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_checksums(folder: Path | str) -> None:
    """Write `SHA256SUMS` into `folder`: one line `<sha256>  <relative path>` for each file below it, sorted by path.

    Raises:
        InputError: `folder` is not an existing folder.
    """
    folder = Path(folder)
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in _files_below(folder)]
    with atomic_write(folder / CHECKSUMS_NAME) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def verify_checksums(folder: Path | str) -> list[str]:
    """Compare the files below `folder` with its `SHA256SUMS`.

    Returns:
        One line per problem, sorted by path: `missing: a`, `extra: b`, `changed: c`; an empty list when all is well.

    Raises:
        InputError: `folder` or its `SHA256SUMS` does not exist, or a line of it cannot be read.
    """
    folder = Path(folder)
    present = set(_files_below(folder))
    recorded = _read_checksums(folder / CHECKSUMS_NAME)
    problems = []
    for name in sorted(present | recorded.keys()):
        if name not in present:
            problems.append(f"missing: {name}")
        elif name not in recorded:
            problems.append(f"extra: {name}")
        elif sha256_file(folder / name) != recorded[name]:
            problems.append(f"changed: {name}")
    return problems


def cache_dir() -> Path:
    """The folder for downloaded sounds and weights: `$TWNM_CACHE`, or `~/.cache/twnm`. It is created if absent.

    Raises:
        InputError: the folder cannot be created.
    """
    folder = Path(os.environ.get("TWNM_CACHE") or Path.home() / ".cache" / "twnm").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache folder {folder} cannot be created ({error.strerror}); set TWNM_CACHE to a folder that can be written") from error
    return folder


def _temporary_beside(path: Path) -> Path:
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file")
    temporary = folder / f"{_TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}"
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror} in {folder}; choose a folder that can be written") from error
    return temporary


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_below(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder that holds {CHECKSUMS_NAME}")
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(_TEMPORARY_PREFIX))
    return sorted(name for name in names if name != CHECKSUMS_NAME)


def _read_checksums(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InputError(f"{path} does not exist, so nothing can be verified; a complete data set has it")
    recorded = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        digest, separator, name = line.partition("  ")
        if len(digest) != 64 or not separator or not name:
            raise InputError(f"{path} line {number} is not '<sha256>  <path>': {line[:80]!r}; the file is damaged")
        recorded[name] = digest
    return recorded
