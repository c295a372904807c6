"""Which prompts were asked again so soon that an answer of before could have served."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from langchain_costguard._amounts import counted
from langchain_costguard.advisor.calls import US_PER_SECOND
from langchain_costguard.advisor.changes import SCENARIOS, Changes
from langchain_costguard.advisor.proposals import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.advisor.calls import Calls, Ints

_HOUR: Final = 3600.0
_MIXERS: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
"""Odd constants (of splitmix64 and xxHash) that spread small numbers over 64 bits."""


def repeats(calls: Calls, ttl_seconds: float, *, is_shared: bool) -> Iterator[Proposal]:
    """Prompts that were sent again, word for word, to the same model.

    Args:
        calls: all calls.
        ttl_seconds: how long an answer would be served, from when it was stored.
        is_shared: whether users may see each other's answers.

    Yields:
        At most one proposal. Low: answers are kept for an hour. High: users share answers. Where some calls name their
        user, those that do not are only in the high: a cache with tenants answers nobody unknown.
    """
    is_shared = is_shared or not bool((calls.user >= 0).any())
    known = np.flatnonzero(calls.digest)
    if not len(known):
        return
    served = {
        "low": _served(calls, known, min(ttl_seconds, _HOUR), is_shared=is_shared),
        "expected": _served(calls, known, ttl_seconds, is_shared=is_shared),
        "high": _served(calls, known, ttl_seconds, is_shared=True),
    }
    where = np.flatnonzero(served["high"] | served["expected"])
    count = int(served["expected"].sum())
    if not len(where):
        return
    tenant = "" if is_shared else ', tenant="user"'
    yield Proposal(
        technique="exact_cache",
        target="all calls",
        title="Answer repeated prompts from a cache",
        where=where,
        changes={name: Changes(served=served[name]) for name in SCENARIOS},
        evidence=(
            f"{counted(count, 'call')} of {len(known):,} with a known digest asked the same model the same prompt again"
            f"{'' if is_shared else ' for the same user'} within {_words(ttl_seconds)}; "
            f"{int(served['low'].sum()):,} of them within an hour of the stored answer. Questions of the same meaning "
            "in other words are not counted: the ledger keeps no text"
        ),
        figures={"repeats": count, "repeats_across_users": int(served["high"].sum()), "digested": len(known)},
        code=f"set_llm_cache(SemanticCache(embedder=False{tenant}))",
    )


def alive(key: Ints, at: Ints, lifetime_us: float, *, is_refreshed: bool) -> Ints:
    """Whether what a key stands for was there already when it was asked for.

    Args:
        key: what is asked for, one number per call.
        at: when, in microseconds; in order.
        lifetime_us: how long it is kept.
        is_refreshed: whether asking for it begins the lifetime anew; else it is kept from when it was stored.
    """
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    near = np.zeros(len(key), dtype=bool)
    when = at[order]
    near[1:] = same & (when[1:] - when[:-1] <= lifetime_us)
    if not is_refreshed:
        near = _from_storing(near, when, lifetime_us)
    found = np.zeros(len(key), dtype=bool)
    found[order] = near
    return found


def _from_storing(near: Ints, when: Ints, lifetime_us: float) -> Ints:
    """Of calls that came soon after the one before: those that came soon after what was stored."""
    found = near.copy()
    stored = 0
    for at in np.flatnonzero(near).tolist():
        if not near[at - 1]:
            stored = int(when[at - 1])
        if when[at] - stored > lifetime_us:
            found[at] = False
            stored = int(when[at])
    return found


def mixed(*parts: Any) -> Ints:  # noqa: ANN401 - columns of whole numbers
    """One number of 64 bits for several numbers of each call."""
    found: Ints = parts[0].astype(np.uint64)
    for part, mixer in zip(parts[1:], _MIXERS, strict=False):
        found = (found ^ (part.astype(np.uint64) + np.uint64(1)) * mixer) * _MIXERS[0]
        found ^= found >> np.uint64(29)
    return found


def models_of(calls: Calls) -> tuple[list[tuple[str | None, str]], Ints]:
    """The models, and which of them each call asked."""
    names: dict[tuple[str | None, str], int] = {}
    numbers = [names.setdefault((each.question.provider, each.question.model), len(names)) for each in calls.groups]
    return list(names), np.array(numbers or [0], dtype=np.int64)[calls.group]


def _served(calls: Calls, known: Ints, ttl_seconds: float, *, is_shared: bool) -> Ints:
    _, model = models_of(calls)
    known = known if is_shared else known[calls.user[known] >= 0]
    owner = np.zeros(len(known), dtype=np.int64) if is_shared else calls.user[known].astype(np.int64) + 1
    key = mixed(calls.digest[known], model[known], owner)
    found = np.zeros(len(calls), dtype=bool)
    found[known] = alive(key, calls.at[known], ttl_seconds * US_PER_SECOND, is_refreshed=False)
    return found


def _words(seconds: float) -> str:
    if isinf(seconds):
        return "any time"
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(round(seconds / size), unit)
    return counted(round(seconds), "second")
