"""OpenAI's interface, tried with its official client against a live server, and the description of the whole interface, tried with schemathesis."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from hostile_files import encoded
from stand_in import AUDIO_TOKENS, barking

from twnm.ambisonics import from_ambix
from twnm.bench.prompts import write_prompt

OPTIONS = ("front", "left", "back", "right")


@pytest.fixture(scope="module")
def address(live: Callable[..., str]) -> str:
    return live()


@pytest.fixture(scope="module")
def openai_client(address: str) -> Iterator[Any]:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as made:
        yield made


def asked(foa: np.ndarray, text: str, container: str = "WAV") -> list[dict[str, Any]]:
    data = base64.b64encode(encoded(foa, container=container)).decode()
    parts = [{"type": "input_audio", "input_audio": {"data": data, "format": container.lower()}}, {"type": "text", "text": text}]
    return [{"role": "system", "content": "You hear."}, {"role": "user", "content": parts}]


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_the_official_client_gets_an_answer(openai_client: Any, container: str) -> None:
    text = write_prompt("Where is the dog?", OPTIONS, "foa")
    done = openai_client.chat.completions.create(model="twnm", messages=asked(barking(90.0), text, container), temperature=0, max_tokens=512)
    content = done.choices[0].message.content
    assert content.endswith("<answer>left</answer>") and content.startswith("<evidence>dog | left 90°")
    assert done.choices[0].finish_reason == "stop" and done.choices[0].message.twnm["letter"] == "B"
    assert done.usage.completion_tokens == len(content.encode()) and done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert done.usage.prompt_tokens == AUDIO_TOKENS + len("Where is the dog?") + sum(map(len, OPTIONS))


def test_the_official_client_gets_a_stream(openai_client: Any) -> None:
    stream = openai_client.chat.completions.create(
        model="twnm", messages=asked(barking(-90.0), "Where is the dog?"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    parts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(parts) == 2 and parts[0].startswith("<evidence>") and parts[0].endswith("</evidence>")
    assert "".join(parts).endswith("<answer>right</answer>")
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-1].usage.completion_tokens == len("".join(parts).encode())


def test_answers_are_cut_at_the_tokens_that_were_asked_for(openai_client: Any) -> None:
    done = openai_client.chat.completions.create(model="twnm", messages=asked(barking(0.0), "Where is the dog?"), max_completion_tokens=10)
    assert done.choices[0].finish_reason == "length" and done.choices[0].message.content == "<evidence>" and done.usage.completion_tokens == 10
    stream = openai_client.chat.completions.create(model="twnm", messages=asked(barking(0.0), "Where is the dog?"), max_tokens=10, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "<evidence>"


def test_the_layout_can_be_given(openai_client: Any) -> None:
    messages = asked(from_ambix(barking(90.0), "fuma"), "Where is the dog?")
    done = openai_client.chat.completions.create(model="twnm", messages=messages, extra_body={"layout": "fuma"})
    assert done.choices[0].message.twnm["answer"] == "left"


def test_models_and_errors_have_openai_s_form(openai_client: Any) -> None:
    import openai

    assert [model.id for model in openai_client.models.list()] == ["twnm"] and openai_client.models.retrieve("twnm").owned_by == "twnm"
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        openai_client.chat.completions.create(model="gpt-audio", messages=asked(barking(0.0), "Where?"))
    with pytest.raises(openai.BadRequestError, match="there is no recording"):
        openai_client.chat.completions.create(model="twnm", messages=[{"role": "user", "content": "Where?"}])


def test_the_benchmark_can_ask_a_server(address: str) -> None:
    from twnm.bench.systems.base import Question, Recording
    from twnm.bench.systems.openai_endpoint import load

    system = load(f"{address}/v1?audio=foa#twnm")
    reply = system.answer(Recording(barking(180.0)), [Question("q", "Where is the dog?", OPTIONS, "choice")])[0]
    assert reply.text.endswith("<answer>back</answer>") and reply.tokens


def test_programs_get_objects_and_scenes(client: Any) -> None:
    heard = client.post("/v1/scene", params={"layout": "ambix"}, content=encoded(barking(90.0))).json()
    assert heard["objects"][0]["label"] == "dog" and heard["objects"][0]["azimuth_deg"] == pytest.approx(90.0, abs=1) and "colour" not in heard["objects"][0]
    made = client.post("/v1/simulate", json={"recipe": "anechoic", "seed": 3}).json()
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(made["audio"]["data"])), always_2d=True)
    assert audio.shape == (round(made["scene"]["duration_s"] * 24_000), 4) and rate == made["audio"]["sample_rate_hz"] == 24_000
    assert client.post("/v1/simulate", json={"recipe": "anechoic", "seed": 3}).json() == made


def test_the_description_of_the_interface_is_whole(client: Any) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.") and described["info"]["title"] == "twnm"
    for path in ("/v1/chat/completions", "/v1/models", "/v1/scene", "/v1/simulate", "/api/recordings", "/api/build", "/healthz"):
        assert path in described["paths"], path
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert route["summary"] and {"400", "429"} <= route["responses"].keys(), (path, method)
            assert "HTTPValidationError" not in json.dumps(route)


def test_nothing_that_the_description_allows_breaks_the_server(studio_of: Callable[..., Any]) -> None:
    """Requests drawn from the OpenAPI document, right and wrong ones: no answer is a failure of the server, and answers are as described."""
    schemathesis = pytest.importorskip("schemathesis")
    from starlette.testclient import TestClient

    from twnm.studio.app import create_app

    with TestClient(create_app(studio_of()), raise_server_exceptions=False) as http:
        schema = schemathesis.openapi.from_dict(http.get("/openapi.json").json())
        operations = [operation.ok() for operation in schema.get_all_operations()]
        assert len(operations) >= 25
        for operation in operations:
            _try_out(http, operation)


def _try_out(http: Any, operation: Any) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def attempt(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        plain = isinstance(case.body, (dict, list, int, float, bool)) or case.body is None
        body = case.body if isinstance(case.body, (bytes, str)) else json.dumps(case.body) if plain else b""
        headers = {"content-type": case.media_type or "application/json"}
        answer = http.request(operation.method.upper(), case.formatted_path, params=dict(case.query or {}), content=body, headers=headers)
        status = answer.status_code
        assert status < 500 or (status == 503 and answer.json()["error"]["code"] == "indexing"), answer.text
        assert str(status) in operation.definition.raw["responses"] or status in (404, 405), (status, operation.path)

    attempt()
