import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import twnm.model.loading
import twnm.preview
from twnm.cli import main
from twnm.errors import InputError
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene
from twnm.model.twnm import Answer
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue

DOG = HeardObject("dog", 0.91234, 0.4, 0.6, 47.26, 6.0, 2.234, 0.2, (47.0, 47.5), (6.0, 6.0))
EVIDENCE = "dog | front-left 45° | level 5° | 2.2 m | 0.4-0.6 s"


class FakeModel:
    """Hears one dog in everything, and chatters on standard output as libraries do."""

    def scene(self, foa: np.ndarray) -> HeardScene:
        return self.scene_of([foa])

    def scene_of(self, blocks: Iterable[np.ndarray]) -> HeardScene:
        print("Loading weights: 100%")
        return HeardScene(sum(block.shape[1] for block in blocks) / 24_000, (DOG,), HeardRoom(0.41, 83.0))

    def ask(self, foa: np.ndarray, question: str, options: tuple[str, ...] = (), start_s: float | None = None, evidence: bool = True) -> Answer:
        print("Loading weights: 100%")
        if not evidence:
            return Answer("front-left", None, "", "", 0.2)
        if options:
            return Answer(options[1], "B", EVIDENCE, "dog 45° is front-left", 0.5)
        return Answer("front-left", None, EVIDENCE, "dog 45° is front-left", 0.5, start_s or 0.0)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "load_hearing"):
        monkeypatch.setattr(twnm.model.loading, name, lambda name: FakeModel())


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise AssertionError("the model was loaded before the input was checked")

    for name in ("load", "load_hearing"):
        monkeypatch.setattr(twnm.model.loading, name, refuse)


def recording(path: Path, channels: int = 4, samples: int = 24_000, rate_hz: int = 24_000, subtype: str = "PCM_16") -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal((samples, channels))
    soundfile.write(path, noise, rate_hz, subtype=subtype)
    return path


def broken_recordings() -> dict[str, Callable[[Path], Path]]:
    def truncated(folder: Path) -> Path:
        path = recording(folder / "a.wav")
        path.write_bytes(path.read_bytes()[:50_000])
        return path

    def with_nan(folder: Path) -> Path:
        samples = np.zeros((24_000, 4), np.float32)
        samples[7, 1] = np.nan
        soundfile.write(folder / "a.wav", samples, 24_000, subtype="FLOAT")
        return folder / "a.wav"

    def text(folder: Path) -> Path:
        (folder / "a.wav").write_text("these are words\n" * 100)
        return folder / "a.wav"

    def empty(folder: Path) -> Path:
        (folder / "a.wav").touch()
        return folder / "a.wav"

    def too_long(folder: Path) -> Path:
        with soundfile.SoundFile(folder / "a.flac", "w", 1_000, 4) as stream:
            stream.write(np.zeros((3_660_000, 4), np.int16))
        return folder / "a.flac"

    return {
        "mono": lambda folder: recording(folder / "a.wav", channels=1),
        "three channels": lambda folder: recording(folder / "a.wav", channels=3),
        "empty": empty,
        "truncated": truncated,
        "NaN": with_nan,
        "text": text,
        "missing": lambda folder: folder / "a.wav",
        "folder": lambda folder: folder,
        "an hour of silence": too_long,
    }


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must exit with 2, one line on standard error and nothing on standard output; give the line."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("twnm: ") and err.count("\n") == 1 and len(err) > 15
    return err


