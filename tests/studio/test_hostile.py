"""What strangers may send: each thing is refused with a clear 4xx, nothing is a 5xx, and the server answers afterwards."""

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from hostile_files import encoded, hostile_files
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_in import barking

from twnm.audio import read_foa
from twnm.errors import InputError

FILES = hostile_files()
CLEAR = range(400, 500)


@pytest.fixture(scope="module")
def recording_id(client: Any) -> str:
    return str(client.post("/api/recordings", content=encoded(barking(90.0))).json()["id"])


@pytest.fixture(autouse=True)
def _alive(client: Any) -> Iterator[None]:
    yield
    assert client.get("/healthz").json()["status"] == "ok"


def check_refusal(answer: Any) -> str:
    """A clear refusal without a trace of the inside; gives its message."""
    assert answer.status_code in CLEAR, (answer.status_code, answer.text)
    error = answer.json()["error"]
    assert error["message"] and len(error["message"]) < 1200 and error["request_id"] == answer.headers["x-request-id"]
    for secret in ("Traceback", "/tmp/", 'File "', "site-packages", str(Path.home())):
        assert secret not in answer.text
    return str(error["message"])


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused(client: Any, name: str) -> None:
    check_refusal(client.post("/api/recordings", content=FILES[name], headers={"content-type": "audio/wav"}))


@pytest.mark.parametrize("name", ["truncated wav", "flac of 1e9 frames", "flac bomb of silence", "stereo", "noise"])
def test_a_hostile_file_is_refused_in_a_chat_too(client: Any, name: str) -> None:
    answer = client.post("/v1/chat/completions", json=chat(base64.b64encode(FILES[name]).decode()))
    check_refusal(answer)
    assert answer.json()["error"]["type"] == "invalid_request_error"


