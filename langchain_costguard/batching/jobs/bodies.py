"""How a request becomes one line of JSON, as the provider's own client would have written it."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from langchain_costguard.batching.jobs.job_errors import UnsupportedChainError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLIENT_OPTIONS: Final = ("timeout", "stream", "stream_options")
"""Settings of the client, or of how an answer arrives, which a batch does not have."""
_PER_REQUEST: Final = ("extra_headers", "extra_query")
"""What a batch cannot carry for one request."""


def clean_body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload without what is not sent, and with what the client would have merged into it.

    Raises:
        UnsupportedChainError: it has headers or a query of its own.
    """
    for name in _PER_REQUEST:
        if payload.get(name):
            msg = (
                f"the model sends {name} with its requests, which a batch cannot carry: give them to the client itself"
            )
            raise UnsupportedChainError(msg)
    dropped = {*_CLIENT_OPTIONS, *_PER_REQUEST, "extra_body"}
    body = {key: value for key, value in payload.items() if key not in dropped and not _is_omitted(value)}
    return {**body, **(payload.get("extra_body") or {})}


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """A body as JSON in UTF-8, without a line break.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: a number in it is not finite, or a text is no Unicode.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    return text.encode()


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON takes
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, date):
        return value.isoformat()
    msg = f"a {type(value).__module__}.{type(value).__qualname__} cannot be written as JSON"
    raise TypeError(msg)


def _is_omitted(value: object) -> bool:
    """Whether a value is what the clients of both providers mean by "not given"."""
    return type(value).__name__ in {"NotGiven", "Omit"}
