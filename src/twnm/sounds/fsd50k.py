"""Reading FSD50K (Fonseca et al., 2022) as it is published: 51,197 Freesound clips with one to many labels of the AudioSet hierarchy.

    FSD50K.dev_audio/64760.wav   FSD50K.eval_audio/...   FSD50K.ground_truth/dev.csv (fname, labels, mids, split) and eval.csv (fname, labels, mids)
    FSD50K.metadata/dev_clips_info_FSD50K.json and eval_clips_info_FSD50K.json (per clip: license, uploader, ...)

A clip's labels name the most specific sound first and then all that lies above it: `Bark,Dog,Domestic_animals_and_pets,Animal`. A clip is taken if its
labels, without those above others, mean exactly one class: a dog that barks beside speech is left out, and so is a bird that is a crow.
All clips of a class by one uploader form one group of the split rule, so that no uploader's garden is heard in training and in test.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from twnm.errors import InputError
from twnm.sounds.classes import CLASSES, canonical
from twnm.sounds.entry import Entry, check_present, entry_of, read_table

_AUDIO_FOLDERS: Final = MappingProxyType({"FSD50K.dev_audio": "dev", "FSD50K.eval_audio": "eval"})
_GENERAL: Final = frozenset(
    {
        "Animal",
        "Domestic_animals_and_pets",
        "Livestock_and_farm_animals_and_working_animals",
        "Wild_animals",
        "Fowl",
        "Vehicle",
        "Motor_vehicle_(road)",
        "Human_voice",
        "Speech",
        "Music",
        "Musical_instrument",
        "Percussion",
        "Plucked_string_instrument",
        "Keyboard_(musical)",
        "Water",
        "Liquid",
        "Tools",
        "Glass",
        "Wood",
        "Mechanisms",
        "Domestic_sounds_and_home_sounds",
    }
)
"""Labels above those of our classes that name no sound of their own beside them."""
_ABOVE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "Gunshot_and_gunfire": frozenset({"Explosion"}),
        "Vehicle_horn_and_car_horn_and_honking": frozenset({"Alarm", "Car"}),
        "Bicycle_bell": frozenset({"Alarm", "Bicycle"}),
    }
)
"""Labels that the hierarchy puts above another label although they mean another class, or none."""


def class_of(labels: Iterable[str]) -> str | None:
    """Give the class that a clip's labels mean, None if they mean no class or several sounds."""
    named = set(labels)
    above = _GENERAL.union(*(_ABOVE.get(label, frozenset()) for label in named))
    meant = {canonical(label) for label in named - above}
    label = meant.pop() if len(meant) == 1 else None
    return label if label in CLASSES else None


def read_fsd50k(folder: Path, notes: list[str]) -> list[Entry] | None:
    """Give the clips of FSD50K, or of one of its two audio folders, that have a class here; None if the folder is something else.

    Args:
        folder: holds `FSD50K.dev_audio` or `FSD50K.eval_audio`, or is one of them (the tables are then beside it).
        notes: gets one line about the clips that are left out.

    Raises:
        InputError: a table or an audio file that it lists is missing, or a clip has no known uploader.
    """
    alone = _AUDIO_FOLDERS.get(folder.absolute().name)
    parts = {alone: folder} if alone else {part: folder / name for name, part in _AUDIO_FOLDERS.items() if (folder / name).is_dir()}
    root = folder.absolute().parent if alone else folder
    if not parts:
        if (folder / "FSD50K.ground_truth").is_dir():
            raise InputError(f"{folder} holds neither {' nor '.join(_AUDIO_FOLDERS)}; unpack the audio of FSD50K beside its tables")
        return None
    return [entry for part, audio in parts.items() for entry in _read_part(root, folder, part, audio, notes)]


def _read_part(root: Path, bank: Path, part: str, audio: Path, notes: list[str]) -> list[Entry]:
    table = root / "FSD50K.ground_truth" / f"{part}.csv"
    rows = read_table(table, ("fname", "labels", "mids"))
    classes = {row["fname"]: class_of(row["labels"].split(",")) for row in rows}
    taken = {name: label for name, label in sorted(classes.items()) if label is not None}
    check_present((audio / f"{name}.wav" for name in taken), table)
    infos = _read_infos(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json", taken)
    notes.append(f"FSD50K {part}: {len(taken)} of {len(rows)} clips taken; the labels of the others mean none of our classes, or several sounds")
    return [_entry(audio / f"{name}.wav", bank, label, infos[name]) for name, label in taken.items()]


def _entry(file: Path, bank: Path, label: str, info: Mapping[str, str]) -> Entry:
    uploader = info["uploader"]
    licence = f"{info['license']} by {uploader}, freesound.org/s/{file.stem}"
    speaker = f"freesound.org:{uploader}" if label.endswith("speech") else None
    return entry_of(file, bank, label, "FSD50K", f"freesound.org/{uploader}/{file.stem}", licence, speaker)


def _read_infos(path: Path, names: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    try:
        infos: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); it says who uploaded a clip, which keeps the splits apart: unpack FSD50K.metadata") from error
    for name in names:
        info = infos.get(name) if isinstance(infos, dict) else None
        if not isinstance(info, dict) or not all(isinstance(info.get(key), str) and info[key] for key in ("uploader", "license")):
            raise InputError(f"{path} states no uploader and license of the clip {name}; unpack FSD50K.metadata again")
    return {name: infos[name] for name in names}
