"""The endpoint system against a server on this machine that answers well, badly, late or not at all."""

import base64
import email.utils
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from twnm.ambisonics import decode_binaural, encode
from twnm.audio import write_audio
from twnm.bench.asking import Ask, Wanted, answered
from twnm.bench.prompts import write_prompt
from twnm.bench.systems import load as load_system
from twnm.bench.systems.base import Labels, Question, Recording
from twnm.bench.systems.openai_endpoint import Endpoint, EndpointError, OpenAIEndpoint, load, read_completion, retry_after_s
from twnm.errors import InputError
from twnm.questions.schema import Item

Answer = tuple[int, dict[str, str], bytes]
WHERE = Question("s1", "Where is the dog?", ("front", "left"), "choice")
FAR = Question("s2", "How far is the dog? Answer in metres.", (), "open")
NOISE = (0.1 * np.random.default_rng(0).standard_normal(4800)).astype(np.float32)
RECORDING = Recording(encode(NOISE, 60.0, 10.0))


def completion(text: Any = "B", **more: Any) -> Answer:
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}], **more}).encode()


class Server:
    """Gives `answers` one after another (a callable writes to the connection itself), the last for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[BaseHTTPRequestHandler], None]] = [completion()]
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                answer = server.answers[min(len(server.asked), len(server.answers)) - 1]
                if callable(answer):
                    answer(self)
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def system(server: Server, settings: str = "", key: str = "", waits: list[float] | None = None) -> OpenAIEndpoint:
    address = f"{server.url}{settings}#tiny"
    return OpenAIEndpoint(f"openai:{address}", Endpoint.of(address), key, ([] if waits is None else waits).append)


def test_a_question_is_sent_as_a_chat_completion_with_wav_in_base64(server: Server) -> None:
    server.answers = [completion("  B ", usage={"completion_tokens": 3})]
    (reply,) = system(server).answer(RECORDING, [WHERE])
    assert (reply.text, reply.tokens, reply.error) == ("  B ", 3, "")
    assert reply.seconds > 0
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert "authorization" not in headers
    assert body["model"] == "tiny" and body["temperature"] == 0
    audio, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": write_prompt("Where is the dog?", ("front", "left"), "mono")}
    assert audio["type"] == "input_audio" and audio["input_audio"]["format"] == "wav"
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(audio["input_audio"]["data"])))
    assert rate_hz == 24_000
    np.testing.assert_allclose(samples, NOISE, atol=2**-15)


@pytest.mark.parametrize("form", ["binaural", "foa"])
def test_two_and_four_channels_reach_the_endpoint(server: Server, form: str) -> None:
    asked = system(server, f"?audio={form}")
    asked.answer(RECORDING, [WHERE])
    assert asked.labels == Labels(form, "other data", "text", asked.labels.spatial_access)
    audio, text = server.asked[0][2]["messages"][0]["content"]
    assert form in text["text"] or "Ambisonics" in text["text"]
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(audio["input_audio"]["data"])))
    assert RECORDING.foa is not None
    expected = decode_binaural(RECORDING.foa) if form == "binaural" else RECORDING.foa
    np.testing.assert_allclose(samples.T, expected / max(1.0, np.abs(expected).max()), atol=2**-15)


def test_without_a_recording_only_words_are_sent(server: Server) -> None:
    system(server).answer(Recording(None), [WHERE])
    (text,) = server.asked[0][2]["messages"][0]["content"]
    assert "There is no recording" in text["text"]


def test_the_key_goes_as_a_bearer_token_and_never_into_an_error(server: Server) -> None:
    server.answers = [(401, {}, b'{"error": "wrong key s3cret"}')]
    with pytest.raises(EndpointError, match=r'^HTTP 401: \{"error": "wrong key \*\*\*"\}$'):
        system(server, key="s3cret").answer(RECORDING, [WHERE])
    assert server.asked[0][1]["authorization"] == "Bearer s3cret"
    assert len(server.asked) == 1


def test_the_key_is_not_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr("twnm.bench.systems.openai_endpoint.post", lambda endpoint, body, key, limit_s: sent.append(key) or (200, {}, completion()[2]))
    for address, key in (("http://example.org/v1#m", ""), ("https://example.org/v1#m", "s3cret"), ("http://localhost/v1#m", "s3cret")):
        OpenAIEndpoint("openai:", Endpoint.of(address), "s3cret").answer(RECORDING, [WHERE])
        assert sent.pop() == key


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_or_broken_once_is_asked_again(server: Server, status: int) -> None:
    waits: list[float] = []
    server.answers = [(status, {}, b"later"), completion()]
    (reply,) = system(server, waits=waits).answer(RECORDING, [WHERE])
    assert (reply.text, waits, len(server.asked)) == ("B", [1.0], 2)


def test_retry_after_is_obeyed(server: Server) -> None:
    waits: list[float] = []
    server.answers = [(429, {"Retry-After": "7"}, b""), (503, {"Retry-After": "0.5"}, b""), completion()]
    assert system(server, waits=waits).answer(RECORDING, [WHERE])[0].text == "B"
    assert waits == [7.0, 0.5]


def test_a_retry_after_beyond_the_time_limit_ends_the_question_at_once(server: Server) -> None:
    waits: list[float] = []
    server.answers = [(429, {"Retry-After": "3600"}, b"quota")]
    with pytest.raises(EndpointError, match=r"^HTTP 429: quota; to wait 3600 s is beyond the time limit of 120 s$"):
        system(server, waits=waits).answer(RECORDING, [WHERE])
    assert not waits and len(server.asked) == 1


def test_attempts_are_bounded_with_growing_pauses(server: Server) -> None:
    waits: list[float] = []
    server.answers = [(500, {}, b"boom")]
    with pytest.raises(EndpointError, match=r"^HTTP 500: boom; asked 4 times$"):
        system(server, waits=waits).answer(RECORDING, [WHERE])
    assert (waits, len(server.asked)) == ([1.0, 2.0, 4.0], 4)


def test_a_dead_endpoint_costs_one_attempt_per_question_until_it_lives_again(server: Server) -> None:
    waits: list[float] = []
    asked = system(server, waits=waits)
    server.answers = [(500, {}, b"")] * 13 + [completion(), (500, {}, b""), completion()]
    with pytest.raises(EndpointError, match="asked 4 times"):
        asked.answer(RECORDING, [WHERE] * 4)
    assert (len(waits), len(server.asked)) == (9, 13)
    assert asked.answer(RECORDING, [WHERE, WHERE])[1].text == "B"
    assert len(waits) == 10


def test_one_bad_answer_leaves_the_other_questions_of_the_recording(server: Server) -> None:
    server.answers = [completion("A"), (400, {}, b"no"), completion("2 m")]
    replies = system(server).answer(RECORDING, [WHERE, FAR, FAR])
    assert [reply.text for reply in replies] == ["A", "", "2 m"]
    assert [reply.error for reply in replies] == ["", "HTTP 400: no", ""]


def test_a_run_reports_failures_item_by_item_and_goes_on(server: Server, tmp_path: Path) -> None:
    common = {"scene_id": "s", "file_name": "street.wav", "level": "L1", "task": "l1_estimate_azimuth", "family": "spatial", "question": "Where?"}
    right = {"options": ("front", "left"), "answer_letter": "B", "answer_text": "left", "derivation": "left", "evidence": ()}
    items = [Item(sample_id=name, **common, **right) for name in ("a", "b", "c")]
    (tmp_path / "items-test.jsonl").write_text("".join(json.dumps(item.to_row()) + "\n" for item in items))
    write_audio(tmp_path / "street.wav", encode(NOISE, 90.0, 0.0))
    name = f"openai:{server.url}#tiny"
    ask = Ask(name, "street.wav", 0, tuple(Wanted("", item, item.sample_id) for item in items))
    server.answers = [completion("B"), (400, {}, b"no"), completion("A"), (403, {}, b"closed")]
    rows = answered(load_system, tmp_path, "test", ask)
    assert [(row["outcome"], row["reply"], row["error"]) for row in rows] == [("right", "B", ""), ("failed", "", "HTTP 400: no"), ("wrong", "A", "")]
    assert {row["labels"]["input"] for row in rows} == {"mono"}
    assert [(row["outcome"], row["error"]) for row in answered(load_system, tmp_path, "test", ask)] == [("failed", "EndpointError: HTTP 403: closed")] * 3


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" ")
            time.sleep(0.02)
    except OSError:
        return


def drip_headers(request: BaseHTTPRequestHandler) -> None:
    try:
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
        while True:
            request.wfile.write(b"y")
            time.sleep(0.02)
    except OSError:
        return


@pytest.mark.parametrize("late", [lambda request: time.sleep(0.6), drip, drip_headers], ids=["silent", "dripping body", "dripping headers"])
def test_a_slow_endpoint_is_left_at_the_time_limit(server: Server, late: Callable[[BaseHTTPRequestHandler], None]) -> None:
    server.answers = [late]
    began = time.monotonic()
    with pytest.raises(EndpointError, match=r"^no answer within 0\.3 s$"):
        system(server, "?timeout_s=0.3").answer(RECORDING, [WHERE])
    assert time.monotonic() - began < 5
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Welcome</html>", "is not JSON: <html>Welcome</html>"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "has no text"),
        (b"{}", "has no text"),
        (b'{"choices": []}', "has no text"),
        (b'{"choices": {}}', "has no text"),
        (b'{"choices": [7]}', "has no text"),
        (b'{"choices": [{"message": null}]}', "has no text"),
        (b'{"choices": [{"message": {"content": null}}]}', "has no text"),
        (b'{"choices": [{"message": {"content": 4}}]}', "has no text"),
        (b'{"choices": [{"message": {"content": [{"type": "image_url", "image_url": {}}]}}]}', "has no text"),
        (b'{"choices": [{"message": {"content": [{"type": "text", "text": 4}]}}]}', "has no text"),
        (b'{"error": {"message": "overloaded"}}', "overloaded"),
    ],
)
def test_an_answer_that_is_no_completion_is_an_error_that_shows_it(server: Server, content: bytes, message: str) -> None:
    server.answers = [(200, {}, content)]
    with pytest.raises(EndpointError, match=message) as caught:
        system(server).answer(RECORDING, [WHERE])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert len(server.asked) == 1


def test_text_in_parts_is_joined_and_odd_usage_is_ignored() -> None:
    parts = [{"type": "text", "text": "front"}, {"type": "audio"}, 3, {"type": "text", "text": "-left"}]
    assert read_completion(completion(parts, usage={"completion_tokens": True})[2]) == ("front-left", None)
    assert read_completion(completion("", usage=[])[2]) == ("", None)


def garbage(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def torn(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b'HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{"choices')


@pytest.mark.parametrize("broken", [garbage, hang_up, torn])
def test_a_broken_connection_is_tried_again(server: Server, broken: Callable[[BaseHTTPRequestHandler], None]) -> None:
    server.answers = [broken, completion()]
    assert system(server).answer(RECORDING, [WHERE])[0].text == "B"
    server.asked.clear()
    server.answers = [broken]
    with pytest.raises(EndpointError, match=r"^no connection or a broken one \(.*\); asked 4 times$"):
        system(server).answer(RECORDING, [WHERE])


def test_an_endless_answer_is_not_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.bench.systems.openai_endpoint.MAX_ANSWER_BYTES", 1_000_000)
    server.answers = [(200, {}, b" " * 1_500_000)]
    with pytest.raises(EndpointError, match="the answer is longer than 1 MB"):
        system(server).answer(RECORDING, [WHERE])


def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answers = [(307, {"Location": f"{server.url}/elsewhere"}, b"moved")]
    with pytest.raises(EndpointError, match="HTTP 307: moved"):
        system(server, key="s3cret").answer(RECORDING, [WHERE])
    assert len(server.asked) == 1


def test_a_refused_connection_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match="ConnectionRefusedError"):
        OpenAIEndpoint("openai:", Endpoint.of(f"http://127.0.0.1:{port}/v1#m"), wait=lambda seconds: None).answer(RECORDING, [WHERE])


def test_retry_after_is_read_as_seconds_or_date() -> None:
    assert retry_after_s(None, 0.0) is None
    assert retry_after_s("12", 0.0) == 12.0
    assert retry_after_s("-3", 0.0) == 0.0
    assert retry_after_s("nan", 0.0) is None
    assert retry_after_s("soon", 0.0) is None
    assert retry_after_s(email.utils.formatdate(1_000_030, usegmt=True), 1_000_000.0) == 30.0
    assert retry_after_s(email.utils.formatdate(999_000, usegmt=True), 1_000_000.0) == 0.0


def test_an_address_is_read() -> None:
    assert Endpoint.of("https://api.example.org/v1/#a/b") == Endpoint(True, "api.example.org", None, "/v1/chat/completions", "a/b")
    assert Endpoint.of("http://h:8000?audio=foa&timeout_s=3#m") == Endpoint(False, "h", 8000, "/chat/completions", "m", "foa", 3.0)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://h/v1", "not an address with a model"),
        ("ftp://h/v1#m", "not an address with a model"),
        ("http:///v1#m", "not an address with a model"),
        ("gpt-audio", "not an address with a model"),
        ("http://h:port/v1#m", "cannot be read"),
        ("http://h/v1?audio#m", "cannot be read"),
        ("http://h/v1?timeout_s=long#m", "cannot be read"),
        ("http://h/v1?timeout_s=0#m", "has a setting that is unknown"),
        ("http://h/v1?timeout_s=nan#m", "has a setting that is unknown"),
        ("http://h/v1?audio=quad#m", "has a setting that is unknown"),
        ("http://h/v1?key=abc#m", "has a setting that is unknown"),
        ("http://me:pass@h/v1#m", "put the key into OPENAI_API_KEY"),
    ],
)
def test_an_address_that_cannot_be_used_says_what_is_allowed(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Endpoint.of(address)


def test_a_system_is_made_without_asking_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " k \n")
    made = load("http://127.0.0.1:9/v1#m")
    assert made.name == "openai:http://127.0.0.1:9/v1#m"
    assert made.labels == Labels("mono", "other data", "text", "none: down-mix to mono (channel W)")
    monkeypatch.setenv("OPENAI_API_KEY", "a\nb")
    with pytest.raises(InputError, match="OPENAI_API_KEY holds signs that no key has"):
        load("http://127.0.0.1:9/v1#m")
