"""Extractive compression: whole sentences, as they stand and in their order, chosen to fit a number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.compression.counting import safe_count
from langchain_costguard.compression.packing import BETWEEN_PASSAGES, packed, rendered
from langchain_costguard.compression.result import Compressed, KeptSpan
from langchain_costguard.compression.scoring import by_centrality, for_query
from langchain_costguard.compression.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.compression.units import Unit
    from langchain_costguard.tokens import TokenCount

_HEADING_CHARACTERS: Final = 120
_SENTENCE_ENDS: Final = (".", "!", "?", "。", "！", "？", ",", ";")  # noqa: RUF001 - of Chinese too


def within_bound(passages: Sequence[str], most: int, model: str | None) -> tuple[TokenCount, Compressed | None]:
    """The tokens of all passages, and the passages as they are where they are within the bound."""
    text = BETWEEN_PASSAGES.join(passages)
    before = safe_count(text, model)
    if before.tokens > most:
        return before, None
    reason = "nothing to compress" if not text.strip() else f"{before.tokens} tokens are within max_tokens={most}"
    return before, unchanged(passages, before, reason)


def unchanged(passages: Sequence[str], before: TokenCount, reason: str) -> Compressed:
    """The passages as they are, and why."""
    return Compressed(
        text=BETWEEN_PASSAGES.join(passages),
        tokens=before.tokens,
        original_tokens=before.tokens,
        count_method=before.method,
        method=None,
        spans=tuple(KeptSpan(source, 0, len(text), text) for source, text in enumerate(passages) if text),
        skipped_reason=reason,
    )


def extracted(
    passages: Sequence[str],
    units: Sequence[Unit],
    scores: Sequence[float],
    before: TokenCount,
    most: int,
    model: str | None,
    *,
    keeps_code: bool,
) -> Compressed | None:
    """The most promising sentences that fit; `None` where the code that must be kept does not fit alone.

    Args:
        passages: the texts.
        units: their sentences.
        scores: how much each promises.
        before: the tokens of all passages.
        most: the most tokens.
        model: who will read them.
        keeps_code: whether code blocks are kept first.
    """
    kept = [at for at, unit in enumerate(units) if unit.is_code] if keeps_code else []
    found = packed(passages, units, scores, most, lambda text: safe_count(text, model).tokens, kept)
    if found is None:
        return None
    spans, tokens = found
    return Compressed(
        text=rendered(spans),
        tokens=tokens,
        original_tokens=before.tokens,
        count_method=before.method,
        method="extractive",
        spans=tuple(spans),
    )


def scored(
    passages: Sequence[str], units: Sequence[Unit], query: str | None, titles: Sequence[str] = ()
) -> list[float]:
    """How much each sentence promises: for the question, or without one by how central it is.

    Args:
        passages: the texts.
        units: their sentences.
        query: the question, if there is one.
        titles: a title for each passage that is not in its text; none for passages that have none.
    """
    if not query or not stems(query):
        return by_centrality(units)
    headings = list(titles) or [_heading(passage) for passage in passages]
    return for_query(units, query, headings)


def _heading(passage: str) -> str:
    """The first line where it is a heading, else nothing."""
    line = passage.lstrip()[: _HEADING_CHARACTERS + 1].partition("\n")[0].strip()
    return "" if len(line) > _HEADING_CHARACTERS or line.endswith(_SENTENCE_ENDS) else line
