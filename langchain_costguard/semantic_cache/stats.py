"""What a cache has been good for: hits and misses, what they saved, and how a single lookup came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from langchain_costguard.semantic_cache.feedback import ShadowState
    from langchain_costguard.stores.cache_base import CacheTotals, UseKind

_KIB: Final = 1024


@dataclass(frozen=True)
class Explanation:
    """How a lookup came out, and why."""

    kind: UseKind
    """A hit by the same words or by meaning, a miss, or a near entry that a guard refused."""
    asked: str | None = None
    """The text that was asked; `None` where none was found in the prompt."""
    stored: str | None = None
    """The text of the entry that was served, or came nearest."""
    similarity: float | None = None
    """How close it is, in [0, 1]; `None` when nothing was compared."""
    vetoes: tuple[str, ...] = ()
    """Why it was not served although it is close enough."""
    why: str | None = None
    """Why nothing was compared by meaning."""
    tenant: str | None = None
    model: str | None = None

    @property
    def is_hit(self) -> bool:
        """Whether an answer was served."""
        return self.kind in {"exact", "semantic"}

    def __str__(self) -> str:
        """One line."""
        words = {"exact": "hit by its words", "semantic": "hit by meaning", "vetoed": "near, but refused"}
        parts = [words.get(self.kind, "miss")]
        if self.similarity is not None and self.stored is not None:
            parts.append(f"nearest {self.stored!r} at similarity {self.similarity:.3f}")
        parts.extend(self.vetoes)
        if self.why is not None:
            parts.append(self.why)
        return "; ".join(parts)


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds and what it was used for, by everybody who shares its store.

    Attributes:
        exact: hits by the same words.
        semantic: hits by meaning.
        misses: lookups without an answer, the vetoed ones apart.
        vetoed: lookups whose near entry a guard refused.
        entries: how many answers there are, expired ones that are not yet purged included.
        bytes: what they take.
        avoided_cost: what the hits of known price saved, in US dollars; `None` when the price of no hit is known.
        unpriced_hits: hits of which it is not known what they saved.
        failures: lookups and updates of this process in which the cache itself failed, which count as misses.
        nearest_miss: of the latest lookups of this process that missed, the one that came nearest.
        location: where entries are kept.
        shadow: what would have been served by this process in shadow mode; `None` otherwise.
    """

    exact: int
    semantic: int
    misses: int
    vetoed: int
    entries: int
    bytes: int
    avoided_cost: Decimal | None
    unpriced_hits: int
    location: str
    failures: int = 0
    nearest_miss: Explanation | None = None
    shadow: ShadowState | None = None

    @property
    def hits(self) -> int:
        """Lookups that were answered."""
        return self.exact + self.semantic

    @property
    def lookups(self) -> int:
        """All lookups."""
        return self.hits + self.misses + self.vetoed

    @property
    def hit_rate(self) -> float | None:
        """The share of lookups that were answered, in [0, 1]; `None` when there was none."""
        return self.hits / self.lookups if self.lookups else None

    def __str__(self) -> str:
        """A few lines to read."""
        rate = "" if self.hit_rate is None else f" ({self.hit_rate:.0%} of {counted(self.lookups, 'lookup')})"
        saved = "unknown" if self.avoided_cost is None else f"${self.avoided_cost:f}"
        unpriced = f", {counted(self.unpriced_hits, 'hit')} of unknown price" if self.unpriced_hits else ""
        lines = [
            f"{counted(self.hits, 'hit')}{rate}: {self.exact:,} by words, {self.semantic:,} by meaning",
            (
                f"{counted(self.misses, 'miss', 'misses')}, "
                f"{counted(self.vetoed, 'near entry', 'near entries')} refused by a guard"
            ),
            f"avoided cost {saved}{unpriced}",
            f"{counted(self.entries, 'entry', 'entries')}, {self.bytes / _KIB:,.0f} KiB in {self.location}",
        ]
        if self.nearest_miss is not None:
            lines.append(f"nearest miss: {self.nearest_miss}")
        if self.shadow is not None:
            lines.append(f"shadow mode: {self.shadow}")
        if self.failures:
            lines.append(f"the cache itself failed {counted(self.failures, 'time')}: see the log")
        return "\n".join(lines)


def sum_totals(
    totals: Sequence[CacheTotals], location: str, *, failures: int = 0, nearest_miss: Explanation | None = None
) -> CacheStats:
    """The figures of all tenants, namespaces and models together.

    Args:
        totals: theirs, or some of them.
        location: where entries are kept.
        failures: how often the cache failed.
        nearest_miss: the miss that came nearest to a hit.
    """
    hits = sum(row.exact + row.semantic for row in totals)
    unpriced = sum(row.unpriced_hits for row in totals)
    avoided = sum(row.avoided_nanos for row in totals)
    return CacheStats(
        exact=sum(row.exact for row in totals),
        semantic=sum(row.semantic for row in totals),
        misses=sum(row.misses for row in totals),
        vetoed=sum(row.vetoed for row in totals),
        entries=sum(row.entries for row in totals),
        bytes=sum(row.bytes for row in totals),
        avoided_cost=None if hits and unpriced == hits else to_usd(avoided, NANO_PER_USD),
        unpriced_hits=unpriced,
        location=location,
        failures=failures,
        nearest_miss=nearest_miss,
    )
