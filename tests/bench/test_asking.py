"""One recording put to one system: what the system sees, what becomes of its replies, and that nothing it does ends the run."""

from pathlib import Path

import faulty_systems
import numpy as np
import pytest
from small_benchmark import OPTIONS, item, items_about, write_benchmark

from twnm.ambisonics import rotate
from twnm.bench.asking import Ask, Wanted, answered, input_hash
from twnm.bench.data import Benchmark
from twnm.bench.systems.base import Labels, Recording, Reply, System


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmark(tmp_path_factory.mktemp("data") / "small", 3)


def rows_of(system: System, data: Path, controls: tuple[str, ...] = ("",), recording: int = 1, file_name: str = "") -> list[dict[str, object]]:
    items = items_about(recording)
    wanted = tuple(Wanted(control, one, "0") for control in controls for one in items)
    ask = Ask(f"system {id(system)}", file_name or items[0].file_name, recording, wanted)
    return answered(lambda name, folder: system, data, "test", ask)


def scripted(text: str = "A", **changes: object) -> faulty_systems.Scripted:
    return faulty_systems.Scripted(lambda recording, questions: [Reply(text, **changes) for _ in questions])


def test_a_row_has_every_field_of_the_contract(data):
    row = rows_of(scripted("B", seconds=0.25, tokens=7), data)[0]
    assert list(row) == [
        *("system", "control", "sample_id", "input_hash", "scorer", "labels", "outcome", "read", "right", "grounded", "reply", "evidence", "error"),
        *("confidence", "seconds", "tokens", "level", "task", "family", "form", "scene_id", "renderer", "transform", "twin", "chance"),
    ]
    assert (row["outcome"], row["read"], row["seconds"], row["tokens"], row["chance"]) == ("right", "B", 0.25, 7, 0.25)
    assert row["labels"] == {"input": "foa", "trained_on": "nothing", "output": "letter", "spatial_access": "all"}


def test_items_and_twins_hear_the_recording_and_its_transform(data):
    heard = []

    def listen(recording: Recording, questions: list[object]) -> list[Reply]:
        heard.append((recording.foa, len(questions)))
        return [Reply("A") for _ in questions]

    rows_of(faulty_systems.Scripted(listen), data)
    foa, _ = Benchmark(data).recording("audio/r-001.wav")
    assert [count for _, count in heard] == [3, 1]
    np.testing.assert_array_equal(heard[0][0], foa)
    np.testing.assert_allclose(heard[1][0], rotate(foa, 90.0), atol=1e-7)


def test_answers_and_truth_reach_systems_labelled_metadata_only(data):
    def script(recording: Recording, questions: list[object]) -> list[Reply]:
        assert not any(hasattr(question, name) for question in questions for name in ("answer_letter", "answer_text", "evidence"))
        return [Reply("items" if recording.items else "none") for _ in questions]

    for kind, expected in (("foa", "none"), ("metadata", "items")):
        system = faulty_systems.Scripted(script, Labels(kind, "nothing", "text", "all"))
        assert {row["reply"] for row in rows_of(system, data)} == {expected}


def test_controls_reach_the_system_and_rotated_options_are_scored_as_asked(data):
    def script(recording: Recording, questions: list[object]) -> list[Reply]:
        got = "nothing" if recording.foa is None else "silence" if not recording.foa[1:].any() else "sound"
        return [Reply(got) for _ in questions]

    rows = rows_of(faulty_systems.Scripted(script), data, ("", "question-only", "w-only"))
    assert [row["reply"] for row in rows] == ["sound"] * 4 + ["nothing"] * 4 + ["silence"] * 4
    truth = {one.sample_id: one.answer_text for one in items_about(1)}
    script = lambda recording, questions: [Reply(truth[question.sample_id]) for question in questions]  # noqa: E731
    rows = rows_of(faulty_systems.Scripted(script), data, ("options-rotated",))
    assert all(row["right"] for row in rows)
    assert all(OPTIONS["ABCD".index(str(row["read"]))] != truth[str(row["sample_id"])] for row in rows)


