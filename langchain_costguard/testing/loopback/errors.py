"""The errors the provider answers with, in OpenAI's form and in Anthropic's."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Final[dict[int, tuple[str, str | None, str]]] = {
    HTTPStatus.BAD_REQUEST: ("invalid_request_error", None, "The loopback provider was told to refuse this request."),
    HTTPStatus.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    HTTPStatus.TOO_MANY_REQUESTS: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("server_error", None, "The server had an error while processing the request."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("server_error", None, "The server is overloaded or not ready yet."),
}


_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


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
    kind, code, message = _TYPES.get(status, ("server_error", None, phrase(status)))
    return error_body(message, kind, code=code)


def error_body(message: str, kind: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic_error(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """An error object of OpenAI's form in Anthropic's."""
    kind = _ANTHROPIC_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": body["error"]["message"]}, "request_id": None}


def phrase(status: int) -> str:
    """What a status says; those that HTTP does not know say that the provider is overloaded."""
    return _PHRASES.get(status, "Overloaded")
