"""A conversation after compression, and which of its texts it pays to touch while its beginning is cached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_costguard.compression.counting import safe_count
from langchain_costguard.compression.economics import net_saving
from langchain_costguard.compression.messages import rewritten
from langchain_costguard.tokens import count_message_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.compression.economics import NetSaving
    from langchain_costguard.compression.messages import Part
    from langchain_costguard.compression.result import Compressed
    from langchain_costguard.compression.tasks import Terms


@dataclass(frozen=True, slots=True)
class CompressedMessages:
    """A conversation whose long texts were shortened."""

    messages: list[BaseMessage]
    """As many as before, in their order."""
    results: tuple[Compressed, ...]
    """One for each text that was too long."""
    skipped_reason: str | None = None
    """Why texts stayed as they are that are too long and that `keep` does not keep; `None` where none did."""

    @property
    def saved_tokens(self) -> int:
        """How many tokens were left out, zero or more."""
        return sum(result.saved_tokens for result in self.results)


def compressed_messages(
    messages: Sequence[BaseMessage], parts: Sequence[Part], results: Sequence[Compressed], reason: str | None
) -> CompressedMessages:
    """Put the compressed texts into their messages."""
    reason = reason or next((result.skipped_reason for result in results if result.skipped_reason), None)
    return CompressedMessages(rewritten(messages, parts, results), tuple(results), reason)


def paying_parts(
    messages: Sequence[BaseMessage], parts: Sequence[Part], cached: int, terms: Terms
) -> tuple[list[Part], str | None]:
    """The texts that it pays to shorten, and why others stay.

    Args:
        messages: the conversation.
        parts: its texts that are too long.
        cached: how many of its first tokens the provider has in its cache.
        terms: whose prices decide.
    """
    if not cached or not parts:
        return list(parts), None
    begins = [count_message_tokens(messages[: part.message], terms.count_model).tokens for part in parts]
    behind = [part for part, begin in zip(parts, begins, strict=True) if begin >= cached]
    all_of_them, only_behind = _net(messages, parts, cached, terms).net, _net(messages, behind, cached, terms).net
    if all_of_them is None or only_behind is None or all_of_them > only_behind or len(behind) == len(parts):
        return list(parts), None
    return behind, f"touching the cached prefix would cost ${only_behind - all_of_them} more than it saves"


def _net(messages: Sequence[BaseMessage], parts: Sequence[Part], cached: int, terms: Terms) -> NetSaving:
    """What shortening these texts saves at least."""
    tokens = count_message_tokens(messages, terms.count_model).tokens
    saved = sum(safe_count(part.text, terms.count_model).tokens - part.most for part in parts)
    return net_saving(
        prompt_tokens=tokens,
        saved_tokens=min(tokens, saved),
        model=terms.for_model or "",
        provider=terms.provider,
        cached_prefix_tokens=min(tokens, cached),
        unchanged_tokens=count_message_tokens(messages[: parts[0].message], terms.count_model).tokens
        if parts
        else tokens,
        later_calls=terms.later_calls,
        prices=terms.prices,
    )
