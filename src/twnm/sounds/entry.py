"""One audio file of a sound bank, and what the readers of all layouts share: identity, duration, tables, and checks that the files are there."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import soundfile

from twnm.errors import InputError

AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".aiff", ".aif"})
_EDGE_BYTES: Final = 16_384


@dataclass(frozen=True)
class Entry:
    """One audio file of a bank. `content` is equal for two files exactly if they hold the same recording (see `fingerprint`)."""

    file: Path
    name: str
    label: str
    package: str
    source: str
    licence: str
    speaker: str | None
    duration_s: float
    weight: float
    content: str


def entry_of(file: Path, bank: Path, label: str, package: str, source: str, licence: str, speaker: str | None = None) -> Entry:
    """Give the entry of a file whose label a person confirmed; only its header and edges are read.

    Raises:
        InputError: the file is missing or unreadable.
    """
    try:
        duration_s = soundfile.info(file).duration
    except soundfile.LibsndfileError as error:
        raise InputError(f"the clip {file} cannot be read ({error.error_string.rstrip('.')}); repair or remove it") from error
    return Entry(file, file.relative_to(bank).as_posix(), label, package, source, licence, speaker, duration_s, 1.0, fingerprint(file))


def fingerprint(file: Path) -> str:
    """Identify a recording without decoding it: a FLAC's MD5 of its samples, else a hash of the file's size and its first and last 16 kB.

    Raises:
        InputError: the file is missing or unreadable.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_EDGE_BYTES)
            size = file.stat().st_size
            stream.seek(max(0, size - _EDGE_BYTES))
            tail = stream.read()
    except OSError as error:
        raise InputError(f"the clip {file} cannot be read ({error.strerror}); restore it or remove it from the sound bank") from error
    if head[:4] == b"fLaC" and any(head[26:42]):
        return f"flac-md5:{head[26:42].hex()}"
    return f"edges:{hashlib.sha256(str(size).encode() + head + tail).hexdigest()}"


def check_present(files: Iterable[Path], listed_in: Path) -> None:
    """Raise InputError, with their number and the first of them, if files of a published list are not there."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InputError(f"{listed_in} lists {len(missing)} audio files that are not there, the first {missing[0]}; unpack the collection again")


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header line; other columns than the wanted ones are allowed.

    Raises:
        InputError: the file is missing or not text, or lacks a column, or one of its lines lacks a value.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            given = reader.fieldnames or []
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); it belongs to the collection: unpack it again") from error
    absent = [column for column in columns if column not in given]
    if absent:
        raise InputError(f"{path} has no column {', '.join(absent)}; it needs {', '.join(columns)} in its first line")
    for number, row in enumerate(rows, 2):
        if any(row[column] is None for column in columns):
            raise InputError(f"{path} line {number} is too short; each line needs {', '.join(columns)}")
    return rows