@pytest.mark.parametrize("name", broken_recordings())
@pytest.mark.parametrize("command", ["ask", "scene"])
def test_a_file_that_cannot_be_used_exits_2_with_one_line_naming_it(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_model: None
) -> None:
    path = broken_recordings()[name](tmp_path)
    before = sorted(tmp_path.iterdir())
    words = ["Where is the dog?"] if command == "ask" else []
    assert str(path) in refused(capsys, command, path, *words)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["  "], "question has no text"),
        (["Where?", "--options", "left"], "1 option given"),
        (["Where?", "--options", *"abcdefghi"], "9 options given"),
        (["Where?", "--options", "left", "Left "], "different"),
        (["Where?", "--layout", "acn"], "layout"),
        (["Where?", "--start", "3"], "3.0 s"),
        (["Where?", "--start", "soon"], "soon"),
        (["Where?", "--model", "large"], "large"),
        (["Where?", "--plot", "absent/plan.png"], "absent"),
        (["Where?", "--plot", "plan.doc"], "plan.doc"),
        (["Where?", "--plot", "/proc/plan.png"], "/proc"),
        (["Where?", "--loud"], "--loud"),
        ([], "question"),
    ],
)
def test_an_argument_of_ask_that_cannot_be_used_exits_2_before_the_model_is_loaded(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_model: None
) -> None:
    assert expected in refused(capsys, "ask", recording(tmp_path / "a.wav"), *arguments)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("simulate {new} --scenes 2 --recipe outdoors", "outdoors"),
        ("simulate {new} --scenes 0", "0 scenes"),
        ("simulate {new}", "--preview"),
        ("simulate {new} --scenes 2 --preview", "--preview"),
        ("simulate {new} --preview --recipe outdoors", "outdoors"),
        ("simulate {new} --scenes 2 --recipe absent.toml", "absent.toml"),
        ("simulate {new} --scenes 2 --workers 0", "0 workers"),
        ("simulate {new} --scenes 2 --engine spark", "spark"),
        ("simulate {new} --scenes 2 --renderer gsound", "gsound"),
        ("simulate {new} --scenes 2 --seed -1", "seed"),
        ("simulate {new} --scenes 2 --split dev", "dev"),
        ("simulate {file}/x --scenes 1", "cannot write"),
        ("simulate /proc/x --scenes 1", "cannot write"),
        ("simulate {new} --scenes 1 --sounds {new}", "new"),
        ("demo --out {file}/x", "cannot write"),
        ("demo --out /proc/x", "cannot write"),
        ("questions {new}", "new"),
        ("verify {new}", "new"),
        ("export {new} {new}2", "new"),
        ("sounds add {new}", "new"),
        ("sounds get everything", "everything"),
        ("train encoder --recipe huge --out {new}", "huge"),
        ("train encoder --recipe tiny --steps 0 --out {new}", "--steps 0"),
        ("train encoder --recipe tiny --out {file}/x", "cannot write"),
        ("train encoder --recipe tiny --without nothing --out {new}", "the loss has no term nothing"),
        ("train instruct --recipe huge --out {new}", "huge"),
        ("train instruct --recipe tiny --encoder {new} --out {new}", "encoder"),
        ("train reason --recipe further --out {new}", "unknown recipe 'further'"),
        ("train align --recipe huge --out {new}", "huge"),
        ("train instruct --recipe tiny --validate -1 --out {new}", "--validate -1"),
        ("train --recipe huge --out {new}", "huge"),
        ("train prefer --recipe huge --out {new}", "huge"),
        ("train prefer --recipe tiny --from {new} --out {new}/out", "holds no trained model"),
        ("evaluate --scenes 0", "--scenes 0"),
        ("evaluate --recipe outdoors", "outdoors"),
        ("evaluate --model {new}", "new"),
        ("evaluate encoder --alone -1", "--alone -1"),
        ("evaluate encoder --renderer gsound", "gsound"),
        ("evaluate encoder --renderer pyroomacoustics --responses .", "no measured rooms"),
        ("evaluate encoder --model {new}", "new"),
        ("evaluation", "evaluation"),
    ],
)
def test_a_command_that_cannot_be_carried_out_exits_2_and_writes_nothing(
    line: str, expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], no_model: None
) -> None:
    (tmp_path / "file").touch()
    arguments = line.format(new=tmp_path / "new", file=tmp_path / "file").split()
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    lines = [one for one in err.splitlines() if one.startswith("twnm: ")]
    assert out == "" and len(lines) == 1 and expected in lines[0]
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_scene_json_is_exactly_one_object_of_the_documented_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: None) -> None:
    path = recording(tmp_path / "a.wav")
    assert main(["scene", str(path), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    dog = {"label": "dog", "confidence": 0.912, "onset_s": 0.4, "offset_s": 0.6, "azimuth_deg": 47.3, "elevation_deg": 6.0, "distance_m": 2.23}
    assert row.pop("doubts")[0].startswith("Y, Z and X together are 3.0 times as strong as W")  # four channels of independent noise are no sound field
    assert row == {
        "file": str(path),
        "duration_s": 1.0,
        "objects": [dog | {"motion": "stands still"}],
        "room": {"rt60_s": 0.41, "volume_m3": 83.0, "walls": 1.0},
    }


def test_ask_without_evidence_shows_the_answer_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: None) -> None:
    assert main(["ask", str(recording(tmp_path / "a.wav")), "Where is the dog?", "--no-evidence"]) == 0
    out = capsys.readouterr().out
    assert "front-left" in out and "why" not in out and "heard" not in out


def test_ask_json_is_exactly_one_object_with_the_answer_its_letter_and_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: None) -> None:
    assert main(["ask", str(recording(tmp_path / "a.wav")), "Where is the dog?", "--options", "right", "front-left", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert {name: row[name] for name in ("answer", "letter", "evidence", "seconds")} == {
        "answer": "front-left",
        "letter": "B",
        "evidence": EVIDENCE,
        "seconds": 0.5,
    }


def test_ask_shows_the_answer_the_evidence_and_which_part_of_a_long_recording_was_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: None
) -> None:
    path = recording(tmp_path / "a.wav", samples=7 * 24_000)
    assert main(["ask", str(path), "Where is the dog?", "--start", "1.5"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in ("front-left", "45°", "2.2 m", "0.4-0.6 s", "why: dog 45° is front-left", "from 1.5 s of 7.0 s", "--start"):
        assert part in out


def test_scene_writes_a_picture_and_dcase_rows_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: None) -> None:
    path = recording(tmp_path / "a.wav")
    assert main(["scene", str(path), "--dcase", str(tmp_path / "a.csv"), "--plot", str(tmp_path / "a.png")]) == 0
    assert "dog" in capsys.readouterr().out
    assert (tmp_path / "a.csv").read_text() == "4,7,0,47,6,223\n5,7,0,48,6,223\n"
    assert (tmp_path / "a.png").stat().st_size > 5_000


def test_simulate_questions_export_and_verify_work_in_turn_and_a_changed_shard_exits_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, dest = str(tmp_path / "set"), str(tmp_path / "dcase")
    shard = tmp_path / "set" / "data" / "shard-00000.parquet"
    assert main(["simulate", out, "--scenes", "2", "--recipe", "anechoic"]) == 0
    captured = capfd.readouterr()
    assert "PROCEDURAL" in captured.err
    assert captured.out.startswith(f"2 scenes in {out}, {shard.stat().st_size / 1e6:.1f} MB; 2 now, in ") and "scenes/s" in captured.out
    assert main(["questions", out]) == 0
    assert main(["verify", out]) == 0
    assert main(["export", out, dest]) == 0
    assert main(["verify", dest]) == 0
    assert len(list((tmp_path / "dcase").rglob("*.wav"))) == 2
    capfd.readouterr()
    damaged = bytearray(shard.read_bytes())
    damaged[1000] ^= 1
    shard.write_bytes(damaged)
    assert main(["verify", out]) == 1
    assert capfd.readouterr().out == "changed: data/shard-00000.parquet\n"
    assert main(["questions", out]) == 1  # new checksums would hide the damage
    assert main(["verify", out]) == 1


def test_preview_draws_the_first_scene_and_prints_the_files(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def write_preview(out: Path, foa: np.ndarray, scene: Scene, catalogue: Catalogue) -> list[Path]:
        print("Loading filters: 100%")
        assert foa.shape == (4, 120_000) and scene.seed == (5, 0) and scene.split == "test" and catalogue.clip(scene.events[0].clip)
        return [out / "scene.png", out / "binaural.wav"]

    monkeypatch.setattr(twnm.preview, "write_preview", write_preview)
    out = tmp_path / "look"
    assert main(["simulate", str(out), "--preview", "--seed", "5", "--recipe", "anechoic", "--split", "test"]) == 0
    assert capfd.readouterr().out == f"{out / 'scene.png'}\n{out / 'binaural.wav'}\n"


def test_a_failure_exits_1_with_one_line_and_shows_its_traceback_only_with_debug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Any:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(twnm.model.loading, "load_hearing", fail)
    path = str(recording(tmp_path / "a.wav"))
    assert main(["scene", path]) == 1
    assert capsys.readouterr().err == "twnm: failed: RuntimeError: out of luck\n"
    assert main(["--debug", "scene", path]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_several_lines_becomes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise InputError("first\n  second")

    monkeypatch.setattr(twnm.model.loading, "load_hearing", fail)
    assert refused(capsys, "scene", recording(tmp_path / "a.wav")) == "twnm: first second\n"


def test_importing_twnm_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "matplotlib", "numba", "scipy", "numpy", "pydantic", "cyclopts")
    code = f"import sys, twnm; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_command_line_starts_without_models_or_pictures() -> None:
    code = "import sys, twnm.cli; print([name for name in ('torch', 'transformers', 'matplotlib', 'numba') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_python_runs_the_package_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "twnm", "train", "instruct", "--out", "x", "--recipe", "huge"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("twnm: unknown recipe 'huge'; choose one of small, further, gpu, 7b, 7b-omni, tiny")
