"""From which load a machine of your own beats an API."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.amounts import decimal_of, quantity, usd
from langchain_costguard.pricing.quotes import usd_per_mtok
from langchain_costguard.pricing.self_hosted import gpu_count

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.pricing.quotes import Dollars

_PER_MILLION: Final = 1_000_000
_RATIO_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """The load from which a machine of your own costs no more than an API."""

    per_hour: int | None
    """The smallest number of calls (or tokens) an hour at which it does; `None` if there is none."""
    unit: Literal["calls", "tokens"]
    """What `per_hour` counts."""
    utilisation: Decimal | None = None
    """The share of the machine's capacity that this load is, rounded to six decimals; `None` without a capacity."""

    @property
    def is_reachable(self) -> bool:
        """Whether the machine can carry that load, as far as its capacity is known."""
        return self.per_hour is not None and (self.utilisation is None or self.utilisation <= 1)

    def __str__(self) -> str:
        """The answer in words."""
        if self.per_hour is None:
            return f"The machine never pays: its own price for {self.unit} is not below the API's."
        load = f"{self.per_hour:,} {self.unit} an hour"
        if self.utilisation is None:
            return f"The machine pays from {load}."
        share = f"{self.utilisation * 100:,.1f} % of what it can do"
        return f"The machine pays from {load}, {share}{'' if self.is_reachable else ': it cannot carry that'}."


def break_even(
    usd_per_gpu_hour: Dollars,
    *,
    api_usd_per_call: Dollars | None = None,
    api_usd_per_mtok: Dollars | None = None,
    gpus: int = 1,
    usd_per_call: Dollars = 0,
    capacity_per_hour: Dollars | None = None,
) -> BreakEven:
    """From which load a machine at a price by the hour costs no more than an API.

    Args:
        usd_per_gpu_hour: the price of an hour of one GPU in US dollars; idle hours are paid too.
        api_usd_per_call: what the API costs for a call, in US dollars; or
        api_usd_per_mtok: what it costs for a million tokens, input and output in the mix you have.
        gpus: how many GPUs the machine has.
        usd_per_call: what a call on the machine costs on top, in US dollars; only with `api_usd_per_call`.
        capacity_per_hour: how many calls (or tokens) the machine can serve in an hour, where that is measured.

    Raises:
        PriceFormatError: an amount is negative or no number, or there is no GPU.
        ValueError: the API's price is given twice or not at all, or in a unit that `usd_per_call` does not fit.

    Example:
        >>> print(break_even("2.50", api_usd_per_call="0.004"))
        The machine pays from 625 calls an hour.
    """
    if (api_usd_per_call is None) == (api_usd_per_mtok is None):
        msg = "give the API's price once: api_usd_per_call= or api_usd_per_mtok="
        raise ValueError(msg)
    hourly = Fraction(usd(usd_per_gpu_hour, "usd_per_gpu_hour")) * gpu_count(gpus)
    own = Fraction(usd(usd_per_call, "usd_per_call"))
    if api_usd_per_mtok is None:
        saved = Fraction(usd(api_usd_per_call or 0, "api_usd_per_call")) - own
    elif own:
        msg = "usd_per_call= compares with a price per call: give api_usd_per_call= instead of api_usd_per_mtok="
        raise ValueError(msg)
    else:
        saved = Fraction(usd_per_mtok(api_usd_per_mtok, "api_usd_per_mtok")) / _PER_MILLION
    unit: Literal["calls", "tokens"] = "calls" if api_usd_per_mtok is None else "tokens"
    if saved <= 0:
        return BreakEven(per_hour=None, unit=unit)
    per_hour = -(-hourly // saved)
    share = None if capacity_per_hour is None else Fraction(per_hour) / _capacity(capacity_per_hour, unit)
    return BreakEven(
        per_hour=per_hour, unit=unit, utilisation=None if share is None else decimal_of(share, _RATIO_DIGITS)
    )


def _capacity(value: Dollars, unit: str) -> Fraction:
    capacity = Fraction(quantity(value, "capacity_per_hour", unit))
    if not capacity:
        msg = f"capacity_per_hour=0 serves nothing: give how many {unit} an hour were measured, or leave it out"
        raise PriceFormatError(msg, path="capacity_per_hour")
    return capacity
