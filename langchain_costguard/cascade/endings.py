"""NotRefused and NotTruncated: whether an answer ended as an answer should."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._refusals import LONGEST, REFUSALS, plain
from langchain_costguard.cascade.judging import LocalSignal
from langchain_costguard.cascade.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.messages import AIMessage

    from langchain_costguard.cascade.verdicts import Draft, Verdict

_REFUSED: Final = {"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii"}
_TRUNCATED: Final = {
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_tokens_reached",
    "model_length",
    "model_context_window_exceeded",
}
_ENDS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")


@dataclass(frozen=True, repr=False)
class NotRefused(LocalSignal):
    """Accepts an answer that is not a refusal.

    A refusal is what the provider marks as one, or stops with its filter, and a short answer that begins as refusals
    do; an answer that apologises further down, or calls a tool, is none.

    Attributes:
        phrases: how refusals begin, in any case; `REFUSALS + (...)` adds to those that are known.
        short: the most characters of an answer whose beginning is looked at.
    """

    phrases: tuple[str, ...] = REFUSALS
    short: int = LONGEST

    def __post_init__(self) -> None:
        """Refuse a single text, whose letters would be taken for phrases."""
        phrases: object = self.phrases
        if isinstance(phrases, str):
            msg = f"`phrases` is a tuple of texts: give ({phrases!r},)."
            raise TypeError(msg)

    def judge(self, draft: Draft) -> Verdict:
        """Look at the provider's marks, then at the first words."""
        why = self._why(draft.answer)
        return self._verdict(why is None, why or "not a refusal")

    def _why(self, answer: AIMessage) -> str | None:
        if answer.additional_kwargs.get("refusal") or _has_refusal_block(answer):
            return "the provider marks the answer as a refusal"
        ended = next((end for end in _ends(answer) if end in _REFUSED), None)
        if ended is not None:
            return f"the provider ended the answer with {ended}"
        text = plain(text_of(answer).strip())
        if answer.tool_calls or len(text) > self.short:
            return None
        said = next((phrase for phrase in _plain_phrases(self.phrases) if text.startswith(phrase)), None)
        return None if said is None else f"the answer begins with {said!r}"


@dataclass(frozen=True, repr=False)
class NotTruncated(LocalSignal):
    """Accepts an answer that the output limit did not cut off."""

    def judge(self, draft: Draft) -> Verdict:
        """Look at how the provider says the answer ended."""
        cut = next((end for end in _ends(draft.answer) if end in _TRUNCATED), None)
        reason = "the answer is complete" if cut is None else f"the answer was cut off ({cut})"
        return self._verdict(cut is None, reason)


def _ends(answer: AIMessage) -> Iterator[str]:
    """How the provider says that the answer ended, in small letters; chunk merging may have doubled it."""
    told: dict[str, Any] = answer.response_metadata
    reasons = [told.get(name) for name in _ENDS]
    incomplete = told.get("incomplete_details")
    if isinstance(incomplete, dict):
        reasons.append(incomplete.get("reason"))
    for reason in reasons:
        if isinstance(reason, str) and reason:
            yield _once(reason.rpartition(".")[2].lower())


def _once(text: str) -> str:
    """A text that merged chunks repeat, once."""
    times = next(count for count in range(len(text), 0, -1) if text[: len(text) // count] * count == text)
    return text[: len(text) // times]


def _has_refusal_block(answer: AIMessage) -> bool:
    if isinstance(answer.content, str):
        return False
    return any(isinstance(block, dict) and block.get("type") == "refusal" for block in answer.content)


@lru_cache(maxsize=32)
def _plain_phrases(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(plain, phrases))
