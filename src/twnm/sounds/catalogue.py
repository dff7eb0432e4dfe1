"""The catalogue of dry clips: what each is, where it comes from, which split it is in, and its samples ready for a room.

A clip's `path` names it in scenes: relative to the bank (`dog/a.flac`) if one bank is open, `bank:dog/a.flac` if several are, and
`procedural:bell:17` for a generated one. Splits follow `splits`, samples `conditioning`. Copies of a recording are left out; one that two classes
claim stands in the class that a tagger confirms, and nowhere if that does not decide.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float32

from twnm.audio import read_mono
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, verify_checksums
from twnm.sounds import folder as registry
from twnm.sounds import procedural
from twnm.sounds.bank import read_bank
from twnm.sounds.conditioning import condition
from twnm.sounds.entry import Entry
from twnm.sounds.splits import SPLITS, Recording, assign_splits

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_CACHE_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class Clip:
    """One dry recording. `weight` is 1.0, or 0.3 where a tagger doubts the label; `duration_s` is that of the file, before silence is cut."""

    path: str
    label: str
    package: str
    source: str
    licence: str
    split: str
    speaker: str | None
    duration_s: float
    weight: float
    procedural: bool
    content: str = ""


class _ClipCache:
    """The most recently read clips, at most `capacity_bytes` of them."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._held: OrderedDict[str, Float32[np.ndarray, " samples"]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _ClipCache, (self.capacity_bytes,)

    def get(self, path: str) -> Float32[np.ndarray, " samples"] | None:
        with self._lock:
            audio = self._held.get(path)
            if audio is not None:
                self._held.move_to_end(path)
            return audio

    def put(self, path: str, audio: Float32[np.ndarray, " samples"]) -> None:
        with self._lock:
            if path in self._held or audio.nbytes > self.capacity_bytes:
                return
            self._held[path] = audio
            self._bytes += audio.nbytes
            while self._bytes > self.capacity_bytes:
                self._bytes -= self._held.popitem(last=False)[1].nbytes


