"""How tokens are counted when a bound must hold: by the vocabulary on this machine, else by bytes."""

from __future__ import annotations

from langchain_costguard.tokens import TokenCount, byte_bound, count_tokens


def safe_count(text: str, model: str | None = None) -> TokenCount:
    """The tokens of a text, or more: where this machine has no vocabulary its bytes, which no encoding exceeds.

    Args:
        text: the text to count.
        model: who would read it; o200k stands in where its tokenizer is not known.
    """
    count = count_tokens(text, model)
    return TokenCount(byte_bound(text), "bytes") if count.method.startswith("bytes") else count
