"""`openai:URL#MODEL`: a model behind an OpenAI-compatible endpoint (chat completions with `input_audio`): OpenAI, vLLM, llama.cpp, `twnm serve`, ...

    openai:https://api.openai.com/v1#gpt-audio                       mono, the default
    openai:http://localhost:8000/v1?audio=binaural#some-model        two ears; or stereo
    openai:http://localhost:8000/v1?audio=foa&timeout_s=30#twnm      four channels

The recording goes as 16-bit WAV of 24 kHz in base64. The key is read from OPENAI_API_KEY and is sent only over https or to this machine; no redirect is
followed and no proxy is used. A question that is not answered is an error of that question and no more: after `timeout_s` for all its attempts together;
after three more attempts when the server is busy, broken or out of reach, each as late as its Retry-After says or after 1, 2 and 4 s; at once when it gives
anything else that is no reply. After three failures in a row each question is tried once only, until one succeeds.

Tested against a local server; not tested: any public service.
"""

import base64
import email.utils
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.prompts import AUDIO_FORMS, SPATIAL_ACCESS, AudioForm, form_given, wav_bytes, write_prompt
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.errors import InputError

KEY_NAME = "OPENAI_API_KEY"
TIMEOUT_S = 120.0
MAX_TOKENS = 512
MAX_ANSWER_BYTES = 4_000_000
_RETRIES = 3
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_HOPELESS = 3  # failures in a row
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_FORM = "openai:URL#MODEL, for example openai:http://localhost:8000/v1?audio=binaural#some-model"


class EndpointError(RuntimeError):
    """The endpoint gave no reply to a question; one line says why."""


class _Busy(EndpointError):
    """It may do so later: after `wait_s` seconds, if it says so."""

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers. `host` and `port` are called, `path` is that of chat completions; `timeout_s` is for one question, all attempts together."""

    secure: bool
    host: str
    port: int | None
    path: str
    model: str
    audio: AudioForm = "mono"
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, text: str) -> "Endpoint":
        """Read `URL#MODEL`; raises InputError for what is not an http(s) address with a model and known settings, or holds a password."""
        try:
            url = urlsplit(text)
            port, settings = url.port, dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
            timeout_s = float(settings.pop("timeout_s", TIMEOUT_S))
        except ValueError as error:
            raise InputError(f"openai:{text} cannot be read ({error}); give {_FORM}") from None
        audio = settings.pop("audio", "mono")
        if url.username is not None or url.password is not None:
            raise InputError(f"the address of an endpoint holds a name or password, which would stand in the results; put the key into {KEY_NAME}")
        if url.scheme not in ("http", "https") or not url.hostname or not url.fragment:
            raise InputError(f"openai:{text} is not an address with a model; give {_FORM}")
        if settings or audio not in AUDIO_FORMS or not 0 < timeout_s < float("inf"):
            raise InputError(f"openai:{text} has a setting that is unknown; allowed: audio={'|'.join(AUDIO_FORMS)} and timeout_s=SECONDS, for example {_FORM}")
        path = f"{url.path.rstrip('/')}/chat/completions"
        return cls(url.scheme == "https", url.hostname, port, path, url.fragment, cast(AudioForm, audio), timeout_s)


class OpenAIEndpoint:
    """An endpoint as a system of the benchmark.

    Args:
        name: of the system, "openai:URL#MODEL".
        endpoint: where it is.
        key: sent as bearer token; empty for none.
        wait: sleeps between attempts, given seconds.
    """

    def __init__(self, name: str, endpoint: Endpoint, key: str = "", wait: Callable[[float], None] = time.sleep) -> None:
        self.name, self._endpoint, self._wait = name, endpoint, wait
        self._key = key if endpoint.secure or endpoint.host in _LOCAL else ""
        self._failed_in_row = 0
        self.two_channels = endpoint.audio != "foa"
        self.labels = Labels(endpoint.audio, "other data", "text", SPATIAL_ACCESS[endpoint.audio])

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question, each asked on its own; one without an answer has its `error`. Raises EndpointError if no question was answered."""
        form = form_given(recording, self._endpoint.audio)
        wav = None if form is None or recording.audio is None else base64.b64encode(wav_bytes(recording.audio, form, SAMPLE_RATE_HZ)).decode()
        replies = [self._reply(write_prompt(question.question, question.options, form), wav) for question in questions]
        if replies and all(reply.error for reply in replies):
            raise EndpointError(replies[0].error)
        return replies

    def _reply(self, prompt: str, wav: str | None) -> Reply:
        began = time.perf_counter()
        try:
            text, tokens = read_completion(self._exchange(request_body(self._endpoint.model, prompt, wav)))
        except EndpointError as error:
            self._failed_in_row += 1
            return Reply("", seconds=time.perf_counter() - began, error=self._without_key(str(error)))
        self._failed_in_row = 0
        return Reply(text, seconds=time.perf_counter() - began, tokens=tokens)

    def _exchange(self, body: bytes) -> bytes:
        """What the endpoint answers with status 200, after as many attempts as are worth it and fit into the time limit."""
        end_s = time.monotonic() + self._endpoint.timeout_s
        retries = 0 if self._failed_in_row >= _HOPELESS else _RETRIES
        attempt = 0
        while True:
            try:
                return self._attempt(body, end_s - time.monotonic())
            except _Busy as busy:
                if attempt >= retries:
                    raise EndpointError(f"{busy}; asked {attempt + 1} time{'s' if attempt else ''}") from None
                wait_s = 2.0**attempt if busy.wait_s is None else busy.wait_s
                if time.monotonic() + wait_s >= end_s:
                    raise EndpointError(f"{busy}; to wait {wait_s:.0f} s is beyond the time limit of {self._endpoint.timeout_s:g} s") from None
            self._wait(wait_s)
            attempt += 1

    def _attempt(self, body: bytes, limit_s: float) -> bytes:
        try:
            status, headers, content = post(self._endpoint, body, self._key, limit_s)
        except TimeoutError:
            raise EndpointError(f"no answer within {self._endpoint.timeout_s:g} s") from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise _Busy(f"no connection or a broken one ({type(error).__name__}: {_one_line(str(error))})") from None
        if status == 200:
            return content
        problem = f"HTTP {status}: {_one_line(content.decode('utf-8', 'replace'))}"
        raise _Busy(problem, retry_after_s(headers.get("retry-after"), time.time())) if status in _PASSING else EndpointError(problem)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def request_body(model: str, prompt: str, wav: str | None) -> bytes:
    """The JSON of a request; `wav` is the recording in base64."""
    content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    if wav is not None:
        content.insert(0, {"type": "input_audio", "input_audio": {"data": wav, "format": "wav"}})
    return json.dumps({"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": MAX_TOKENS}).encode()


