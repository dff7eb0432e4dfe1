"""An index of items and replies in SQLite: which line of which file holds what, so that 100,000 items are filtered and paged without being loaded.

The index lies in the cache and is made again when a file has changed. Texts stay in the files, and are read from there by place and length.

    items     one row per readable line of the items file, numbered from 0 in the order of the file
    replies   the latest reply of each (item, system, control)
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twnm.errors import InputError
from twnm.files import atomic_write, cache_dir

VERSION: Final = 1
BATCH: Final = 2000
_TEXTS: Final = ("sample_id", "scene_id", "level", "task", "family", "form", "question", "answer_text", "file_name", "transform")
_SCHEMA: Final = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE items (
    n INTEGER PRIMARY KEY, sample_id TEXT, scene_id TEXT, level TEXT, task TEXT, family TEXT, form TEXT, question TEXT, answer_text TEXT, file_name TEXT,
    transform TEXT, answer_letter TEXT, twin TEXT, at INTEGER, size INTEGER
);
CREATE TABLE replies (n INTEGER, system TEXT, control TEXT, outcome TEXT, at INTEGER, size INTEGER, PRIMARY KEY (n, system, control)) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX items_kind ON items (level, task, n);
CREATE INDEX items_task ON items (task, n);
CREATE INDEX items_name ON items (sample_id);
CREATE INDEX replies_outcome ON replies (control, outcome, system, n);
"""


@dataclass(frozen=True)
class Filter:
    """Which items are wanted; None stands for all. `outcome` is that of `system`, or of any system, under `control`."""

    level: str | None = None
    task: str | None = None
    family: str | None = None
    system: str | None = None
    outcome: str | None = None
    control: str = ""
    query: str | None = None


