"""A data set is the same however it was made, can be resumed, and is never mixed with another."""

from pathlib import Path

import numpy as np
import pytest

from twnm.audio import read_foa
from twnm.errors import InputError
from twnm.files import verify_checksums
from twnm.simulate import simulate
from twnm.simulate.dataset import read_scenes, write
from twnm.simulate.sampler import RECIPES
from twnm.sounds.catalogue import Catalogue

SHORT = RECIPES["indoor"].model_copy(update={"name": "short", "duration_s": 1.0, "rt60_s": (0.2, 0.4)})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(bank: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "set", 10, seed=3, recipe=SHORT, catalogue=bank)


def test_audio_is_what_the_iterator_gives(made: Path, bank: Catalogue) -> None:
    for (path, scene), (audio, expected) in zip(read_scenes(made), simulate(SHORT, 3, bank, count=3, split="none"), strict=False):
        assert scene == expected
        np.testing.assert_allclose(read_foa(path), audio, atol=1 / 32768)


def test_two_workers_write_the_same_files(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    assert contents(write(tmp_path / "set", 10, seed=3, recipe=SHORT, catalogue=bank, workers=2)) == contents(made)


def test_an_interrupted_set_is_completed_to_the_same_files(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    partial = write(tmp_path / "set", 4, seed=3, recipe=SHORT, catalogue=bank)
    (partial / "scenes" / "scene_000002.json").unlink()
    (partial / "audio" / ".twnm-left.flac").write_bytes(b"half a file")
    assert contents(write(partial, 10, seed=3, recipe=SHORT, catalogue=bank)) == contents(made)


def test_checksums_and_data_card_are_complete(made: Path) -> None:
    assert verify_checksums(made) == []
    card = (made / "licences.md").read_text()
    for _, scene in read_scenes(made):
        for event in scene.events:
            assert event.package in card and event.licence in card
    assert card.count("| recorded |") == 3 and "\n0 of" in card


def test_a_folder_of_other_scenes_is_refused(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    before = contents(made)
    with pytest.raises(InputError, match="seed differ"):
        write(made, 10, seed=4, recipe=SHORT, catalogue=bank)
    with pytest.raises(InputError, match="recipe differ"):
        write(made, 10, seed=3, recipe="indoor", catalogue=bank)
    with pytest.raises(InputError, match="more than the 2"):
        write(made, 2, seed=3, recipe=SHORT, catalogue=bank)
    assert contents(made) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write(tmp_path, 1, catalogue=bank)


def test_bad_arguments_leave_nothing_on_disk(bank: Catalogue, tmp_path: Path) -> None:
    for arguments in ({"scenes": 0}, {"scenes": 1, "workers": 0}, {"scenes": 1, "recipe": "outdoor"}, {"scenes": 1, "split": "dev"}):
        with pytest.raises(InputError):
            write(tmp_path / "set", catalogue=bank, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_a_file_is_refused(bank: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "file" / "set", 1, catalogue=bank)


def test_a_folder_without_scenes_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        next(read_scenes(tmp_path))