def read_completion(content: bytes) -> tuple[str, int | None]:
    """The text of a completion and its number of tokens, if it is given. Raises EndpointError for anything but a completion with text."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise EndpointError(f"the answer is not JSON: {_one_line(content[:400].decode('utf-8', 'replace'))}") from None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    if isinstance(text, list):  # parts; those that are not text carry no answer
        parts = [part.get("text") for part in text if isinstance(part, dict) and part.get("type") == "text"]
        text = "".join(part for part in parts if isinstance(part, str)) or None
    if not isinstance(text, str):
        raise EndpointError(f"the answer has no text: {_one_line(content[:400].decode('utf-8', 'replace'))}")
    usage = answer.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return text, tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """The seconds that a Retry-After header asks to wait (a number, or a date; `now_s` since 1970), not below 0; None if it says nothing readable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, OverflowError, OSError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def post(endpoint: Endpoint, body: bytes, key: str, limit_s: float) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request: status, headers with names in lower case, content.

    Raises TimeoutError when the whole answer is not there within `limit_s` seconds; OSError, HTTPException or UnicodeError when there is no such host, the
    connection fails, or the answer is not HTTP or beyond MAX_ANSWER_BYTES.
    """
    began = time.monotonic()
    kind = HTTPSConnection if endpoint.secure else HTTPConnection
    connection = kind(endpoint.host, endpoint.port, timeout=max(limit_s, 0.001))
    late = threading.Event()
    try:
        connection.connect()
        # The timeout of a socket is for each read: a server that sends a byte now and then would hold the request for ever.
        limit = threading.Timer(max(0.0, limit_s - (time.monotonic() - began)), _hang_up, (connection.sock, late))
        limit.daemon = True
        limit.start()
        try:
            headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
            connection.request("POST", endpoint.path, body, headers)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES + 1)
        except (OSError, HTTPException):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            limit.cancel()
    finally:
        connection.close()
    if late.is_set():
        raise TimeoutError
    if len(content) > MAX_ANSWER_BYTES:
        raise HTTPException(f"the answer is longer than {MAX_ANSWER_BYTES // 1_000_000} MB")
    if response.length:  # a torn answer reads short without an error
        raise HTTPException(f"{response.length} bytes of the answer are missing")
    return response.status, {name.lower(): value for name, value in response.getheaders()}, content


def _hang_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def load(address: str) -> OpenAIEndpoint:
    """The system `openai:URL#MODEL`; nothing is sent yet. Raises InputError for an address or a key that cannot be used."""
    key = os.environ.get(KEY_NAME, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"{KEY_NAME} holds signs that no key has; set it again")
    return OpenAIEndpoint(f"openai:{address}", Endpoint.of(address), key)
