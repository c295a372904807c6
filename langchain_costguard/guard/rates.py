"""DearestRates: the highest rates that a request can meet, whatever tier serves it and however it is cached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.cost import Cost, nano_up
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.pricing.genai import STANDARD_TIERS
from langchain_costguard.pricing.rates import BUCKETS, NS_PER_HOUR, PICO_DIGITS, GpuHourCard, RateCard
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.pricing.rates import Rates

_UNCACHED, _READ, _WRITE_5M, _WRITE_1H, _AUDIO_IN, _TEXT, _REASONING, _AUDIO_OUT = range(len(BUCKETS))
_PROBE: Final = 10**12
"""Tokens of the usage by which a discount is found."""
_ROUND: Final = 10**6
"""The denominator of a share that is stated in at most six decimal places."""


class Billing(NamedTuple):
    """What decides the rates a request can meet; the key under which they are kept."""

    model: str
    provider: str | None
    tiers: frozenset[str]
    """The service tiers that are asked for; the standard one can serve any request."""
    region: str | None
    writes_5m: bool
    """Whether the provider may bill input as written to its prompt cache."""
    writes_1h: bool
    hears: bool
    """Whether audio may be in the input."""
    speaks: bool
    """Whether audio may be in the output."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The buckets in which input can be billed."""
        usual = (_UNCACHED, _READ)
        return usual + (_WRITE_5M,) * self.writes_5m + (_WRITE_1H,) * self.writes_1h + (_AUDIO_IN,) * self.hears

    @property
    def outputs(self) -> tuple[int, ...]:
        """The buckets in which output can be billed."""
        return (_TEXT, _REASONING) + (_AUDIO_OUT,) * self.speaks


class Step(NamedTuple):
    """The dearest rates of a call with more input tokens than `above`."""

    above: int
    of_input: int
    of_output: int


