"""Reading a sound bank from disk: `manifest.json`, a published collection as it was unpacked, or one folder of audio files per class.

`manifest.json` is a list of objects: `file` (relative path), `cls`, `package`, `version`, `source` (path inside the package), `speaker` (speech only,
or null), `dur` (seconds), `yamnet_ok` (true: an AudioSet tagger agrees with the class; null: not checked), optionally `licence`.
The collections are FSD50K, ESC-50, LibriSpeech and LibriTTS-R (`fsd50k`, `esc50`, `libri`), whole or one subset of them.
Otherwise `dog/a.wav` is a clip of the class `dog` (names of other collections are understood, see `classes.ALIASES`), and a folder below a speech
class is a speaker: `female_speech/anna/01.wav`. Only headers are read here.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from twnm.errors import InputError
from twnm.sounds.classes import canonical
from twnm.sounds.entry import AUDIO_SUFFIXES, Entry, entry_of, fingerprint
from twnm.sounds.esc50 import read_esc50
from twnm.sounds.fsd50k import read_fsd50k
from twnm.sounds.libri import read_libri

MANIFEST_NAME: Final = "manifest.json"
_WEAK_WEIGHT: Final = 0.3


def read_bank(folder: Path, notes: list[str] | None = None) -> list[Entry]:
    """Give the audio files of a bank, sorted by name.

    Args:
        folder: the bank.
        notes: gets a line for each thing about the bank that a user should know, as how many clips of a collection have no class here.

    Raises:
        InputError: the folder, its tables or one of its files is missing or unreadable, or the folder holds no clip.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give a folder with {MANIFEST_NAME} or with one folder of audio files per class")
    entries = sorted(_read(folder, [] if notes is None else notes), key=lambda entry: entry.name)
    if not entries:
        raise InputError(
            f"{folder} holds no clips; expected {MANIFEST_NAME}, FSD50K, ESC-50, LibriSpeech, LibriTTS-R, or one folder of audio files per class, as dog/a.wav"
        )
    repeated = {first.name for first, second in itertools.pairwise(entries) if first.name == second.name}
    if repeated:
        raise InputError(f"{folder / MANIFEST_NAME} lists {sorted(repeated)[0]} more than once; each file may stand there once")
    return entries


def _read(folder: Path, notes: list[str]) -> list[Entry]:
    if (folder / MANIFEST_NAME).is_file():
        return list(_from_manifest(folder))
    for read_collection in (read_fsd50k, read_esc50, read_libri):
        entries = read_collection(folder, notes)
        if entries is not None:
            return entries
    return list(_from_class_folders(folder))


def _from_manifest(folder: Path) -> Iterator[Entry]:
    path = folder / MANIFEST_NAME
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); it must be a list of clips") from error
    if not isinstance(rows, list):
        raise InputError(f"{path} holds a {type(rows).__name__}; it must be a list of clips")
    for number, row in enumerate(rows):
        yield _manifest_entry(folder, path, number, row)


def _manifest_entry(folder: Path, path: Path, number: int, row: Any) -> Entry:
    wanted: dict[str, type | tuple[type, ...]] = {"file": str, "cls": str, "package": str, "source": str, "dur": (int, float)}
    wrong = [key for key, kind in wanted.items() if not isinstance(row, dict) or not isinstance(row.get(key), kind)]
    if wrong:
        raise InputError(f"{path}, clip {number}: {', '.join(wrong)} missing or of the wrong type; each clip needs {', '.join(wanted)}")
    name = PurePosixPath(row["file"])
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path}, clip {number}: {row['file']!r} leads out of the sound bank; give a path relative to it")
    speaker = row.get("speaker")
    return Entry(
        file=folder / name,
        name=name.as_posix(),
        label=row["cls"],
        package=row["package"],
        source=row["source"],
        licence=row.get("licence") or f"see package {row['package']}/copyright",
        speaker=None if speaker is None else str(speaker),
        duration_s=float(row["dur"]),
        weight=_WEAK_WEIGHT if row.get("yamnet_ok") is False else 1.0,
        content=fingerprint(folder / name),
    )


def _from_class_folders(folder: Path) -> Iterator[Entry]:
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix.lower() not in AUDIO_SUFFIXES or not file.is_file() or len(name.parts) < 2 or any(part.startswith(".") for part in name.parts):
            continue
        label = canonical(name.parts[0])
        speaker = f"{folder.name}:{name.parts[1]}" if label.endswith("speech") and len(name.parts) > 2 else None
        yield entry_of(file, folder, label, folder.name, name.as_posix(), f"as given by the owner of {folder.name}", speaker)
