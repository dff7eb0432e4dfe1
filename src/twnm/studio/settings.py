"""What a studio may be told: where it listens, who may speak to it, and how much it takes on. Sizes in bytes, times in seconds."""

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from twnm.errors import InputError

MEBIBYTE = 1 << 20
MIN_TOKEN_CHARS = 16


class Settings(BaseModel):
    """Limits and identity of one server.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        token: asked for as bearer token by every route that does something; empty: none.
        hosts: names by which clients may call a server without a token, beside those of the loopback; guards against DNS rebinding.
        upload_bytes: the largest recording file; a chat message may hold one in base64.
        json_bytes: the largest body of any other request.
        body_budget_bytes: all request bodies that are held at one time.
        duration_s: the longest recording.
        queue: jobs that may wait for the model; further ones are told to come again.
        time_limit_s: from being queued to the answer.
        body_idle_s, body_s: how long a client may pause within its request, and take for it; also for taking an answer.
        decode_s, decode_bytes: what decoding one file may take, in time and in address space.
        recordings, recordings_bytes, recordings_age_s: how many recordings are kept, of what size together, for how long after their last use.
        question_chars, build_duration_s, build_events: the longest question, scene, and most events in a scene that is built.
        data, runs: folders to browse.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: str = ""
    hosts: tuple[str, ...] = ()
    upload_bytes: int = Field(default=64 * MEBIBYTE, gt=0)
    json_bytes: int = Field(default=MEBIBYTE, gt=0)
    body_budget_bytes: int = Field(default=512 * MEBIBYTE, gt=0)
    duration_s: float = Field(default=120.0, gt=0)
    queue: int = Field(default=32, ge=1)
    time_limit_s: float = Field(default=60.0, gt=0)
    body_idle_s: float = Field(default=15.0, gt=0)
    body_s: float = Field(default=120.0, gt=0)
    decode_s: float = Field(default=30.0, gt=0)
    decode_bytes: int = Field(default=4 << 30, gt=0)
    recordings: int = Field(default=64, ge=1)
    recordings_bytes: int = Field(default=512 * MEBIBYTE, gt=0)
    recordings_age_s: float = Field(default=3600.0, gt=0)
    question_chars: int = Field(default=500, ge=1)
    build_duration_s: float = Field(default=30.0, gt=0)
    build_events: int = Field(default=8, ge=1)
    data: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()

    @property
    def chat_bytes(self) -> int:
        """The largest chat request: a recording in base64 and some text."""
        return self.upload_bytes * 4 // 3 + self.json_bytes

    @property
    def public(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(settings: Settings) -> None:
    """Raise InputError for a server that others could use without a token, or with one that is guessed easily or cannot stand in a header."""
    token = settings.token
    if settings.public and not token:
        raise InputError(
            f"{settings.host} can be reached from other machines, and without a token anyone there could use this model: "
            "set TWNM_TOKEN (for example to the output of `openssl rand -hex 24`), or leave --host at 127.0.0.1"
        )
    if token and (len(token) < MIN_TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token):
        raise InputError(f"the token in TWNM_TOKEN is not usable: give {MIN_TOKEN_CHARS} or more letters, digits and signs without spaces")