class Catalogue:
    """Clips that can be read. Pickles without its cache; the parts given by `split` share it.

    Args:
        clips: the clips, in any order; kept sorted by path.
        files: where the file of a clip lies, by clip path; a clip that is neither here nor procedural lies at its own path.
        cache_bytes: how much decoded audio to keep.
    """

    def __init__(self, clips: Iterable[Clip], files: Mapping[str, Path] | None = None, *, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.clips: tuple[Clip, ...] = tuple(sorted(clips, key=lambda clip: clip.path))
        self.files: Mapping[str, Path] = dict(files or {})
        self._cache = _ClipCache(cache_bytes)
        self._index()

    def _index(self) -> None:
        self._by_path = {clip.path: clip for clip in self.clips}
        by_label: dict[str, list[Clip]] = {}
        for clip in self.clips:
            by_label.setdefault(clip.label, []).append(clip)
        self._by_label = {label: tuple(by_label[label]) for label in sorted(by_label)}

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that have clips, sorted; labels of a user's folder need not be in `CLASSES`."""
        return tuple(self._by_label)

    def of(self, label: str) -> tuple[Clip, ...]:
        """Give the clips of a label, sorted by path; none for an unknown label."""
        return self._by_label.get(label, ())

    def clip(self, path: str) -> Clip:
        """Give the clip that a scene names; raises InputError if it is not here."""
        if path not in self._by_path:
            raise InputError(f"the clip {path!r} is not in this sound bank of {len(self)} clips; open the bank that the scene was drawn from")
        return self._by_path[path]

    def split(self, name: str) -> "Catalogue":
        """Give the catalogue of one split: "train", "val" or "test"."""
        if name not in SPLITS:
            raise InputError(f"unknown split {name!r}; choose one of {', '.join(SPLITS)}")
        part = Catalogue((clip for clip in self.clips if clip.split == name), self.files)
        part._cache = self._cache
        return part

    def digest(self) -> str:
        """Hash what the clips are and hold (64 hexadecimal digits): equal on every machine for equal banks, wherever they lie."""
        return hashlib.sha256(repr([astuple(clip) for clip in self.clips]).encode()).hexdigest()

    def read(self, clip: Clip) -> Float32[np.ndarray, " samples"]:
        """Give a clip's samples: mono, 24 kHz, conditioned (`conditioning.condition`), read-only.

        Raises:
            InputError: the file is missing, corrupt or silent.
        """
        audio = self._cache.get(clip.path)
        if audio is None:
            audio = condition(self._samples(clip))
            if audio.size == 0:
                raise InputError(f"the clip {self.files.get(clip.path, clip.path)} is silent; remove it from the sound bank")
            audio.setflags(write=False)
            self._cache.put(clip.path, audio)
        return audio

    def _samples(self, clip: Clip) -> Float32[np.ndarray, " samples"]:
        if clip.procedural:
            return procedural.synthesise_path(clip.path)
        file = self.files.get(clip.path, Path(clip.path))
        if not file.is_file():
            raise InputError(f"the clip {file} does not exist; restore it or remove it from the sound bank")
        return read_mono(file)


def load_catalogue(folder: Path | str | None = None, notes: list[str] | None = None) -> Catalogue:
    """Open a sound bank.

    Args:
        folder: a sound bank of any layout that `bank` reads; None opens what the user has: the fetched banks (starter, debian) and the added
            folders of the cache, or the procedural bank if there are none.
        notes: gets what `bank.read_bank` notes about the banks, as how many clips of a collection have no class here.

    Raises:
        InputError: the folder is no sound bank, or a file of it is missing or unreadable.
    """
    if folder is not None:
        return _from_entries({"": read_bank(Path(folder), notes)})
    banks = registry.known_banks()
    if not banks:
        return Catalogue(Clip(**row) for row in procedural.clip_rows())
    return _from_entries({f"{name}:": read_bank(path, notes) for name, path in banks.items()})


def _from_entries(banks: Mapping[str, Sequence[Entry]]) -> Catalogue:
    named = {f"{prefix}{entry.name}": entry for prefix, entries in banks.items() for entry in entries}
    unique = _without_copies(named)
    splits = assign_splits([Recording(path, entry.label, entry.package, entry.source, entry.speaker) for path, entry in unique.items()])
    clips = [
        Clip(
            path=path,
            label=entry.label,
            package=entry.package,
            source=entry.source,
            licence=entry.licence,
            split=splits[path],
            speaker=entry.speaker,
            duration_s=entry.duration_s,
            weight=entry.weight,
            procedural=False,
            content=entry.content,
        )
        for path, entry in unique.items()
    ]
    return Catalogue(clips, {path: entry.file for path, entry in unique.items()})


def _without_copies(named: Mapping[str, Entry]) -> dict[str, Entry]:
    """Keep one entry per recording: among those of the largest weight the first by path, or none if they disagree about its class."""
    copies: dict[str, list[str]] = {}
    for path in sorted(named):
        copies.setdefault(named[path].content, []).append(path)
    kept = []
    for paths in copies.values():
        weight = max(named[path].weight for path in paths)
        trusted = [path for path in paths if named[path].weight == weight]
        if len({named[path].label for path in trusted}) == 1:
            kept.append(trusted[0])
    return {path: named[path] for path in sorted(kept)}


def summary(catalogue: Catalogue) -> "Table":
    """Give a table for the terminal: per class its clips in each split, its packages, and whether they are procedural."""
    from rich.table import Table

    table = Table(title=f"{len(catalogue)} clips, {len(catalogue.labels)} classes")
    table.add_column("class")
    for name in SPLITS:
        table.add_column(name, justify="right")
    table.add_column("packages")
    table.add_column("procedural")
    for label in catalogue.labels:
        clips = catalogue.of(label)
        counts = [str(sum(clip.split == name for clip in clips)) for name in SPLITS]
        packages = sorted({clip.package for clip in clips})
        named = ", ".join(packages[:3]) + (f" and {len(packages) - 3} more" if len(packages) > 3 else "")
        table.add_row(label, *counts, named, "yes" if any(clip.procedural for clip in clips) else "")
    return table


def verify(catalogue: Catalogue) -> list[str]:
    """Check every clip: its bank's checksums, where the bank has them, that an added folder is as it was, and that the clip decodes to sound.

    Returns:
        One line per problem; none if all is well.
    """
    problems = registry.changed_folders(catalogue.files.values())
    roots = {parent for file in catalogue.files.values() for parent in file.parents if (parent / CHECKSUMS_NAME).is_file()}
    for root in sorted(roots):
        problems += [f"{root}: {problem}" for problem in verify_checksums(root)]
    uncached = Catalogue(catalogue.clips, catalogue.files, cache_bytes=0)
    for clip in uncached.clips:
        try:
            uncached.read(clip)
        except InputError as error:
            problems.append(str(error))
    return problems
