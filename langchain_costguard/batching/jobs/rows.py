"""What is kept of a batch job: one row for the job, one for each part of it, one for each item of each step."""

from __future__ import annotations

from typing import Any, NamedTuple


class JobRow(NamedTuple):
    """A job."""

    id: str
    nonce: str
    """What the ids of its requests begin with."""
    name: str | None
    content: str
    """The digest of all its requests; empty while they are made."""
    provider: str
    created_us: int
    items: int
    steps: int
    chain: str
    """What the chain looked like: its models, in order."""
    options: dict[str, Any]
    """How it is split, and the tags and metadata of its calls."""
    is_ready: bool = False
    """Whether all requests of its first step are on disk."""
    is_cancelled: bool = False
    is_collected: bool = False


class PartRow(NamedTuple):
    """One file of requests, or one list of them."""

    job: str
    number: int
    step: int
    model: str
    url: str
    betas: tuple[str, ...]
    path: str
    """Its file, relative to the folder of the job."""
    requests: int
    bytes: int
    tokens: int
    """Its input tokens as they are counted here; 0 where nobody needs to know."""
    state: str
    """One of `PartState`, or `"preparing"` while its file is written."""
    provider_state: str | None = None
    file_id: str | None = None
    batch_id: str | None = None
    intent_us: int = 0
    """When it was first noted that the provider is about to be asked."""
    submitted_us: int = 0
    outputs: tuple[str, ...] = ()
    """The provider's files with the answers."""
    errors: tuple[tuple[int | None, str], ...] = ()
    """Why the provider refused the whole part: the line of the file, from 1, and what it said."""
    completed: int | None = None
    failed: int | None = None
    expires_us: int | None = None
    holds: tuple[dict[str, Any], ...] = ()
    """What its budgets hold for it; noted before it is reserved."""
    is_held: bool = False
    is_settled: bool = False
    foreign: tuple[str, ...] = ()
    """Batches that were taken for this part's and are somebody else's."""

    @property
    def is_live(self) -> bool:
        """Whether it is still to be sent, or under way."""
        return self.state in {"ready", "uploading", "uploaded", "creating", "submitted"}

    @property
    def is_over(self) -> bool:
        """Whether its answers are fetched, or there are none."""
        return self.state in {"collected", "failed", "cancelled"}


class ItemRow(NamedTuple):
    """One input in one step."""

    job: str
    step: int
    position: int
    attempt: int
    part: int | None
    """`None` for an item that failed here before it was sent."""
    offset: int
    length: int
    """Where its request is in the part's file."""
    state: str
    """`"sent"`, `"ok"` or `"error"`."""
    answer: bytes | None = None
    """The provider's response body, compressed."""
    cause: str | None = None
    message: str | None = None
    code: str | None = None
    http_status: int | None = None
    bound_nano: int | None = None
    bound_tokens: int | None = None
    is_booked: bool = False
    billed_nano: int | None = None
    baseline_nano: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
