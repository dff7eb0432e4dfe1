"""How the studio says no: one exception, and the JSON that clients get for it; under /v1 in the form of OpenAI's interface."""

from typing import Any

from fastapi import HTTPException

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refused(HTTPException):
    """A request that is not carried out: HTTP status, a short code for programs, one sentence for people.

    `retry_s` becomes Retry-After. It is an HTTPException so that it passes through the reading of a request's body as it is.
    """

    def __init__(self, status: int, code: str, message: str, retry_s: int | None = None) -> None:
        super().__init__(status, message, {} if retry_s is None else {"Retry-After": str(retry_s)})
        self.code, self.message = code, message


def not_found(what: str) -> Refused:
    """404 for something that is not here, or not any more."""
    return Refused(404, "not_found", what)


def refusal_body(path: str, status: int, code: str, message: str, request_id: str) -> dict[str, Any]:
    """The JSON of a refusal."""
    if path.startswith("/v1/"):
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": code, "request_id": request_id}}
    return {"error": {"code": code, "message": message, "request_id": request_id}}
