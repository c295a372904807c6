"""Which model and which provider a name in a scope means, under all their usual names."""

from __future__ import annotations

import re
import warnings
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from langchain_costguard.exceptions import CostGuardWarning
from langchain_costguard.pricing.names import LISTED, candidates

_DATED: Final = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|@[\w.-]+)$")
"""How a dated version of a model ends."""
_SHORTEST_HINTED: Final = 5
_ALIKE: Final = 0.85
"""How alike two names must be for one to be a slip: one letter of ten, or two of twenty."""


@lru_cache(maxsize=1024)
def readings_of(model: str, provider: str | None) -> frozenset[tuple[str | None, str]]:
    """Every provider and name that a requested model may be meant by, and the bare names."""
    found: set[tuple[str | None, str]] = set()
    for at, name in (*candidates(model, provider), *candidates(model, None)):
        for reading in {name, name.rpartition("/")[2]}:
            undated = _DATED.sub("", reading)
            found |= {(at, reading), (at, undated), (None, reading), (None, undated)}
    return frozenset(found)


def spellings(readings: frozenset[tuple[str | None, str]]) -> set[str]:
    """The names a pattern is held against: bare, and behind their provider."""
    return {name for _, name in readings} | {f"{at}/{name}" for at, name in readings if at}


def are_different(one: str, other: str) -> bool:
    """Whether no call can ask for both models, whatever it calls them."""
    mine, theirs = ({name for _, name in readings_of(model, None)} for model in (one, other))
    return not any(first.endswith(second) or second.endswith(first) for first in mine for second in theirs)


def warn_of_slip(provider: str) -> None:
    """Warn of a provider that is not known and looks like one that is."""
    if provider in LISTED or len(provider) < _SHORTEST_HINTED:
        return
    near = get_close_matches(provider, LISTED, 1, _ALIKE)
    if near:
        msg = f"Scope.provider({provider!r}) is no provider that is known: {near[0]!r} may be meant"
        warnings.warn(msg, CostGuardWarning, stacklevel=3)
