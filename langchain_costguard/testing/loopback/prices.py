"""What the loopback provider charges: written down by hand, so that it can contradict the package's own prices.

Nothing here, or anywhere in this folder, imports the pricing room. US dollars per million tokens; list prices of
https://platform.openai.com/docs/pricing as of 2026-01, and of https://platform.claude.com/docs/en/about-claude/pricing.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, Self


class _Rates(NamedTuple):
    """The rates of a model, in US dollars per million tokens."""

    input_usd_per_mtok: Decimal
    """Input tokens that were not in the prompt cache."""
    output_usd_per_mtok: Decimal = Decimal(0)
    """Output tokens, reasoning included."""
    cached_usd_per_mtok: Decimal | None = None
    """Input tokens read from the prompt cache; `None`: the model has no prompt cache."""


class ModelPrice(_Rates):
    """The price of a model in one service tier, in US dollars per million tokens.

    Example:
        >>> ModelPrice("0.15", "0.60").output_usd_per_mtok
        Decimal('0.60')
    """

    __slots__ = ()

    def __new__(
        cls,
        input_usd_per_mtok: Decimal | int | str,
        output_usd_per_mtok: Decimal | int | str = 0,
        cached_usd_per_mtok: Decimal | int | str | None = None,
    ) -> Self:
        """Read the rates.

        Args:
            input_usd_per_mtok: input tokens that were not in the prompt cache.
            output_usd_per_mtok: output tokens, reasoning included.
            cached_usd_per_mtok: input tokens read from the prompt cache; `None`: the model has no prompt cache.

        Raises:
            ValueError: a rate is no amount of money.
        """
        cached = None if cached_usd_per_mtok is None else _rate(cached_usd_per_mtok, "cached_usd_per_mtok")
        return super().__new__(
            cls,
            _rate(input_usd_per_mtok, "input_usd_per_mtok"),
            _rate(output_usd_per_mtok, "output_usd_per_mtok"),
            cached,
        )

    def bill(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost, in US dollars, exactly.

        Args:
            input_tokens: all input tokens, cached ones included.
            cached_tokens: how many of them were read from the prompt cache.
            output_tokens: all output tokens, reasoning included.
        """
        cached_rate = self.input_usd_per_mtok if self.cached_usd_per_mtok is None else self.cached_usd_per_mtok
        millionths = (
            (input_tokens - cached_tokens) * self.input_usd_per_mtok
            + cached_tokens * cached_rate
            + output_tokens * self.output_usd_per_mtok
        )
        return millionths.scaleb(-6)

    def halved(self) -> ModelPrice:
        """The price of the same tokens in a batch."""
        return ModelPrice(self.input_usd_per_mtok / 2, self.output_usd_per_mtok / 2)


def _rate(value: object, name: str) -> Decimal:
    """A rate as a `Decimal`; a float is refused, because it is seldom the number that was written."""
    try:
        rate = Decimal(value) if isinstance(value, Decimal | int | str) else Decimal("NaN")
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite() or rate < 0:
        msg = f'{name}={value!r} is no price: give US dollars per million tokens, such as "0.15"'
        raise ValueError(msg)
    return rate


PRICES: Final[dict[str, dict[str, ModelPrice]]] = {
    "gpt-4o": {"default": ModelPrice("2.50", "10.00", "1.25")},
    "gpt-4o-2024-05-13": {"default": ModelPrice("5.00", "15.00")},
    "gpt-4o-mini": {"default": ModelPrice("0.15", "0.60", "0.075")},
    "gpt-4.1": {"default": ModelPrice("2.00", "8.00", "0.50")},
    "o3": {"default": ModelPrice("2.00", "8.00", "0.50"), "flex": ModelPrice("1.00", "4.00", "0.25")},
    "gpt-5": {
        "default": ModelPrice("1.25", "10.00", "0.125"),
        "flex": ModelPrice("0.625", "5.00", "0.0625"),
        "priority": ModelPrice("2.50", "20.00", "0.25"),
    },
    "gpt-3.5-turbo-instruct": {"default": ModelPrice("1.50", "2.00")},
    "claude-haiku-4-5": {"default": ModelPrice("1.00", "5.00")},
    "claude-sonnet-4-5": {"default": ModelPrice("3.00", "15.00")},
    "text-embedding-3-small": {"default": ModelPrice("0.02")},
    "text-embedding-3-large": {"default": ModelPrice("0.13")},
    "text-embedding-ada-002": {"default": ModelPrice("0.10")},
}
"""The price of each model in each service tier it is offered in."""

BATCH_PRICES: Final[dict[str, ModelPrice]] = {
    "gpt-4o": ModelPrice("1.25", "5.00"),
    "gpt-4o-2024-05-13": ModelPrice("2.50", "7.50"),
    "gpt-4o-mini": ModelPrice("0.075", "0.30"),
    "gpt-4.1": ModelPrice("1.00", "4.00"),
    "o3": ModelPrice("1.00", "4.00"),
    "gpt-5": ModelPrice("0.625", "5.00"),
    "claude-haiku-4-5": ModelPrice("0.50", "2.50"),
    "claude-sonnet-4-5": ModelPrice("1.50", "7.50"),
}
"""The price of each model in a batch: half. A batch does not read the prompt cache here."""

SNAPSHOTS: Final = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "o3": "o3-2025-04-16",
    "gpt-5": "gpt-5-2025-08-07",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
"""The dated model that answers to an alias: responses carry this name."""

REASONING_MODELS: Final = frozenset({"o3", "gpt-5"})
"""The models that spend output tokens on thinking."""
