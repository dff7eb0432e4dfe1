"""Runs on what others publish: two channels, records of two stages, items without evidence, items without answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from twnm.bench.data import Benchmark
from twnm.bench.report import write_report
from twnm.bench.report.rows import read_results
from twnm.bench.results import read_rows
from twnm.bench.run import Done, run
from twnm.bench.summary import RunSummary
from twnm.cli import main
from twnm.corpora.rms_aqa import KINDS, STAGE_1
from twnm.corpora.shared import Clip, Corpus, audio_name, make_item, write_corpus
from twnm.errors import InputError

pytestmark = pytest.mark.usefixtures("here")
CONTROLS = ("question-only", "w-only", "shuffled", "wrong-clip", "options-rotated", "noise-floor")
EARS, FOUR = "python:faulty_systems:tells_channels", "python:faulty_systems:first_option"


def clip(number: int, tasks: tuple[str, ...], channels: int, letter: str | None = "A") -> Clip:
    name = f"r{number}"
    about = {"scene_id": name, "file_name": audio_name(name), "level": "L1", "family": "spatial", "question": "Where is it?", "options": ("left", "right")}
    items = tuple(make_item("here", letter, sample_id=f"{name}-{task}", task=task, **about) for task in tasks)
    audio = (0.1 * np.random.default_rng(number).standard_normal((channels, 2400))).clip(-1, 1).astype(np.float32)
    return Clip(name, "test", lambda: audio, items)


def imported(folder: Path, tasks: tuple[str, ...] = ("where",), channels: int = 2, letter: str | None = "A", recordings: int = 3) -> Path:
    clips = [clip(number, tasks, channels, letter) for number in range(recordings)]
    write_corpus(Corpus("test", "binaural" if channels == 2 else "foa", clips, {}), folder, {})
    return folder


def replies(out: Path, system: str, control: str = "") -> set[str]:
    return {row["reply"] for row in read_rows(out) if (row["system"], row["control"]) == (system, control)}


def test_two_channels_reach_systems_that_take_them_under_every_control_that_makes_sense(tmp_path):
    data, out = imported(tmp_path / "data"), tmp_path / "run"
    done = run((EARS,), data, out, controls=CONTROLS)
    assert done == Done(asked=21, failed=0, there=0, corrupt=0, not_applicable=3)
    expected = {"": "binaural 2 apart", "question-only": "nothing", "w-only": "binaural 2 alike", "options-rotated": "binaural 2 apart"}
    assert {control: replies(out, EARS, control) for control in expected} == {control: {told} for control, told in expected.items()}
    assert replies(out, EARS, "wrong-clip") == replies(out, EARS, "noise-floor") == {"binaural 2 apart"}
    refused = [row for row in read_rows(out) if row["outcome"] == "not applicable"]
    assert {(row["control"], row["error"]) for row in refused} == {("shuffled", "the control shuffled needs four channels, and the recordings are binaural")}


def test_systems_of_four_channels_are_not_applicable_and_are_not_asked_again(tmp_path):
    data, out = imported(tmp_path / "data"), tmp_path / "run"
    first = run((FOUR, "random"), data, out)
    assert (first.asked, first.failed, first.not_applicable) == (6, 0, 3)
    assert str(first) == "asked 6, 0 were there, 3 not applicable"
    again = run((FOUR, "random"), data, out)
    assert (again.asked, again.there) == (0, 6)
    line = RunSummary(out).to_json()
    assert [line[FOUR][name] for name in ("overall", "n", "failed", "not_applicable")] == [None, 0, 0, 3]
    assert [line["random"][name] for name in ("n", "not_applicable")] == [3, 0] and line["random"]["overall"] is not None
    page = write_report(out, tmp_path / "r.html").read_text()
    assert "3 questions (the system needs four channels, and the recordings are binaural)" in page
    assert "the run is not complete" not in page and "not<wbr>" not in page


def test_the_folder_says_what_its_recordings_are(tmp_path):
    data = imported(tmp_path / "data")
    assert Benchmark(data).kind == "binaural" and Benchmark(data).recording("audio/r0.flac")[0].shape == (2, 2400)
    (data / "import.json").write_text('{"audio": "stereo"}')
    run((EARS,), data, tmp_path / "run")
    assert replies(tmp_path / "run", EARS) == {"stereo 2 apart"}
    (data / "import.json").write_text('{"audio": "mono"}')
    with pytest.raises(InputError, match=r"import.json: the audio 'mono' is unknown; allowed: foa, binaural, stereo"):
        run((EARS,), data, tmp_path / "other")
    undeclared = imported(tmp_path / "undeclared")
    (undeclared / "import.json").unlink()  # then they are taken for AmbiX, and have too few channels
    done = run((EARS,), undeclared, tmp_path / "third")
    assert (done.failed, done.not_applicable) == (3, 0)


def test_a_transform_of_two_channels_is_not_applicable(tmp_path):
    data = imported(tmp_path / "data", recordings=1)
    path = data / "items-test.jsonl"
    row = json.loads(path.read_text())
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"sample_id": "turned", "transform": "yaw 90"}) + "\n")
    assert run((EARS,), data, tmp_path / "run").not_applicable == 1


def test_items_without_known_evidence_do_not_count_in_grounded(tmp_path):
    out = tmp_path / "run"
    run(("oracle",), imported(tmp_path / "data", channels=4), out)
    line = RunSummary(out).to_json()["oracle"]
    assert (line["overall"], line["grounded"], line["grounded_n"]) == (100.0, None, 0)
    assert {row.grounded for row in read_results(out).rows} == {None}
    assert "evidence not known" in write_report(out, tmp_path / "r.html").read_text()


def test_records_of_two_stages_are_grounded_if_both_are_right(tmp_path):
    tasks = (STAGE_1, KINDS[2][0])
    data, out = imported(tmp_path / "data", tasks, channels=4, recordings=4), tmp_path / "run"
    rows = [json.loads(line) for line in (data / "items-test.jsonl").read_text().splitlines()]
    for row, letter in zip(rows, "AAABBABB", strict=True):  # "A" is said always: records are right in both, in the first, in the second, in none
        row |= {"answer_letter": letter, "answer_text": "left" if letter == "A" else "right"}
    (data / "items-test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run((FOUR,), data, out, controls=("w-only",))
    found = RunSummary(out)
    expected = {"records": 4, "stage_1": 50.0, "stage_2": 50.0, "grounded": 25.0}
    line = found.to_json()[FOUR]
    assert line["two_stage"] == {"all": expected, KINDS[2][0]: expected}
    assert line["controls"]["w-only"]["two_stage"]["all"] == expected
    page = write_report(out, tmp_path / "r.html").read_text()
    assert 'id="stages"' in page and 'href="#stages"' in page


def test_items_without_answers_become_predictions(tmp_path, capsys):
    data, out = imported(tmp_path / "data", channels=4, letter=None), tmp_path / "run"
    with pytest.raises(InputError, match=r"items-test.jsonl does not exist; its items without answers are asked by --split unanswered"):
        run((FOUR,), data, out)
    command = ["bench", "run", FOUR, "random", "--data", str(data), "--split", "unanswered", "--out", str(out), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == {"predictions": str(out / "predictions.jsonl")}
    told = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert told[:3] == [{"system": FOUR, "sample_id": f"r{number}-where", "letter": "A"} for number in range(3)]
    assert [row["system"] for row in told[3:]] == ["random"] * 3 and {row["letter"] for row in told[3:]} <= {"A", "B"}
    assert run((FOUR,), data, out, split="unanswered").asked == 0
    with pytest.raises(InputError, match=r"has items without answers, so nothing can be scored; its letters are in .*predictions.jsonl"):
        write_report(out, tmp_path / "r.html")
    with pytest.raises(InputError, match=r"controls w-only with the split unanswered: without answers they show nothing"):
        run((FOUR,), data, tmp_path / "other", split="unanswered", controls=("w-only",))


def test_a_reply_without_a_letter_is_a_prediction_of_nothing(tmp_path):
    data, out = imported(tmp_path / "data", channels=4, letter=None), tmp_path / "run"
    run(("python:faulty_systems:talks_nonsense", "oracle"), data, out, split="unanswered")
    outcomes = {row["system"]: (row["outcome"], row["read"]) for row in read_rows(out)}
    assert outcomes == {"python:faulty_systems:talks_nonsense": ("unparseable", None), "oracle": ("failed", None)}
    assert '"letter": null' in (out / "predictions.jsonl").read_text()
