"""What the user has agreed on: prices of their own, and what they get off the list price."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.names import candidates, catalogue_provider
from langchain_costguard.pricing.quotes import Dollars, dollars, price_from
from langchain_costguard.pricing.rates import GpuHourCard, Price

if TYPE_CHECKING:
    from decimal import Decimal


class Terms:
    """A user's own prices and discounts; immutable.

    Args:
        overrides: prices by `"model"`, `"provider/model"` or a pattern of either.
        discount: the share that is taken off list prices, or one share per provider.

    Raises:
        PriceFormatError: an override or a discount cannot be understood.
    """

    def __init__(
        self,
        overrides: Mapping[str, Price | Mapping[str, Any]] | None = None,
        discount: Dollars | Mapping[str, Dollars] | None = None,
    ) -> None:
        """Read them; whatever is wrong is said now, not at the first call."""
        self._overrides = {
            str(name).strip().lower(): price_from(value, path=f"overrides[{name!r}]")
            for name, value in (overrides or {}).items()
        }
        self._patterns = [name for name in self._overrides if any(sign in name for sign in "*?[")]
        self._off, self._off_everything = _read_discount(discount)
        self.has_hourly_prices: bool = any(isinstance(price, GpuHourCard) for price in self._overrides.values())
        """Whether any override is a price by the GPU-hour."""

    def price_for(self, models: tuple[str, ...], provider: str | None) -> Price | None:
        """The user's own price.

        Args:
            models: the names a call is known by, best first.
            provider: who served it, as the price list names it.

        Returns:
            The override: an exact name before a pattern, patterns in the order they were given.
        """
        if not self._overrides:
            return None
        names = [name for model in models for name in _spellings(model, provider)]
        for name in names:
            if name in self._overrides:
                return self._overrides[name]
        for pattern in self._patterns:
            if any(fnmatchcase(name, pattern) for name in names):
                return self._overrides[pattern]
        return None

    def paid_share(self, provider: str) -> tuple[int, int] | None:
        """The share of a provider's list price that is paid, as a fraction; `None` for all of it."""
        off = self._off.get(provider, self._off_everything)
        return None if off is None else (1 - off).as_integer_ratio()


def _spellings(model: str, provider: str | None) -> list[str]:
    """What a user may have called the model in an override."""
    name = model.strip().lower()
    names = [f"{provider}/{name}", name] if provider else [name]
    for place in candidates(model, provider):
        names += [f"{place.provider}/{place.name}", place.name] if place.provider else [place.name]
    return names


def _read_discount(
    discount: Dollars | Mapping[str, Dollars] | None,
) -> tuple[dict[str, Decimal], Decimal | None]:
    if discount is None:
        return {}, None
    if isinstance(discount, Mapping):
        shares = {name: _share(off, f"discount[{name!r}]") for name, off in discount.items()}
        return {catalogue_provider(name) or name: off for name, off in shares.items()}, None
    return {}, _share(discount, "discount")


def _share(value: Dollars, name: str) -> Decimal:
    off = dollars(value, name)
    if off >= 1:
        msg = f"{name}={value} is no share of the price: give what is taken off, so that '0.15' means 15 % off"
        raise PriceFormatError(msg, path=name)
    return off
