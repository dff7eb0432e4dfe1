"""The benchmark in miniature from a bank of noises: quotas, twins, limits by scene, the same bytes again, resumed where it stopped."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from twnm.audio import write_audio
from twnm.bench.choose import MOST_PER_SCENE, quotas
from twnm.bench.data import Benchmark, training_items
from twnm.bench.make import Part, make
from twnm.errors import InputError
from twnm.questions.ask import TASKS, read_questions
from twnm.questions.wordings import WORDINGS
from twnm.simulate.dataset import SceneSet
from twnm.simulate.layout import verify
from twnm.sounds.catalogue import Catalogue, Clip

LABELS = ("bell", "bird_song", "cow", "dog", "door", "footsteps", "gunshot", "piano", "rain", "train", "female_speech", "horse", "engine", "hammering")
PARTS = (Part("val", "val", "native", 1, 1.0), Part("test-a", "test", "native", 2, 0.5), Part("test-b", "test", "native", 3, 0.5))
ITEMS = {"val": 3, "test": 12}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder, rng = tmp_path_factory.mktemp("bank"), np.random.default_rng(0)
    clips, files = [], {}
    for label in LABELS:
        for split in ("train", "val", "test"):
            path = f"{label}/{split}.wav"
            files[path] = folder / f"{label}-{split}.wav"
            write_audio(files[path], 0.1 * rng.uniform(-1, 1, (1, 24_000)).astype(np.float32))
            clips.append(Clip(path, label, f"pack-{split}", "tests", "CC0-1.0", split, None, 1.0, 1.0, False))
    return Catalogue(clips, files)


@pytest.fixture(scope="module")
def made(bank: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bench") / "v1", bank, items=ITEMS, train_per_task=2, parts=PARTS)


def sums(folder: Path) -> str:
    return (folder / "SHA256SUMS").read_text()


def test_levels_and_tasks_get_equal_shares():
    wanted = quotas(1500)
    levels = Counter()
    for task, count in wanted.items():
        levels[TASKS[task].level] += count
    assert levels == {"L1": 500, "L2": 500, "L3": 500}
    for level in levels:
        counts = {wanted[task] for task in TASKS if TASKS[task].level == level}
        assert max(counts) - min(counts) <= 1


def test_items_fill_the_quotas_and_twins_come_on_top(made):
    items = read_questions(made / "items-test.jsonl")
    plain = [item for item in items if not item.transform]
    assert len(plain) == 12
    assert Counter(item.level for item in plain) == {"L1": 4, "L2": 4, "L3": 4}
    by_id = {item.sample_id: item for item in items}
    assert all(by_id[item.twin].twin == item.sample_id for item in items if item.twin)
    assert {item.sample_id for item in items if item.transform} == {item.twin for item in plain if item.twin}
    assert max(Counter(item.scene_id for item in plain).values()) <= MOST_PER_SCENE
    assert max(Counter((item.scene_id, item.task) for item in plain).values()) == 1


def test_every_item_has_its_recording_from_its_own_split_and_held_out_words(made):
    for split in ("val", "test"):
        benchmark = Benchmark(made, split)
        for group in benchmark.groups():
            foa, scene = benchmark.recording(group[0].file_name)
            assert foa.shape == (4, 5 * 24_000) and scene is not None
            assert scene.scene_id == group[0].scene_id and scene.split == split
            assert all(f"/{split}.wav" in event.clip for event in scene.events)
            assert len(benchmark.audio_hash(group[0].file_name)) == 64
    known = {text.split("{")[0] for words in WORDINGS.values() for text in words.train if not text.startswith("{")}
    openings = {text.split("{")[0] for words in WORDINGS.values() for text in words.held_out}
    for item in read_questions(made / "items-test.jsonl"):
        assert any(item.question.startswith(text) for text in openings if text) or item.question.split()[0] not in known


def test_only_scenes_with_a_question_are_rendered(made):
    asked = {item.file_name for item in read_questions(made / "items-test.jsonl")}
    assert {f"{part}/{name}" for part in ("test-a", "test-b") for name, _ in SceneSet(made / part).scenes()} == asked


def test_open_items_are_of_the_chosen_scenes_and_tasks_and_have_no_options(made):
    chosen = {(item.file_name, item.task) for item in read_questions(made / "items-test.jsonl")}
    found = read_questions(made / "items-test-open.jsonl")
    assert found
    assert all(item.form == "open" and not item.options and (item.file_name, item.task) in chosen for item in found)
    benchmark = Benchmark(made, "test-open")
    assert benchmark.recording(found[0].file_name)[0].shape == (4, 5 * 24_000)


def test_training_items_have_training_scenes_and_all_tasks(made):
    items = training_items(made)
    assert {item.task for item in items} == set(TASKS)
    assert all("-train-" in item.scene_id for item in items)


def test_the_folder_is_complete_and_its_card_states_the_bank(made, bank):
    assert verify(made) == []
    assert bank.digest() in (made / "README.md").read_text()
    assert json.loads((made / "benchmark.json").read_text())["sound_bank"] == bank.digest()


def test_a_folder_that_was_begun_is_completed_to_the_same_bytes(made, bank, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(made, again)
    for name in ("SHA256SUMS", "README.md", "items-test.jsonl", "test-b/SHA256SUMS", "test-b/manifest/shard-00000.json"):
        (again / name).unlink()
    make(again, bank, items=ITEMS, train_per_task=2, parts=PARTS)
    assert sums(again) == sums(made)


def test_other_arguments_are_refused(made, bank, tmp_path):
    with pytest.raises(InputError, match="was begun with 12 items for test, not 15; choose another folder"):
        make(made, bank, items=ITEMS | {"test": 15}, train_per_task=2, parts=PARTS)
    less = Catalogue(bank.clips[:-1], bank.files)
    with pytest.raises(InputError, match="holds a benchmark of another sound_bank"):
        make(made, less, items=ITEMS, train_per_task=2, parts=PARTS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").touch()
    with pytest.raises(InputError, match="holds something else than a benchmark"):
        make(tmp_path / "other", bank)
    with pytest.raises(InputError, match=r"choose from val, test, with 1 item or more"):
        make(tmp_path / "new", bank, splits=("train",))


def test_a_bank_that_is_too_small_says_which_questions_it_lacks(bank, tmp_path):
    bells = Catalogue([clip for clip in bank.clips if clip.label == "bell"], bank.files)
    with pytest.raises(InputError, match=r"scenes of split 'train' give too few questions of .*l2_"):
        make(tmp_path / "bells", bells, items={"val": 3}, splits=("val",), train_per_task=1)
    assert not (tmp_path / "bells" / "SHA256SUMS").exists()
