"""What a price is: integer rates that turn the usage of a call into a cost, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from langchain_costguard.cost import PICO_PER_USD, Cost, CostLine, PriceSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.usage import Counts, TokenUsage

BUCKETS: Final = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "output_text",
    "reasoning",
    "audio_output",
)
"""The buckets of `TokenUsage` in its order, which is the order of the rates of a card."""

PICO_DIGITS: Final = 12
"""Decimal places of a pico-dollar: the coarsest scale a card may have."""

NS_PER_HOUR: Final = 3_600_000_000_000
BEGINNING: Final = float("-inf")
END: Final = float("inf")

Rates = tuple[int, int, int, int, int, int, int, int]
"""One rate per bucket, in units of `10**-scale` US dollars for one token."""


LongContext = tuple[int, Rates, PriceSource]
"""A cliff: above so many input tokens (not at them) all tokens of the call are charged at these rates."""


class Price(Protocol):
    """A way to charge for calls, valid for a stretch of time."""

    @property
    def source(self) -> PriceSource:
        """Which price list, and which entry of it."""

    @property
    def valid_from(self) -> float:
        """The first moment the price holds, in seconds since 1970-01-01 UTC."""

    @property
    def valid_until(self) -> float:
        """The first moment it no longer holds, in seconds since 1970-01-01 UTC."""

    def cost(self, usage: TokenUsage | None, calls: int = 1, busy_ns: int | None = None) -> Cost | None:
        """What a call costs.

        Args:
            usage: the tokens, `None` when they are not known.
            calls: how many calls the usage covers; a long-context step is theirs if their mean reaches it.
            busy_ns: the calls' share of the machine's busy time in nanoseconds, for prices by the hour.

        Returns:
            The cost, or `None` if the price says nothing about something that was used.
        """

    def charge(self, counts: Counts | None, calls: int, busy_ns: int | None) -> Cost | None:
        """The same as `cost`, with the buckets of the usage as a plain tuple."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCard:
    """A price per token, and per call if there is one, in exact integers.

    Args:
        rates: one rate per bucket of `TokenUsage`, in units of `10**-scale` US dollars.
        source: which price list, and which entry of it.
        scale: decimal places of a rate; 12 or more, so that every listed price is a whole number.
        unpriced: positions of buckets for which the list has no price; a call that used one has no cost.
        steps: the long-context steps, highest threshold first.
        per_call: the price of a call, in units of `10**-scale` US dollars.
        valid_from: the first moment the price holds, in seconds since 1970-01-01 UTC.
        valid_until: the first moment it no longer holds, in seconds since 1970-01-01 UTC.
    """

    rates: Rates
    source: PriceSource
    scale: int = PICO_DIGITS
    unpriced: tuple[int, ...] = ()
    steps: tuple[LongContext, ...] = ()
    per_call: int = 0
    valid_from: float = BEGINNING
    valid_until: float = END
    is_plain: bool = field(init=False, repr=False)
    """Whether the rates alone make the cost: every bucket priced, no steps, no price per call, scale 12."""

    def __post_init__(self) -> None:
        """Note once what `cost` would ask for every call."""
        is_plain = not (self.unpriced or self.steps or self.per_call or self.scale != PICO_DIGITS)
        object.__setattr__(self, "is_plain", is_plain)

    def cost(self, usage: TokenUsage | None, calls: int = 1, busy_ns: int | None = None) -> Cost | None:
        """What a call costs; see `Price.cost`. The amount is rounded once, half to even, to the pico-dollar."""
        return self.charge(None if usage is None else usage.counts, calls, busy_ns)

    def charge(self, counts: Counts | None, calls: int, busy_ns: int | None) -> Cost | None:  # noqa: ARG002 - see `Price`
        """What a call costs; see `Price.charge`. This is the path of every call, so it is written flat."""
        if counts is None:
            return self._cost_without_usage(calls)
        uncached, read, write_5m, write_1h, audio, text, reasoning, audio_out = counts
        rates, source = self.rates, self.source
        if not self.is_plain:
            for position in self.unpriced:
                if counts[position]:
                    return None
            for step in self.steps:
                if uncached + read + write_5m + write_1h + audio > step[0] * (calls or 1):  # of several: their mean
                    _, rates, source = step
                    break
        of_uncached, of_read, of_5m, of_1h, of_audio, of_text, of_reasoning, of_audio_out = rates
        amount = uncached * of_uncached + read * of_read + text * of_text + reasoning * of_reasoning
        if write_5m or write_1h or audio or audio_out:
            amount += write_5m * of_5m + write_1h * of_1h + audio * of_audio + audio_out * of_audio_out
        if not self.is_plain:
            amount += calls * self.per_call
            if self.scale != PICO_DIGITS:
                amount = divide_half_even(amount, 10 ** (self.scale - PICO_DIGITS))
        return Cost(amount, amount, source, (self, counts, calls))

    def dearest(self) -> Rates:
        """The highest rate each bucket can meet on this card, long context included."""
        columns = zip(self.rates, *(step[1] for step in self.steps), strict=True)
        return _rates(max(column) for column in columns)

    def dearer(self, rates: Iterable[int], *, scale: int, per_call: int, source: PriceSource) -> RateCard:
        """A card with other rates that prices every bucket and holds at any time: a bound, not a listed price."""
        return RateCard(rates=_rates(rates), scale=scale, per_call=per_call, source=source)

    def _rates_for(self, input_tokens: int, calls: int) -> tuple[Rates, PriceSource]:
        for above, rates, source in self.steps:
            if input_tokens > above * (calls or 1):
                return rates, source
        return self.rates, self.source

    def _cost_without_usage(self, calls: int) -> Cost | None:
        if any(self.rates) or self.unpriced:
            return None
        amount = divide_half_even(calls * self.per_call, 10 ** (self.scale - PICO_DIGITS))
        return Cost(amount, source=self.source, breakdown_of=(self, None, calls))

    def lines(self, counts: Counts | None, calls: int) -> tuple[CostLine, ...]:
        """What `charge` adds up: every bucket that was used times its rate, then the calls."""
        lines = []
        if counts is not None:
            rates, _ = self._rates_for(sum(counts[:5]), calls)
            for bucket, tokens, rate in zip(BUCKETS, counts, rates, strict=True):
                if tokens:
                    usd = Decimal(rate).scaleb(-self.scale)
                    lines.append(CostLine(bucket, tokens, "token", usd, tokens * usd))
        if self.per_call:
            usd = Decimal(self.per_call).scaleb(-self.scale)
            lines.append(CostLine("call", calls, "call", usd, calls * usd))
        return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHourCard:
    """A price by the GPU-hour, and per call if there is one: what a model you serve yourself costs.

    Args:
        pico_usd_per_hour: the price of one hour of the whole machine, in pico-USD.
        pico_usd_per_call: the price of one call, in pico-USD.
        source: where the price comes from.
        valid_from: the first moment the price holds, in seconds since 1970-01-01 UTC.
        valid_until: the first moment it no longer holds, in seconds since 1970-01-01 UTC.
    """

    pico_usd_per_hour: int
    source: PriceSource
    pico_usd_per_call: int = 0
    valid_from: float = BEGINNING
    valid_until: float = END

    def cost(self, usage: TokenUsage | None, calls: int = 1, busy_ns: int | None = None) -> Cost | None:
        """What a call costs: its busy time times the hourly price, and its calls; `None` without a busy time."""
        return self.charge(None if usage is None else usage.counts, calls, busy_ns)

    def charge(self, counts: Counts | None, calls: int, busy_ns: int | None) -> Cost | None:  # noqa: ARG002 - see `Price`
        """What a call costs; see `Price.charge`."""
        if busy_ns is None:
            return None
        amount = divide_half_even(busy_ns * self.pico_usd_per_hour, NS_PER_HOUR) + calls * self.pico_usd_per_call
        return Cost(amount, source=self.source, breakdown_of=(self, busy_ns, calls))

    def lines(self, busy_ns: int, calls: int) -> tuple[CostLine, ...]:
        """The hours and the calls, each times its price."""
        hour, call = (Decimal(pico) / PICO_PER_USD for pico in (self.pico_usd_per_hour, self.pico_usd_per_call))
        hours = Decimal(busy_ns) / NS_PER_HOUR
        lines = [CostLine("gpu_hour", hours, "hour", hour, hours * hour)]
        if call:
            lines.append(CostLine("call", calls, "call", call, calls * call))
        return tuple(lines)


