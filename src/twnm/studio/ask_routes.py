"""The route that answers a question about a recording: as one object, or as events while the model listens and thinks."""

import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from twnm.model.twnm import Answer, Listening
from twnm.questions.answer import check_question
from twnm.studio.hearing import answer_message, evidence_of, heard_objects
from twnm.studio.messages import AnswerMessage, AskRequest
from twnm.studio.recordings import Recording
from twnm.studio.refusals import Refused, refusal_body
from twnm.studio.streams import Tell, event, refusal_of, stream, told
from twnm.studio.studio import REFUSALS, Studio

_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "the answer; or, to `Accept: text/event-stream`, the events `queued`, `heard`, `answer` or `error`",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def routes(studio: Studio) -> APIRouter:
    """This route."""
    router = APIRouter(prefix="/api/recordings", tags=["recordings"], responses=REFUSALS)

    @router.post("/{recording_id}/ask", summary="Ask about 5 s of a recording", response_model=AnswerMessage, responses=_EVENTS)
    async def ask(recording_id: str, asked: AskRequest, request: Request) -> Any:
        recording = studio.recording(recording_id)
        question = checked(asked.question, asked.options, studio.settings.question_chars)
        if "text/event-stream" in request.headers.get("accept", ""):
            studio.model_jobs.check()
            return _answer_in_events(studio, recording, asked, question, request)
        answer = await studio.model_jobs.run(lambda: _asked(studio, recording, asked, question))
        return answer_message(answer, question, asked.options, recording)

    return router


def checked(question: str, options: list[str], limit: int) -> str:
    """The question on one line; raises InputError for what is no question, Refused for one that is too long."""
    text = " ".join(question.split())
    check_question(text, tuple(options))
    if len(text) > limit:
        raise Refused(400, "bad_input", f"the question has {len(text)} characters; at most {limit} are read")
    return text


def _asked(studio: Studio, recording: Recording, asked: AskRequest, question: str, tell: Tell | None = None) -> Answer:
    def heard(start_s: float, listening: Listening) -> None:
        if tell is not None:
            tell(("heard", start_s, listening.evidence))

    options = tuple(" ".join(option.split()) for option in asked.options)
    key = f"{recording.recording_id} {recording.layout}"
    return studio.ears.ask(key, recording.foa, question, options, asked.start_s, heard)


def _answer_in_events(studio: Studio, recording: Recording, asked: AskRequest, question: str, request: Request) -> Response:
    objects = heard_objects(recording.heard)

    async def job(tell: Tell) -> Answer:
        tell(("queued", studio.model_jobs.waiting))
        return await studio.model_jobs.run(lambda: _asked(studio, recording, asked, question, tell))

    async def events() -> AsyncIterator[bytes]:
        try:
            async for thing in told(job):
                if isinstance(thing, Answer):
                    yield event(answer_message(thing, question, asked.options, recording).model_dump_json(), "answer")
                elif thing[0] == "queued":
                    yield event({"ahead": thing[1]}, "queued")
                else:
                    lines = evidence_of(thing[2], thing[1], objects, question)
                    yield event({"start_s": thing[1], "evidence": [line.model_dump() for line in lines]}, "heard")
        except Exception as error:
            refused = refusal_of(error)
            request_id = str(request.state.request_id)
            if refused.status_code == 500:
                logging.getLogger("twnm.studio").error("failed", extra={"request_id": request_id}, exc_info=error)
            yield event(refusal_body(request.url.path, refused.status_code, refused.code, refused.message, request_id), "error")

    return stream(events())
