"""Reading the layouts of LibriSpeech and LibriTTS-R, on small folders made like them."""

import pytest
import soundfile

from twnm.errors import InputError
from twnm.sounds.bank import read_bank
from twnm.sounds.catalogue import load_catalogue
from twnm.sounds.folder import add_folder

RATE = 24_000
SPEAKERS = {"84": "F", "174": "M", "251": "M", "422": "M", "652": "M", "777": "M", "1272": "M", "1673": "F"}


def _utterances(subset, tone, join: str, suffix: str, transcribed: bool) -> None:
    for number, speaker in enumerate(SPEAKERS):
        chapter = subset / speaker / "1000"
        chapter.mkdir(parents=True)
        names = [join.join((speaker, "1000", f"{utterance:04d}")) for utterance in range(2)]
        for utterance, name in enumerate(names):
            soundfile.write(chapter / f"{name}{suffix}", tone(2 * number + utterance), RATE)
        if transcribed:
            (chapter / f"{speaker}-1000.trans.txt").write_text("".join(f"{name} A B C\n" for name in names))


@pytest.fixture
def librispeech(tmp_path, tone):
    """LibriSpeech with one subset of eight speakers."""
    root = tmp_path / "LibriSpeech"
    _utterances(root / "dev-clean", tone, "-", ".flac", True)
    head = ";ID  |SEX| SUBSET           |MINUTES| NAME\n;a comment\n"
    (root / "SPEAKERS.TXT").write_text(head + "".join(f"{name:<5}| {sex} | dev-clean        |  8.05 | A | B\n" for name, sex in SPEAKERS.items()))
    return root


@pytest.fixture
def libritts(tmp_path, tone):
    """LibriTTS-R with one subset of the same speakers; a name is missing at the end of a line, as in the published table."""
    root = tmp_path / "LibriTTS_R"
    _utterances(root / "dev-clean", lambda number: 0.5 * tone(number), "_", ".wav", False)
    lines = [f"{name}\t{sex}\tdev-clean" + ("" if name == "84" else "\tA B") for name, sex in SPEAKERS.items()]
    (root / "speakers.tsv").write_text("\n".join(["READER\tGENDER\tSUBSET\tNAME", *lines]) + "\n")
    return root


@pytest.mark.parametrize("layout", ["librispeech", "libritts"])
def test_the_sex_gives_the_class_and_the_reader_the_speaker(layout, request) -> None:
    root = request.getfixturevalue(layout)
    notes: list[str] = []
    entries = read_bank(root, notes)
    assert len(entries) == 16
    for entry in entries:
        number = entry.name.split("/")[1]
        assert (entry.speaker, entry.label) == (f"librivox:{number}", "female_speech" if SPEAKERS[number] == "F" else "male_speech")
    assert {entry.licence for entry in entries} == {"CC BY 4.0"}
    assert notes == [f"{'LibriSpeech' if layout == 'librispeech' else 'LibriTTS'}: 8 speakers"]
    assert [entry.content for entry in read_bank(root / "dev-clean")] == [entry.content for entry in entries]


def test_a_reader_of_both_collections_stands_in_one_split(librispeech, libritts, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))
    add_folder(librispeech)
    add_folder(libritts / "dev-clean")
    catalogue = load_catalogue()
    assert len(catalogue) == 32
    assert len({(clip.speaker, clip.split) for clip in catalogue.clips}) == 8
    assert {clip.split for clip in catalogue.of("male_speech")} == {"train", "val", "test"}


def test_an_unknown_speaker_is_named(librispeech) -> None:
    (librispeech / "dev-clean" / "84").rename(librispeech / "dev-clean" / "9999")
    with pytest.raises(InputError, match=r"the speaker 9999 of .*dev-clean is not in .*SPEAKERS\.TXT"):
        read_bank(librispeech)


def test_a_missing_utterance_is_named(librispeech) -> None:
    (librispeech / "dev-clean" / "84" / "1000" / "84-1000-0001.flac").unlink()
    with pytest.raises(InputError, match=r"84-1000\.trans\.txt lists 1 audio files that are not there, the first .*84-1000-0001\.flac"):
        read_bank(librispeech)


def test_a_missing_or_damaged_table_is_named(librispeech) -> None:
    (librispeech / "SPEAKERS.TXT").write_text("84 | X | dev-clean | 8.0 | A\n")
    with pytest.raises(InputError, match=r"SPEAKERS\.TXT line 1 gives no sex \(F or M\) for the speaker 84"):
        read_bank(librispeech)
    (librispeech / "SPEAKERS.TXT").unlink()
    with pytest.raises(InputError, match=r"has dev-clean but no SPEAKERS\.TXT \(LibriSpeech\) or speakers\.tsv"):
        read_bank(librispeech / "dev-clean")
