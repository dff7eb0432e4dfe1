"""The application: all routes behind the guard, one form for every refusal, and the description of the interface at /openapi.json."""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import twnm
from twnm.errors import InputError
from twnm.studio import ask_routes, browse_routes, build_routes, chat_routes, direct_routes, pages, recording_routes, state_routes
from twnm.studio.guard import Guard
from twnm.studio.refusals import Refused, refusal_body
from twnm.studio.studio import Studio

_ABOUT = """Spatial hearing over HTTP: recordings of four channels (first-order Ambisonics) in; what sounds where, and answers about it, out.

Angles are degrees (azimuth 0 in front, +90 at the left; elevation positive upwards), distances metres, times seconds."""
_CODES = {400: "bad_input", 404: "not_found", 405: "wrong_method", 413: "too_large", 415: "wrong_type"}
_MOST_PROBLEMS = 5


def create_app(studio: Studio) -> Guard:
    """The ASGI application of a studio; its start and end start and end the studio."""

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        studio.start()
        try:
            yield
        finally:
            studio.stop()

    app = FastAPI(title="twnm", version=twnm.__version__, description=_ABOUT, lifespan=life, docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None)
    app.include_router(pages.routes(pages.PageFiles()))
    for part in (state_routes, recording_routes, ask_routes, build_routes, browse_routes, chat_routes, direct_routes):
        app.include_router(part.routes(studio))
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misformed)
    app.add_exception_handler(InputError, _unusable)
    app.add_exception_handler(Exception, _broken)
    return Guard(app, studio.settings, studio.life)


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. Under /v1 misformed requests get 400, as of OpenAI's interface, not the 422 that the framework assumes."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path, methods in document["paths"].items():
            for route in methods.values() if path.startswith("/v1/") else ():
                route["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


def _respond(request: Request, status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
    request_id = str(getattr(request.state, "request_id", ""))
    return JSONResponse(refusal_body(request.url.path, status, code, message, request_id), status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return _respond(request, error.status_code, error.code, error.message, error.headers)
    code = _CODES.get(error.status_code, "bad_input" if error.status_code < 500 else "internal")
    message = "there is nothing at this address" if error.status_code == 404 else str(error.detail)
    return _respond(request, error.status_code, code, message, error.headers)


async def _misformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(str(part)[:60] for part in one['loc'] if part != 'body') or 'body'}: {one['msg']}" for one in error.errors()]
    more = f" (and {len(problems) - _MOST_PROBLEMS} more)" if len(problems) > _MOST_PROBLEMS else ""
    status = 400 if request.url.path.startswith("/v1/") else 422
    return _respond(request, status, "bad_input", ("; ".join(problems[:_MOST_PROBLEMS]) + more)[:1000])


async def _unusable(request: Request, error: Exception) -> JSONResponse:
    return _respond(request, 400, "bad_input", str(error)[:1000])


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """The guard, which sees the exception next, logs it under the request's id."""
    logging.getLogger("twnm.studio").debug("broken: %s", type(error).__name__)
    return _respond(request, 500, "internal", "this failed within the server; its log has the reason under the request id")
