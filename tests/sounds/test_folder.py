"""Adding a user's folders of sounds."""

import shutil

import numpy as np
import pytest
import soundfile

from twnm.errors import InputError
from twnm.sounds.catalogue import load_catalogue, verify
from twnm.sounds.folder import add_folder

RATE = 24_000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def mine(tmp_path, tone):
    """A user's class folders: names of ESC-50, a class of his own, a speaker below a speech class, other files beside them."""
    names = ("chirping_birds/1.wav", "chirping_birds/2.ogg", "vacuum_cleaner/1.flac", "female_speech/anna/1.wav", "female_speech/ben/1.wav")
    for number, name in enumerate(names):
        path = tmp_path / "My Sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(100 + number), RATE)
    (tmp_path / "My Sounds" / "notes.txt").write_text("recorded in May")
    return tmp_path / "My Sounds"


def test_an_added_folder_is_counted_and_opened_by_default(mine) -> None:
    added = add_folder(mine)
    assert dict(added.counts) == {"bird_song": 2, "female_speech": 2, "vacuum_cleaner": 1}
    assert str(added).startswith("my-sounds: 5 clips, 3 classes")
    catalogue = load_catalogue()
    assert catalogue.labels == ("bird_song", "female_speech", "vacuum_cleaner")
    clip = catalogue.clip("my-sounds:female_speech/anna/1.wav")
    assert clip.speaker == "My Sounds:anna"
    assert clip.duration_s == pytest.approx(0.2)
    assert catalogue.read(clip).size > 0


def test_adding_again_keeps_one_and_two_folders_of_a_name_stay_apart(mine, bank, tmp_path) -> None:
    add_folder(mine)
    assert add_folder(mine).name == "my-sounds"
    assert add_folder(bank).name == "bank"
    shutil.copytree(bank, tmp_path / "other" / "bank")
    assert add_folder(tmp_path / "other" / "bank").name == "bank-2"
    assert len(load_catalogue()) == 5 + 36  # the copies count once


def test_verify_reports_a_folder_that_has_changed(mine, tone) -> None:
    add_folder(mine)
    assert verify(load_catalogue()) == []
    soundfile.write(mine / "chirping_birds" / "3.wav", tone(77), RATE)
    assert verify(load_catalogue()) == [f"{mine}: changed since it was added"]


def test_bad_folders_are_refused_and_not_remembered(mine, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no clips"):
        add_folder(tmp_path / "empty")
    with pytest.raises(InputError, match="is not a folder"):
        add_folder(mine / "notes.txt")
    (mine / "chirping_birds" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"1\.wav cannot be read"):
        add_folder(mine)
    assert all(clip.procedural for clip in load_catalogue().clips)


def test_an_added_folder_that_is_gone_is_named(mine) -> None:
    add_folder(mine)
    shutil.rmtree(mine)
    with pytest.raises(InputError, match="My Sounds is gone"):
        load_catalogue()


def test_a_damaged_registry_is_named(mine, tmp_path) -> None:
    add_folder(mine)
    (tmp_path / "cache" / "sounds" / "added.json").write_text('[{"name": 1}]')
    with pytest.raises(InputError, match=r"added\.json is damaged"):
        load_catalogue()


def test_stereo_at_another_rate_is_read_as_mono(tmp_path) -> None:
    (tmp_path / "b" / "bell").mkdir(parents=True)
    soundfile.write(tmp_path / "b/bell/a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, (44_100, 2)), 44_100)
    catalogue = load_catalogue(tmp_path / "b")
    assert catalogue.read(catalogue.clips[0]).size == pytest.approx(RATE, abs=50)