class Index:
    """The index of an items file and, for a run, its results; `path` is where it lies."""

    def __init__(self, items: Path, results: Path | None = None, folder: Path | None = None) -> None:
        self.items, self.results = items.absolute(), results.absolute() if results is not None else None
        name = hashlib.blake2b(f"{self.items}\0{self.results}".encode(), digest_size=12).hexdigest()
        self.path = (folder or cache_dir() / "studio") / f"{name}.sqlite"

    def fresh(self) -> bool:
        """Whether the index is there and made of the files as they are."""
        return self.path.is_file() and self._about("files") == self._signature()

    def there(self) -> bool:
        """Whether there is an index that can be used, if perhaps of files as they were."""
        return self.path.is_file() and self._about("version") == str(VERSION)

    def build(self) -> None:
        """Make the index; the old one serves until the new one is whole. Raises InputError when a file cannot be read."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        signature = self._signature()
        with atomic_write(self.path) as temporary, contextlib.closing(sqlite3.connect(temporary)) as base:
            base.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
            damaged = self._add_items(base) + (self._add_replies(base) if self.results is not None else 0)
            about = {"version": str(VERSION), "files": signature, "damaged": str(damaged)}
            base.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            base.executescript(f"{_INDEXES} ANALYZE;")
            base.commit()

    def _signature(self) -> str:
        stats = [path.stat() for path in (self.items, self.results) if path is not None and path.is_file()]
        return json.dumps([VERSION, *([stat.st_size, stat.st_mtime_ns, stat.st_ino] for stat in stats)])

    def _about(self, name: str) -> str | None:
        try:
            with self._open() as base:
                row = base.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None else str(row[0])

    def _add_items(self, base: sqlite3.Connection) -> int:
        damaged = 0
        rows: list[tuple[Any, ...]] = []
        number = 0
        for at, line in _lines(self.items):
            row = _parse(line)
            if row is None or any(not isinstance(row.get(name, "" if name == "transform" else None), str) for name in _TEXTS if name != "form"):
                damaged += 1
                continue
            texts = [row.get(name, {"transform": "", "form": "choice"}.get(name)) for name in _TEXTS]
            rows.append((number, *texts, _text(row.get("answer_letter")), _text(row.get("twin")), at, len(line)))
            number += 1
            if len(rows) == BATCH:
                base.executemany(f"INSERT INTO items VALUES ({', '.join('?' * 15)})", rows)
                rows.clear()
        base.executemany(f"INSERT INTO items VALUES ({', '.join('?' * 15)})", rows)
        return damaged

    def _add_replies(self, base: sqlite3.Connection) -> int:
        assert self.results is not None
        damaged = 0
        numbers: dict[str, int] = {}
        for number, name in base.execute("SELECT n, sample_id FROM items"):
            numbers.setdefault(name, number)
        rows: list[tuple[Any, ...]] = []
        insert = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)"
        for at, line in _lines(self.results):
            row = _parse(line)
            if row is None or any(not isinstance(row.get(name), str) for name in ("system", "control", "outcome", "sample_id")):
                damaged += 1
            elif row["sample_id"] in numbers:
                rows.append((numbers[row["sample_id"]], row["system"], row["control"], row["outcome"], at, len(line)))
            if len(rows) == BATCH:
                base.executemany(insert, rows)
                rows.clear()
        base.executemany(insert, rows)
        return damaged

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as base:
            base.row_factory = sqlite3.Row
            yield base

    def damaged(self) -> int:
        """Lines that could not be read."""
        return int(self._about("damaged") or 0)

    def count(self) -> int:
        """How many items there are."""
        with self._open() as base:
            return int(base.execute("SELECT COUNT(*) FROM items").fetchone()[0])

    def systems(self) -> list[tuple[str, int, int]]:
        """Each system with how many items it was asked, without control, and had right; by name."""
        query = "SELECT system, SUM(control = ''), SUM(control = '' AND outcome = 'right') FROM replies GROUP BY system ORDER BY system"
        with self._open() as base:
            return [(row[0], int(row[1]), int(row[2])) for row in base.execute(query)]

    def controls(self) -> list[str]:
        """The controls that were asked, "" first."""
        with self._open() as base:
            return [row[0] for row in base.execute("SELECT DISTINCT control FROM replies ORDER BY control")]

    def tasks(self) -> list[tuple[str, str, str, int]]:
        """Task, level, family and number of items of every task, by level and task."""
        with self._open() as base:
            return [tuple(row) for row in base.execute("SELECT task, level, family, COUNT(*) FROM items GROUP BY level, task, family ORDER BY level, task")]

    def page(self, wanted: Filter, page: int, size: int) -> tuple[int, list[dict[str, Any]]]:
        """How many items are wanted, and those of a page (from 1), each with the `outcomes` of all systems under the control."""
        where, values = _where(wanted)
        with self._open() as base:
            total = int(base.execute(f"SELECT COUNT(*) FROM items {where}", values).fetchone()[0])
            found = base.execute(f"SELECT * FROM items {where} ORDER BY n LIMIT ? OFFSET ?", (*values, size, (page - 1) * size)).fetchall()
            rows = [dict(row) | {"outcomes": {}} for row in found]
            by_number = {row["n"]: row for row in rows}
            marks = ", ".join("?" * len(rows))
            for number, system, outcome in base.execute(
                f"SELECT n, system, outcome FROM replies WHERE n IN ({marks}) AND control = ? ORDER BY system", (*by_number, wanted.control)
            ):
                by_number[number]["outcomes"][system] = outcome
        return total, rows

    def item(self, number: int) -> dict[str, Any] | None:
        """The line of an item as it stands in its file, None for a number that is not there; raises InputError when the file has changed since."""
        with self._open() as base:
            row = base.execute("SELECT at, size FROM items WHERE n = ?", (number,)).fetchone()
        return None if row is None else _read(self.items, row["at"], row["size"])

    def number_of(self, sample_id: str) -> int | None:
        """The number of an item by its name."""
        with self._open() as base:
            row = base.execute("SELECT n FROM items WHERE sample_id = ? ORDER BY n LIMIT 1", (sample_id,)).fetchone()
        return None if row is None else int(row[0])

    def replies(self, number: int) -> list[dict[str, Any]]:
        """The lines of all replies to an item, by system and control."""
        if self.results is None:
            return []
        with self._open() as base:
            places = base.execute("SELECT at, size FROM replies WHERE n = ? ORDER BY system, control", (number,)).fetchall()
        return [_read(self.results, row["at"], row["size"]) for row in places]


def _where(wanted: Filter) -> tuple[str, tuple[Any, ...]]:
    clauses: list[str] = []
    values: list[Any] = []
    for name in ("level", "task", "family"):
        value = getattr(wanted, name)
        if value is not None:
            clauses.append(f"{name} = ?")
            values.append(value)
    if wanted.query:
        for word in wanted.query.split()[:8]:
            clauses.append("question LIKE ? ESCAPE '\\'")
            values.append("%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if wanted.outcome is not None or wanted.system is not None:
        inner = ["control = ?"]
        values.append(wanted.control)
        for name in ("outcome", "system"):
            value = getattr(wanted, name)
            if value is not None:
                inner.append(f"{name} = ?")
                values.append(value)
        clauses.append(f"n IN (SELECT n FROM replies WHERE {' AND '.join(inner)})")
    return f"WHERE {' AND '.join(clauses)}" if clauses else "", tuple(values)


def _lines(path: Path) -> Iterable[tuple[int, bytes]]:
    """Where each line begins, and the line; lines of a writer that is still at work may be torn."""
    at = 0
    try:
        with path.open("rb") as stream:
            for line in stream:
                if line.strip():
                    yield at, line
                at += len(line)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read(path: Path, at: int, size: int) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            stream.seek(at)
            row = _parse(stream.read(size))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if row is None:
        raise InputError(f"{path} has changed since it was indexed; open the set again")
    return row
