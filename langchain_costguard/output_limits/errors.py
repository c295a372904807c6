"""OutputTruncatedError: an answer was cut off at its limit, and the caller asked to be told by an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.exceptions import ModelError

from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage


class OutputTruncatedError(CostGuardError, ModelError):
    """An answer was cut off at its output limit; it was billed, and what there is of it is here.

    It is a `ModelError` that is not retryable: the same request would be cut off again.

    Attributes:
        answer: the partial answer, with its usage.
        max_tokens: the limit it ran into; `None` where another limit than ours did it.
    """

    def __init__(self, message: str, *, answer: AIMessage, max_tokens: int | None) -> None:
        """Keep the partial answer beside the message."""
        super().__init__(message)
        self.answer: AIMessage = answer
        self.max_tokens: int | None = max_tokens
