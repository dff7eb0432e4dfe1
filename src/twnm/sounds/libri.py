"""Reading LibriSpeech (Panayotov et al., 2015) and LibriTTS or LibriTTS-R (Zen et al., 2019; Koizumi et al., 2023) as they are published.

    LibriSpeech  SPEAKERS.TXT (ID | SEX | SUBSET | MINUTES | NAME)        dev-clean/84/121123/84-121123-0000.flac and 84-121123.trans.txt
    LibriTTS-R   speakers.tsv (READER, GENDER, SUBSET, NAME; by tabs)     dev-clean/84/121123/84_121123_000007_000001.wav

The reader's sex gives the class. Both collections number the readers of LibriVox alike, so a reader is one speaker of the split rule in both.
"""

import re
from pathlib import Path
from typing import Final

from twnm.errors import InputError
from twnm.sounds.entry import Entry, check_present, entry_of

_SUBSET: Final = re.compile(r"(train|dev|test)-(clean|other)(-\d+)?")
_TABLES: Final = {"speakers.tsv": ("LibriTTS", "\t"), "SPEAKERS.TXT": ("LibriSpeech", "|"), "SPEAKERS.txt": ("LibriSpeech", "|")}
_SPEECH: Final = {"F": "female_speech", "M": "male_speech"}


def read_libri(folder: Path, notes: list[str]) -> list[Entry] | None:
    """Give the utterances of the collection or of one of its subsets; None if the folder is something else.

    Args:
        folder: holds subsets as `dev-clean`, or is one of them (the table of speakers is then beside it).
        notes: gets one line about the number of speakers.

    Raises:
        InputError: the table of speakers or an audio file is missing, or a speaker is not in the table.
    """
    alone = _is_subset(folder)
    root = folder.absolute().parent if alone else folder
    subsets = [folder] if alone else sorted(child for child in folder.iterdir() if _is_subset(child))
    if not subsets:
        return None
    table = next((root / name for name in _TABLES if (root / name).is_file()), None)
    if table is None:
        raise InputError(f"{root} has {subsets[0].name} but no SPEAKERS.TXT (LibriSpeech) or speakers.tsv (LibriTTS-R); it says who is a woman or a man")
    package, separator = _TABLES[table.name]
    labels = _read_speakers(table, separator)
    readers = sorted(child for subset in subsets for child in subset.iterdir() if child.is_dir())
    unknown = [reader for reader in readers if reader.name not in labels]
    if unknown:
        raise InputError(f"the speaker {unknown[0].name} of {unknown[0].parent} is not in {table}; take table and audio from the same collection")
    notes.append(f"{package}: {len({reader.name for reader in readers})} speakers")
    return [
        entry_of(file, folder, labels[reader.name], package, f"{reader.parent.name}/{reader.name}/{file.stem}", "CC BY 4.0", f"librivox:{reader.name}")
        for reader in readers
        for chapter in sorted(reader.iterdir())
        if chapter.is_dir()
        for file in _utterances(chapter)
    ]


def _is_subset(folder: Path) -> bool:
    return bool(_SUBSET.fullmatch(folder.absolute().name)) and folder.is_dir() and any(child.name.isdigit() for child in folder.iterdir())


def _utterances(chapter: Path) -> list[Path]:
    """Give the audio files of a chapter; every line of its transcript, where it has one, must have its own."""
    files = sorted(file for file in chapter.iterdir() if file.suffix in {".flac", ".wav"})
    transcript = chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"
    if transcript.is_file():
        present = {file.stem for file in files}
        spoken = [line.split(" ", 1)[0] for line in transcript.read_text(encoding="utf-8").splitlines() if line.strip()]
        check_present((chapter / f"{name}.flac" for name in spoken if name not in present), transcript)
    return files


def _read_speakers(table: Path, separator: str) -> dict[str, str]:
    """Give the class of each speaker's voice by the speaker's number."""
    labels = {}
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
        fields = [field.strip() for field in line.split(separator)]
        if not fields[0].isdigit():  # a comment (LibriSpeech: `;`) or the header (LibriTTS)
            continue
        if len(fields) < 2 or fields[1] not in _SPEECH:
            raise InputError(f"{table} line {number} gives no sex (F or M) for the speaker {fields[0]}; copy the table again")
        labels[fields[0]] = _SPEECH[fields[1]]
    return labels
