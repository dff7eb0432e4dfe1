"""Reading ESC-50's layout, on a small folder made like it."""

import pytest
import soundfile

from twnm.errors import InputError
from twnm.sounds.bank import read_bank
from twnm.sounds.catalogue import load_catalogue

RATE = 24_000


@pytest.fixture
def esc50(tmp_path, tone):
    """Eight recordings of dogs, each with two takes, a hen and two clips of categories without a class."""
    root = tmp_path / "ESC-50-master"
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    clips = [(1 + source % 5, 100_000 + source, take, 0, "dog", source % 2 == 0) for source in range(8) for take in "AB"]
    clips += [(1, 200_000, "A", 6, "hen", False), (2, 300_000, "A", 5, "cat", False), (3, 300_001, "A", 46, "frog", False)]
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number, (fold, source, take, target, category, esc10) in enumerate(clips):
        name = f"{fold}-{source}-{take}-{target}.wav"
        soundfile.write(root / "audio" / name, tone(number), RATE)
        rows.append(f"{name},{fold},{target},{category},{esc10},{source},{take}")
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


def test_categories_become_classes_and_those_without_one_are_named(esc50) -> None:
    notes: list[str] = []
    entries = read_bank(esc50, notes)
    assert {entry.label: sum(other.label == entry.label for other in entries) for entry in entries} == {"chicken": 1, "dog": 16}
    assert notes == ["ESC-50: 17 of 19 clips taken; without a class here: cat, frog"]
    licences = {entry.name: entry.licence for entry in entries}
    assert licences["audio/1-100000-A-0.wav"] == "CC BY, freesound.org/s/100000, see LICENSE of ESC-50"
    assert licences["audio/2-100001-B-0.wav"] == "CC BY-NC, freesound.org/s/100001, see LICENSE of ESC-50"


def test_takes_of_a_recording_stay_together_and_recordings_fill_all_splits(esc50) -> None:
    clips = load_catalogue(esc50).of("dog")
    assert len({(clip.source, clip.split) for clip in clips}) == len({clip.source for clip in clips}) == 8
    assert {clip.split for clip in clips} == {"train", "val", "test"}


def test_the_audio_folder_alone_is_understood(esc50) -> None:
    assert [entry.content for entry in read_bank(esc50 / "audio")] == [entry.content for entry in read_bank(esc50)]


def test_what_is_missing_is_named(esc50) -> None:
    (esc50 / "audio" / "1-200000-A-6.wav").unlink()
    with pytest.raises(InputError, match=r"esc50\.csv lists 1 audio files that are not there, the first .*1-200000-A-6\.wav"):
        read_bank(esc50)
    (esc50 / "meta" / "esc50.csv").write_text("filename,category\n")
    with pytest.raises(InputError, match=r"esc50\.csv has no column fold, esc10, src_file"):
        read_bank(esc50)
    (esc50 / "meta" / "esc50.csv").unlink()
    with pytest.raises(InputError, match=r"esc50\.csv cannot be read \(No such file"):
        read_bank(esc50)


def test_a_corrupt_clip_is_named(esc50) -> None:
    (esc50 / "audio" / "1-200000-A-6.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"1-200000-A-6\.wav cannot be read"):
        read_bank(esc50)


def test_a_user_class_named_audio_is_not_esc50(tmp_path, tone) -> None:
    (tmp_path / "mine" / "audio").mkdir(parents=True)
    soundfile.write(tmp_path / "mine" / "audio" / "a.wav", tone(1), RATE)
    assert [entry.label for entry in read_bank(tmp_path / "mine")] == ["audio"]
