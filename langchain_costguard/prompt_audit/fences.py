"""Where code stands in a text: fenced blocks, those in lists and quotations too, which no edit touches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FENCES: Final = re.compile(
    r"^(?:[ \t]*(?:[-*+>]|\d+[.)]))*[ \t]*(`{3,}|~{3,}).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)|<pre\b.*?(?:</pre>|\Z)",
    re.DOTALL | re.MULTILINE,
)


def outside_fences(text: str, edit: Callable[[str], str]) -> str:
    """The text with what stands outside of fenced code edited, piece by piece."""
    edited: list[str] = []
    reached = 0
    for match in _FENCES.finditer(text):
        edited += [edit(text[reached : match.start()]), match[0]]
        reached = match.end()
    return "".join([*edited, edit(text[reached:])])


def fenced_blocks(text: str) -> list[str]:
    """The fenced blocks of a text, with their fences."""
    return [match[0] for match in _FENCES.finditer(text)]
