"""The inspect_ai plug-in: found by its entry point, run in a small evaluation with our provider and with a mock, scored as the benchmark scores."""

import base64
import importlib.metadata
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import tiny_twnm

from twnm.ambisonics import encode
from twnm.audio import write_audio
from twnm.bench.data import Benchmark
from twnm.bench.prompts import write_prompt
from twnm.errors import InputError
from twnm.questions.evidence import Heard
from twnm.questions.schema import Item
from twnm.scene import Scene

# inspect_ai leaves streams open, and uses what its own dependencies deprecate.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
OPTIONS = ("front", "back", "left", "right")
DOG = Heard("dog", 90.0, 0.0, 2.0, 0.0, 1.0)


def item(sample_id: str, right: str, **changes: Any) -> Item:
    fields = {
        "sample_id": sample_id,
        "scene_id": "s",
        "file_name": "street.wav",
        "level": "L1",
        "task": "l1_estimate_azimuth",
        "family": "spatial",
        "question": "Where is the dog?",
        "options": OPTIONS,
        "answer_letter": "ABCD"[OPTIONS.index(right)],
        "answer_text": right,
        "derivation": f"dog is {right}",
        "evidence": (DOG.line(),),
    }
    return Item(**fields | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of one recording, a dog at the left, and one question with its twin and one of level 2."""
    data = tmp_path_factory.mktemp("bench")
    noise = (0.1 * np.random.default_rng(0).standard_normal(24_000)).astype(np.float32)
    write_audio(data / "street.wav", encode(noise, 90.0, 0.0))
    items = [item("q", "left", twin="q~yaw180"), item("q~yaw180", "right", transform="yaw 180", twin="q"), item("r", "left", level="L2", scene_id="t")]
    (data / "items-test.jsonl").write_text("".join(json.dumps(one.to_row()) + "\n" for one in items))
    return data


def run(data: Path, model: Any, **arguments: Any) -> Any:
    """The log of a whole evaluation."""
    import inspect_ai

    task_args = {"data": str(data), **arguments}
    (log,) = inspect_ai.eval("twnm/bench", model=model, task_args=task_args, log_dir=str(data / "logs"), display="none", log_images=False)
    return log


def ear(messages: Sequence[Any], tools: Any, choice: Any, config: Any) -> Any:
    """Hears left from right in four channels; as the answer of a mock model."""
    from inspect_ai.model import ModelOutput, ModelUsage

    w, y, _, _ = sent(messages[-1])
    output = ModelOutput.from_content("mock", "C" if w @ y > 0 else "D")
    output.usage = ModelUsage()  # or tokens are counted with a table from the network
    return output


def sent(message: Any) -> np.ndarray:
    """The recording in a message, (channels, samples); none without one."""
    import soundfile

    parts = [] if isinstance(message.content, str) else [part for part in message.content if part.type == "audio"]
    if not parts:
        return np.zeros((0, 0))
    return soundfile.read(io.BytesIO(base64.b64decode(parts[0].audio.partition(",")[2])), always_2d=True)[0].T


def state_of(one: Item, reply: str = "", **stored: Any) -> Any:
    """A sample in the middle of an evaluation."""
    from inspect_ai.model import ChatMessageUser, ModelName, ModelOutput
    from inspect_ai.solver import TaskState

    messages = [ChatMessageUser(content=write_prompt(one.question, one.options))]
    output = ModelOutput.from_content("mock", reply)
    state = TaskState(ModelName("mockllm/model"), one.sample_id, 1, "", messages, output=output, metadata={"item": one.to_row()})
    for name, value in stored.items():
        state.store.set(name, value)
    return state


def grade(reply: str, **stored: Any) -> dict[str, float]:
    import anyio
    from inspect_ai.scorer import Target

    from twnm.bench.inspect_plugin import right_and_grounded

    return anyio.run(right_and_grounded(), state_of(item("q", "left"), reply, **stored), Target("C")).value


def test_the_entry_point_names_the_plug_in() -> None:
    (entry,) = [entry for entry in importlib.metadata.entry_points(group="inspect_ai") if entry.name == "twnm"]
    assert entry.value == "twnm.bench.inspect_plugin"


@pytest.fixture(scope="module")
def log(folder: Path) -> Any:
    """The log of a model that hears left from right."""
    from inspect_ai.model import get_model

    return run(folder, get_model("mockllm/model", custom_outputs=ear, memoize=False))


def test_a_model_that_hears_gets_everything_right_and_pairs_too(log: Any) -> None:
    assert log.status == "success", log.error
    found = {f"{one.name} {name}": metric.value for one in log.results.scores for name, metric in one.metrics.items()}
    assert found["right mean"] == found["right twnm/pairs"] == found["right grouped_L1"] == found["right grouped_L2"] == 1.0
    assert found["grounded mean"] == found["unparseable mean"] == found["right stderr"] == 0.0
    assert log.eval.metadata == {"scorer": "twnm-1", "input": "foa"}


def test_the_log_holds_no_audio(log: Any) -> None:
    with zipfile.ZipFile(log.location) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"UklGR" not in whole  # "RIFF" in base64
    assert len(whole) < 200_000  # three recordings of 192 kB


@pytest.mark.parametrize(("form", "channels"), [("mono", 1), ("binaural", 2), ("foa", 4), ("none", 0)])
def test_the_recording_is_given_in_the_form_that_is_asked_for(folder: Path, form: str, channels: int) -> None:
    import anyio

    from twnm.bench.inspect_plugin import listen

    state = anyio.run(listen(str(folder), "test", form), state_of(item("q", "left")), None)
    assert sent(state.user_prompt).shape[0] == channels
    assert state.user_prompt.text == write_prompt("Where is the dog?", OPTIONS)


def test_the_transform_of_a_twin_is_heard(folder: Path) -> None:
    import anyio

    from twnm.bench.inspect_plugin import listen

    plain, turned = (
        sent(anyio.run(listen(str(folder), "test", "foa"), state_of(item("q", "left", transform=transform)), None).user_prompt) for transform in ("", "yaw 180")
    )
    np.testing.assert_allclose(turned, plain * np.array([[1], [-1], [1], [-1]]), atol=2**-14)


@pytest.mark.parametrize(
    ("reply", "right", "grounded", "unparseable"),
    [
        ("C", 1, 0, 0),
        ("left", 1, 0, 0),
        ("D", 0, 0, 0),
        ("perhaps somewhere", 0, 0, 1),
        (f"<evidence>{DOG.line()}</evidence><why>so</why><answer>left</answer>", 1, 1, 0),
        (f"<evidence>{DOG.line()}</evidence><answer>right</answer>", 0, 0, 0),
    ],
    ids=["letter", "words", "wrong", "unparseable", "grounded", "evidence alone"],
)
def test_a_reply_is_scored_as_the_benchmark_scores(reply: str, right: int, grounded: int, unparseable: int) -> None:
    assert grade(reply) == {"right": right, "grounded": grounded, "unparseable": unparseable}


def test_what_is_known_to_be_in_the_scene_is_not_held_against_a_reply(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    from twnm.bench.inspect_plugin import listen

    front, both = Heard("dog", 0.0, 0.0, 2.0, 0.0, 1.0), "<evidence>{}; {}</evidence><answer>left</answer>"
    assert grade(both.format(DOG.line(), front.line()))["grounded"] == 0
    event = {"label": "dog", "clip": "dog.wav", "onset_s": 0.0, "offset_s": 1.0}
    events = [event | {"path": [{"time_s": 0.0, "position_m": place}]} for place in ((-2.0, 0.0, 0.0), (0.0, -2.0, 0.0))]
    scene = Scene.model_validate({"scene_id": "s", "split": "test", "duration_s": 1.0, "room": {"kind": "free"}, "events": events})
    foa, _ = Benchmark(folder).recording("street.wav")
    monkeypatch.setattr(Benchmark, "recording", lambda self, file_name: (foa, scene))
    state = anyio.run(listen(str(folder), "test", "foa"), state_of(item("q", "left", transform="yaw 180")), None)
    assert grade(both.format(DOG.line(), front.line()), heard=state.store.get("heard"))["grounded"] == 1


def test_a_pair_counts_if_both_of_it_are_right() -> None:
    from inspect_ai.scorer import SampleScore, Score

    from twnm.bench.inspect_plugin import pairs

    def scored(sample_id: str, twin: str | None, right: float) -> SampleScore:
        return SampleScore(score=Score(value=right), sample_id=sample_id, sample_metadata={"item": {"twin": twin}})

    all_scores = [scored("a", "b", 1.0), scored("b", "a", 1.0), scored("c", "d", 1.0), scored("d", "c", 0.0), scored("e", None, 1.0)]
    assert pairs()(all_scores) == 0.5
    assert pairs()(all_scores[-1:]) == 0.0


def test_our_model_answers_as_a_provider(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_twnm()
    monkeypatch.setattr("twnm.model.loading.load", lambda name: model if name == "runs/one" else pytest.fail(name))
    log = run(folder, "twnm/runs/one")
    assert log.status == "success", log.error
    foa, _ = Benchmark(folder).recording("street.wav")
    first = next(sample for sample in log.samples if sample.id == "q")
    assert first.output.completion == model.ask(foa, "Where is the dog?", OPTIONS).text
    assert first.scores["right_and_grounded"].answer == model.ask(foa, "Where is the dog?", OPTIONS).letter


def test_our_provider_says_what_it_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ContentAudio, ContentText, GenerateConfig, get_model

    monkeypatch.setattr("twnm.model.loading.load", lambda name: tiny_twnm())
    provider = get_model("twnm/small", memoize=False).api
    assert provider.max_connections() == 1

    def ask(*messages: Any) -> str:
        return anyio.run(provider.generate, list(messages), [], "none", GenerateConfig()).completion

    street = ContentAudio(audio=str(folder / "street.wav"), format="wav")
    assert ask(ChatMessageUser(content=[street, ContentText(text="Where is the dog?")])).startswith("<evidence>")
    with pytest.raises(InputError, match="0 recordings are given with the question"):
        ask(ChatMessageUser(content="Where is the dog?"))
    with pytest.raises(InputError, match="no message of a user"):
        ask(ChatMessageAssistant(content="B"))
    write_audio(folder / "mono.wav", np.zeros((1, 2400), np.float32))
    with pytest.raises(InputError, match="has 1 channel; needs 4"):
        ask(ChatMessageUser(content=[ContentAudio(audio=str(folder / "mono.wav"), format="wav"), ContentText(text="Where?")]))
    with pytest.raises(InputError, match="takes no -M arguments, but speed is given"):
        get_model("twnm/small", memoize=False, speed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "train"}, "split='train', audio='foa'; allowed: val or test"),
        ({"audio": "quad"}, "audio='quad'; allowed: val or test, and mono, binaural, stereo, foa or none"),
        ({"split": "val"}, "items-val.jsonl does not exist"),
    ],
)
def test_a_task_that_cannot_be_made_says_why(folder: Path, arguments: dict[str, str], message: str) -> None:
    from twnm.bench.inspect_plugin import bench

    with pytest.raises(InputError, match=message):
        bench(str(folder), **arguments)
