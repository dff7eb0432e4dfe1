"""Server-sent events: one connection on which a job tells how far it is. Format: WHATWG HTML, section 9.2."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.responses import StreamingResponse

from twnm.errors import InputError
from twnm.studio.refusals import Refused

Tell = Callable[[Any], None]
"""Passes something on to the client; may be called from any thread."""


async def told(job: Callable[[Tell], Awaitable[Any]]) -> AsyncIterator[Any]:
    """What a job tells while it runs, and then its result; raises what the job raises. The job ends when nobody listens any more."""
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[Any] = asyncio.Queue()
    end = object()

    def tell(thing: Any) -> None:
        loop.call_soon_threadsafe(said.put_nowait, thing)

    async def run() -> Any:
        try:
            return await job(tell)
        finally:
            said.put_nowait(end)

    task = asyncio.create_task(run())
    try:
        while (thing := await said.get()) is not end:
            yield thing
        while not said.empty():  # told from a thread just before the end
            yield said.get_nowait()
        yield await task
    finally:
        task.cancel()


def event(data: Any, name: str | None = None) -> bytes:
    """One event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """A response of events."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def refusal_of(error: Exception) -> Refused:
    """What went wrong after the answer had begun, as a refusal."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InputError):
        return Refused(400, "bad_input", str(error))
    return Refused(500, "internal", "this failed within the server; its log has the reason under the request id")
