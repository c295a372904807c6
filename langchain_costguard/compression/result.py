"""What compression gives: the text, what it was taken from, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.compression.economics import NetSaving

CompressionMethod = Literal["extractive", "abstractive"]


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """An exact part of a passage that was kept: what a citation points at."""

    source: int
    """Which passage it was taken from, from 0."""
    start: int
    """Its first character in that passage."""
    end: int
    """One behind its last character."""
    text: str
    """`passages[source][start:end]`."""
    joint: str = " "
    """What joins it to the part before it in its passage: a blank, or a line break where one stood between them."""


def joined(spans: Iterable[KeptSpan]) -> str:
    """Parts of one passage as a text, so that what stood on lines of its own, such as a table's rows, still does."""
    return "".join(f"{span.joint if at else ''}{span.text}" for at, span in enumerate(spans))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A compressed context."""

    text: str
    """What to send: the kept parts in their order, or the summary."""
    tokens: int
    """The tokens of `text`, counted as `count_method` says."""
    original_tokens: int
    """The tokens of all passages, joined by blank lines."""
    count_method: str
    """How tokens were counted, as `TokenCount.method`; `"bytes"` where no vocabulary was at hand."""
    method: CompressionMethod | None
    """How it was compressed; `None` where it was not, and `skipped_reason` says why."""
    spans: tuple[KeptSpan, ...] = ()
    """What was kept, in its order; empty for a summary, which quotes nothing."""
    skipped_reason: str | None = None
    """Why the text is as it was; `None` where it was compressed."""
    fallback_reason: str | None = None
    """Why sentences were selected although a summary was asked for; `None` otherwise."""
    net: NetSaving | None = field(default=None, compare=False)
    """What it saves in money, where `for_model` was given."""

    @property
    def saved_tokens(self) -> int:
        """How many tokens were left out, zero or more."""
        return max(0, self.original_tokens - self.tokens)

    @property
    def passages(self) -> list[str]:
        """What was kept of each passage, in their order; passages of which nothing was kept are left out."""
        if self.method == "abstractive":
            return [self.text]
        return [joined(spans) for _, spans in groupby(self.spans, key=lambda span: span.source)]

    def __str__(self) -> str:
        """The text, so that the result can stand in a prompt."""
        return self.text
