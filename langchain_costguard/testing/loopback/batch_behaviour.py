"""What the loopback provider does with one batch, where that is not simply to answer all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_costguard.testing.loopback.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchBehaviour:
    """How one batch is served. What was answered is billed at batch prices, once, however the batch ends.

    Example:
        >>> BatchBehaviour(failed_share=0.03, malformed_lines=1).done_share
        1.0
        >>> BatchBehaviour(expires_after_share=0.4).done_share  # the other 60 % expire
        0.4
    """

    failed_share: float = 0
    """The share of requests, 0 to 1, that end with an error."""
    failed_statuses: Sequence[int] = (400, 500)
    """The HTTP statuses of those errors, in turn."""
    expires_after_share: float | None = None
    """The batch expires when this share of its requests was answered; `None`: it does not."""
    cancelled_after_share: float = 0.5
    """The share of requests that is answered when it is cancelled while it runs."""
    validation_error: str | None = None
    """The batch fails its validation with this code, such as `"token_limit_exceeded"`."""
    malformed_lines: int = 0
    """So many lines of the output are cut in two: they are no JSON."""
    missing_lines: int = 0
    """So many answers are in no file."""
    seed: int | None = 0
    """Which requests fail, and in which order lines come out; `None`: they come out in the order they went in."""
    answer: Callable[[str, Mapping[str, Any]], Behaviour | None] | None = None
    """How a request is answered, by its custom id and body; `None`, or nothing returned: as usual."""

    @property
    def done_share(self) -> float:
        """The share of requests that is answered if nobody cancels."""
        return 1.0 if self.expires_after_share is None else self.expires_after_share

    def behaviour_of(self, custom_id: str, body: Mapping[str, Any]) -> Behaviour:
        """How one request is answered, failures aside."""
        chosen = None if self.answer is None else self.answer(custom_id, body)
        return chosen or Behaviour()
