"""OpenAI's chat completions on this model: one recording of four channels and one question; the answer with its evidence and reasoning.

The question is the text of the last user message; options are lines `A. ...`, `B. ...` after a line `Question: ...` (as `twnm bench` writes them).
The recording is the last one in any message. The model decodes greedily, so that temperature, top_p and seed change nothing.
"""

import base64
import binascii
import hashlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from twnm.bench.prompts import read_prompt
from twnm.model.twnm import Answer, Listening
from twnm.questions.answer import write_output
from twnm.studio.ask_routes import checked
from twnm.studio.chat_messages import (
    AnswerMessage,
    AudioPart,
    ChatMessage,
    ChatRequest,
    Choice,
    Completion,
    Heard,
    ModelCard,
    ModelList,
    OpenAIRefusal,
    TextPart,
    Usage,
)
from twnm.studio.decode import Decoded
from twnm.studio.refusals import Refused, not_found, refusal_body
from twnm.studio.streams import Tell, event, refusal_of, stream, told
from twnm.studio.studio import MODEL_NAME, REFUSALS, Studio

OPENAI_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: described | {"model": OpenAIRefusal} for status, described in REFUSALS.items() if status != 422
}
_STREAMED: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
_CREATED: Final = 1_767_225_600  # 2026-01-01: the interface asks for a date; a model has none here


@dataclass(frozen=True)
class _Asked:
    """A chat request, read."""

    question: str
    options: tuple[str, ...]
    recording: Decoded
    key: str
    most_tokens: int | None


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], responses=OPENAI_REFUSALS)
    card = ModelCard(id=MODEL_NAME, created=_CREATED, owned_by="twnm")

    @router.get("/models", summary="The models: one")
    async def models() -> ModelList:
        return ModelList(data=[card])

    @router.get("/models/{model}", summary="A model")
    async def model(model: str) -> ModelCard:
        if model != MODEL_NAME:
            raise not_found(f"there is no model {model[:80]!r}; there is {MODEL_NAME!r}")
        return card

    @router.post("/chat/completions", summary="Ask about a recording", response_model=Completion, responses=_STREAMED)
    async def chat(asked: ChatRequest, request: Request) -> Any:
        read = await _read(studio, asked)
        if asked.stream:
            studio.model_jobs.check()
            return _stream(studio, read, bool(asked.stream_options and asked.stream_options.include_usage), request)
        listening: list[Listening] = []
        answer = await studio.model_jobs.run(lambda: _answered(studio, read, listening.append))
        return _completion(studio, read, answer, listening[0])

    return router


async def _read(studio: Studio, asked: ChatRequest) -> _Asked:
    """Check a request and decode its recording; raises Refused or InputError."""
    if asked.model != MODEL_NAME:
        raise Refused(404, "model_not_found", f"there is no model {asked.model[:80]!r}; there is {MODEL_NAME!r}")
    formed = (asked.response_format or {}).get("type", "text") != "text"
    unserved = {"n": asked.n not in (None, 1), "tools": asked.tools, "logprobs": asked.logprobs, "response_format": formed}
    unserved["modalities"] = set(asked.modalities or ["text"]) != {"text"}
    for name, given in unserved.items():
        if given:
            raise Refused(400, "unsupported", f"{name} is not served here: there is one answer, in words; leave it out")
    question, options = _question_of(asked.messages)
    text = checked(question, list(options), studio.settings.question_chars)
    parts = [part for message in asked.messages if isinstance(message.content, list) for part in message.content if isinstance(part, AudioPart)]
    if not parts:
        raise Refused(400, "no_recording", "there is no recording: give a message a part of type input_audio with four channels of WAV or FLAC in base64")
    data = await studio.files.run(lambda: _from_base64(parts[-1].input_audio.data, studio.settings.upload_bytes))
    with tempfile.TemporaryDirectory(prefix="twnm-studio-") as folder:
        path = Path(folder) / "upload"
        await studio.files.run(lambda: path.write_bytes(data))
        decoded = await studio.decoder.decode(path, asked.layout, studio.settings.duration_s)
    limits = [limit for limit in (asked.max_tokens, asked.max_completion_tokens) if limit is not None]
    key = hashlib.blake2b(data + asked.layout.encode(), digest_size=16).hexdigest()
    return _Asked(text, tuple(" ".join(option.split()) for option in options), decoded, key, min(limits, default=None))


