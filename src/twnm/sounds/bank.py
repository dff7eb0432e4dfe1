"""Reading a sound bank from disk: a folder with `manifest.json`, or one folder of audio files per class.

`manifest.json` is a list of objects: `file` (relative path), `cls`, `package`, `version`, `source` (path inside the package), `speaker` (speech only,
or null), `dur` (seconds), `yamnet_ok` (true: an AudioSet tagger agrees with the class; null: not checked), optionally `licence`.
Without it, `dog/a.wav` is a clip of the class `dog` (names of FSD50K and ESC-50 are understood, see `classes.ALIASES`), and a folder below a speech
class is a speaker: `female_speech/anna/01.wav`. Only headers are read here.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import soundfile

from twnm.errors import InputError
from twnm.sounds.classes import canonical

AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".aiff", ".aif"})
MANIFEST_NAME: Final = "manifest.json"
_WEAK_WEIGHT: Final = 0.3
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


def read_bank(folder: Path) -> list[Entry]:
    """Give the audio files of a bank, sorted by name.

    Raises:
        InputError: the folder, its manifest or one of its files is missing or unreadable, or the folder holds no clip.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give a folder with {MANIFEST_NAME} or with one folder of audio files per class")
    read = _from_manifest if (folder / MANIFEST_NAME).is_file() else _from_class_folders
    entries = sorted(read(folder), key=lambda entry: entry.name)
    if not entries:
        raise InputError(f"{folder} holds no clips; expected {MANIFEST_NAME} or one folder of audio files per class, as dog/a.wav")
    repeated = {first.name for first, second in itertools.pairwise(entries) if first.name == second.name}
    if repeated:
        raise InputError(f"{folder / MANIFEST_NAME} lists {sorted(repeated)[0]} more than once; each file may stand there once")
    return entries


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
        speaks = label.endswith("speech") and len(name.parts) > 2
        try:
            duration_s = soundfile.info(file).duration
        except soundfile.LibsndfileError as error:
            raise InputError(f"the clip {file} cannot be read ({error.error_string.rstrip('.')}); repair or remove it") from error
        yield Entry(
            file=file,
            name=name.as_posix(),
            label=label,
            package=folder.name,
            source=name.as_posix(),
            licence=f"as given by the owner of {folder.name}",
            speaker=f"{folder.name}:{name.parts[1]}" if speaks else None,
            duration_s=duration_s,
            weight=1.0,
            content=fingerprint(file),
        )
