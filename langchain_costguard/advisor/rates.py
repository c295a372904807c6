"""What the tokens of a group of calls cost under each choice: as they were sent, in a batch, on another model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.pricing.rates import PICO_DIGITS, RateCard

if TYPE_CHECKING:
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.pricing.rates import Price

Rates = tuple[int, ...]
"""One rate per bucket of `TokenUsage`, in pico-USD per token."""

NO_RATES: Final[Rates] = (0,) * 8
_INPUTS: Final = 5
_STACKING: Final = frozenset({"anthropic"})
"""Providers whose discounts for batches and for cached input multiply: https://docs.claude.com (batch processing)."""


class Question(NamedTuple):
    """What decides the price of a call besides its tokens and its moment."""

    provider: str | None
    """Who served it."""
    request_model: str | None
    """The model that was asked for."""
    response_model: str | None
    """The model that answered."""
    service_tier: str | None
    """The provider's tier."""
    batch: bool
    """Whether it went through a Batch API."""

    @property
    def model(self) -> str:
        """The model a reader looks for."""
        return self.request_model or self.response_model or "unknown"


class PriceGroup(NamedTuple):
    """Calls that share a price and a chain."""

    question: Question
    """What decides their price."""
    chain: str
    """The names of the runs around them."""
    step: int
    """Which of the card's long-context steps they fall under; -1 for none."""
    own: Rates
    """What their tokens cost as they were sent; all zero where only their bills are known."""
    batch: Rates | None
    """What they cost in a batch; `None` where there is no such price."""
    stacks: bool
    """Whether a batch's discount and that of cached input multiply."""
    moment: float
    """When the price held, in seconds since 1970-01-01 UTC."""
    is_chosen: bool = False
    """Whether a cascade or a router chose their model already."""

    @property
    def has_rates(self) -> bool:
        """Whether a price per token is known."""
        return any(self.own)


class Pricer:
    """Looks prices up once for calls that share them."""

    def __init__(self, prices: PriceBook) -> None:
        """Take the price book."""
        self._prices = prices
        self._now = datetime.now(UTC).timestamp()

    def card(self, asked: Question, moment: float) -> Price | None:
        """The price of a call at a moment; `None` where there is none."""
        return self._prices.resolve(
            asked.response_model or asked.request_model or "",
            asked.provider,
            service_tier=asked.service_tier,
            batch=asked.batch,
            at=moment,
            fallback_model=asked.request_model,
        )

    def group(
        self, asked: Question, chain: str, card: Price | None, step: int, moment: float, *, is_chosen: bool
    ) -> PriceGroup:
        """A group with all of its rates."""
        own = rates_of(card, step)
        at_once = asked._replace(batch=False)
        batch = None if asked.batch or not any(own) else self._in_batch(at_once, own, step, moment)
        stacks = isinstance(card, RateCard) and card.source.provider in _STACKING
        return PriceGroup(asked, chain, step, own, batch, stacks, moment, is_chosen)

    def other_model(self, group: PriceGroup, model: str) -> tuple[Rates, Rates | None] | None:
        """What another model of the same provider costs, at once and in a batch; `None` where that is not known."""
        asked = Question(group.question.provider, model, None, group.question.service_tier, batch=False)
        card = self.card(asked, group.moment)
        if not isinstance(card, RateCard):
            return None
        rates = rates_of(card, min(group.step, len(card.steps) - 1))
        return rates, self._in_batch(asked, rates, group.step, group.moment)

    def _in_batch(self, at_once: Question, rates: Rates, step: int, moment: float) -> Rates | None:
        """The batch price of then; today's, where the list has none of then and the price at once has not changed."""
        tier = None if at_once.service_tier in {"default", "standard", "auto"} else at_once.service_tier
        if tier is not None:
            return None
        asked = at_once._replace(batch=True, service_tier=None)
        card = self.card(asked, moment)
        if card is None and rates_of(self.card(at_once, self._now), step) == rates:
            card = self.card(asked, self._now)
        found = rates_of(card, step)
        return found if any(found) else None


def step_of(card: Price | None, input_tokens: int) -> int:
    """Which long-context step of a card so many input tokens fall under; -1 for none."""
    if isinstance(card, RateCard):
        for number, step in enumerate(card.steps):
            if input_tokens > step[0]:
                return number
    return -1


def rates_of(card: Price | None, step: int) -> Rates:
    """A card's rates in pico-USD; a bucket without a price costs what plain input or output costs."""
    if not isinstance(card, RateCard):
        return NO_RATES
    rates = card.rates if not 0 <= step < len(card.steps) else card.steps[step][1]
    scale = 10 ** (card.scale - PICO_DIGITS)
    whole = [-(-rate // scale) for rate in rates]
    for position in card.unpriced:
        whole[position] = whole[0] if position < _INPUTS else whole[_INPUTS]
    return tuple(whole)