def _question_of(messages: list[ChatMessage]) -> tuple[str, tuple[str, ...]]:
    asking = [message for message in messages if message.role == "user"]
    if not asking or asking[-1].content is None:
        raise Refused(400, "no_question", "there is no question: the last message of the role user must have text")
    content = asking[-1].content
    return read_prompt(content if isinstance(content, str) else "\n".join(part.text for part in content if isinstance(part, TextPart)))


def _from_base64(text: str, limit_bytes: int) -> bytes:
    if len(text) * 3 // 4 > limit_bytes + 3:
        raise Refused(413, "too_large", f"the recording is larger than the {limit_bytes / 1e6:.1f} MB that are taken here")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "bad_input", "input_audio.data is not base64; give the bytes of the file in base64, without a prefix") from None
    if not data:
        raise Refused(400, "bad_input", "input_audio.data is empty")
    return data


def _answered(studio: Studio, read: _Asked, heard: Any) -> Answer:
    return studio.ears.ask(read.key, read.recording.foa, read.question, read.options, None, lambda _, listening: heard(listening))


def _cut(studio: Studio, read: _Asked, text: str) -> tuple[str, int, bool]:
    """The text within the limit of tokens, its tokens, and whether it is whole."""
    model = studio.ears.model
    ids = model.ids(text)
    if read.most_tokens is None or len(ids) <= read.most_tokens:
        return text, len(ids), True
    return model.text(ids[: read.most_tokens]), read.most_tokens, False


def _usage(studio: Studio, read: _Asked, listening: Listening, said: int) -> Usage:
    model = studio.ears.model
    audio = listening.prefix.length - len(model.ids(listening.evidence))
    prompt = audio + sum(len(model.ids(text)) for text in (read.question, *read.options))
    return Usage(prompt_tokens=prompt, completion_tokens=said, total_tokens=prompt + said)


def _completion(studio: Studio, read: _Asked, answer: Answer, listening: Listening) -> Completion:
    text, said, whole = _cut(studio, read, answer.text)
    parts = Heard(answer=answer.answer, letter=answer.letter, evidence=answer.evidence, why=answer.why, start_s=answer.start_s, layout=read.recording.layout)
    choice = Choice(message=AnswerMessage(content=text, twnm=parts), finish_reason="stop" if whole else "length")
    usage = _usage(studio, read, listening, said)
    return Completion(id=_new_id(), created=int(time.time()), model=MODEL_NAME, choices=[choice], usage=usage)


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _stream(studio: Studio, read: _Asked, count: bool, request: Request) -> Response:
    """The answer in chunks: the evidence as soon as the recording has been heard, the rest when it has been thought."""
    same = {"id": _new_id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": MODEL_NAME}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return event(same | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]})

    async def job(tell: Tell) -> Answer:
        return await studio.model_jobs.run(lambda: _answered(studio, read, tell))

    async def events() -> AsyncIterator[bytes]:
        yield chunk({"role": "assistant", "content": ""})
        sent, listening = "", None
        try:
            async for thing in told(job):
                if isinstance(thing, Listening):
                    listening = thing
                    sent = write_output(thing.evidence, None, None) if read.most_tokens is None else ""
                    yield chunk({"content": sent})
                    continue
                text, said, whole = _cut(studio, read, thing.text)
                yield chunk({"content": text.removeprefix(sent)})
                yield chunk({}, "stop" if whole else "length")
                if count and listening is not None:
                    yield event(same | {"choices": [], "usage": _usage(studio, read, listening, said).model_dump()})
                yield event("[DONE]")
        except Exception as error:
            refused = refusal_of(error)
            yield event(refusal_body(request.url.path, refused.status_code, refused.code, refused.message, str(request.state.request_id)))

    return stream(events())
