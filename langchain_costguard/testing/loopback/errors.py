"""The errors the provider answers with, in OpenAI's form."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

_TYPES: Final = {
    HTTPStatus.BAD_REQUEST: ("invalid_request_error", None, "The loopback provider was told to refuse this request."),
    HTTPStatus.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    HTTPStatus.TOO_MANY_REQUESTS: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("server_error", None, "The server had an error while processing the request."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("server_error", None, "The server is overloaded or not ready yet."),
}


class RequestRefused(Exception):  # noqa: N818 - what happened, not a fault of the provider
    """A request that the provider does not serve.

    Attributes:
        status: the HTTP status.
        body: the answer.
    """

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        """Put OpenAI's error object around the message."""
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = error_body(message, "invalid_request_error", code=code, param=param)


def scripted_error(status: int) -> dict[str, Any]:
    """The error object of a status that a script asked for."""
    kind, code, message = _TYPES.get(HTTPStatus(status), ("server_error", None, HTTPStatus(status).phrase))
    return error_body(message, kind, code=code)


def error_body(message: str, kind: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
