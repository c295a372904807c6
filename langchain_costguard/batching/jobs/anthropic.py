"""Anthropic's Message Batches: a list of requests sent at once, and a file of results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.anthropic_messages import AnthropicWire
from langchain_costguard.batching.jobs.batch_results import BatchItemError
from langchain_costguard.batching.jobs.providers import Answer, Seen
from langchain_costguard.batching.jobs.transport import asking, save_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from langchain_costguard.batching.jobs.rows import PartRow

_US: Final = 1_000_000
_SKEW_US: Final = 3_600 * _US
_PAGE: Final = 100
_CAUSES: Final = {"expired": "expired", "canceled": "cancelled"}
_ENDED: Final = "ended"


class AnthropicBatches:
    """Batches through a client of the `anthropic` package; see `BatchProvider`.

    A message batch bears no metadata. One that was created by a process which died before it noted the id is found
    among those of the same length that were created since; whether it is ours, the ids in its results tell.
    """

    name = "anthropic"
    max_requests = 100_000
    max_bytes = 32_000_000
    """Far below the 256 MB that Anthropic takes: its client holds a whole list in memory."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - an `anthropic.Anthropic`
        """Use the model's own client."""
        self._client = client
        self._once = client.with_options(max_retries=0)

    def wire(self, model: BaseChatModel, kwargs: Mapping[str, Any]) -> AnthropicWire:
        """How a model's requests are made."""
        return AnthropicWire(model, kwargs)

    def line(self, custom_id: str, url: str, body: bytes) -> bytes:  # noqa: ARG002 - there is one endpoint
        """One request of the list."""
        return b'{"custom_id":"%b","params":%b}\n' % (custom_id.encode(), body)

    def body_in(self, line: bytes) -> dict[str, Any]:
        """The body of such a line."""
        body: dict[str, Any] = json.loads(line)["params"]
        return body

    def upload(self, path: Path, name: str) -> None:
        """Nothing: the list is sent when the batch is created."""

    def find_upload(self, name: str, since_us: int) -> None:
        """Nothing: there are no files."""

    def create(self, part: PartRow, path: Path, key: str) -> str:
        """Create the batch; asked once, because a client that asks again would create a second one."""
        with path.open("rb") as file:
            requests = [json.loads(line) for line in file]
        headers = {"Idempotency-Key": key}
        with asking("create the batch"):
            if part.betas:
                batch = self._once.beta.messages.batches.create(
                    requests=requests, betas=list(part.betas), extra_headers=headers
                )
            else:
                batch = self._once.messages.batches.create(requests=requests, extra_headers=headers)
        return str(batch.id)

    def find(self, part: PartRow, key: str, known: frozenset[str]) -> str | None:
        """The batch that may be this part's: of its length, created since, and not known to be another's.

        Of those whose results are there already, one with other ids in them is passed over.
        """
        with asking("list the batches"):
            for batch in self._client.messages.batches.list(limit=_PAGE):
                if batch.created_at.timestamp() * _US < part.intent_us - _SKEW_US:
                    return None
                if batch.id not in known and _length(batch) == part.requests and self._may_be(batch, key):
                    return str(batch.id)
        return None

    def _may_be(self, batch: Any, key: str) -> bool:  # noqa: ANN401 - a message batch
        """Whether the results of a batch are this job's, or not there yet."""
        if batch.processing_status != _ENDED or not batch.results_url:
            return True
        first = next(iter(self._client.messages.batches.results(batch.id)), None)
        return first is None or first.custom_id.startswith(key.partition(":")[0] + "-")

    def look(self, batch_id: str) -> Seen:
        """How a batch stands."""
        with asking("tell how the batch stands"):
            batch = self._client.messages.batches.retrieve(batch_id)
        counts = batch.request_counts
        return Seen(
            state=batch.processing_status,
            has_ended=batch.processing_status == _ENDED,
            outputs=(batch_id,) if batch.results_url else (),
            completed=counts.succeeded,
            failed=counts.errored + counts.expired + counts.canceled,
            expires_us=int(batch.expires_at.timestamp() * _US),
        )

    def cancel(self, batch_id: str) -> None:
        """Have a batch stopped."""
        with asking("cancel the batch"):
            self._client.messages.batches.cancel(batch_id)

    def download(self, batch_id: str, output: str, path: Path) -> None:  # noqa: ARG002 - a batch has one file
        """Fetch the results; a whole file ends with a whole line."""
        with (
            asking("hand out the results"),
            self._client.messages.batches.with_streaming_response.results(batch_id) as response,
        ):
            save_stream(response, path, None)

    def answers(self, path: Path) -> Iterator[Answer | bytes]:
        """The lines of the results."""
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield _answer(line)


def _length(batch: Any) -> int:  # noqa: ANN401 - a message batch
    counts = batch.request_counts
    return int(counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired)


def _answer(line: bytes) -> Answer | bytes:
    try:
        told = json.loads(line)
        custom_id, result = told["custom_id"], told["result"]
        kind = result["type"]
        if not isinstance(custom_id, str):
            return line
        if kind == "succeeded":
            return Answer(custom_id, dict(result["message"]))
        error = (result.get("error") or {}).get("error") or {}
        cause = _CAUSES.get(kind, "failed")
        message = str(error.get("message") or f"the request was {kind}")
        return Answer(custom_id, None, BatchItemError(cause, message, str(error.get("type") or kind)))  # type: ignore[arg-type] # of `_CAUSES`
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return line
