"""The most that one request of a batch can cost, and what it costs at the batch price and at the standard one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.guard.bound import bound_call
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.batching.jobs.calls import StepCalls
    from langchain_costguard.guard.bound import CallBound
    from langchain_costguard.guard.requests import CallRequest
    from langchain_costguard.pricing.book import PriceBook

_PROBES: Final = (TokenUsage(uncached_input=1_000), TokenUsage(output_text=1_000))
"""By which the batch price is compared with the standard one, for input and for output."""


class ItemBound(NamedTuple):
    """The most one request can cost and use; `None` where there is no bound."""

    nano_usd: int | None
    """At the batch price, in nano-USD."""
    standard_nano_usd: int | None
    """At the standard price."""
    tokens: int | None
    output_tokens: int | None
    bound: CallBound


class Bounder:
    """Bounds the requests of one model step; a batch is one attempt, whatever the client would retry."""

    def __init__(self, calls: StepCalls, prices: PriceBook) -> None:
        """Find by how much a batch is cheaper.

        Args:
            calls: what the calls have in common.
            prices: the price book.
        """
        self.request: CallRequest = calls.asked()[0]
        self._prices = prices
        self.share: Fraction = self._share()
        """What is paid of the standard price; 1 where the batch price is not known, which bounds it too."""

    def of(self, messages: Sequence[BaseMessage]) -> ItemBound:
        """The bound of one request."""
        bound = bound_call(self.request._replace(prompt=messages), self._prices)
        most = bound.nano_usd_per_attempt
        return ItemBound(
            None if most is None else -(-most * self.share.numerator // self.share.denominator),
            most,
            bound.tokens_per_attempt,
            bound.output_tokens,
            bound,
        )

    def cost(self, usage: TokenUsage, *, batch: bool) -> int | None:
        """What usage costs, in pico-USD; `None` if it is not known."""
        model = self.request.model
        if model is None:
            return None
        try:
            cost = self._prices.price(
                usage, model=model, provider=self.request.provider, service_tier=self.request.service_tier, batch=batch
            )
        except UnknownPriceError:  # the price book was told to raise; here it is one more thing that is not known
            return None
        return None if cost is None else cost.pico_usd

    def _share(self) -> Fraction:
        shares = [Fraction(0)]
        for usage in _PROBES:
            paid, standard = self.cost(usage, batch=True), self.cost(usage, batch=False)
            if paid is None or standard is None:
                return Fraction(1)
            if standard:
                shares.append(Fraction(paid, standard))
        return max(shares)
