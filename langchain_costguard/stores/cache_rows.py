"""Cache entries as rows of a database, and back: a row that was changed by anything else is not an entry."""

from __future__ import annotations

import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.stores.cache_base import CacheEntry, CacheTotals, is_entry_alive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_costguard.stores.cache_base import CacheLimits, CacheSize, CacheUse

Label = tuple[str | None, str, str | None]
"""A tenant, a namespace and a model."""

_COUNTED: Final = ("exact", "semantic", "miss", "vetoed")


def row_of(entry: CacheEntry, number: int) -> tuple[Any, ...]:
    """The cells of a new row: the entry's, its size and its checksum."""
    return (
        number,
        entry.partition,
        entry.exact,
        entry.answer,
        entry.created_us,
        entry.expires_us,
        entry.tenant,
        entry.namespace,
        entry.model,
        text_cell(entry.text),
        None if entry.vector is None else entry.fingerprint,
        entry.avoided_nanos,
        0,
        entry.created_us,
        entry.size_bytes,
        _checksum(entry.partition, entry.exact, entry.answer, text_cell(entry.text)),
    )


def text_cell(text: str | None) -> bytes | None:
    """A text as databases take every one: they refuse null characters or lone surrogates."""
    return None if text is None else text.encode("utf-8", "surrogatepass")


def text_of(cell: bytes | None) -> str | None:
    """A text as it was before `text_cell`."""
    return None if cell is None else bytes(cell).decode("utf-8", "surrogatepass")


def _checksum(partition: bytes, exact: bytes, answer: bytes, text: bytes | None) -> int:
    """A number that tells a damaged row: the CRC-32 of what is served and of what it is compared with."""
    digests = zlib.crc32(exact, zlib.crc32(partition))
    words = b"\x00" if text is None else b"\x01" + text
    return zlib.crc32(answer, zlib.crc32(words, digests))


def entry_of(row: Sequence[Any]) -> CacheEntry | None:
    """The entry of a row, without its vector; `None` when the row was damaged."""
    number, partition, exact, answer, created, expires, tenant, namespace, model, text, embedder, *rest = row
    nanos, hits, used, expected = rest
    if not (isinstance(partition, bytes) and isinstance(exact, bytes) and isinstance(answer, bytes)):
        return None
    if not all(isinstance(count, int | None) for count in (created, expires, nanos, hits, used)):
        return None
    if not isinstance(text, bytes | None) or _checksum(partition, exact, answer, text) != expected:
        return None
    return CacheEntry(
        partition, exact, answer, created, expires, tenant, namespace, model, text_of(text), embedder, None, nanos,
        hits, used, number,
    )  # fmt: skip


def is_served(entry: CacheEntry | None, now_us: int) -> bool:
    """Whether an entry was read whole and may still be served."""
    return entry is not None and is_entry_alive(entry.expires_us, now_us)


def sum_uses(uses: Iterable[CacheUse]) -> dict[Label, list[int]]:
    """Uses by label: exact hits, hits by meaning, misses, vetoes, nano-dollars avoided, hits of unknown price."""
    sums: dict[Label, list[int]] = defaultdict(lambda: [0] * 6)
    for use in uses:
        row = sums[use.tenant, use.namespace, use.model]
        row[_COUNTED.index(use.kind)] += 1
        if use.kind in {"exact", "semantic"}:
            row[4] += use.avoided_nanos or 0
            row[5] += use.avoided_nanos is None
    return sums


def served_entries(uses: Iterable[CacheUse]) -> dict[int, tuple[int, int]]:
    """How often each entry was served, and when last."""
    served: dict[int, tuple[int, int]] = {}
    for use in uses:
        if use.entry_id is not None and use.kind in {"exact", "semantic"}:
            hits, at = served.get(use.entry_id, (0, 0))
            served[use.entry_id] = (hits + 1, max(at, use.at_us))
    return served


def join_totals(held: Iterable[Sequence[Any]], used: Iterable[Sequence[Any]]) -> list[CacheTotals]:
    """What is held and what was used, one row for each label, in the order of labels.

    Args:
        held: tenant, namespace, model, entries, bytes, with vector, expired.
        used: tenant, namespace, model and the six sums of `sum_uses`.
    """
    totals: dict[Label, CacheTotals] = {}
    for tenant, namespace, model, *counts in held:
        totals[tenant, namespace, model] = CacheTotals(tenant, namespace, model, *map(int, counts))
    for tenant, namespace, model, *counts in used:
        exact, semantic, misses, vetoed, nanos, unpriced = map(int, counts)
        before = totals.get((tenant, namespace, model), CacheTotals(tenant, namespace, model))
        totals[tenant, namespace, model] = before._replace(
            exact=exact, semantic=semantic, misses=misses, vetoed=vetoed, avoided_nanos=nanos, unpriced_hits=unpriced
        )
    return [totals[label] for label in sorted(totals, key=_order)]


def _order(label: Label) -> tuple[bool, str, str, bool, str]:
    tenant, namespace, model = label
    return tenant is not None, tenant or "", namespace, model is not None, model or ""


def exceeds(size: CacheSize, limits: CacheLimits) -> bool:
    """Whether there is more than there may be."""
    return (limits.max_entries is not None and size.entries > limits.max_entries) or (
        limits.max_bytes is not None and size.bytes > limits.max_bytes
    )


def count_to_evict(
    sizes: Iterable[int], *, entries: int, held_bytes: int, limits: tuple[int | None, int | None]
) -> int:
    """How many entries must go, in the order of `sizes`, until the rest is within limits."""
    most_entries, most_bytes = limits
    count = 0
    for size in sizes:
        if (most_entries is None or entries <= most_entries) and (most_bytes is None or held_bytes <= most_bytes):
            break
        entries, held_bytes, count = entries - 1, held_bytes - size, count + 1
    return count


SLACK_SHARE: Final = 20
"""An eviction goes one twentieth below the limits, so that not every entry that comes evicts one."""


def lowered(limit: int | None) -> int | None:
    """The limit an eviction goes down to."""
    return None if limit is None else limit - limit // SLACK_SHARE
