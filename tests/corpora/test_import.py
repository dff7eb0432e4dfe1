import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from simulated import noise, write_json, write_lines, write_wav
from test_rms_aqa import publish as publish_rms_aqa
from test_star_bench import publish as publish_star_bench
from test_starss23 import TEST, TRAIN
from test_starss23 import publish as publish_starss23
from test_twnm_benchmark import publish as publish_twnm_benchmark

from twnm.audio import read_foa
from twnm.bench.data import Benchmark, training_items
from twnm.cli import main
from twnm.corpora.shared import Clip, Corpus, UnansweredItem, make_item, write_corpus
from twnm.errors import InputError
from twnm.files import verify_checksums
from twnm.questions.ask import read_questions
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_the_authors_benchmark_is_imported_with_its_test_split_apart(tmp_path: Path, bank: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    publish_twnm_benchmark(tmp_path / "in", bank, clockwise=True)
    assert main(["import", "twnm-benchmark", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "13 recordings, 12 questions and 1 without answers in" in out
    assert "azimuths run clockwise (100 % of 12 recordings" in out and "layout ambix" in out
    assert f"12 of them as the split val: {tmp_path / 'out' / 'items-val.jsonl'}" in out
    items = read_questions(tmp_path / "out" / "items-val.jsonl")
    assert len(items) == 12 and all(read_foa(tmp_path / "out" / item.file_name).shape == (4, 24_000) for item in items)
    (row,) = lines_of(tmp_path / "out" / "unanswered.jsonl")
    assert UnansweredItem.model_validate_json(row).sample_id == "test-000"
    assert verify_checksums(tmp_path / "out") == []
    assert not (tmp_path / "out" / "scenes.jsonl").exists()


def test_a_layout_other_than_the_given_one_is_pointed_out(tmp_path: Path, bank: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    publish_twnm_benchmark(tmp_path / "in", bank, layout="fuma")
    assert main(["import", "twnm-benchmark", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert "the recordings look like fuma and were read as ambix; import again with --layout fuma" in capsys.readouterr().out


def test_starss23_is_imported_with_scenes(tmp_path: Path, bank: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    publish_starss23(tmp_path / "in", bank, TRAIN, TEST)
    assert main(["import", "starss23", str(tmp_path / "in"), str(tmp_path / "out"), "--split", "test", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    items = read_questions(tmp_path / "out" / "items-test.jsonl")
    assert report["questions"] == len(items) and report["recordings"] == 2 and report["request"]["split"] == "test"
    assert sum(task["questions"] for task in report["tasks"]) == len(items)
    scenes = [Scene.from_json(line) for line in lines_of(tmp_path / "out" / "scenes.jsonl")]
    assert {scene.scene_id for scene in scenes} == {item.scene_id for item in items}
    assert all(len(read_foa(tmp_path / "out" / item.file_name)[0]) == 120_000 for item in items[:1])


def test_rms_aqa_and_star_bench_are_imported(tmp_path: Path, bank: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    publish_rms_aqa(tmp_path / "rms", bank)
    publish_star_bench(tmp_path / "star", bank)
    assert main(["import", "rms-aqa", str(tmp_path / "rms"), str(tmp_path / "rms out")]) == 0
    assert "2 recordings, 4 questions and 0 without answers" in capsys.readouterr().out
    assert main(["import", "star-bench", str(tmp_path / "star"), str(tmp_path / "star out")]) == 0
    out = capsys.readouterr().out
    assert "left out: 1 questions, perception: several recordings" in out and "not applicable to systems that hear first-order Ambisonics" in out
    item = read_questions(tmp_path / "star out" / "items-test.jsonl")[0]
    assert soundfile.info(tmp_path / "star out" / item.file_name).channels == 2
    assert json.loads((tmp_path / "star out" / "import.json").read_text())["audio"] == "binaural"


def test_the_benchmark_finds_items_and_recordings_of_an_import(tmp_path: Path, bank: Catalogue) -> None:
    publish_starss23(tmp_path / "in", bank, TRAIN, TEST)
    assert main(["import", "starss23", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    data = Benchmark(tmp_path / "out", "test")
    assert [len({item.scene_id for item in group}) for group in data.groups()] == [1, 1]
    assert {item.scene_id[:5] for group in data.groups() for item in group} == {"fold4"}
    assert all(data.recording(name)[0].shape == (4, 120_000) for name in data.file_names)
    assert {item.scene_id[:5] for item in training_items(tmp_path / "out")} == {"fold3"}


def test_a_stopped_import_goes_on_to_the_same_bytes_and_keeps_what_is_there(tmp_path: Path, bank: Catalogue) -> None:
    publish_rms_aqa(tmp_path / "in", bank, 4)
    command = ["import", "rms-aqa", str(tmp_path / "in"), str(tmp_path / "out")]
    assert main(command) == 0
    whole = files_of(tmp_path / "out")
    for name in ("SHA256SUMS", "items-val.jsonl", "audio/dev-000002.flac"):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / "audio" / ".twnm-0123.flac").write_bytes(b"half")
    write_json(tmp_path / "out" / "import.json", {"request": json.loads(whole["import.json"])["request"]})
    kept = (tmp_path / "out" / "audio" / "dev-000000.flac").stat().st_mtime_ns
    assert main(command) == 0
    assert files_of(tmp_path / "out") == whole
    assert (tmp_path / "out" / "audio" / "dev-000000.flac").stat().st_mtime_ns == kept


def test_what_cannot_be_imported_ends_with_one_line_and_code_2(tmp_path: Path, bank: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "rms-aqa", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"twnm: {tmp_path / 'nowhere'} is not a folder; give the folder of the corpus\n"
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, bank: Catalogue) -> None:
    publish_rms_aqa(tmp_path / "in", bank)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    corpus = Corpus("rms-aqa", "foa", [], {})
    with pytest.raises(InputError, match=r"mine is not empty and holds no import; choose another folder"):
        write_corpus(corpus, tmp_path / "mine", {})
    write_corpus(corpus, tmp_path / "out", {"split": "dev"})
    with pytest.raises(InputError, match=r"out holds another import; choose another folder or remove it"):
        write_corpus(corpus, tmp_path / "out", {"split": "train"})
    with pytest.raises(InputError, match=r"cannot write to .*: Not a directory; choose another folder"):
        write_corpus(corpus, tmp_path / "mine" / "letter.txt" / "out", {})


def clip(name: str, audio: np.ndarray) -> Clip:
    item = make_item(
        "here", "A", sample_id=name, scene_id=name, file_name=f"audio/{name}.flac", level="L1", task="t", family="semantic", question="?", options=("a", "b")
    )
    return Clip(name, "test", lambda: audio, (item,))


def test_audio_beyond_full_scale_is_lowered_in_all_channels_alike(tmp_path: Path) -> None:
    loud = np.array([[2.0], [-4.0], [1.0], [0.0]], np.float32) * np.ones(2400, np.float32)
    write_corpus(Corpus("c", "foa", [clip("loud", loud), clip("soft", 0.1 * loud)], {}), tmp_path / "out", {})
    np.testing.assert_allclose(read_foa(tmp_path / "out" / "audio" / "loud.flac"), loud / 4, atol=1e-4)
    np.testing.assert_allclose(read_foa(tmp_path / "out" / "audio" / "soft.flac"), 0.1 * loud, atol=1e-4)


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = [clip("a", noise(4).astype(np.float32))] * 2
    with pytest.raises(InputError, match=r"two recordings of the corpus would be written to audio/a.flac; rename one"):
        write_corpus(Corpus("c", "foa", twice, {}), tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_a_cache_of_links_as_the_hub_makes_it_is_read(tmp_path: Path, bank: Catalogue) -> None:
    rows = publish_twnm_benchmark(tmp_path / "in", bank, count=1)
    blob = tmp_path / "blobs" / "0123"
    blob.parent.mkdir()
    recording = tmp_path / "in" / "data" / "dev" / rows[0]["file_name"]
    shutil.move(recording, blob)
    recording.symlink_to(blob)
    write_lines(tmp_path / "in" / "data" / "dev" / "metadata.jsonl", rows)
    write_wav(tmp_path / "in" / "data" / "test" / "audio" / "000.wav", noise(4))
    assert main(["import", "twnm-benchmark", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
