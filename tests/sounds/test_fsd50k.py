"""Reading FSD50K's layout, on a small folder made like it."""

import json

import pytest
import soundfile

from twnm.errors import InputError
from twnm.sounds.bank import read_bank
from twnm.sounds.catalogue import load_catalogue
from twnm.sounds.folder import add_folder
from twnm.sounds.fsd50k import class_of

RATE = 24_000
BARK = "Bark,Dog,Domestic_animals_and_pets,Animal"
DEV = {
    "11": (BARK, "train", "anna"),
    "12": (BARK, "val", "anna"),
    "13": (BARK, "train", "ben"),
    "14": (BARK, "train", "cleo"),
    "15": ("Bark,Dog,Domestic_animals_and_pets,Animal,Male_speech_and_man_speaking,Speech,Human_voice", "train", "ben"),
    "16": ("Crow,Bird,Wild_animals,Animal", "train", "ben"),
    "17": ("Female_speech_and_woman_speaking,Speech,Human_voice", "train", "dora"),
}
EVAL = {"21": (BARK, None, "emil"), "22": (BARK, None, "emil"), "23": ("Meow,Cat,Domestic_animals_and_pets,Animal", None, "emil")}


@pytest.fixture
def fsd50k(tmp_path, tone):
    """A folder laid out as FSD50K is unpacked."""
    root = tmp_path / "FSD50K"
    for part, clips in (("dev", DEV), ("eval", EVAL)):
        audio, tables, metadata = (root / f"FSD50K.{name}" for name in (f"{part}_audio", "ground_truth", "metadata"))
        for folder in (audio, tables, metadata):
            folder.mkdir(parents=True, exist_ok=True)
        for name in clips:
            soundfile.write(audio / f"{name}.wav", tone(int(name)), RATE)
        head = "fname,labels,mids,split" if part == "dev" else "fname,labels,mids"
        rows = [f'{name},"{labels}","/m/1,/m/2"' + (f",{split}" if split else "") for name, (labels, split, _) in clips.items()]
        (tables / f"{part}.csv").write_text("\n".join([head, *rows]) + "\n")
        infos = {name: {"title": "a", "license": "http://creativecommons.org/licenses/by/3.0/", "uploader": who} for name, (_, _, who) in clips.items()}
        (metadata / f"{part}_clips_info_FSD50K.json").write_text(json.dumps(infos))
    return root


def test_clips_of_one_class_are_taken_with_licence_and_uploader_and_the_others_counted(fsd50k) -> None:
    notes: list[str] = []
    entries = {entry.name: entry for entry in read_bank(fsd50k, notes)}
    taken = {"11": "dog", "12": "dog", "13": "dog", "14": "dog", "17": "female_speech"}
    assert {name: entry.label for name, entry in entries.items()} == {
        **{f"FSD50K.dev_audio/{name}.wav": label for name, label in taken.items()},
        **{f"FSD50K.eval_audio/{name}.wav": "dog" for name in ("21", "22")},
    }
    dog, woman = entries["FSD50K.dev_audio/11.wav"], entries["FSD50K.dev_audio/17.wav"]
    assert dog.licence == "http://creativecommons.org/licenses/by/3.0/ by anna, freesound.org/s/11"
    assert (dog.speaker, woman.speaker, dog.weight) == (None, "freesound.org:dora", 1.0)
    assert dog.duration_s == pytest.approx(0.2)
    assert [note.partition(" clips")[0] for note in notes] == ["FSD50K dev: 5 of 7", "FSD50K eval: 2 of 3"]


def test_no_uploader_stands_in_two_splits(fsd50k) -> None:
    catalogue = load_catalogue(fsd50k)
    homes = {clip.source.split("/")[1]: set() for clip in catalogue.of("dog")}
    for clip in catalogue.of("dog"):
        homes[clip.source.split("/")[1]].add(clip.split)
    assert {name: len(splits) for name, splits in homes.items()} == {"anna": 1, "ben": 1, "cleo": 1, "emil": 1}
    assert {clip.split for clip in catalogue.of("dog")} == {"train", "val", "test"}


def test_one_audio_folder_alone_can_be_added(fsd50k, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))
    added = add_folder(fsd50k / "FSD50K.eval_audio")
    assert dict(added.counts) == {"dog": 2}
    assert str(added).startswith("FSD50K eval: 2 of 3 clips taken")
    assert load_catalogue().clip("fsd50k-eval_audio:21.wav").label == "dog"


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        ("Gunshot_and_gunfire,Explosion", "gunshot"),
        ("Fireworks,Explosion", "explosion"),
        ("Vehicle_horn_and_car_horn_and_honking,Car,Motor_vehicle_(road),Vehicle,Alarm", "horn"),
        ("Ringtone,Telephone,Alarm", "alarm_phone"),
        ("Coin_(dropping)", "coins"),
        ("Fill_(with_liquid),Pour,Liquid", "running_water"),
        ("Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music", "guitar"),
        ("Rain,Water,Thunder,Thunderstorm", None),
        ("Explosion,Alarm", None),
        ("Speech,Human_voice", None),
    ],
)
def test_the_hierarchy_above_a_label_does_not_make_it_two_sounds(labels: str, label: str | None) -> None:
    assert class_of(labels.split(",")) == label


def test_what_is_missing_is_named(fsd50k) -> None:
    (fsd50k / "FSD50K.dev_audio" / "13.wav").unlink()
    with pytest.raises(InputError, match=r"dev\.csv lists 1 audio files that are not there, the first .*13\.wav; unpack"):
        read_bank(fsd50k)
    (fsd50k / "FSD50K.metadata" / "eval_clips_info_FSD50K.json").write_text('{"21": {"uploader": "emil"}}')
    with pytest.raises(InputError, match="states no uploader and license of the clip 21"):
        read_bank(fsd50k / "FSD50K.eval_audio")
    (fsd50k / "FSD50K.metadata" / "eval_clips_info_FSD50K.json").unlink()
    with pytest.raises(InputError, match=r"eval_clips_info_FSD50K\.json cannot be read.*keeps the splits apart"):
        read_bank(fsd50k / "FSD50K.eval_audio")
    table = fsd50k / "FSD50K.ground_truth" / "eval.csv"
    table.write_text("fname,labels,mids\n21\n")
    with pytest.raises(InputError, match=r"eval\.csv line 2 is too short"):
        read_bank(fsd50k / "FSD50K.eval_audio")
    table.write_text("name,labels\n21,Dog\n")
    with pytest.raises(InputError, match=r"eval\.csv has no column fname, mids"):
        read_bank(fsd50k / "FSD50K.eval_audio")
    table.unlink()
    with pytest.raises(InputError, match=r"eval\.csv cannot be read \(No such file or directory\)"):
        read_bank(fsd50k / "FSD50K.eval_audio")


def test_tables_without_audio_are_refused(fsd50k) -> None:
    for part in ("dev", "eval"):
        (fsd50k / f"FSD50K.{part}_audio").rename(fsd50k.parent / part)
    with pytest.raises(InputError, match=r"holds neither FSD50K\.dev_audio nor FSD50K\.eval_audio"):
        read_bank(fsd50k)
