"""How the prices of a list become a rate card: which price each bucket takes, which step, which uplift."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.pricing.rates import BEGINNING, BUCKETS, END, RateCard, card_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_costguard.cost import PriceSource


class Tiered(NamedTuple):
    """A price that may rise with the length of the input; in US dollars per million tokens."""

    base: Decimal
    """The price up to the first threshold."""
    steps: tuple[tuple[int, Decimal], ...] = ()
    """`(above_input_tokens, price)`, lowest threshold first; the price holds for all tokens of the call."""

    def at(self, input_tokens: int) -> Decimal:
        """The price of a call with so many input tokens."""
        price = self.base
        for above, dearer in self.steps:
            if input_tokens > above:
                price = dearer
        return price


class Span(NamedTuple):
    """A stretch of time in seconds since 1970-01-01 UTC, from its first moment up to, not including, `until`."""

    since: float = BEGINNING
    until: float = END

    def holds(self, moment: float) -> bool:
        """Whether a moment lies in the stretch."""
        return self.since <= moment < self.until

    @classmethod
    def around(cls, moment: float, boundaries: list[float]) -> Span:
        """The stretch around a moment in which no boundary lies."""
        return cls(
            max((edge for edge in boundaries if edge <= moment), default=BEGINNING),
            min((edge for edge in boundaries if edge > moment), default=END),
        )

    def overlap(self, other: Span) -> Span:
        """The time that lies in both."""
        return Span(max(self.since, other.since), min(self.until, other.until))


FALLBACKS: Final[dict[str, tuple[str, ...]]] = {
    "uncached_input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "audio_input": ("input_audio_mtok", "input_mtok"),
    "output_text": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_output": ("output_audio_mtok", "output_mtok"),
}
"""Which price of a list each bucket takes: the most specific one there is, as genai-prices decomposes usage."""

PER_CALL: Final = "requests_kcount"
"""The list's price of a thousand requests."""


def has_token_price(prices: Mapping[str, Tiered]) -> bool:
    """Whether a list says what a token costs."""
    return "input_mtok" in prices or "output_mtok" in prices


def compile_card(
    prices: Mapping[str, Tiered], *, source: PriceSource, span: Span, factor: Decimal = Decimal(1)
) -> RateCard:
    """Compile the prices of one model into a card.

    Args:
        prices: by the list's keys (`"input_mtok"` ...).
        source: which list, and which entry of it.
        span: the time the prices hold.
        factor: what all prices are multiplied by, such as a data-residency uplift.
    """
    by_bucket = [_price_of(prices, bucket, factor) for bucket in BUCKETS]
    thresholds = sorted({above for price in by_bucket if price is not None for above, _ in price.steps})
    call = prices.get(PER_CALL)
    return card_of(
        tuple(None if price is None else price.base for price in by_bucket),
        source=source,
        steps=tuple(
            (
                above,
                tuple(None if price is None else price.at(above + 1) for price in by_bucket),
                source._replace(context=", ".join(filter(None, (source.context, f"input>{above}")))),
            )
            for above in thresholds
        ),
        usd_per_call=Decimal(0) if call is None else call.base.scaleb(-3),
        valid_from=span.since,
        valid_until=span.until,
    )


def _price_of(prices: Mapping[str, Tiered], bucket: str, factor: Decimal) -> Tiered | None:
    price = next((prices[key] for key in FALLBACKS[bucket] if key in prices), None)
    if price is None or factor == 1:
        return price
    return Tiered(price.base * factor, tuple((above, dearer * factor) for above, dearer in price.steps))
