"""What the loopback provider remembers of a request: names and numbers, and its content only if told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class TokenBill(NamedTuple):
    """The tokens of a request as the provider bills them."""

    input_tokens: int = 0
    """All input tokens."""
    cached_tokens: int = 0
    """How many of them were read from the prompt cache."""
    output_tokens: int = 0
    """All output tokens, of all choices."""
    reasoning_tokens: int = 0
    """How many of them were spent on thinking."""

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackRequest:
    """One request the provider received."""

    path: str
    """Such as `"/v1/chat/completions"`."""
    method: str = "POST"
    """Such as `"GET"`."""
    status: int
    """The HTTP status of the answer, whether or not the client waited for it."""
    billed: Decimal
    """What it costs, in US dollars, exactly."""
    model: str | None = None
    """The model that was asked for."""
    service_tier: str | None = None
    """The tier it was served in."""
    stream: bool = False
    """Whether the answer was streamed."""
    tokens: TokenBill = field(default_factory=TokenBill)
    """The tokens it was billed for (each hidden retry bills them again)."""
    body_keys: tuple[str, ...] = ()
    """The names in the request's body, sorted."""
    batch_id: str | None = None
    """The batch it was part of; `None` for a request that came by itself."""
    custom_id: str | None = None
    """Its name in that batch."""
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    """The body itself, where the provider was made with `keep_bodies=True`."""