def chat(data: Any, question: Any = "Where is the dog?", **changed: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": question}, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
    return {"model": "twnm", "messages": [{"role": "user", "content": content}]} | changed


GOOD = base64.b64encode(encoded(barking(90.0))).decode()
DEEP = "[" * 100_000
BODIES: dict[str, tuple[str, Any]] = {
    "deep json in a chat": ("/v1/chat/completions", DEEP),
    "deep json in a build": ("/api/build", '{"sketch": ' + DEEP),
    "deep objects": ("/api/build", '{"scene":' * 50_000),
    "huge json": ("/api/build", json.dumps({"scene": "x" * 2_000_000})),
    "many unknown keys": ("/api/build", json.dumps({f"k{number}": 1 for number in range(20_000)})),
    "a number of 5000 digits": ("/api/build", '{"sketch": ' + "9" * 5000 + "}"),
    "infinity": ("/api/build", '{"sketch": {"duration_s": 1e999, "room": {"kind": "free"}, "listener": {"position_m": [0, 0, Infinity]}}}'),
    "nan": ("/api/build", '{"sketch": {"duration_s": NaN, "room": {"kind": "free"}, "listener": {"position_m": [0, 0, 0]}}}'),
    "no json": ("/api/build", "sketch"),
    "broken utf-8": ("/api/build", b'{"sketch": "\xff\xfe"}'),
    "a list": ("/api/build", "[]"),
    "null": ("/api/build", "null"),
    "neither sketch nor scene": ("/api/build", "{}"),
    "a lone surrogate": ("/v1/chat/completions", json.dumps(chat(GOOD, "\ud800 where?"))),
    "bad base64": ("/v1/chat/completions", json.dumps(chat("%%%%"))),
    "base64 without padding": ("/v1/chat/completions", json.dumps(chat(GOOD.rstrip("=")[:-1]))),
    "base64 of nothing": ("/v1/chat/completions", json.dumps(chat(""))),
    "audio as a number": ("/v1/chat/completions", json.dumps(chat(7))),
    "audio as a path": ("/v1/chat/completions", json.dumps(chat("../../etc/passwd"))),
    "no audio": ("/v1/chat/completions", json.dumps({"model": "twnm", "messages": [{"role": "user", "content": "Where?"}]})),
    "no question": ("/v1/chat/completions", json.dumps(chat(GOOD, "   "))),
    "a question of 1 MB": ("/v1/chat/completions", json.dumps(chat(GOOD, "where " * 170_000))),
    "another model": ("/v1/chat/completions", json.dumps(chat(GOOD, model="gpt-audio"))),
    "three answers": ("/v1/chat/completions", json.dumps(chat(GOOD, n=3))),
    "tools": ("/v1/chat/completions", json.dumps(chat(GOOD, tools=[{"type": "function"}]))),
    "no messages": ("/v1/chat/completions", json.dumps({"model": "twnm", "messages": []})),
    "an unknown role": ("/v1/chat/completions", json.dumps({"model": "twnm", "messages": [{"role": "root", "content": "x"}]})),
    "a recipe that is a file": ("/v1/simulate", json.dumps({"recipe": "/etc/passwd"})),
    "a seed below zero": ("/v1/simulate", json.dumps({"seed": -1})),
    "a negative seed in a scene": ("/v1/simulate", json.dumps({"scene": {"scene_id": "x", "seed": [-1], "room": {"kind": "free"}}})),
    "a scene of a year": ("/v1/simulate", json.dumps({"scene": {"scene_id": "x", "duration_s": 3e7, "room": {"kind": "free"}}})),
    "a scene whose room is unknown": ("/v1/simulate", json.dumps({"scene": {"scene_id": "x"}})),
    "a noise louder than everything": (
        "/v1/simulate",
        json.dumps({"scene": {"scene_id": "x", "room": {"kind": "free"}, "ambience": {"kind": "white", "level_db": 1e300}}}),
    ),
    "a listener at the end of the world": (
        "/v1/simulate",
        json.dumps({"scene": {"scene_id": "x", "room": {"kind": "free"}, "listener": {"position_m": [1e308, 0, 0]}}}),
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused(client: Any, name: str) -> None:
    path, body = BODIES[name]
    check_refusal(client.post(path, content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("asked", [{"question": ""}, {"question": "a", "options": ["x"]}, {"question": "a", "options": ["x", "x"]}, {"question": "w " * 400}])
def test_a_question_that_is_none_is_refused(client: Any, recording_id: str, asked: dict[str, Any]) -> None:
    check_refusal(client.post(f"/api/recordings/{recording_id}/ask", json=asked))


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..\\..\\windows", "a\x00b", "/etc/shadow", "x" * 500, "\u202egnp.exe", "<script>"])
def test_a_client_s_name_is_only_shown(client: Any, name: str) -> None:
    made = client.post("/api/recordings", params={"name": name}, content=encoded(barking(0.0))).json()
    assert "/" not in made["name"] and "\\" not in made["name"] and made["name"].isprintable() and len(made["name"]) <= 120
    assert client.post("/api/recordings", files={"file": (name.replace("\x00", ""), encoded(barking(0.0)))}).status_code == 201


@pytest.mark.parametrize("recording", ["..", "../state", "%2e%2e%2f", "r' OR 1=1", "r" * 3000, "\u0000"])
def test_an_id_is_only_looked_up(client: Any, recording: str) -> None:
    from urllib.parse import quote

    check_refusal(client.get(f"/api/recordings/{quote(recording, safe='')}/audio.wav"))


def test_forms_must_be_forms(client: Any) -> None:
    two = [("file", ("a.wav", encoded(barking(0.0)))), ("file", ("b.wav", encoded(barking(0.0))))]
    assert client.post("/api/recordings", files=two).status_code == 415
    for kind, body in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=" + "b" * 500, b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X" * 20_000 + b": y\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n\r\nx\r\n" * 20 + b"--b--"),
        ("multipart/form-data; boundary=b", b"no form at all"),
    ):
        check_refusal(client.post("/api/recordings", content=body, headers={"content-type": kind}))


def test_strangers_pages_and_names_are_refused(client: Any) -> None:
    assert client.get("/api/state", headers={"host": "evil.example"}).json()["error"]["code"] == "forbidden_host"
    assert client.post("/v1/chat/completions", json={}, headers={"origin": "https://evil.example"}).json()["error"]["code"] == "forbidden_origin"
    assert client.post("/api/examples/x", headers={"origin": "http://testserver"}).status_code == 400
    assert client.get("/healthz", headers={"x-request-id": "a\tb" * 50}).headers["x-request-id"] != "a\tb" * 50


def test_a_token_is_asked_of_everything_but_the_page(live: Callable[..., str]) -> None:
    import httpx

    address = live(token="0123456789abcdef", hosts=())
    with httpx.Client(base_url=address) as http:
        assert http.get("/healthz").status_code == 200 and http.get("/").status_code == 200
        for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic 0123456789abcdef"}, {"authorization": "Bearer"}):
            assert check_refusal(http.get("/api/state", headers=wrong)) and check_refusal(http.post("/v1/chat/completions", json={}, headers=wrong))
        right = {"authorization": "Bearer 0123456789abcdef"}
        assert http.get("/api/state", headers=right).json()["token_needed"]
        assert http.get("/api/state", headers=right | {"host": "studio.example"}).status_code == 200


# Below, single bytes on a socket.


def connected(address: str, timeout_s: float = 20.0) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname and parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout_s)


def all_of(stream: socket.socket) -> bytes:
    parts = []
    try:
        while chunk := stream.recv(65536):
            parts.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def head(length: int, path: str = "/api/recordings") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture(scope="module")
def slow_server(live: Callable[..., str]) -> str:
    return live(body_idle_s=0.5, body_s=1.5, upload_bytes=300_000, json_bytes=10_000)


def test_a_client_that_stalls_is_told_so(slow_server: str) -> None:
    with connected(slow_server) as stream:
        stream.sendall(head(1000) + b"RIFF")
        began = time.monotonic()
        assert all_of(stream).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 10


def test_a_client_that_drips_is_told_so(slow_server: str) -> None:
    with connected(slow_server) as stream:
        stream.sendall(head(1000))
        for _ in range(30):
            try:
                stream.sendall(b"R")
            except OSError:
                break
            time.sleep(0.1)
        assert all_of(stream).startswith(b"HTTP/1.1 408")


def test_what_is_too_large_is_counted_while_it_streams(slow_server: str) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with connected(slow_server) as stream:
        stream.sendall(b"POST /api/recordings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(12):  # 786 kB, of 300 kB that are taken
            stream.sendall(chunk)
        stream.sendall(b"0\r\n\r\n")
        assert all_of(stream).startswith(b"HTTP/1.1 413")


def test_what_says_that_it_is_too_large_is_not_even_read(slow_server: str) -> None:
    with connected(slow_server) as stream:
        stream.sendall(head(10**12))
        assert stream.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_may_close_its_side_and_still_gets_its_answer(live: Callable[..., str]) -> None:
    body = encoded(barking(90.0, 0.5))
    with connected(live(), 60.0) as stream:
        stream.sendall(head(len(body)) + body)
        stream.shutdown(socket.SHUT_WR)
        assert all_of(stream).startswith(b"HTTP/1.1 201")


def test_half_a_body_and_a_closed_side_is_a_bad_request(slow_server: str) -> None:
    with connected(slow_server) as stream:
        stream.sendall(head(1000) + b"RIFF")
        stream.shutdown(socket.SHUT_WR)
        assert all_of(stream).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/recordings HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/recordings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nRIFFxx",
        b"POST /api/recordings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_bad_request(slow_server: str, sent: bytes) -> None:
    with connected(slow_server) as stream:
        with contextlib.suppress(OSError):  # it may have answered and closed already
            stream.sendall(sent)
            stream.shutdown(socket.SHUT_WR)
        status = all_of(stream)[:12]
        assert status.startswith(b"HTTP/1.1 4"), status


def test_a_connection_that_never_asks_is_closed(studio_of: Callable[..., Any]) -> None:
    from live_server import LiveServer

    server = LiveServer(studio_of(), keep_alive_s=1)
    try:
        with connected(server.address) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert all_of(stream) == b""
    finally:
        server.stop()


def test_a_full_queue_says_when_to_come_again(live: Callable[..., str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import httpx

    address = live(pause_s=0.3, queue=2)
    with httpx.Client(base_url=address, timeout=60) as http, ThreadPoolExecutor(12) as crew:
        answers = list(crew.map(lambda _: http.post("/v1/scene", content=encoded(barking(0.0))), range(12)))
    busy = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429} and len(busy) >= 3
    assert all(int(answer.headers["retry-after"]) >= 1 and check_refusal(answer) for answer in busy)


def test_what_takes_too_long_is_given_up(live: Callable[..., str]) -> None:
    import httpx

    address = live(pause_s=1.0, time_limit_s=0.4)
    with httpx.Client(base_url=address, timeout=60) as http:
        late = http.post("/v1/scene", content=encoded(barking(0.0)))
        assert late.status_code == 504 and late.json()["error"]["code"] == "too_late"
        assert http.get("/healthz").status_code == 200


def test_nothing_of_a_request_stays_on_disk(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client.post("/api/recordings", content=encoded(barking(0.0)))
    client.post("/api/recordings", content=b"RIFF")
    client.post("/v1/chat/completions", json=chat(GOOD))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=150)
@given(st.data())
def test_the_reader_refuses_or_reads_whatever_is_in_a_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Bytes of a good file, changed here and there, cut or lengthened: AmbiX or an InputError, never anything else."""
    kind = data.draw(st.sampled_from(["WAV", "FLAC", "OGG", "CAF", "AIFF", "none"]))
    good = _SEEDS[kind]
    spots = data.draw(st.lists(st.tuples(st.integers(0, max(0, min(len(good), 200) - 1)), st.integers(0, 255)), max_size=8))
    changed = bytearray(good)
    for place, value in spots:
        if changed:
            changed[place] = value
    cut = data.draw(st.integers(0, len(changed))) if data.draw(st.booleans()) else len(changed)
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(bytes(changed[:cut]) + data.draw(st.binary(max_size=64)))
    try:
        foa = read_foa(path, max_duration_s=5.0)
    except InputError:
        return
    assert foa.shape[0] == 4 and foa.dtype == np.float32 and np.isfinite(foa).all() and foa.shape[1] <= 5 * 24_000 + 1


_SEEDS = {
    kind: encoded(barking(30.0, 0.2), container=kind, subtype="VORBIS" if kind == "OGG" else "PCM_16") for kind in ("WAV", "FLAC", "OGG", "CAF", "AIFF")
} | {"none": b""}
