"""The tokenizer of our fakes: a few characters of a word, or one other character, with the blanks before it.

It has no vocabulary and is nobody's real tokenizer. It is what the fakes bill by, so it keeps the two properties that
budgets rely on: the same text always has the same tokens, and never more of them than UTF-8 bytes.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(r"\s*+(?:\w{1,4}|[^\w\s])|\s+")


def tokenize(text: str) -> list[str]:
    """Split `text` into tokens; joined again they are the text.

    Example:
        >>> tokenize("Hello, world!")
        ['Hell', 'o', ',', ' worl', 'd', '!']
    """
    return _TOKEN.findall(text)


def split_evenly(text: str, parts: int) -> list[str]:
    """Split `text` at token boundaries into `parts` pieces of about the same number of tokens; some may be empty."""
    tokens = tokenize(text)
    bounds = [len(tokens) * index // parts for index in range(parts + 1)]
    return ["".join(tokens[start:end]) for start, end in pairwise(bounds)]