class Together(faulty_systems.Scripted):
    """Says how many recordings it was asked about at once, or raises if there is a twin among them, or forgets one."""

    def __init__(self, fault: str = "") -> None:
        super().__init__(lambda recording, questions: [Reply("alone") for _ in questions])
        self.fault = fault

    def answer_together(self, asked):
        if self.fault == "raises":
            raise RuntimeError("too much at once")
        return [[Reply(f"{len(asked)} at once") for _ in questions] for _, questions in asked][self.fault == "forgets" :]


@pytest.mark.parametrize(("fault", "reply"), [("", "4 at once"), ("raises", "alone"), ("forgets", "alone")])
def test_a_system_that_can_is_asked_about_a_recording_its_twin_and_controls_at_once(data, fault, reply):
    rows = rows_of(Together(fault), data, ("", "w-only"))
    assert len(rows) == 8 and {row["reply"] for row in rows} == {reply}
    assert not any(row["error"] for row in rows)
    assert [(row["control"], row["transform"]) for row in rows] == [(row["control"], row["transform"]) for row in rows_of(scripted(), data, ("", "w-only"))]


def test_a_single_part_is_asked_alone(data):
    items = [one for one in items_about(1) if not one.transform]
    ask = Ask("one part", items[0].file_name, 1, tuple(Wanted("", one, "0") for one in items))
    assert {row["reply"] for row in answered(lambda name, folder: Together(), data, "test", ask)} == {"alone"}


@pytest.mark.parametrize(
    ("system", "error"),
    [
        (faulty_systems.raises_once(), "ConnectionError: HTTP 500: try again later"),
        (faulty_systems.forgets_one(), "TypeError: the system must give 3 replies of type Reply"),
        (faulty_systems.answers_none(), "TypeError: the system must give 3 replies of type Reply"),
    ],
)
def test_what_a_system_does_wrong_is_a_failure_of_its_questions(system, error, data):
    rows = rows_of(system, data)
    assert [row["outcome"] for row in rows] == ["failed"] * 4
    assert rows[0]["error"] == error
    assert not any(row["right"] or row["grounded"] for row in rows)


def test_nonsense_is_unparseable_and_cut(data):
    rows = rows_of(faulty_systems.talks_nonsense(), data)
    assert {row["outcome"] for row in rows} == {"unparseable"}
    assert {len(str(row["reply"])) for row in rows} == {20_000}


def test_a_missing_or_damaged_recording_is_a_failure_that_says_so(data, tmp_path):
    broken = write_benchmark(tmp_path / "broken", 2)
    (broken / "audio" / "r-001.wav").write_bytes(b"RIFF")
    assert all("audio/r-009.wav does not exist" in str(row["error"]) for row in rows_of(scripted(), broken, file_name="audio/r-009.wav"))
    assert all(row["outcome"] == "failed" and row["error"] for row in rows_of(scripted(), broken))


def test_the_hash_depends_on_all_that_a_reply_depends_on():
    same = input_hash("audio", "", item(0, 0))
    assert input_hash("audio", "", item(0, 0)) == same
    changed = [
        input_hash("other", "", item(0, 0)),
        input_hash("audio", "w-only", item(0, 0)),
        input_hash("audio", "", item(0, 0, "yaw 90")),
        input_hash("audio", "", item(0, 0, question="Whence?")),
        input_hash("audio", "", item(0, 0, options=OPTIONS[:2], answer_letter="A", answer_text="front")),
    ]
    assert len({same, *changed}) == 6


@pytest.mark.parametrize("confidence", [-0.1, 1.5, float("nan")])
def test_a_confidence_beyond_0_and_1_is_a_failure(confidence, data):
    assert rows_of(scripted(confidence=0.5), data)[0]["confidence"] == 0.5
    rows = rows_of(scripted(confidence=confidence), data)
    assert {row["outcome"] for row in rows} == {"failed"} and "must lie between 0 and 1" in str(rows[0]["error"])
