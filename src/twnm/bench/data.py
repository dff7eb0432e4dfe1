"""The folder of a benchmark: its items and its recordings, one recording at a time, so that memory does not grow with their number.

    DIR/items-test.jsonl, items-val.jsonl    one item a line; the items about one recording follow one another
    DIR/items-test-open.jsonl ...            questions without options about the same recordings: the splits "test-open" and "val-open"
    DIR/items-train.jsonl                    items about scenes of the train split, without recordings, for systems that learn from texts
    DIR/test-native/ ...                     data sets of scenes; `file_name` of an item: test-native/SCENE_ID.flac

A recording may also be a plain file at DIR/`file_name`, at any rate: that is how a corpus of real recordings is measured; nothing then is known of its
scene. Plain files are AmbiX, unless DIR/import.json says otherwise: {"audio": "binaural"} or {"audio": "stereo"} are two channels, left and right.
DIR/unanswered.jsonl holds items whose answers are kept back (`twnm.corpora.shared`): the split "unanswered", which can be asked but not scored.
"""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np
from jaxtyping import Float32

from twnm.audio import read_foa, read_stereo
from twnm.bench.systems.base import Kind
from twnm.corpora.shared import REPORT_NAME, UNANSWERED_NAME, UnansweredItem, read_json
from twnm.errors import InputError
from twnm.files import sha256_file
from twnm.questions.ask import read_questions
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.simulate import layout
from twnm.simulate.dataset import SceneSet

SPLITS = ("val", "test")
UNANSWERED: Final = "unanswered"


def items_path(folder: Path, split: str) -> Path:
    """The items of a split."""
    return folder / (UNANSWERED_NAME if split == UNANSWERED else f"items-{split}.jsonl")


class Benchmark:
    """The items of one split and their recordings.

    Raises:
        InputError: the folder has no items of this split.
    """

    def __init__(self, folder: Path | str, split: str = "test") -> None:
        self.folder, self.split = Path(folder), split
        self.path = items_path(self.folder, split)
        if not self.path.is_file():
            kept_back = split != UNANSWERED and items_path(self.folder, UNANSWERED).is_file()
            remedy = f"its items without answers are asked by --split {UNANSWERED}" if kept_back else f"make a benchmark with `twnm bench make {folder}`"
            raise InputError(f"{self.path} does not exist; {remedy}")

    def digest(self) -> str:
        """SHA-256 of the items."""
        return sha256_file(self.path)

    @functools.cached_property
    def kind(self) -> Kind:
        """What the plain files hold; raises InputError for a kind that is none."""
        path = self.folder / REPORT_NAME
        report = read_json(path) if path.is_file() else {}
        kind = report.get("audio", "foa") if isinstance(report, dict) else None
        if kind not in get_args(Kind):
            raise InputError(f"{path}: the audio {kind!r} is unknown; allowed: {', '.join(get_args(Kind))}")
        return cast(Kind, kind)

    def groups(self) -> Iterator[tuple[Item | UnansweredItem, ...]]:
        """The items, those about one recording together; raises InputError naming a line that is not an item."""
        for _, group in itertools.groupby(self._items(), key=lambda item: item.file_name):
            yield tuple(group)

    def _items(self) -> Iterator[Item | UnansweredItem]:
        read = UnansweredItem.model_validate if self.split == UNANSWERED else Item.from_row
        with self.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield read(json.loads(line))
                except (ValueError, AttributeError) as error:
                    raise InputError(f"{self.path} line {number}: {error}") from None

    @functools.cached_property
    def file_names(self) -> tuple[str, ...]:
        """The recordings, in the order of the items."""
        return tuple(dict.fromkeys(item.file_name for item in self._items()))

    def recording(self, file_name: str) -> tuple[Float32[np.ndarray, "channels samples"], Scene | None]:
        """Audio at 24 kHz (AmbiX, or left and right) and the scene, if it is known; raises InputError when the recording is missing or damaged."""
        scenes, scene_id = self._scene_set(file_name)
        if scenes is not None:
            return scenes[scene_id]
        return (read_foa if self.kind == "foa" else read_stereo)(self.folder / file_name), None

    def audio_hash(self, file_name: str) -> str:
        """SHA-256 of the recording's bytes as they are stored, without decoding; errors as of `recording`."""
        scenes, scene_id = self._scene_set(file_name)
        if scenes is None:
            try:
                return sha256_file(self.folder / file_name)
            except OSError as error:
                raise InputError(f"{self.folder / file_name} cannot be read: {error.strerror}") from None
        return hashlib.sha256(scenes.stored_audio(scene_id)).hexdigest()

    def _scene_set(self, file_name: str) -> tuple[SceneSet | None, str]:
        """The data set that holds a recording (None: a plain file) and the id of its scene."""
        name, _, rest = file_name.partition("/")
        if not rest or not (self.folder / name / layout.CONFIG_NAME).is_file():
            return None, ""
        return _open(self.folder / name), rest.rpartition(".")[0]


def training_items(folder: Path) -> list[Item]:
    """The items of the train split beside a benchmark, multiple choice only; raises InputError without any."""
    path = items_path(folder, "train")
    if not path.is_file():
        raise InputError(f"{path} does not exist, which this system learns from; make it with `twnm bench make {folder}`")
    return [item for item in read_questions(path) if item.options]


@functools.lru_cache(maxsize=16)
def _open(folder: Path) -> SceneSet:
    return SceneSet(folder)
