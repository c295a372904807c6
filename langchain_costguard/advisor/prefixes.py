"""Which prompts begin alike, how much of that a provider's cache would have held, and where they begin to differ."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from langchain_costguard.advisor.calls import US_PER_SECOND
from langchain_costguard.advisor.changes import SCENARIOS, CachedInput, Changes
from langchain_costguard.advisor.proposals import Proposal
from langchain_costguard.advisor.repeats import alive, models_of
from langchain_costguard.cost import PICO_PER_USD
from langchain_costguard.prompt_caching.rules import rules_for
from langchain_costguard.recorder.lines import MAX_PREFIX_DIGESTS, PREFIX_BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.advisor.calls import Calls, Ints
    from langchain_costguard.advisor.proposals import Held
    from langchain_costguard.prompt_caching.rules import CacheRules, Lifetime

_FEWEST: Final = 20
_BYTES_PER_TOKEN: Final = (5, 3)
"""Bytes of text per token, at most and at least, where neither length of a prompt is known."""
_MOST: Final = 0.5
_MTOK: Final = 1_000_000
_WRITE_BUCKETS: Final = {"cache_write_5m": 2, "cache_write_1h": 3}


def shared_prefixes(calls: Calls) -> Iterator[Proposal]:
    """Beginnings that prompts share and a provider's cache would have held.

    Yields:
        One proposal per model whose cache rules are known, with the lifetime that saves most. Tokens are taken from
        whole blocks of 4,096 bytes, so what the last block has in common is only in the high. Where the provider
        caches unasked and did not, or storage is paid for, the low is zero.
    """
    names, model = models_of(calls)
    has_prefix = np.diff(calls.first_prefix) > 0
    for number, (provider, name) in enumerate(names):
        where = np.flatnonzero((model == number) & has_prefix)
        if len(where) < _FEWEST:
            continue
        day = datetime.fromtimestamp(int(calls.at[where[-1]]) / US_PER_SECOND, tz=UTC).date()
        rules = rules_for(name, provider, on=day)
        if rules is None or rules.min_tokens is None:
            continue
        proposals = [_proposal(calls, where, name, rules, lifetime).sized(calls) for lifetime in rules.lifetimes]
        if proposals:
            yield max(proposals, key=lambda each: each.saved["expected"])


def early_breaks(calls: Calls) -> Iterator[str]:
    """Sentences on models whose long prompts differ from their first block on, so that nothing can be cached."""
    names, model = models_of(calls)
    counts = np.diff(calls.first_prefix)
    for number, (_, name) in enumerate(names):
        where = np.flatnonzero((model == number) & (counts > 1))
        if len(where) < _FEWEST:
            continue
        first = calls.prefixes[calls.first_prefix[:-1][where]]
        _, times = np.unique(first, return_counts=True)
        alone = int((times == 1).sum())
        if alone >= _MOST * len(where):
            yield (
                f"{alone:,} of {len(where):,} long prompts of {name} differ from all others within their first "
                f"{PREFIX_BLOCK_BYTES:,} bytes. If they share instructions, something that changes (a date, a name, "
                "an id) stands before them: move it behind, and ask again."
            )


def depths(calls: Calls, where: Ints, lifetime_us: float, *, is_refreshed: bool) -> tuple[Ints, Ints]:
    """How many blocks of each prompt were at hand when it was sent, and how many were ever sent twice.

    Args:
        calls: all calls.
        where: calls of one model, by position.
        lifetime_us: how long a prefix is kept, in microseconds.
        is_refreshed: whether a read begins the lifetime anew.

    Returns:
        Both in blocks of 4,096 bytes, one number per call of `where`.
    """
    first, counts = calls.first_prefix[:-1][where], np.diff(calls.first_prefix)[where]
    at_hand, shared = np.zeros(len(where), dtype=np.int64), np.zeros(len(where), dtype=np.int64)
    left = np.arange(len(where))
    for level in range(MAX_PREFIX_DIGESTS):
        left = left[counts[left] > level]
        digests = calls.prefixes[first[left] + level]
        _, key, times = np.unique(digests, return_inverse=True, return_counts=True)
        again = times[key] > 1
        left, key = left[again], key[again]
        if not len(left):
            break
        shared[left] = level + 1
        at_hand[left[alive(key, calls.at[where[left]], lifetime_us, is_refreshed=is_refreshed)]] = level + 1
    return at_hand, shared


def _proposal(calls: Calls, where: Ints, name: str, rules: CacheRules, lifetime: Lifetime) -> Proposal:
    def held_without(gone: Ints) -> Held:
        kept = where[~gone[where]]
        return _held(calls, kept, rules, lifetime)

    held = _held(calls, where, rules, lifetime)
    changes = {scenario: Changes(cached=[held[scenario]]) for scenario in SCENARIOS}
    positions, tokens = held["expected"]
    reading = int((tokens.read > 0).sum())
    return Proposal(
        technique="prompt_caching",
        target=name,
        title="Let the provider cache the beginning of prompts",
        where=where,
        changes=changes,
        evidence=_evidence(calls, positions, tokens, rules, lifetime),
        figures={"calls": len(where), "reading": reading, "read_tokens": int(tokens.read.sum())},
        code=_code(calls, name, rules),
        held_without=held_without,
    )


def _held(calls: Calls, where: Ints, rules: CacheRules, lifetime: Lifetime) -> Held:
    """What a provider's cache would hold of each prompt in each scenario, beyond what it did."""
    lifetime_us = float("inf") if lifetime.seconds is None else lifetime.seconds * US_PER_SECOND
    at_hand, shared = depths(calls, where, lifetime_us, is_refreshed=rules.refreshed_on_read)
    already = calls.usage[1:4, where].sum(axis=0)
    bucket = _WRITE_BUCKETS[lifetime.write_price]
    found = {}
    for scenario in SCENARIOS:
        at_least = scenario != "high"
        read = np.maximum(_kept(_tokens(calls, where, at_hand, at_least=at_least), rules) - already, 0)
        whole = _kept(_tokens(calls, where, shared, at_least=at_least), rules)
        missing = np.where(already > 0, 0, np.maximum(whole - read, 0))
        is_sure = rules.control == "cache_control"
        if scenario == "low" and not is_sure:
            read, missing = np.zeros_like(read), np.zeros_like(missing)
        written = missing if is_sure else np.zeros_like(missing)
        found[scenario] = where, CachedInput(read, written, bucket, _storage(missing, rules, lifetime))
    return found


