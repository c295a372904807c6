"""What may be given as passages, and how a bad argument is refused before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def as_passages(passages: Any) -> list[str]:  # noqa: ANN401 - refused here where it is no text
    """The passages as a list of texts.

    Args:
        passages: a text or a sequence of texts.

    Raises:
        TypeError: something in it is no text.
    """
    if isinstance(passages, str):
        return [passages]
    if not isinstance(passages, Sequence) or isinstance(passages, bytes | bytearray):
        msg = f"passages={passages!r:.60} is a {type(passages).__name__}: give a str or a list of str"
        raise TypeError(msg)
    for at, passage in enumerate(passages):
        if not isinstance(passage, str):
            msg = (
                f"passages[{at}]={passage!r:.60} is a {type(passage).__name__}: give a str, such as "
                "document.page_content, or Documents to compress_documents()"
            )
            raise TypeError(msg)
    return list(passages)


def checked_bound(max_tokens: Any) -> int:  # noqa: ANN401 - refused here where it is no number
    """A number of tokens, one or more.

    Raises:
        ValueError: it is none.
    """
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        msg = f"max_tokens={max_tokens!r} holds no text: give a whole number of tokens, 1 or more"
        raise ValueError(msg)
    return max_tokens


def checked_query(query: Any) -> str | None:  # noqa: ANN401 - refused here where it is no text
    """A question, `None` where there is none.

    Raises:
        TypeError: it is no text.
    """
    if query is not None and not isinstance(query, str):
        msg = f"query={query!r:.60} is a {type(query).__name__}: give a str or None"
        raise TypeError(msg)
    return query or None


def checked_cached(tokens: int, for_model: str | None) -> int:
    """A number of cached tokens, zero or more, whose worth is known.

    Raises:
        ValueError: it is below zero, or nobody said whose cache it is.
    """
    if tokens < 0:
        msg = f"cached_prefix_tokens={tokens} is below zero: give 0 or more"
        raise ValueError(msg)
    if tokens and for_model is None:
        msg = "what a cached prefix is worth depends on the model: give ContextCompressor(for_model=...)"
        raise ValueError(msg)
    return tokens
