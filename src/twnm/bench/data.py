"""The folder of a benchmark: its items and its recordings, one recording at a time, so that memory does not grow with their number.

    DIR/items-test.jsonl, items-val.jsonl    one item a line; the items about one recording follow one another
    DIR/items-train.jsonl                    items about scenes of the train split, without recordings, for systems that learn from texts
    DIR/test-native/ ...                     data sets of scenes; `file_name` of an item: test-native/SCENE_ID.flac

A recording may also be a plain file, AmbiX at any rate, at DIR/`file_name`: that is how a corpus of real recordings is measured; nothing then
is known of its scene.
"""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from twnm.audio import read_foa
from twnm.errors import InputError
from twnm.files import sha256_file
from twnm.questions.ask import read_questions
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.simulate import layout, shards
from twnm.simulate.dataset import SceneSet

SPLITS = ("val", "test")


def items_path(folder: Path, split: str) -> Path:
    """The items of a split."""
    return folder / f"items-{split}.jsonl"


class Benchmark:
    """The items of one split and their recordings.

    Raises:
        InputError: the folder has no items of this split.
    """

    def __init__(self, folder: Path | str, split: str = "test") -> None:
        self.folder, self.split = Path(folder), split
        self.path = items_path(self.folder, split)
        if not self.path.is_file():
            raise InputError(f"{self.path} does not exist; make a benchmark with `twnm bench make {folder}`")

    def digest(self) -> str:
        """SHA-256 of the items."""
        return sha256_file(self.path)

    def groups(self) -> Iterator[tuple[Item, ...]]:
        """The items, those about one recording together; raises InputError naming a line that is not an item."""
        for _, group in itertools.groupby(self._items(), key=lambda item: item.file_name):
            yield tuple(group)

    def _items(self) -> Iterator[Item]:
        with self.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield Item.from_row(json.loads(line))
                except (ValueError, AttributeError) as error:
                    raise InputError(f"{self.path} line {number}: {error}") from None

    @functools.cached_property
    def file_names(self) -> tuple[str, ...]:
        """The recordings, in the order of the items."""
        return tuple(dict.fromkeys(item.file_name for item in self._items()))

    def recording(self, file_name: str) -> tuple[Float32[np.ndarray, "4 samples"], Scene | None]:
        """AmbiX audio at 24 kHz and the scene, if it is known; raises InputError when the recording is missing or damaged."""
        scenes, scene_id = self._scene_set(file_name)
        return (read_foa(self.folder / file_name), None) if scenes is None else scenes[scene_id]

    def audio_hash(self, file_name: str) -> str:
        """SHA-256 of the recording's bytes as they are stored, without decoding; errors as of `recording`."""
        scenes, scene_id = self._scene_set(file_name)
        if scenes is None:
            try:
                return sha256_file(self.folder / file_name)
            except OSError as error:
                raise InputError(f"{self.folder / file_name} cannot be read: {error.strerror}") from None
        digits, size = scene_id.rpartition("-")[2], scenes.config.shard_scenes
        if not digits.isdecimal():
            raise InputError(f"{scenes.folder} has no scene {scene_id!r}: a scene_id ends in the scene's index")
        index = int(digits)
        row = shards.read_row(layout.shard_path(scenes.folder, index // size), index % size, ("audio",))
        return hashlib.sha256(row["audio"]["bytes"]).hexdigest()

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
