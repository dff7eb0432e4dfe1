"""Reading ESC-50 (Piczak, 2015) as it is published: 2,000 clips of 5 s cut from Freesound recordings, 50 categories.

    audio/1-100032-A-0.wav   meta/esc50.csv (filename, fold, target, category, esc10, src_file, take)

Takes of one Freesound recording (`src_file`) form one group of the split rule, so they stay together as they do in the published folds. The ESC-10
subset is CC BY, the rest CC BY-NC; the collection's LICENSE file names the authors.
"""

import re
from pathlib import Path
from typing import Final

from twnm.sounds.classes import CLASSES, canonical
from twnm.sounds.entry import Entry, check_present, entry_of, read_table

_COLUMNS: Final = ("filename", "fold", "category", "esc10", "src_file")
_CLIP_NAME: Final = re.compile(r"\d-\d+-[A-Z]-\d+\.wav")


def read_esc50(folder: Path, notes: list[str]) -> list[Entry] | None:
    """Give the clips of ESC-50 that have a class here; None if the folder is something else.

    Args:
        folder: holds `audio` and `meta`, or is that `audio`.
        notes: gets one line about the categories that are left out.

    Raises:
        InputError: the table or an audio file that it lists is missing.
    """
    alone = folder.absolute().name == "audio"
    root, audio = (folder.absolute().parent, folder) if alone else (folder, folder / "audio")
    table = root / "meta" / "esc50.csv"
    if not audio.is_dir() or not (table.is_file() or any(_CLIP_NAME.fullmatch(file.name) for file in audio.iterdir())):
        return None
    rows = read_table(table, _COLUMNS)
    taken = [row for row in rows if canonical(row["category"]) in CLASSES]
    check_present((audio / row["filename"] for row in taken), table)
    foreign = sorted({row["category"] for row in rows} - {row["category"] for row in taken})
    notes.append(f"ESC-50: {len(taken)} of {len(rows)} clips taken; without a class here: {', '.join(foreign) or 'none'}")
    return [_entry(audio / row["filename"], folder, row) for row in taken]


def _entry(file: Path, bank: Path, row: dict[str, str]) -> Entry:
    licence = "CC BY" if row["esc10"].lower() == "true" else "CC BY-NC"
    source = f"freesound.org/{row['src_file']}/fold{row['fold']}"
    return entry_of(file, bank, canonical(row["category"]), "ESC-50", source, f"{licence}, freesound.org/s/{row['src_file']}, see LICENSE of ESC-50")