class DearestRates(NamedTuple):
    """The dearest rates of a request, in units of `10**-scale` US dollars for one token."""

    valid_from: float
    valid_until: float
    """The first moment they no longer hold, in seconds since 1970-01-01 UTC."""
    problem: str | None = None
    """Why there are none."""
    steps: tuple[Step, ...] = ()
    """Ascending; the first is above -1. The rates never fall from one to the next."""
    scale: int = PICO_DIGITS
    per_call: int = 0
    paid: tuple[int, int] = (1, 1)
    """What is paid of the list price, as a fraction."""
    standard: tuple[int, int] = (0, 0)
    """The standard rates of uncached input and of output text, which a typical call meets."""
    prices_output: bool = True
    """Whether the list has a price for output at all."""
    hourly: GpuHourCard | None = None
    """The price by the hour, for a model without a price per token."""

    @property
    def is_free(self) -> bool:
        """Whether tokens cost nothing."""
        return self.problem is None and self.hourly is None and not any(step[1] or step[2] for step in self.steps)

    def step_for(self, input_tokens: int) -> Step:
        """The rates of a call with at most so many input tokens."""
        steps = self.steps
        found = steps[0]
        for step in steps[1:]:
            if step.above >= input_tokens:
                break
            found = step
        return found

    def nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """What so many tokens cost at most, in nano-USD, rounded up."""
        _, of_input, of_output = self.step_for(input_tokens)
        return self._nano(input_tokens * of_input + output_tokens * of_output + self.per_call)

    def typical_nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """What so many tokens cost at the standard rates, in nano-USD, rounded up."""
        of_input, of_output = self.standard
        return self._nano(input_tokens * of_input + output_tokens * of_output + self.per_call)

    def output_for(self, nano_usd: int, input_tokens: int) -> int | None:
        """The most output tokens that an amount pays for, beside so many input tokens; `None` if output is free."""
        _, of_input, of_output = self.step_for(input_tokens)
        if not of_output:
            return None
        paid, listed = self.paid
        amount = (nano_usd * 1000 * 10 ** (self.scale - PICO_DIGITS)) * listed // paid if paid else 0
        return max(0, (amount - input_tokens * of_input - self.per_call) // of_output)

    def hours_nano_usd(self, busy_seconds: float) -> int:
        """What so much time costs at the hourly price, with one call, in nano-USD, rounded up."""
        if self.hourly is None:
            return 0
        busy_ns = int(busy_seconds * 1_000_000_000)
        return nano_up(-(-busy_ns * self.hourly.pico_usd_per_hour // NS_PER_HOUR) + self.hourly.pico_usd_per_call)

    def _nano(self, amount: int) -> int:
        if self.scale != PICO_DIGITS:
            amount = -(-amount // 10 ** (self.scale - PICO_DIGITS))
        paid, listed = self.paid
        return nano_up(amount if paid == listed else -(-amount * paid // listed))


def dearest_rates(prices: PriceBook, billing: Billing) -> DearestRates:
    """The dearest rates of a request now, found once and kept while they hold.

    Args:
        prices: what prices it.
        billing: what decides its rates.
    """
    kept = _kept(prices, billing)
    rates, now = kept[0], time()
    if not rates.valid_from <= now < rates.valid_until:
        rates = kept[0] = _find(prices, billing, now)
    return rates


@lru_cache(maxsize=512)
def _kept(prices: PriceBook, billing: Billing) -> list[DearestRates]:
    return [_find(prices, billing, time())]


def _find(prices: PriceBook, billing: Billing, now: float) -> DearestRates:
    cards: list[RateCard] = []
    shares: list[tuple[int, int]] = []
    for tier in _tiers(billing.tiers):
        price = prices.resolve(billing.model, billing.provider, service_tier=tier, at=now, region=billing.region)
        if isinstance(price, GpuHourCard):
            return DearestRates(price.valid_from, price.valid_until, hourly=price)
        cost = _probe(prices, billing, tier, now)
        card = price if isinstance(price, RateCard) else _card_behind(cost)
        if card is not None:
            cards.append(card)
            shares.append(_paid_share(cost))
        elif tier not in _OPTIONAL:
            why = prices.why_unpriced(billing.model, billing.provider, service_tier=tier, at=now, region=billing.region)
            return DearestRates(now, _next_day(now), problem=why)
    return _dearest(cards, billing, max(shares, key=lambda share: Fraction(*share)), now)


_OPTIONAL: Final = frozenset({"flex", "priority"})
"""Tiers that are left out where no price is known for them: flex is never dearer than the standard one, and a model
without a price for priority is not served with it."""


def _tiers(asked: frozenset[str]) -> tuple[str | None, ...]:
    """The tiers that can serve a request: the standard one always can, and `auto` leaves it to the provider."""
    return (None, *sorted({"priority" if tier == "auto" else tier for tier in asked} - _STANDARD))


_STANDARD: Final = STANDARD_TIERS | {"standard"}


def _probe(prices: PriceBook, billing: Billing, tier: str | None, now: float) -> Cost | None:
    """What a very long call costs: how a discount shows, and what a policy for unknown models makes of it."""
    for usage in (TokenUsage(uncached_input=_PROBE, output_text=_PROBE), TokenUsage(uncached_input=_PROBE)):
        try:
            cost = prices.price(
                usage, model=billing.model, provider=billing.provider, service_tier=tier, at=now, region=billing.region
            )
        except UnknownPriceError:
            return None
        if cost is not None:
            return cost
    return None


def _paid_share(cost: Cost | None) -> tuple[int, int]:
    """What is paid of the list price, never less than that; all of it where there is no discount."""
    if cost is None or not cost.list_pico_usd or cost.pico_usd >= cost.list_pico_usd:
        return 1, 1
    share = Fraction(cost.pico_usd, cost.list_pico_usd)
    round_share = share.limit_denominator(_ROUND)
    if abs(round_share - share) * cost.list_pico_usd <= 1:
        return round_share.numerator, round_share.denominator
    return cost.pico_usd + 1, cost.list_pico_usd


def _card_behind(cost: Cost | None) -> RateCard | None:
    card = None if cost is None or cost.breakdown_of is None else cost.breakdown_of[0]
    return card if isinstance(card, RateCard) else None


def _dearest(cards: list[RateCard], billing: Billing, paid: tuple[int, int], now: float) -> DearestRates:
    if any(_UNCACHED in card.unpriced for card in cards):
        problem = f"the price of {billing.model} says nothing about {BUCKETS[_UNCACHED]}"
        return DearestRates(now, _next_day(now), problem=problem)
    scale = max(card.scale for card in cards)
    until = min(card.valid_until for card in cards)
    standard = cards[0]
    up = 10 ** (scale - standard.scale)
    return DearestRates(
        max(card.valid_from for card in cards),
        min(until, _next_day(now)),
        steps=_steps(cards, billing, scale),
        scale=scale,
        per_call=max(card.per_call * 10 ** (scale - card.scale) for card in cards),
        paid=paid,
        standard=(standard.rates[_UNCACHED] * up, standard.rates[_TEXT] * up),
        prices_output=not any(_TEXT in card.unpriced for card in cards),
    )


def _steps(cards: list[RateCard], billing: Billing, scale: int) -> tuple[Step, ...]:
    """The dearest rates from each threshold on: those of every step that a shorter input may stay below count too."""
    thresholds = sorted({-1} | {step[0] for card in cards for step in card.steps})
    steps = []
    for above in thresholds:
        reachable = [
            (rates, 10 ** (scale - card.scale))
            for card in cards
            for rates in (card.rates, *(step[1] for step in card.steps if step[0] <= above))
        ]
        steps.append(Step(above, _highest(reachable, billing.inputs), _highest(reachable, billing.outputs)))
    return tuple(steps)


def _highest(reachable: list[tuple[Rates, int]], positions: tuple[int, ...]) -> int:
    return max(rates[position] * up for rates, up in reachable for position in positions)


def _next_day(now: float) -> float:
    """The next midnight in UTC: what is not known today may be known tomorrow."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()
