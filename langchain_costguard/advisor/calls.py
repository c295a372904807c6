"""The calls of a ledger as columns of numbers: what every detector looks at, read once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from langchain_costguard.advisor.rates import PriceGroup
    from langchain_costguard.pricing.plans import UsageRecord

    Ints = NDArray[Any]

US_PER_SECOND = 1_000_000


class Trial(NamedTuple):
    """How often a cascade asked its small model, and how often the large one had to be asked as well."""

    small: int = 0
    """Calls of the small model."""
    full: int = 0
    """Calls of the large model that followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many lines there are, and why some of them are in no advice."""

    lines: int = 0
    """All lines."""
    cached: int = 0
    """Lines that a cache answered: nothing is owed."""
    unended: int = 0
    """Lines that are open, failed, cancelled or lost."""
    unpriced: int = 0
    """Lines whose cost is not known."""
    other: int = 0
    """Lines that are no single chat call: embeddings, tools, adjustments, sums over several calls, impossible calls."""
    without_digest: int = 0
    """Lines of which no digest of the prompt is kept."""
    bill_nano: int = 0
    """What is owed for all lines, in nano-USD."""
    realised_nano: int = 0
    """What techniques in use have saved already, in nano-USD; no advice counts it again."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Calls:
    """Answered and priced chat calls, oldest first, one number per column and call.

    Args:
        at: when they began, in microseconds since 1970-01-01 UTC.
        group: their price group.
        digest: the first eight bytes of the prompt's digest; 0 where none is kept.
        user: their user, by number; -1 for none.
        usage: the eight buckets of `TokenUsage`; shape `(8, calls)`.
        billed: what is owed, in nano-USD.
        streamed: whether the answer was streamed.
        input_bytes: the length of the prompt in bytes; 0 where it is not known.
        first_prefix: where the digests of the prompt's beginnings start in `prefixes`; one more than calls.
        prefixes: the first eight bytes of those digests, call after call.
        groups: the price groups.
        trials: what cascades found, by outermost chain, large model and small model.
        charges: calls, tokens and list price by hour, for plans.
        counted: what is not in the columns.
    """

    at: Ints
    group: Ints
    digest: Ints
    user: Ints
    usage: Ints
    billed: Ints
    streamed: Ints
    input_bytes: Ints
    first_prefix: Ints
    prefixes: Ints
    groups: Sequence[PriceGroup]
    trials: Mapping[tuple[str, str, str], Trial]
    charges: Sequence[UsageRecord]
    counted: Counted

    def __len__(self) -> int:
        """How many calls."""
        return len(self.at)

    @cached_property
    def input_tokens(self) -> Ints:
        """All input tokens of each call."""
        tokens: Ints = self.usage[:5].sum(axis=0)
        return tokens

    @cached_property
    def output_tokens(self) -> Ints:
        """All output tokens of each call."""
        tokens: Ints = self.usage[5:].sum(axis=0)
        return tokens

    @cached_property
    def base(self) -> Ints:
        """What each call costs by the price list as it was sent, in pico-USD; its bill where it has no rates."""
        rates = np.array([group.own for group in self.groups] or [(0,) * 8], dtype=np.int64)
        known = np.array([group.has_rates for group in self.groups] or [False])
        listed = sum(self.usage[bucket] * rates[self.group, bucket] for bucket in range(8))
        return np.where(known[self.group], listed, self.billed * 1000)

    @cached_property
    def paid(self) -> list[Fraction]:
        """What is owed in nano-USD for a pico-USD by the price list, per group: discounts and reported costs."""
        base, billed = self._by_group(self.base), self._by_group(self.billed)
        return [Fraction(int(b), int(a)) if a else Fraction(0) for a, b in zip(base, billed, strict=True)]

    @cached_property
    def seconds(self) -> float:
        """How long it took from the first call to the last."""
        return float(self.at[-1] - self.at[0]) / US_PER_SECOND if len(self) else 0.0

    def owed(self, saved_pico: Ints, where: Ints) -> int:
        """A saving by the price list as a saving on the bill, in nano-USD, rounded down.

        Args:
            saved_pico: pico-USD by the price list, one amount for each of the calls that are meant.
            where: which calls are meant, by position.
        """
        sums = np.zeros(len(self.groups), dtype=np.int64)
        np.add.at(sums, self.group[where], saved_pico)
        return int(sum((int(each) * share for each, share in zip(sums, self.paid, strict=True)), Fraction(0)) // 1)

    def most(self, where: Ints) -> int:
        """The most that can be saved on some calls, in nano-USD: what they cost, and no more than the whole bill.

        Args:
            where: which calls are meant, by position.
        """
        return max(0, min(int(self.billed[where].sum()), self.counted.bill_nano))

    def in_groups(self, numbers: Sequence[int]) -> Ints:
        """The positions of the calls of some groups."""
        chosen = np.zeros(len(self.groups), dtype=bool)
        chosen[list(numbers)] = True
        return np.flatnonzero(chosen[self.group])

    def _by_group(self, amounts: Ints) -> Ints:
        sums = np.zeros(len(self.groups), dtype=np.int64)
        np.add.at(sums, self.group, amounts)
        return sums
