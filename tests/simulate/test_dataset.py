"""A data set is the same however it was made, can be stopped at any moment and resumed, is never mixed with another, and is read as it was written."""

import functools
import hashlib
import itertools
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.files import verify_checksums
from twnm.scene import Scene
from twnm.simulate import dataset, simulate
from twnm.simulate.dataset import SceneSet, read_scenes, size_bytes, write
from twnm.simulate.layout import verify
from twnm.simulate.recipe import RECIPES
from twnm.sounds.catalogue import Catalogue

SHORT = RECIPES["indoor"].model_copy(update={"name": "short", "duration_s": 1.0})


@pytest.fixture(autouse=True, scope="module")
def _small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD_SCENES", 4)
        yield


@pytest.fixture(scope="module")
def made(bank: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "set", 10, seed=3, recipe=SHORT, catalogue=bank)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_audio_and_scenes_are_what_the_iterator_gives(made: Path, bank: Catalogue) -> None:
    stored = list(SceneSet(made))
    assert len(stored) == len(SceneSet(made)) == 10
    for (audio, scene), (expected, drawn) in zip(stored, simulate(SHORT, 3, bank, count=10, split="none"), strict=True):
        assert scene == drawn
        np.testing.assert_allclose(audio, expected, atol=0.5001 / 32768)


def test_one_scene_is_found_by_index_and_by_name(made: Path) -> None:
    scenes = SceneSet(made)
    for index, (audio, scene) in enumerate(scenes):
        for which in (index, scene.scene_id):
            again, same = scenes[which]
            assert same == scene
            np.testing.assert_array_equal(again, audio)


@pytest.mark.parametrize("which", [10, -1, "short-none-3-000010", "other-none-3-000002", "dog", ""])
def test_a_scene_that_is_not_there_is_refused(made: Path, which: int | str) -> None:
    with pytest.raises(InputError, match="has no scene"):
        SceneSet(made)[which]


def test_scenes_are_read_in_order_with_their_file_names(made: Path) -> None:
    names = [(name, scene.scene_id) for name, scene in read_scenes(made)]
    assert names == [(f"short-none-3-{index:06d}.flac", f"short-none-3-{index:06d}") for index in range(10)]


