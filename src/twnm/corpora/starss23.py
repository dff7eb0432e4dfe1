"""STARSS23: recordings of real rooms with labels of what sounds, from where and how far, every 100 ms (arXiv 2306.09126).

    DIR/foa_dev/dev-{train,test}-{sony,tau}/fold{3,4}_room{R}_mix{NNN}.wav          4 channels, AmbiX
    DIR/metadata_dev/dev-{train,test}-{sony,tau}/fold{3,4}_room{R}_mix{NNN}.csv     frame,class,source,azimuth,elevation,distance (cm); no header

A recording is cut into windows of 5 s, each a Scene in a room of which nothing is known, with the listener at the origin. `source` names an actor: an
event is a run of frames without a gap of one class and source. Fold 3 is for training, fold 4 for testing. SELD metrics read the same files with
`twnm.metrics.dcase_csv`.
"""

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

from twnm.ambisonics import unit_vector
from twnm.audio import SAMPLE_RATE_HZ, read_foa
from twnm.corpora.shared import Clip, Corpus, audio_name, check_audio, check_folder
from twnm.errors import InputError
from twnm.metrics.dcase_csv import read_dcase
from twnm.questions.ask import ask_twins
from twnm.questions.schema import Item
from twnm.scene import Event, Scene, Waypoint

WINDOW_S: Final = 5.0
FRAMES_PER_S: Final = 10
CLASSES: Final = (
    "female_speech",
    "male_speech",
    "clapping",
    "alarm_phone",  # telephone
    "laughter",
    "domestic_sounds",
    "footsteps",
    "door",
    "music",
    "musical_instrument",
    "running_water",  # water tap
    "bell",
    "knock",
)
"""Our labels by the corpus' class numbers: those of `twnm.sounds.classes` where there is one that means the same."""

NOT_ASKED: Final = ("l1_count_sources", "l1_describe_room")
"""Sounds of other classes are in the recordings but not in the labels, so that they cannot be counted; nothing is known of the rooms."""

SPLITS: Final[Mapping[str, Literal["train", "test"]]] = {"3": "train", "4": "test"}
_NAME: Final = re.compile(r"fold([34])_room\d+_mix\d+")
_WINDOW_FRAMES: Final = round(WINDOW_S * FRAMES_PER_S)
_NEAREST_CM: Final = 20


@dataclass(frozen=True)
class Row:
    """A line of the metadata: frame of 100 ms from 0, class, source, degrees (azimuth positive to the left), metres."""

    frame: int
    label: int
    source: int
    azimuth_deg: float
    elevation_deg: float
    distance_m: float

    @property
    def position_m(self) -> tuple[float, float, float]:
        """Seen from the microphone: x front, y left, z up."""
        x, y, z = (self.distance_m * unit_vector(self.azimuth_deg, self.elevation_deg)).tolist()
        return x, y, z


def read_starss23(folder: Path | str, split: str = "", layout: str = "ambix", seed: int = 0) -> Corpus:
    """Read STARSS23, and ask about each window by our tasks (twins included), the test fold with the wordings held out of training.

    Args:
        folder: as above.
        split: "train" (fold 3), "test" (fold 4), or empty for both.
        layout: of the recordings; the corpus is published as AmbiX.
        seed: of the questions; those of a window depend on its name and `seed` only.

    Returns:
        One clip for each window in which a labelled sound is heard and something can be asked.

    Raises:
        InputError: an unknown split, a recording without metadata or the reverse, a name that is none of STARSS23, another number of channels, metadata in
            another format, an unknown class, or distances that cannot be centimetres.
    """
    if split not in ("", *SPLITS.values()):
        raise InputError(f"STARSS23 has no split {split!r}; allowed: train (fold 3), test (fold 4), or none for both")
    folder = Path(folder)
    pairs = [(audio, labels, fold) for audio, labels, fold in _pairs(folder) if split in ("", SPLITS[fold])]
    if not pairs:
        raise InputError(f"{folder} has no recording of the split {split!r}; `foa_dev` holds only the other fold")
    clips, silent, unasked = [], 0, 0
    for audio, labels, fold in pairs:
        for start, scene in enumerate(scenes_of(labels, check_audio(audio, "foa"), SPLITS[fold])):
            items = _ask(scene, seed)
            silent += not scene.events
            unasked += bool(scene.events) and not items
            if items:
                clips.append(Clip(scene.scene_id, SPLITS[fold], partial(_window, audio, layout, start), items, scene))
    return Corpus("starss23", "foa", clips, {"windows_without_labelled_sound": silent, "windows_without_question": unasked, "not_asked": list(NOT_ASKED)})


