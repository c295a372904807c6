"""What calls would have cost with changes to them: one plan of changes in, an exact cost per call out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.advisor.calls import Calls, Ints
    from langchain_costguard.advisor.rates import PriceGroup, Rates

Scenario = Literal["low", "expected", "high"]
SCENARIOS: Final[tuple[Scenario, ...]] = ("low", "expected", "high")

MILLION: Final = 10**6
"""Shares are counted in millionths."""


class OtherModel(NamedTuple):
    """Another model for the calls of a group."""

    rates: Rates
    """What it costs at once."""
    batch: Rates | None
    """What it costs in a batch."""
    asked: Mapping[Scenario, int]
    """The share of calls that ask it, in millionths."""
    full: Mapping[Scenario, int]
    """The share of calls that (also) ask the model of before, in millionths."""


class CachedInput(NamedTuple):
    """Input of each call that a provider's cache would hold, in tokens."""

    read: Ints
    """Tokens read instead of sent."""
    written: Ints
    """Tokens written, at the price of a write."""
    bucket: int
    """The bucket of `TokenUsage` that a write is billed in."""
    storage: Ints
    """What keeping it costs, in pico-USD."""


@dataclass
class Changes:
    """What is changed about the calls; what is `None` or empty is left as it is."""

    served: Ints | None = None
    """Whether a call is answered by a cache of one's own."""
    cap: Ints | None = None
    """The most output tokens."""
    cached: Sequence[tuple[Ints, CachedInput]] = ()
    """Input that a provider's cache holds: the calls, by position, and their tokens."""
    models: Mapping[int, OtherModel] = field(default_factory=dict)
    """Other models, by group."""
    batched: Ints | None = None
    """Whether a call goes in a batch."""


def costs(calls: Calls, changes: Changes, scenario: Scenario, where: Ints) -> Ints:
    """What calls would cost with the changes, by the price list.

    The order is that of the calls themselves: what a cache answers is not sent; what is sent goes to the model chosen,
    with its output limited and its input cached; a batch takes its discount off that where the provider lets both
    hold, else the cheaper of the two holds.

    Args:
        calls: all calls.
        changes: what is changed.
        scenario: which of the shares of other models is meant.
        where: the calls that are meant, by position.

    Returns:
        Pico-USD, one amount for each of the calls that are meant.
    """
    plain = calls.usage[:, where].copy()
    if changes.cap is not None:
        plain[5] -= np.clip(calls.output_tokens[where] - changes.cap[where], 0, plain[5])
    cached, storage = plain, np.zeros(len(where), dtype=np.int64)
    for positions, held in changes.cached:
        cached, storage = _with_cache(cached, storage, where, positions, held, len(calls))
    group = calls.group[where]
    batched = None if changes.batched is None else changes.batched[where]
    found = _priced(calls.groups, group, plain, cached, storage, batched)
    for number, other in changes.models.items():
        here = np.flatnonzero(group == number)
        if len(here):
            switched = [_switched(calls.groups[number], other)]
            own = None if batched is None else batched[here]
            zero = np.zeros(len(here), dtype=np.int64)
            alone = _priced(switched, zero, plain[:, here], cached[:, here], storage[here], own)
            found[here] = _share(alone, other.asked[scenario]) + _share(found[here], other.full[scenario])
    known = np.array([each.has_rates for each in calls.groups])
    found = np.where(known[group], found, calls.base[where])
    return found if changes.served is None else np.where(changes.served[where], 0, found)


def saved(calls: Calls, changes: Changes, scenario: Scenario, where: Ints) -> int:
    """What the changes save on some calls, in nano-USD of their bill."""
    before = calls.base[where]
    after = costs(calls, changes, scenario, where)
    if changes.served is None:
        return calls.owed(before - after, where)
    served = changes.served[where]
    exact = int(calls.billed[where][served].sum())
    return exact + calls.owed(np.where(served, 0, before - after), where)


def _with_cache(
    usage: Ints, storage: Ints, where: Ints, positions: Ints, held: CachedInput, total: int
) -> tuple[Ints, Ints]:
    """The usage with some of its plain input read from a cache or written to it."""
    spread = np.zeros((3, total), dtype=np.int64)
    spread[:, positions] = (held.read, held.written, held.storage)
    read, written, kept = spread[:, where]
    read = np.minimum(read, usage[0])
    written = np.minimum(written, usage[0] - read)
    changed = usage.copy()
    changed[0] -= read + written
    changed[1] += read
    changed[held.bucket] += written
    return changed, storage + kept


def _priced(
    groups: Sequence[PriceGroup], group: Ints, plain: Ints, cached: Ints, storage: Ints, batched: Ints | None
) -> Ints:
    own = _times([each.own for each in groups], group, cached) + storage
    if batched is None:
        return own
    in_batch = np.array([each.batch or each.own for each in groups], dtype=np.int64)
    stacks = np.array([each.stacks for each in groups])[group]
    stacked = _times(in_batch, group, cached) + storage
    alone = _times(in_batch, group, plain)
    return np.where(batched, np.minimum(own, np.where(stacks, np.minimum(stacked, alone), alone)), own)


def _share(amounts: Ints, millionths: int) -> Ints:
    """A share of amounts, rounded down; a product of a dear call's pico-USD and a million would not fit 64 bits."""
    found: Ints = amounts // MILLION * millionths + amounts % MILLION * millionths // MILLION
    return found


def _times(rates: Any, group: Ints, usage: Ints) -> Ints:  # noqa: ANN401 - rows of rates
    table = np.array(rates, dtype=np.int64)
    found = np.zeros(len(group), dtype=np.int64)
    for bucket in range(len(usage)):
        found += usage[bucket] * table[group, bucket]
    return found


def _switched(group: PriceGroup, other: OtherModel) -> PriceGroup:
    own = other.batch if group.question.batch and other.batch is not None else other.rates
    return group._replace(own=own, batch=other.batch)
