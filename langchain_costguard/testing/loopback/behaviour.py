"""What the loopback provider does with one request, where that is not simply to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.testing.loopback.damage import Damage

_FIRST_ERROR_STATUS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is served. Everything is billed when the request is accepted, whether or not it arrives.

    Example:
        >>> Behaviour(latency_seconds=5).is_billed  # the client's timeout passes, the bill comes anyway
        True
        >>> Behaviour(status=503).is_billed
        False
    """

    text: str | Sequence[str] | None = None
    """The answer (one per choice for a sequence); `None`: the provider's usual reply."""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """Tools to call, with their arguments."""
    status: int = 200
    """An HTTP status of 400 and above is an error."""
    retry_after_seconds: float | None = None
    """Sent with an error as `retry-after`."""
    billed: bool | None = None
    """Whether it is billed; `None`: answers are, errors are not."""
    hidden_retries: int = 0
    """How often the provider, or a gateway before it, tried and billed the request before; usage does not show it."""
    latency_seconds: float = 0
    """How long it waits before it answers."""
    drop_after_chunks: int | None = None
    """The connection breaks after so many chunks of a stream (without a stream: instead of an answer)."""
    chunk_seconds: float = 0
    """How long it waits before each chunk of a stream, and before each of ten pieces of any other answer."""
    resets: bool = False
    """A connection that breaks is reset, not closed: the client may lose what it has not read yet."""
    damage: Damage | None = None
    """What is wrong with the answer that is sent; it is billed as if it were whole."""
    stream_usage: bool = True
    """False: a stream reports no usage, also when the client asks for it."""
    service_tier: str | None = None
    """The tier it is served in, whatever was asked for."""
    cached_tokens: int | None = None
    """Input tokens read from the prompt cache; `None`: what the provider's own cache holds."""
    reasoning_tokens: int | None = None
    """Output tokens spent on thinking; `None`: 64 for reasoning models, else none."""
    logprob: float | Sequence[float] = -0.05
    """The log-probability of every token, or of each one, the last for all further ones; sent where it is asked for."""
    alternatives: Sequence[str] = ()
    """What the model might have said in place of each token, likeliest first; each is 1 less likely than the last."""

    @property
    def is_error(self) -> bool:
        """Whether the client gets an HTTP error."""
        return self.status >= _FIRST_ERROR_STATUS

    @property
    def is_billed(self) -> bool:
        """Whether the request costs anything."""
        return not self.is_error if self.billed is None else self.billed

    def logprob_of(self, token: int) -> float:
        """The log-probability of one token, by its place in the answer."""
        if isinstance(self.logprob, (int, float)):
            return self.logprob
        return self.logprob[min(token, len(self.logprob) - 1)]

    def text_of(self, choice: int) -> str | None:
        """The text of one choice, `None` for the usual reply."""
        if self.text is None or isinstance(self.text, str):
            return self.text
        return self.text[choice % len(self.text)]
