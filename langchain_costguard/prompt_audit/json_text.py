"""Making JSON shorter without changing it: numbers, escapes, duplicate keys and the order of keys stay as written."""

from __future__ import annotations

import json
import re
from typing import Final

_DECODER: Final = json.JSONDecoder()
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\s+', re.DOTALL)
_START: Final = re.compile(r"^[ \t]*(?=\{\s*[\"}]|\[\s*[\"\[{\]\dtfn-])", re.MULTILINE)
_MOST_FAILURES: Final = 100
"""After so many beginnings that are no JSON, no more is looked for: each takes time in proportion to the text."""


def minified(text: str) -> str:
    """A JSON text without the white space between its parts.

    Raises:
        ValueError: it is no JSON.

    Example:
        >>> minified('{ "b": 1.50,  "a": [1e5, "x  y"] }')
        '{"b":1.50,"a":[1e5,"x  y"]}'
    """
    json.loads(text)
    return _TOKENS.sub(lambda match: match[0] if match[0][0] == '"' else "", text)


def json_spans(text: str) -> list[tuple[int, int]]:
    """Where whole JSON objects and arrays of several lines stand, each beginning and ending its lines."""
    found: list[tuple[int, int]] = []
    reached = failures = 0
    for match in _START.finditer(text):
        if match.end() < reached or failures == _MOST_FAILURES:
            continue
        end = _end_of_json(text, match.end())
        failures += end is None
        if end is not None and "\n" in text[match.end() : end] and not text[end:].partition("\n")[0].strip():
            found.append((match.end(), end))
            reached = end
    return found


def _end_of_json(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):  # no JSON, or deeper than anybody writes
        return None
