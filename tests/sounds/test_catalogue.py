"""Catalogues of clips on disk."""

import io
import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile
from rich.console import Console

from twnm.errors import InputError
from twnm.files import write_checksums
from twnm.sounds.catalogue import Catalogue, load_catalogue, summary, verify

RATE = 24_000


def test_splits_are_disjoint_in_recording_and_speaker_and_cover_the_bank(bank) -> None:
    catalogue = load_catalogue(bank)
    parts = [catalogue.split(name) for name in ("train", "val", "test")]
    assert sum(len(part) for part in parts) == len(catalogue) == 36
    contents = [{clip.content for clip in part.clips} for part in parts]
    speakers = [{clip.speaker for clip in part.of("male_speech")} for part in parts]
    for sets in (contents, speakers):
        assert not sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2]
    assert all(speakers)


def test_a_shuffled_manifest_and_another_place_give_the_same_catalogue(bank, tmp_path) -> None:
    shutil.copytree(bank, tmp_path / "elsewhere")
    rows = json.loads((bank / "manifest.json").read_text())
    (tmp_path / "elsewhere" / "manifest.json").write_text(json.dumps(rows[::-1]))
    assert load_catalogue(bank).digest() == load_catalogue(tmp_path / "elsewhere").digest()


def test_the_digest_sees_a_changed_recording(bank, tone) -> None:
    before = load_catalogue(bank).digest()
    soundfile.write(bank / "dog/dog_003.flac", tone(99), RATE)
    assert load_catalogue(bank).digest() != before


def test_read_gives_conditioned_read_only_samples_from_the_cache(bank) -> None:
    catalogue = load_catalogue(bank)
    clip = catalogue.of("dog")[0]
    audio = catalogue.read(clip)
    assert audio.dtype == np.float32
    assert float(np.sqrt(np.mean(audio**2))) == pytest.approx(1.0, abs=0.05)
    assert catalogue.split(clip.split).read(clip) is audio
    with pytest.raises(ValueError, match="read-only"):
        audio[0] = 0


def test_the_cache_keeps_within_its_bytes_and_does_not_travel(bank) -> None:
    loaded = load_catalogue(bank)
    small = Catalogue(loaded.clips, loaded.files, cache_bytes=loaded.read(loaded.clips[0]).nbytes + 100)
    first = small.read(small.clips[0])
    assert small.read(small.clips[0]) is first
    small.read(small.clips[1])
    assert small.read(small.clips[0]) is not first
    travelled = pickle.loads(pickle.dumps(loaded))
    assert travelled.digest() == loaded.digest()
    assert len(pickle.dumps(loaded)) < 30_000


def test_weak_labels_weigh_less_and_licences_name_the_package(bank) -> None:
    catalogue = load_catalogue(bank)
    assert {clip.weight for clip in catalogue.clips} == {1.0, 0.3}
    assert catalogue.clip("dog/dog_001.flac").weight == 0.3
    assert catalogue.clip("dog/dog_001.flac").licence == "see package p1/copyright"


def test_a_recording_claimed_twice_stands_once_or_nowhere(bank) -> None:
    shutil.copy(bank / "dog/dog_001.flac", bank / "bell/bell_000.flac")  # the bell is confirmed, the dog is not
    shutil.copy(bank / "dog/dog_002.flac", bank / "bell/bell_002.flac")  # both are confirmed
    paths = {clip.path for clip in load_catalogue(bank).clips}
    assert "bell/bell_000.flac" in paths
    assert not paths & {"dog/dog_001.flac", "dog/dog_002.flac", "bell/bell_002.flac"}


def test_a_missing_file_is_named(bank) -> None:
    (bank / "dog/dog_004.flac").unlink()
    with pytest.raises(InputError, match=r"dog_004\.flac cannot be read"):
        load_catalogue(bank)


def test_a_corrupt_or_silent_file_is_named_on_reading_and_by_verify(bank) -> None:
    (bank / "dog/dog_004.flac").write_bytes(b"not audio")
    soundfile.write(bank / "dog/dog_005.flac", np.zeros(RATE, np.float32), RATE)
    catalogue = load_catalogue(bank)
    with pytest.raises(InputError, match="dog_004"):
        catalogue.read(catalogue.clip("dog/dog_004.flac"))
    with pytest.raises(InputError, match=r"dog_005\.flac is silent"):
        catalogue.read(catalogue.clip("dog/dog_005.flac"))
    assert len(verify(catalogue)) == 2


def test_verify_uses_checksums_and_is_content_with_a_good_bank(bank, tone) -> None:
    write_checksums(bank)
    assert verify(load_catalogue(bank)) == []
    soundfile.write(bank / "dog/dog_004.flac", tone(98), RATE)
    assert verify(load_catalogue(bank)) == [f"{bank}: changed: dog/dog_004.flac"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "must be a list"),
        ("[", "cannot be read as JSON"),
        ('[{"file": "a.flac"}]', "cls, package, source, dur missing"),
        ('[{"file": "../a.flac", "cls": "dog", "package": "p", "source": "s", "dur": 1}]', "leads out of the sound bank"),
        ("[]", "holds no clips"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, text, message) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_catalogue(tmp_path)


def test_unknown_names_are_refused(bank) -> None:
    catalogue = load_catalogue(bank)
    with pytest.raises(InputError, match="choose one of train, val, test"):
        catalogue.split("dev")
    with pytest.raises(InputError, match="not in this sound bank"):
        catalogue.clip("dog/none.flac")
    with pytest.raises(InputError, match="is not a folder"):
        load_catalogue(bank / "nowhere")


def test_summary_counts_clips_per_class_and_split(bank) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(summary(load_catalogue(bank)))
    text = console.export_text()
    assert "36 clips, 3 classes" in text
    assert "p0, p1, p2" in text
