"""The sound banks a user has: those fetched into the cache (starter, debian), and folders of his own that he added.

Added folders stay where they are; the cache keeps `sounds/added.json`, a list of names, absolute paths and the hash of the contents when added.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twnm.errors import InputError
from twnm.files import atomic_write, cache_dir
from twnm.sounds.bank import MANIFEST_NAME, read_bank
from twnm.sounds.entry import Entry
from twnm.sounds.lists import BANKS

_REGISTRY: Final = "added.json"


@dataclass(frozen=True)
class AddedFolder:
    """What adding a folder found: the bank's name, its place, how many clips each class has, and what `read_bank` notes."""

    name: str
    path: Path
    counts: Mapping[str, int]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Lines for the terminal."""
        return "\n".join([*self.notes, f"{self.name}: {sum(self.counts.values())} clips, {len(self.counts)} classes ({self.path})"])


def sounds_dir() -> Path:
    """Give the cache's folder for sounds; it is created if absent."""
    folder = cache_dir() / "sounds"
    folder.mkdir(exist_ok=True)
    return folder


def bank_dir(name: str) -> Path:
    """Give the folder of the bank "starter" or "debian", whether it has been fetched or not."""
    return sounds_dir() / name


def known_banks() -> dict[str, Path]:
    """Give the folders of all banks of the user by name: those that have been fetched, then the added ones.

    Raises:
        InputError: an added folder has been moved or removed.
    """
    banks = {name: bank_dir(name) for name in BANKS if (bank_dir(name) / MANIFEST_NAME).is_file()}
    for row in _read_registry():
        path = Path(row["path"])
        if not path.is_dir():
            raise InputError(f"the added sound folder {path} is gone; restore it, or remove its row from {sounds_dir() / _REGISTRY}")
        banks[row["name"]] = path
    return banks


def add_folder(folder: Path | str) -> AddedFolder:
    """Add a folder of sounds to the user's banks; adding it again reads it again.

    Args:
        folder: a sound bank of any layout that `bank` reads.

    Raises:
        InputError: it is no sound bank, or a file of it is missing or unreadable.
    """
    path = Path(folder).expanduser().resolve()
    notes: list[str] = []
    entries = read_bank(path, notes)
    rows = _read_registry()
    others = [row for row in rows if row["path"] != str(path)]
    name = next((row["name"] for row in rows if row["path"] == str(path)), None) or _new_name(path, {row["name"] for row in others})
    rows = [*others, {"name": name, "path": str(path), "digest": _digest(entries)}]
    with atomic_write(sounds_dir() / _REGISTRY) as temporary:
        temporary.write_text(json.dumps(sorted(rows, key=lambda row: row["name"]), indent=1) + "\n", encoding="utf-8")
    return AddedFolder(name, path, Counter(entry.label for entry in entries), tuple(notes))


def changed_folders(files: Iterable[Path]) -> list[str]:
    """Give one line for each added folder that holds one of the files and is no longer what was added."""
    parents = {parent for file in files for parent in file.parents}
    rows = [row for row in _read_registry() if Path(row["path"]) in parents]
    return [f"{row['path']}: changed since it was added" for row in rows if _digest(read_bank(Path(row["path"]))) != row["digest"]]


def _new_name(path: Path, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9_-]+", "-", path.name.lower()).strip("-") or "folder"
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 3))
    return next(name for name in candidates if name not in {*taken, *BANKS, "procedural"})


def _digest(entries: list[Entry]) -> str:
    return hashlib.sha256("".join(f"{entry.label} {entry.content} {entry.name}\n" for entry in entries).encode()).hexdigest()


def _read_registry() -> list[dict[str, str]]:
    path = sounds_dir() / _REGISTRY
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [{key: str(row[key]) for key in ("name", "path", "digest")} for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and add your sound folders again") from error