def _tokens(calls: Calls, where: Ints, blocks: Ints, *, at_least: bool) -> Ints:
    """How many tokens so many blocks of each prompt are, at least or at most."""
    tokens, count = calls.input_tokens[where], np.diff(calls.first_prefix)[where]
    size = calls.input_bytes[where]
    ends = np.where(blocks > 0, blocks + (0 if at_least else 1), 0)
    by_size = tokens * np.minimum(ends * PREFIX_BLOCK_BYTES, size) // np.maximum(size, 1)
    by_count = tokens * ends // (count + 1 if at_least else np.maximum(count, 1))
    by_text = ends * PREFIX_BLOCK_BYTES // _BYTES_PER_TOKEN[0 if at_least else 1]
    unknown = np.where(count < MAX_PREFIX_DIGESTS, by_count, by_text)
    return np.minimum(np.where(size > 0, by_size, unknown), tokens)


def _kept(tokens: Ints, rules: CacheRules) -> Ints:
    """As `CacheRules.cached`, for many prefixes."""
    least = rules.min_tokens or 0
    return np.where(tokens < least, 0, least + (tokens - least) // rules.step_tokens * rules.step_tokens)


def _storage(missing: Ints, rules: CacheRules, lifetime: Lifetime) -> Ints:
    """What keeping what was not at hand for one lifetime costs, in pico-USD per call."""
    if rules.control != "cached_contents" or rules.storage_usd_per_mtok_hour is None:
        return np.zeros_like(missing)
    per_token = rules.storage_usd_per_mtok_hour * PICO_PER_USD * (lifetime.seconds or 3600) / 3600 / _MTOK
    return missing * int(per_token)


def _evidence(calls: Calls, where: Ints, held: CachedInput, rules: CacheRules, lifetime: Lifetime) -> str:
    reading = held.read > 0
    seconds = lifetime.seconds
    within = "" if seconds is None else f" within {seconds // 60:,} minutes"
    tokens = int(held.read.sum()) // max(1, int(reading.sum()))
    unasked = "; this provider caches unasked, and did not here" if rules.control == "automatic" else ""
    return (
        f"{int(reading.sum()):,} of {len(where):,} long prompts begin with {tokens:,} tokens (on average) that had "
        f"been sent{within} before and were not read from the cache{unasked}. {_break(calls, where)}"
    )


def _break(calls: Calls, where: Ints) -> str:
    """After which block most of the prompts that share their beginning differ."""
    _, shared = depths(calls, where, float("inf"), is_refreshed=True)
    counts = np.diff(calls.first_prefix)[where]
    broken = Counter(shared[(shared > 0) & (shared < counts)].tolist())
    if not broken:
        return "Most go on alike to their last whole block"
    blocks, times = broken.most_common(1)[0]
    return f"{times:,} differ from the others after {blocks:,} blocks, {blocks * PREFIX_BLOCK_BYTES:,} bytes, of text"


def _code(calls: Calls, name: str, rules: CacheRules) -> str:
    seconds = max(60, round(calls.seconds))
    return (
        f'model = CachePlan.from_examples("{rules.provider}:{name}", prompts, reuse={max(2, len(calls)):d}, '
        f"within=timedelta(seconds={seconds})).apply(model)"
    )
