"""OpenAI's Batch API: a file of requests, a batch over it, a file of answers and one of errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.batch_results import BatchItemError
from langchain_costguard.batching.jobs.openai_messages import OpenAIWire
from langchain_costguard.batching.jobs.providers import Answer, Seen
from langchain_costguard.batching.jobs.transport import asking, save_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from langchain_costguard.batching.jobs.rows import PartRow

KEY: Final = "costguard_part"
"""The metadata key under which a batch says whose part it is."""

_US: Final = 1_000_000
_SKEW_US: Final = 86_400 * _US
"""So much may the provider's clock differ from ours."""
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_QUEUE_FULL: Final = "token_limit_exceeded"
_CAUSES: Final = {"batch_expired": "expired", "batch_cancelled": "cancelled"}
_PAGE: Final = 100
_ERROR_STATUS: Final = 400
_NO_STATUS: Final = 1000
"""HTTP's statuses end below it."""


class OpenAIBatches:
    """Batches through a client of the `openai` package; see `BatchProvider`."""

    name = "openai"
    max_requests = 50_000
    max_bytes = 200_000_000

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - an `openai.OpenAI`
        """Use the model's own client."""
        self._client = client
        self._once = client.with_options(max_retries=0)

    def wire(self, model: BaseChatModel, kwargs: Mapping[str, Any]) -> OpenAIWire:
        """How a model's requests are made."""
        return OpenAIWire(model, kwargs)

    def line(self, custom_id: str, url: str, body: bytes) -> bytes:
        """One line of the file of requests."""
        return b'{"custom_id":"%b","method":"POST","url":"%b","body":%b}\n' % (custom_id.encode(), url.encode(), body)

    def body_in(self, line: bytes) -> dict[str, Any]:
        """The body of such a line."""
        body: dict[str, Any] = json.loads(line)["body"]
        return body

    def upload(self, path: Path, name: str) -> str:
        """Send the file, read from disk as it is sent."""
        with asking("take the file of requests"), path.open("rb") as file:
            uploaded = self._client.files.create(file=(name, file), purpose="batch")
        return str(uploaded.id)

    def find_upload(self, name: str, since_us: int) -> str | None:
        """The file of this name that an earlier attempt has sent."""
        with asking("list the files"):
            for file in self._client.files.list(purpose="batch", order="desc", limit=_PAGE):
                if file.filename == name:
                    return str(file.id)
                if file.created_at * _US < since_us - _SKEW_US:
                    return None
        return None

    def create(self, part: PartRow, path: Path, key: str) -> str:  # noqa: ARG002 - the file is there already
        """Create the batch; asked once, because a client that asks again would create a second one."""
        with asking("create the batch"):
            batch = self._once.batches.create(
                input_file_id=part.file_id,
                endpoint=part.url,
                completion_window="24h",
                metadata={KEY: key},
                extra_headers={"Idempotency-Key": key},
            )
        return str(batch.id)

    def find(self, part: PartRow, key: str, known: frozenset[str]) -> str | None:
        """The batch with this part's key in its metadata."""
        with asking("list the batches"):
            for batch in self._client.batches.list(limit=_PAGE):
                if batch.id not in known and (batch.metadata or {}).get(KEY) == key:
                    return str(batch.id)
                if batch.created_at * _US < part.intent_us - _SKEW_US:
                    return None
        return None

    def look(self, batch_id: str) -> Seen:
        """How a batch stands; its counts are shown, and nothing is decided by them."""
        with asking("tell how the batch stands"):
            batch = self._client.batches.retrieve(batch_id)
        found = (batch.errors.data if batch.errors is not None else None) or []
        counts = batch.request_counts
        has_files = batch.output_file_id or batch.error_file_id
        return Seen(
            state=batch.status,
            has_ended=batch.status in _ENDED,
            is_refused=batch.status == "failed" and not has_files,
            is_queue_full=any(error.code == _QUEUE_FULL for error in found),
            outputs=tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
            errors=tuple((error.line, f"{error.code or 'error'}: {error.message}") for error in found),
            completed=None if counts is None else counts.completed,
            failed=None if counts is None else counts.failed,
            expires_us=None if batch.expires_at is None else batch.expires_at * _US,
            unanswered=batch.status if batch.status in {"expired", "cancelled"} else "missing",
        )

    def cancel(self, batch_id: str) -> None:
        """Have a batch stopped."""
        with asking("cancel the batch"):
            self._client.batches.cancel(batch_id)

    def download(self, batch_id: str, output: str, path: Path) -> None:  # noqa: ARG002 - files have ids of their own
        """Fetch a file of answers; whether it is whole is known by the length the provider tells."""
        with asking("hand out the file of answers"):
            expected = self._client.files.retrieve(output).bytes
            with self._client.files.with_streaming_response.content(output) as response:
                save_stream(response, path, expected)

    def answers(self, path: Path) -> Iterator[Answer | bytes]:
        """The lines of a file of answers, or of errors."""
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield _answer(line)


def _answer(line: bytes) -> Answer | bytes:
    try:
        told = json.loads(line)
        custom_id = told["custom_id"]
        response, error = told.get("response"), told.get("error")
        told_status = None if response is None else response.get("status_code")
        body = None if response is None else response.get("body")
        if not isinstance(custom_id, str):
            return line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return line
    status = told_status if type(told_status) is int and 0 < told_status < _NO_STATUS else None
    if error is None and status and status < _ERROR_STATUS and isinstance(body, dict) and not body.get("error"):
        return Answer(custom_id, body)
    said = error or (body.get("error") if isinstance(body, dict) else None) or {}
    if not isinstance(said, dict):
        said = {"message": str(said)}
    code = said.get("code") or said.get("type")
    cause = _CAUSES.get(str(code), "failed")
    message = said.get("message") or f"the provider answered with status {status} and no reason"
    return Answer(custom_id, None, BatchItemError(cause, str(message), code and str(code), status))  # type: ignore[arg-type] # of `_CAUSES`