def divide_half_even(amount: int, divisor: int) -> int:
    """`amount / divisor` as a whole number, rounded half to even; `amount` is not negative."""
    whole, rest = divmod(amount, divisor)
    twice = 2 * rest
    if twice > divisor or (twice == divisor and whole & 1):
        return whole + 1
    return whole


def card_of(
    usd_per_mtok: tuple[Decimal | None, ...],
    *,
    source: PriceSource,
    steps: tuple[tuple[int, tuple[Decimal | None, ...], PriceSource], ...] = (),
    usd_per_call: Decimal = Decimal(0),
    valid_from: float = BEGINNING,
    valid_until: float = END,
) -> RateCard:
    """Compile decimal prices into a card, exactly.

    Args:
        usd_per_mtok: one price per bucket in US dollars per million tokens; `None` where there is none.
        source: which price list, and which entry of it.
        steps: `(above_input_tokens, usd_per_mtok, source)` of each long-context step, in any order.
        usd_per_call: the price of one call in US dollars.
        valid_from: the first moment the price holds, in seconds since 1970-01-01 UTC.
        valid_until: the first moment it no longer holds, in seconds since 1970-01-01 UTC.
    """
    prices = [*usd_per_mtok, *(price for step in steps for price in step[1])]
    scale = max(PICO_DIGITS, *(_places(price) + 6 for price in prices if price is not None), _places(usd_per_call))
    return RateCard(
        rates=_scaled(usd_per_mtok, scale),
        source=source,
        scale=scale,
        unpriced=tuple(position for position, price in enumerate(usd_per_mtok) if price is None),
        steps=tuple(
            (above, _scaled(step_prices, scale), step_source)
            for above, step_prices, step_source in sorted(steps, key=lambda step: -step[0])
        ),
        per_call=int(usd_per_call.scaleb(scale)),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _places(price: Decimal) -> int:
    """Its decimal places; below zero where it ends in zeros before the point."""
    return -int(price.as_tuple().exponent)


def _scaled(usd_per_mtok: tuple[Decimal | None, ...], scale: int) -> Rates:
    return _rates(0 if price is None else int(price.scaleb(scale - 6)) for price in usd_per_mtok)


def _rates(values: Iterable[int]) -> Rates:
    first, second, third, fourth, fifth, sixth, seventh, eighth = values
    return first, second, third, fourth, fifth, sixth, seventh, eighth
