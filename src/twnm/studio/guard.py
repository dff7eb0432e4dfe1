"""What stands before every route: who may ask, how much may be sent and how slowly, headers that browsers obey, a log line, and no stack traces.

Plain ASGI, so that bodies are counted while they stream. Cross-site requests are refused by Origin, and calls by a foreign name (DNS rebinding) by
Host; Fetch standard and RFC 9110.
"""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from twnm.studio.refusals import Refused, refusal_body
from twnm.studio.settings import Settings, is_loopback

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOG: Final = logging.getLogger("twnm.studio")
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "worker-src 'self' blob:; manifest-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_OPEN: Final = ("/healthz", "/static/")
_UPLOADS: Final = ("/api/recordings", "/v1/scene")
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINGER_S: Final = 2.0


@dataclass
class Life:
    """What the whole server is at: stopping or not, requests that run, bytes of bodies that are held."""

    stopping: bool = False
    running: int = 0
    body_bytes: int = 0


@dataclass
class _Call:
    """One request on its way."""

    scope: Message
    request_id: str
    headers: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    body_bytes: int = 0
    body_ended: bool = False
    note: str = ""

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @property
    def body_comes(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"


class _SlowClientError(Exception):
    """A client does not read what it asked for."""


class Guard:
    """The application that is served: checks, then calls `app`."""

    def __init__(self, app: App, settings: Settings, life: Life) -> None:
        self._app, self._settings, self._life = app, settings, life

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a websocket that is not accepted is refused by the server with 403
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        call = _Call(scope, given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8), headers)
        scope.setdefault("state", {})["request_id"] = call.request_id
        self._life.running += 1
        try:
            await self._answer(call, receive, send)
        finally:
            self._life.running -= 1
            self._life.body_bytes -= call.body_bytes
            _log(call)

    async def _answer(self, call: _Call, receive: Receive, send: Send) -> None:
        reading = self._reader(call, receive)
        writing = self._writer(call, send, reading)
        try:
            self._check(call)
            await self._app(call.scope, reading, writing)
        except Refused as refused:
            if not call.status:
                await self._refuse(call, refused, writing)
        except _SlowClientError:
            call.note = "the client took its answer too slowly"  # an answer that stays unfinished makes the server close the connection
        except Exception as error:
            LOG.error("failed", extra={"request_id": call.request_id}, exc_info=error)
            if not call.status:
                await self._refuse(call, Refused(500, "internal", "this failed within the server; its log has the reason under the request id"), writing)

    def _check(self, call: _Call) -> None:
        """Raise Refused for a request that may not be made."""
        settings, path = self._settings, call.path
        if self._life.stopping and path != "/healthz":
            raise Refused(503, "stopping", "the server is stopping", retry_s=5)
        host = call.headers.get("host", "")
        if not settings.token and _name(host) not in settings.hosts and not is_loopback(_name(host)):
            raise Refused(403, "forbidden_host", f"this server is not called {_name(host)[:80]!r}; open it by the address that it printed")
        origin = call.headers.get("origin")
        if call.scope["method"] not in _SAFE and origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, "forbidden_origin", "requests from pages of other sites are refused")
        if settings.token and path != "/" and not path.startswith(_OPEN):
            scheme, _, token = call.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), settings.token.encode()):
                raise Refused(401, "token_needed", "this server asks for its token: send `Authorization: Bearer TOKEN`")
        length = call.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limit_bytes(call):
            raise self._too_large(call)

    def _limit_bytes(self, call: _Call) -> int:
        if call.path in _UPLOADS:
            return self._settings.upload_bytes + 65536  # a form around the file
        return self._settings.chat_bytes if call.path == "/v1/chat/completions" else self._settings.json_bytes

    def _too_large(self, call: _Call) -> Refused:
        return Refused(413, "too_large", f"the request is larger than the {self._limit_bytes(call) / 1e6:.1f} MB that are taken here")

    def _reader(self, call: _Call, receive: Receive) -> Receive:
        """Counts bytes and time while the body streams."""
        settings, life = self._settings, self._life

        async def reading() -> Message:
            if call.body_ended:
                return await receive()  # waits for the client to go away
            left_s = call.began + settings.body_s - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), min(settings.body_idle_s, max(left_s, 0.0)))
            except TimeoutError:
                raise Refused(408, "too_slow", "the request came too slowly; send it again") from None
            size = len(message.get("body", b""))
            call.body_bytes += size
            life.body_bytes += size
            call.body_ended = not message.get("more_body", False)
            if call.body_bytes > self._limit_bytes(call):
                raise self._too_large(call)
            if life.body_bytes > settings.body_budget_bytes:
                raise Refused(429, "busy", "too much is being sent to the server at this moment; come again", retry_s=5)
            return message

        return reading

    def _writer(self, call: _Call, send: Send, reading: Receive) -> Send:
        """Adds headers, notes the status, and gives up on a client that does not take its answer.

        When a request is answered before it has come in whole, the rest is taken and thrown away for a moment, or the client would see a broken
        connection instead of the answer.
        """
        early = False

        async def sending(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), self._settings.body_s)
            except TimeoutError:
                raise _SlowClientError from None

        async def writing(message: Message) -> None:
            nonlocal early
            if message["type"] == "http.response.start":
                call.status = message["status"]
                early = call.body_comes and not call.body_ended
                have = {name.lower() for name, _ in message["headers"]}
                closing = {"connection": "close"} if early or self._life.stopping else {}
                added = _HEADERS | {"x-request-id": call.request_id, "cache-control": "no-store"} | closing
                message["headers"] = [*message["headers"], *((name.encode(), text.encode()) for name, text in added.items() if name.encode() not in have)]
            elif early and not message.get("more_body", False):
                await sending({**message, "more_body": True})
                await self._linger(call, reading)
                message = {"type": "http.response.body", "body": b""}
            await sending(message)

        return writing

    async def _refuse(self, call: _Call, refused: Refused, writing: Send) -> None:
        call.note = refused.code
        body = json.dumps(refusal_body(call.path, refused.status_code, refused.code, refused.message, call.request_id)).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **(refused.headers or {})}
        start = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        await writing({"type": "http.response.start", "status": refused.status_code, "headers": start})
        await writing({"type": "http.response.body", "body": body})

    async def _linger(self, call: _Call, reading: Receive) -> None:
        end = time.monotonic() + _LINGER_S
        while not call.body_ended and "expect" not in call.headers and (left_s := end - time.monotonic()) > 0:
            with contextlib.suppress(Refused):  # for being too much: it is thrown away
                try:
                    await asyncio.wait_for(reading(), left_s)
                except TimeoutError:
                    return
            self._life.body_bytes -= call.body_bytes
            call.body_bytes = 0


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return urlsplit(f"//{host}").hostname or "" if _plausible(host) else ""


def _plausible(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname is not None
    except ValueError:
        return False


def _log(call: _Call) -> None:
    client = (call.scope.get("client") or ("",))[0]
    LOG.info(
        "request",
        extra={
            "request_id": call.request_id,
            "method": call.scope["method"],
            "path": call.path[:200],
            "status": call.status or 499,
            "ms": round(1000 * (time.monotonic() - call.began)),
            "bytes_in": call.body_bytes,
            "client": client,
        }
        | ({"note": call.note} if call.note else {}),
    )
