"""The benchmark and the model as a plug-in of inspect_ai, found by its entry point when twnm is installed; nothing else imports this module.

    inspect eval twnm/bench -T data=DIR --model twnm/small --no-log-images                our model, four channels
    inspect eval twnm/bench -T data=DIR -T audio=mono --model openai/gpt-audio --no-log-images

Task `twnm/bench`: the items of a benchmark's folder, one sample each, with the recording as WAV in one of the forms of `twnm.bench.prompts`; scored by
`twnm.bench.score` and nothing else. Provider `twnm`: `twnm/small` is the shipped model, `twnm/FOLDER` a trained one; it takes four-channel WAV as it is,
and reads question and options from the prompt of this benchmark (any other text is an open question).

Keep `--no-log-images` (`log_images=False` in Python): by default a log embeds every recording in base64, about 1.3 MB for 5 s of four channels.
A recording is read when its sample runs, so that memory holds no more of them than run at once.
"""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageUser,
    Content,
    ContentAudio,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    modelapi,
)
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, grouped, mean, metric, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver
from inspect_ai.tool import ToolChoice, ToolInfo

from twnm.audio import SAMPLE_RATE_HZ, read_foa
from twnm.bench.data import SPLITS, Benchmark
from twnm.bench.prompts import AUDIO_FORMS, AudioForm, read_prompt, wav_bytes, write_prompt
from twnm.bench.score import SCORER_VERSION, pairs_right
from twnm.bench.score import score as score_reply
from twnm.errors import InputError
from twnm.questions.evidence import Heard, heard_of, parse_evidence, write_evidence
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of

_WAV_URI = "data:audio/wav;base64,"


@task
def bench(data: str, split: str = "test", audio: str = "foa") -> Task:
    """The benchmark in the folder `data`.

    Args:
        data: folder made by `twnm bench make`.
        split: "val" or "test".
        audio: the form of the recordings: mono, binaural, foa, or none to give the questions alone.

    Raises:
        InputError: no such folder, split or form.
    """
    if split not in SPLITS or audio not in (*AUDIO_FORMS, "none"):
        raise InputError(f"split={split!r}, audio={audio!r}; allowed: {' or '.join(SPLITS)}, and {', '.join(AUDIO_FORMS)} or none")
    form, benchmark = None if audio == "none" else cast(AudioForm, audio), Benchmark(data, split)
    if benchmark.kind != "foa" and form not in (None, "mono", benchmark.kind):
        raise InputError(f"the recordings of {data} are {benchmark.kind}; give -T audio={benchmark.kind}, mono or none")
    samples = list(_samples(benchmark, form))
    return Task(
        dataset=MemoryDataset(samples, name=f"{Path(data).name}-{split}"),
        solver=[listen(data, split, audio), generate()],
        scorer=right_and_grounded(),
        metadata={"scorer": SCORER_VERSION, "input": audio},
    )


def _samples(benchmark: Benchmark, form: AudioForm | None) -> Iterator[Sample]:
    for group in benchmark.groups():
        for item in (one for one in group if isinstance(one, Item)):
            metadata = {"item": item.to_row()} | {name: getattr(item, name) for name in ("scene_id", "level", "task", "family")}
            target = item.answer_letter or item.answer_text
            yield Sample(input=write_prompt(item.question, item.options, form), target=target, id=item.sample_id, metadata=metadata)


@solver
def listen(data: str, split: str, audio: str) -> Solver:
    """Put the recording before the question, under the item's transform, and keep what is heard in it for the scorer."""
    benchmark = Benchmark(data, split)

    def read(item: Item) -> tuple[str, str]:
        channels, scene = benchmark.recording(item.file_name)
        transform = Transform.of(item.transform)
        heard = "" if scene is None else write_evidence(heard_of(twin_of(scene, transform) if item.transform else scene))
        if audio == "none":
            return "", heard
        given = transform.audio(channels) if item.transform else channels
        return _WAV_URI + base64.b64encode(wav_bytes(given, cast(AudioForm, audio), SAMPLE_RATE_HZ)).decode(), heard

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        wav, heard = await anyio.to_thread.run_sync(read, _item(state))
        state.store.set("heard", heard)
        if wav:
            content: list[Content] = [ContentAudio(audio=wav, format="wav"), ContentText(text=state.user_prompt.text)]
            state.user_prompt.content = content
        return state

    return solve


def _item(state: TaskState) -> Item:
    return Item.from_row(state.metadata["item"])


@metric
def pairs() -> Metric:
    """The share of twins of which both answers are right; 0 if no pair was asked."""

    def value(scores: list[SampleScore]) -> float:
        twins = {str(one.sample_id): ((one.sample_metadata or {}).get("item") or {}).get("twin") for one in scores}
        both = pairs_right({str(one.sample_id): one.score.as_float() == 1.0 for one in scores}, twins)
        return sum(both.values()) / max(1, len(both))

    return value


@scorer(metrics={"right": [mean(), stderr(cluster="scene_id"), pairs(), grouped(mean(), "level", all=False)], "grounded": [mean()], "unparseable": [mean()]})
def right_and_grounded() -> Scorer:
    """Whether the answer is right, whether it and its evidence are, and whether there is none that can be read: 1 or 0 each."""

    async def grade(state: TaskState, target: Target) -> Score:
        heard: tuple[Heard, ...] | None = parse_evidence(state.store.get("heard", ""))
        found = score_reply(_item(state), state.output.completion, None, heard or ())
        value = {"right": float(found.right), "grounded": float(bool(found.grounded)), "unparseable": float(found.outcome == "unparseable")}
        return Score(value=value, answer=found.read, explanation=state.output.completion, metadata={"outcome": found.outcome, "scorer": SCORER_VERSION})

    return grade


@modelapi(name="twnm")
class TwnmProvider(ModelAPI):
    """`twnm/small`, `twnm/FOLDER`: our model. It answers the last message of the user, which must hold one four-channel WAV."""

    def __init__(
        self, model_name: str, base_url: str | None = None, api_key: str | None = None, config: GenerateConfig | None = None, **model_args: Any
    ) -> None:
        from twnm.model.loading import load

        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if model_args:
            raise InputError(f"the model twnm/{model_name} takes no -M arguments, but {', '.join(model_args)} is given")
        self._model = load(model_name)
        self._one = anyio.CapacityLimiter(1)

    async def generate(self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig) -> ModelOutput:
        """Evidence, reasoning and answer in the tagged form."""
        message = next((message for message in reversed(input) if isinstance(message, ChatMessageUser)), None)
        if message is None:
            raise InputError("there is no message of a user to answer")
        text = await anyio.to_thread.run_sync(self._answer, message, limiter=self._one)
        return ModelOutput.from_content(f"twnm/{self.model_name}", text)

    def _answer(self, message: ChatMessageUser) -> str:
        recordings = [] if isinstance(message.content, str) else [part for part in message.content if isinstance(part, ContentAudio)]
        if len(recordings) != 1:
            raise InputError(f"{len(recordings)} recordings are given with the question; give one, as WAV of four channels (-T audio=foa)")
        question, options = read_prompt(message.text)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(recordings[0].audio)
            if recordings[0].audio.startswith("data:"):
                path = Path(folder, "recording.wav")
                path.write_bytes(base64.b64decode(recordings[0].audio.partition(",")[2]))
            foa = read_foa(path)
        return self._model.ask(foa, question, options).text

    def max_connections(self) -> int:
        """One at a time: the model fills the processor."""
        return 1
