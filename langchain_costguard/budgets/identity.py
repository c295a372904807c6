"""Whose counter is meant: values of metadata and runs as texts that cannot imitate one another."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LONGEST: Final = 200
_SPECIAL: Final = re.compile(r"[%|/=&~,@()*\"'\\\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]")
"""What separates the parts of a key, and what some database or terminal would not keep as it is."""


class MissingIdentityError(LookupError):
    """A call does not say whose counter is meant.

    Attributes:
        budget: the budget's key.
        missing: the metadata key that is missing; `None` where the outermost run is not known.
    """

    def __init__(self, budget: str, missing: str | None) -> None:
        """Say what is missing, and how to give it."""
        super().__init__(budget, missing)
        self.budget: str = budget
        self.missing: str | None = missing

    def __str__(self) -> str:
        """What is missing, and how to give it."""
        if self.missing is None:
            return (
                f"the budget {self.budget!r} keeps one counter per run, and the outermost run is not known: "
                "attach the handler where the run begins, with config={'callbacks': [handler]} or a track_costs() "
                "block, or give the budget another window with per="
            )
        return (
            f"the budget {self.budget!r} keeps one counter per {self.missing!r}, and the run does not say whose it is: "
            f"give config={{'metadata': {{{self.missing!r}: ...}}}} a text or a whole number, "
            "or on_missing='shared' to the budget"
        )


def text_of(value: object) -> str | None:
    """The text that stands for a value of metadata; `None` for one that identifies nobody.

    A `str`, an `int` or a `UUID` is its text, so that `1` and `"1"` are the same user, as they are in the ledger;
    `True` and `False` are `"True"` and `"False"`. `None`, blank text and everything else (floats, lists, objects)
    identify nobody.
    """
    if isinstance(value, str):
        return str.__str__(value) if value and not value.isspace() else None
    if isinstance(value, bool | UUID):
        return str(value)
    try:
        return str(value.__index__())  # type: ignore[attr-defined] # whatever has none ends in the except
    except (AttributeError, TypeError, ValueError):  # no whole number, or one with more digits than Python writes
        return None


def identity(metadata: Mapping[str, Any], key: str) -> str | None:
    """The text of a metadata value, ready to stand in a counter; `None` if it is missing or identifies nobody."""
    text = text_of(metadata.get(key))
    return None if text is None else escaped(text)


def escaped(text: str) -> str:
    """A text without the characters that separate the parts of a key; no two texts become the same.

    A text of more than 200 characters becomes its SHA-256 digest.
    """
    if len(text) > _LONGEST:
        return f"%sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return _SPECIAL.sub(_percent, text)


def unescaped(text: str) -> str:
    """The text that was escaped; a digest stays one, without its mark."""
    return text[1:] if text.startswith("%sha256:") else unquote(text, errors="replace")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
