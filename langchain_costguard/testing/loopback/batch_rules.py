"""What a batch must be to be accepted: its file line by line, its parameters, its size."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn

from langchain_costguard.testing.loopback.errors import RequestRefused
from langchain_costguard.testing.loopback.service import BatchItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENDPOINTS: Final = ("/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions")
"""The endpoints whose requests come in batches here; OpenAI has more."""
_PARAMETERS: Final = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_PAIRS: Final = 16
_MAX_KEY: Final = 64
_MAX_VALUE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large batches may be.

    Example:
        >>> BatchLimits(max_requests=100).max_requests  # so that a test need not send 50,001
        100
    """

    max_requests: int = 50_000
    """Requests in a file of OpenAI's Batch API."""
    max_bytes: int = 200_000_000
    """Bytes of such a file."""
    max_enqueued_tokens: int | None = None
    """Input tokens of all batches of a model that have not ended; `None`: as many as you like."""
    max_message_requests: int = 100_000
    """Requests in one of Anthropic's message batches."""
    max_message_bytes: int = 256_000_000
    """Bytes of such a batch."""


@dataclass(slots=True)
class Inspection:
    """What was found in a batch's file."""

    total: int = 0
    """How many requests it has."""
    model: str | None = None
    """The model that all of them ask."""
    tokens: int = 0
    """Their input tokens; counted only where they are limited."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """What is wrong with it."""

    def complain(self, code: str, message: str, line: int | None = None, param: str | None = None) -> None:
        """Note what is wrong."""
        self.errors.append({"code": code, "message": message, "line": line, "param": param})


def check_creation(body: Mapping[str, Any]) -> None:
    """Refuse what `POST /v1/batches` refuses at once.

    Raises:
        RequestRefused: a parameter is missing, unknown or out of range.
    """
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not body.get(name):
            _refuse(f"Missing required parameter: '{name}'.", name)
    for name in sorted(set(body) - _PARAMETERS):
        _refuse(f"Unknown parameter: '{name}'.", name)
    if body["endpoint"] not in ENDPOINTS:
        _refuse(f"Invalid value: '{body['endpoint']}'. Supported values are: {', '.join(ENDPOINTS)}.", "endpoint")
    if body["completion_window"] != "24h":
        _refuse(f"Invalid value: '{body['completion_window']}'. Supported values are: '24h'.", "completion_window")
    check_metadata(body.get("metadata"))


def check_metadata(metadata: Any) -> None:  # noqa: ANN401 - whatever the client sent
    """Refuse metadata that is not up to 16 pairs of short strings.

    Raises:
        RequestRefused: it is not.
    """
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse("Invalid type for 'metadata': expected a map of strings to strings.", "metadata")
    if len(metadata) > _MAX_PAIRS:
        _refuse(f"Invalid 'metadata': too many properties. Expected at most {_MAX_PAIRS}.", "metadata")
    for key, value in metadata.items():
        if len(key) > _MAX_KEY:
            _refuse(f"Invalid property name in 'metadata': a key has at most {_MAX_KEY} characters.", "metadata")
        if len(value) > _MAX_VALUE:
            _refuse(f"Invalid 'metadata.{key}': a value has at most {_MAX_VALUE} characters.", f"metadata.{key}")


def inspect(
    content: bytes,
    endpoint: str,
    limits: BatchLimits,
    is_served: Callable[[object], bool],
    count: Callable[[str, Mapping[str, Any]], int],
) -> Inspection:
    """Read a batch's file as the validation does.

    Args:
        content: the file.
        endpoint: the endpoint of the batch.
        limits: how large it may be.
        is_served: whether a model is served in batches.
        count: the input tokens of a request.
    """
    found, seen = Inspection(), set[str]()
    if len(content) > limits.max_bytes:
        found.complain("file_too_large", f"The batch input file is larger than {limits.max_bytes:,} bytes.")
        return found
    for number, line in enumerate(io.BytesIO(content), 1):
        if not line.strip():
            continue
        found.total += 1
        body = _checked_line(line, number, endpoint, found, seen)
        if body is not None:
            _check_model(body, number, found, is_served)
            if limits.max_enqueued_tokens is not None and not found.errors:
                found.tokens += count(endpoint, body)
    if not found.total:
        found.complain("empty_file", "The batch input file is empty.")
    if found.total > limits.max_requests:
        message = f"The batch input file has {found.total:,} requests. The maximum is {limits.max_requests:,}."
        found.complain("too_many_tasks", message)
    return found


def read_items(content: bytes, batch_id: str) -> Iterator[BatchItem]:
    """The requests of a file that was found in order."""
    for line in io.BytesIO(content):
        if line.strip():
            row = json.loads(line)
            yield BatchItem(batch_id, row["custom_id"], row["url"], row["body"])


def check_messages(content: bytes, body: Mapping[str, Any], limits: BatchLimits) -> list[dict[str, Any]]:
    """The requests of a message batch, which is refused as a whole where one of them has no proper name.

    Raises:
        RequestRefused: it is empty, too large, or a request is odd.
    """
    if len(content) > limits.max_message_bytes:
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request exceeds the maximum allowed number of bytes."
        )
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        _refuse("requests: List should have at least 1 item after validation, not 0", "requests")
    if len(requests) > limits.max_message_requests:
        most = limits.max_message_requests
        _refuse(f"requests: List should have at most {most} items after validation, not {len(requests)}", "requests")
    seen = set[str]()
    for at, request in enumerate(requests):
        _check_message(at, request, seen)
    return requests


def _check_message(at: int, request: Any, seen: set[str]) -> None:  # noqa: ANN401 - whatever the client sent
    if not isinstance(request, dict) or not isinstance(request.get("params"), dict) or not request["params"]:
        _refuse(f"requests.{at}.params: Field required", "params")
    custom_id = request.get("custom_id")
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        _refuse(f"requests.{at}.custom_id: String should match pattern '^{_CUSTOM_ID.pattern}$'", "custom_id")
    if custom_id in seen:
        _refuse(f"requests.{at}.custom_id: duplicate custom_id {custom_id!r}", "custom_id")
    if request["params"].get("stream"):
        _refuse(f"requests.{at}.params.stream: streaming is not supported in batches", "stream")
    seen.add(custom_id)


def _checked_line(
    line: bytes, number: int, endpoint: str, found: Inspection, seen: set[str]
) -> Mapping[str, Any] | None:
    """The body of a line, if the line around it is in order."""
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        found.complain("invalid_json_line", "This line is not parseable as valid JSON.", number)
        return None
    custom_id, body = row.get("custom_id"), row.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        found.complain("missing_required_parameter", "Missing required parameter: 'custom_id'.", number, "custom_id")
    elif custom_id in seen:
        found.complain("duplicate_custom_id", f"The custom_id '{custom_id}' is used by another request.", number)
    else:
        seen.add(custom_id)
    if row.get("method") != "POST":
        found.complain("invalid_method", "The method of a request must be 'POST'.", number, "method")
    if row.get("url") != endpoint:
        message = "The URL provided for this request does not match the batch endpoint."
        found.complain("mismatched_url", message, number, "url")
    if not isinstance(body, dict) or not body:
        found.complain("missing_required_parameter", "Missing required parameter: 'body'.", number, "body")
        return None
    if body.get("stream"):
        found.complain("invalid_request", "Streaming is not supported in the Batch API.", number, "body.stream")
    return body


def _check_model(body: Mapping[str, Any], number: int, found: Inspection, is_served: Callable[[object], bool]) -> None:
    model = body.get("model")
    if not is_served(model):
        message = f"The provided model '{model}' is not supported by the Batch API."
        found.complain("model_not_found", message, number, "body.model")
    elif found.model not in (None, model):
        message = "The model provided for this request does not match the rest of the batch: one model per file."
        found.complain("mismatched_model", message, number, "body.model")
    else:
        found.model = str(model)


def _refuse(message: str, param: str) -> NoReturn:
    raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param=param)
