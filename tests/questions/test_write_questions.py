"""The questions of a whole data set: of every row, in its file, and nothing when a shard is missing."""

import numpy as np
import pytest
from scene_drawing import seeded_scenes

from twnm.errors import InputError
from twnm.questions import read_questions, write_questions
from twnm.simulate.layout import Config, shard_path
from twnm.simulate.shards import make_row, write_shard
from twnm.sounds.classes import CLASSES


def store(folder, scenes):
    """A data set of silent scenes."""
    (folder / "data").mkdir(parents=True)
    made_from = {"twnm": "0", "recipe": {}, "seed": 0, "split": "none", "renderer": "native", "sound_bank": "", "procedural_sounds": False}
    config = Config(**made_from, classes=CLASSES, shard_scenes=3, scenes=len(scenes))
    (folder / "config.json").write_text(config.model_dump_json())
    for shard in range(config.shards):
        rows = [make_row(np.zeros((4, 8), np.float32), scenes[index], CLASSES) for index in config.indices(shard)]
        write_shard(shard_path(folder, shard), rows, 5.0)
    return folder


@pytest.fixture
def folder(tmp_path):
    return store(tmp_path / "set", seeded_scenes(4))


def test_questions_of_a_folder_depend_on_the_scene_only(folder, tmp_path):
    first = write_questions(folder).read_bytes()
    kept = [item for item in read_questions(folder / "questions.jsonl") if item.scene_id == "scene-3"]
    assert read_questions(write_questions(store(tmp_path / "other", seeded_scenes(4)[3:]))) == kept
    assert kept[0].file_name == "scene-3.flac"
    assert write_questions(folder, seed=1).read_bytes() not in first


def test_a_missing_shard_is_named_and_nothing_is_written(folder):
    (folder / "data" / "shard-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"shard-00001\.parquet does not exist"):
        write_questions(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "data"]


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(InputError, match="twnm simulate"):
        write_questions(tmp_path)


def test_a_damaged_line_is_named(folder):
    path = write_questions(folder)
    path.write_text(path.read_text() + '{"sample_id": "x"\n')
    with pytest.raises(InputError, match=r"line \d+"):
        read_questions(path)