def _pairs(folder: Path) -> list[tuple[Path, Path, str]]:
    """Recordings with their metadata and fold, sorted by name."""
    check_folder(folder)
    for name in ("foa_dev", "metadata_dev"):
        if not (folder / name).is_dir():
            raise InputError(f"{folder} has no folder {name}; unpack {name}.zip of STARSS23 into it")
    audio = {path.relative_to(folder / "foa_dev").with_suffix(""): path for path in (folder / "foa_dev").rglob("*.wav")}
    labels = {path.relative_to(folder / "metadata_dev").with_suffix(""): path for path in (folder / "metadata_dev").rglob("*.csv")}
    if not audio:
        raise InputError(f"{folder / 'foa_dev'} has no .wav file; unpack foa_dev.zip of STARSS23 into {folder}")
    for have, lack, what in ((audio, labels, "metadata"), (labels, audio, "audio")):
        alone = sorted(map(str, have.keys() - lack.keys()))
        if alone:
            raise InputError(f"{len(alone)} recordings have no {what}, the first is {alone[0]}; unpack both archives of STARSS23 whole")
    folds = {name: _NAME.fullmatch(name.name) for name in audio}
    strange = sorted(str(name) for name, match in folds.items() if match is None)
    if strange:
        raise InputError(f"{strange[0]} is no name of STARSS23, which are fold3_room1_mix001 and so on with fold 3 or 4")
    return [(audio[name], labels[name], match[1]) for name, match in sorted(folds.items()) if match is not None]


def read_metadata(path: Path | str) -> list[Row]:
    """The rows of a metadata file, in the file's order.

    Raises InputError for another format, a class that is none of the 13, or distances that cannot be centimetres.
    """
    table = read_dcase(path)
    lines = [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    unknown = sorted(set(table.label.tolist()) - set(range(len(CLASSES))))
    if unknown:
        raise InputError(f"{path} has the class {unknown[0]}; STARSS23 has 0 to {len(CLASSES) - 1}")
    if np.isnan(table.distance_m).any():
        raise InputError(f"{path} has rows without a distance, as STARSS22; give the metadata of STARSS23")
    if len(table) and 100 * float(np.median(table.distance_m)) < _NEAREST_CM:
        raise InputError(f"{path}: half of the sounds are nearer than {_NEAREST_CM} cm; are the distances in metres? STARSS23 has centimetres")
    sources = [int(line.split(",")[2]) for line in lines]
    columns = (table.frame, table.label, sources, table.azimuth_deg, table.elevation_deg, table.distance_m)
    return [Row(int(frame), int(label), source, float(az), float(el), float(far)) for frame, label, source, az, el, far in zip(*columns, strict=True)]


def scenes_of(labels: Path, duration_s: float, split: Literal["train", "test"]) -> list[Scene]:
    """The whole windows of a recording as scenes; what is left at its end is left out."""
    rows = read_metadata(labels)
    windows = int(duration_s / WINDOW_S + 1e-6)
    inside: list[list[Row]] = [[] for _ in range(windows)]
    for row in rows:
        if 0 <= row.frame < windows * _WINDOW_FRAMES:
            inside[row.frame // _WINDOW_FRAMES].append(row)
    return [
        Scene(
            scene_id=f"{labels.stem}-{number:03d}",
            split=split,
            duration_s=WINDOW_S,
            events=tuple(_event(run, number * _WINDOW_FRAMES) for run in runs(window)),
            renderer="recorded",
        )
        for number, window in enumerate(inside)
    ]


def runs(rows: list[Row]) -> Iterator[list[Row]]:
    """Rows of one class and source that follow one another without a gap; of two in one frame the nearer continues a run."""
    open_runs: dict[tuple[int, int], list[list[Row]]] = {}
    finished: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.frame):
        mine = open_runs.setdefault((row.label, row.source), [])
        finished += [run for run in mine if run[-1].frame < row.frame - 1]
        mine[:] = [run for run in mine if run[-1].frame >= row.frame - 1]
        follows = [run for run in mine if run[-1].frame == row.frame - 1]
        if follows:
            min(follows, key=lambda run: float(np.linalg.norm(np.subtract(run[-1].position_m, row.position_m)))).append(row)
        else:
            mine.append([row])
    yield from sorted(finished + [run for mine in open_runs.values() for run in mine], key=lambda run: (run[0].frame, run[0].label, run[0].source))


def _event(run: list[Row], first_frame: int) -> Event:
    """A run as an event of its window; places are those of the frames' middles, and a place is written once while the sound stays there."""
    path: list[Waypoint] = []
    for index, row in enumerate(run):
        stays = 0 < index < len(run) - 1 and run[index - 1].position_m == row.position_m == run[index + 1].position_m
        if not stays:
            path.append(Waypoint(time_s=(row.frame - first_frame + 0.5) / FRAMES_PER_S, position_m=row.position_m))
    if all(point.position_m == path[0].position_m for point in path):
        path = path[:1]
    onset_s, offset_s = (run[0].frame - first_frame) / FRAMES_PER_S, (run[-1].frame - first_frame + 1) / FRAMES_PER_S
    return Event(label=CLASSES[run[0].label], clip="", onset_s=onset_s, offset_s=offset_s, path=tuple(path))


def _ask(scene: Scene, seed: int) -> tuple[Item, ...]:
    if not scene.events:
        return ()
    rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(scene.scene_id.encode()).digest()[:8])])
    pairs = ask_twins(scene, rng, split=scene.split, file_name=audio_name(scene.scene_id), labels=CLASSES)
    return tuple(item for pair in pairs for item in pair if item is not None and item.task not in NOT_ASKED)


@functools.lru_cache(maxsize=1)
def _recording(path: Path, layout: str) -> Float32[np.ndarray, "4 samples"]:
    return read_foa(path, layout=layout)


def _window(path: Path, layout: str, number: int) -> Float32[np.ndarray, "4 samples"]:
    samples = round(WINDOW_S * SAMPLE_RATE_HZ)
    return _recording(path, layout)[:, number * samples : (number + 1) * samples]