def test_chosen_scenes_are_those_of_the_whole_set_and_found_by_name(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    some = SceneSet(write(tmp_path / "some", (1, 2, 4, 5, 9), seed=3, recipe=SHORT, catalogue=bank))
    whole = SceneSet(made)
    assert len(some) == 5
    for row, number in enumerate((1, 2, 4, 5, 9)):
        audio, scene = whole[number]
        for which in (row, scene.scene_id):
            np.testing.assert_array_equal(some[which][0], audio)
            assert some[which][1] == scene
    assert some.stored_audio("short-none-3-000009") == whole.stored_audio(9)
    for missing in ("short-none-3-000000", "short-none-3-000010", "other-none-3-000001"):
        with pytest.raises(InputError, match="has no scene"):
            some[missing]
    assert verify(some.folder) == []
    with pytest.raises(InputError, match="chosen"):
        write(some.folder, (1, 2, 4, 5, 8), seed=3, recipe=SHORT, catalogue=bank)
    with pytest.raises(InputError, match="ascending"):
        write(tmp_path / "twice", (2, 2), seed=3, recipe=SHORT, catalogue=bank)


def test_three_workers_write_the_same_files(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    assert contents(write(tmp_path / "set", 10, seed=3, recipe=SHORT, catalogue=bank, workers=3)) == contents(made)


class Killed(BaseException):
    """Ends the process as nothing that is caught would."""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_set_killed_before_or_after_any_of_its_files_is_completed_to_the_same_files(
    bank: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    def noise(scene: Scene, catalogue: Catalogue, renderer: str, responses: None) -> tuple[np.ndarray, Scene]:
        return np.random.default_rng(scene.seed).uniform(-1, 1, (4, 24_000)).astype(np.float32), scene

    monkeypatch.setattr(dataset, "render", noise)  # what is tested does not depend on it
    replace = os.replace

    def kill_at(moment: int) -> bool:
        steps = itertools.count()

        def stopping(source: Path, target: Path) -> None:
            last = next(steps) == moment
            if not (last and before):
                replace(source, target)
            if last:
                raise Killed

        monkeypatch.setattr(os, "replace", stopping)
        try:
            write(tmp_path / str(moment), 10, seed=3, recipe=SHORT, catalogue=bank)
        except Killed:
            return True
        finally:
            monkeypatch.setattr(os, "replace", replace)
        return False

    expected, moment = contents(write(tmp_path / "whole", 10, seed=3, recipe=SHORT, catalogue=bank)), 0
    while kill_at(moment):
        part = tmp_path / str(moment)
        if (part / "data").is_dir():
            (part / "data" / ".twnm-left.parquet").write_bytes(b"half a file")
        assert len(verify(part)) == (moment < 8 or before) if (part / "config.json").exists() else before
        assert contents(write(part, 10, seed=3, recipe=SHORT, catalogue=bank)) == expected
        moment += 1
    assert moment == 9  # configuration, three shards and their manifest rows, card, checksums


def test_a_killed_process_leaves_no_worker_and_a_set_that_two_workers_complete_to_the_same_files(bank: Catalogue, made: Path, tmp_path: Path) -> None:
    out, arguments = tmp_path / "set", tmp_path / "arguments"
    arguments.write_bytes(pickle.dumps((SHORT, bank)))
    code = (
        "import pickle, sys; from pathlib import Path; from twnm.simulate import dataset; dataset.SHARD_SCENES = 4\n"
        "if __name__ == '__main__':\n"
        "    recipe, bank = pickle.loads(Path(sys.argv[2]).read_bytes()); dataset.write(sys.argv[1], 10, 3, recipe, bank, workers=2)"
    )
    (tmp_path / "run.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "run.py"), str(out), str(arguments)], start_new_session=True)
    while not any(out.glob("data/*")):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline_s = time.monotonic() + 60  # a worker may still be starting
    while _group_lives(process.pid):
        assert time.monotonic() < deadline_s, "a worker outlived its parent"
        time.sleep(0.05)
    assert contents(write(out, 10, seed=3, recipe=SHORT, catalogue=bank, workers=2)) == contents(made)


def _group_lives(group: int) -> bool:
    """Whether a process of the group is left that is no zombie: in a container nobody may be there to bury those."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


def test_a_set_is_extended_to_the_files_of_a_larger_one(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    for scenes in (2, 5, 10):  # shards of 2, 4 + 1, 4 + 4 + 2 scenes
        write(tmp_path / "set", scenes, seed=3, recipe=SHORT, catalogue=bank)
        assert verify(tmp_path / "set") == []
    assert contents(tmp_path / "set") == contents(made)


def test_a_finished_set_is_not_made_again(made: Path, bank: Catalogue) -> None:
    shard = made / "data" / "shard-00001.parquet"
    before = shard.stat().st_mtime_ns
    totals = []

    def progress(counts: Iterator[int], total: int) -> Iterator[int]:
        totals.append((total, list(counts)))
        return iter(())

    write(made, 10, seed=3, recipe=SHORT, catalogue=bank, progress=progress)
    assert totals == [(0, [])]
    assert shard.stat().st_mtime_ns == before


def test_checksums_and_data_card_are_complete(made: Path) -> None:
    assert verify_checksums(made) == verify(made) == []
    card = (made / "README.md").read_text()
    events = [event for _, scene in read_scenes(made) for event in scene.events]
    for event in events:
        assert f"| {event.package} | {event.licence} | recorded | " in card
    assert f"\n{len(events)} events; 0 of them" in card
    assert size_bytes(made) == sum(path.stat().st_size for path in made.glob("data/*"))


def test_a_folder_of_other_scenes_is_refused(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    before = contents(made)
    same = functools.partial(write, made, seed=3, recipe=SHORT, catalogue=bank)
    for changed in ({"seed": 4}, {"recipe": "indoor"}, {"split": "val"}, {"renderer": "pyroomacoustics"}):
        with pytest.raises(InputError, match=f"{next(iter(changed))} differ"):
            same(10, **changed)
    with pytest.raises(InputError, match="sound_bank"):
        same(10, catalogue=Catalogue(bank.clips[1:], bank.files))
    with pytest.raises(InputError, match="more than the 2"):
        same(2)
    assert contents(made) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"has no config\.json"):
        write(tmp_path, 1, catalogue=bank)
    (tmp_path / "config.json").write_text('{"format": "twnm-scenes-1"}')
    with pytest.raises(InputError, match="format"):
        write(tmp_path, 1, catalogue=bank)


@pytest.mark.parametrize(
    "arguments",
    [
        {"scenes": 0},
        {"scenes": 1, "workers": 0},
        {"scenes": 1, "workers": 1000},
        {"scenes": 1, "recipe": "underwater"},
        {"scenes": 1, "split": "dev"},
        {"scenes": 1, "engine": "spark"},
        {"scenes": 1, "renderer": "gsound"},
        {"scenes": 1, "seed": -1},
    ],
)
def test_bad_arguments_leave_nothing_on_disk(bank: Catalogue, tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match=str(next(reversed(arguments.values())))):
        write(tmp_path / "set", catalogue=bank, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_renderer_that_is_not_installed_is_refused(bank: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(InputError, match="pip install pyroomacoustics"):
        write(tmp_path / "set", 1, catalogue=bank, renderer="pyroomacoustics")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_a_file_is_refused(bank: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "file" / "set", 1, catalogue=bank)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half_made(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # a write beyond fails, as on a full disk
    try:
        with pytest.raises(OSError, match=r"shard-00000\.parquet cannot be written: .*free space.*run the same command again"):
            write(tmp_path / "set", 10, seed=3, recipe=SHORT, catalogue=bank)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(contents(tmp_path / "set")) == ["config.json"]
    assert contents(write(tmp_path / "set", 10, seed=3, recipe=SHORT, catalogue=bank)) == contents(made)


def test_a_missing_clip_ends_the_work_of_all_workers_with_its_name(bank: Catalogue, tmp_path: Path) -> None:
    without = Catalogue(bank.clips, {name: path if name.startswith("rain") else Path("/absent") / path.name for name, path in bank.files.items()})
    with pytest.raises(InputError, match="absent"):
        write(tmp_path / "set", 100, seed=3, recipe=SHORT, catalogue=without, workers=2)


def test_a_folder_without_scenes_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        read_scenes(tmp_path)


def test_a_set_that_lacks_a_shard_is_not_read_as_if_it_were_whole(made: Path, tmp_path: Path) -> None:
    part = copy(made, tmp_path)
    (part / "data" / "shard-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"shard-00001\.parquet does not exist"):
        list(read_scenes(part))
    (part / "data" / "shard-00001.parquet").write_bytes((part / "data" / "shard-00002.parquet").read_bytes())
    with pytest.raises(InputError, match=r"shard-00001\.parquet has 2 of 4 scenes"):
        list(read_scenes(part))
    with pytest.raises(InputError, match="lacks row 3"):
        SceneSet(part)[7]


def copy(folder: Path, to: Path) -> Path:
    for name, data in contents(folder).items():
        path = to / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return to / "copy"


def test_verify_names_what_is_missing_extra_changed_and_unfinished(made: Path, tmp_path: Path) -> None:
    part = copy(made, tmp_path)
    (part / "data" / "shard-00000.parquet").unlink()
    shard = part / "data" / "shard-00001.parquet"
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    (part / "notes.txt").write_text("mine")
    assert verify(part) == ["missing: data/shard-00000.parquet", "changed: data/shard-00001.parquet", "extra: notes.txt"]
    (part / "SHA256SUMS").unlink()
    assert verify(part) == ["incomplete: 6 of 10 scenes and no SHA256SUMS; simulate again with the same arguments to complete it"]


def recorded(folder: Path, shard: str, data: bytes) -> None:
    """Replace a shard and record it as if it had been made so."""
    (folder / "data" / f"{shard}.parquet").write_bytes(data)
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    sums[f"data/{shard}.parquet"] = hashlib.sha256(data).hexdigest()
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def test_verify_names_shards_that_are_as_recorded_but_cannot_be_read_or_are_short(made: Path, tmp_path: Path) -> None:
    part = copy(made, tmp_path)
    whole = (part / "data" / "shard-00000.parquet").read_bytes()
    recorded(part, "shard-00000", b"PAR1" + whole[4:-8] + b"nonsense")
    recorded(part, "shard-00001", (part / "data" / "shard-00002.parquet").read_bytes())
    first, second = verify(part)
    assert first.startswith("corrupt: data/shard-00000.parquet: ")
    assert second == "incomplete: data/shard-00001.parquet: 2 of 4 scenes"


def test_a_damaged_configuration_shows_in_the_checksums(made: Path, tmp_path: Path) -> None:
    part = copy(made, tmp_path)
    (part / "config.json").write_text("{}")
    assert verify(part) == ["changed: config.json"]


def test_the_configuration_says_what_the_scenes_were_drawn_from(made: Path, bank: Catalogue) -> None:
    config = json.loads((made / "config.json").read_text())
    assert config["recipe"] == SHORT.model_dump(mode="json")
    assert (config["seed"], config["split"], config["renderer"], config["scenes"], config["sound_bank"]) == (3, "none", "native", 10, bank.digest())
