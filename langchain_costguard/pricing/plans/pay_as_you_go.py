"""Pay as you go: every use is owed at once, at list price or at prices per GPU-hour, call and token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.pricing.amounts import Exact, exact, usd
from langchain_costguard.pricing.plans.periods import PeriodName, Periods
from langchain_costguard.pricing.plans.plan import Frame, Part, Plan, Settlement, within
from langchain_costguard.pricing.quotes import usd_per_mtok as checked_usd_per_mtok

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from langchain_costguard.pricing.plans.usage import Charge
    from langchain_costguard.pricing.quotes import Dollars

NANO_PER_TOKEN: Final = NANO_PER_USD // 1_000_000
"""Nano-USD for a token, for each dollar per million tokens."""


class PayAsYouGo(Plan):
    """Pay for what was used, when it was used.

    Args:
        usd_per_gpu_hour: the price of a GPU-hour in US dollars.
        usd_per_call: the price of a call in US dollars.
        usd_per_mtok: the price of a million tokens in US dollars.
        period: how much time a line of the bill covers.
        name: what it is called in bills and comparisons.

    With any price given, usage costs GPU-hours x GPU price + calls x call price + tokens x token price; with none it
    costs its list price.

    Raises:
        PriceFormatError: a price is negative or no number.
        ValueError: the period is not known.

    Example:
        >>> from datetime import UTC, datetime
        >>> from langchain_costguard.pricing import UsageRecord
        >>> usage = [UsageRecord(datetime(2026, 1, 5, tzinfo=UTC), calls=1_000, gpu_hours=10)]
        >>> PayAsYouGo(usd_per_gpu_hour="0.1", usd_per_call="0.01").bill(usage).billed_cost
        Decimal('11')
    """

    suits: ClassVar[str] = "use that is small, irregular or hard to foresee"

    def __init__(
        self,
        *,
        usd_per_gpu_hour: Dollars | None = None,
        usd_per_call: Dollars | None = None,
        usd_per_mtok: Dollars | None = None,
        period: PeriodName = "day",
        name: str = "pay as you go",
    ) -> None:
        """Read the prices."""
        super().__init__(name, period)
        self.usd_per_gpu_hour: Decimal | None = (
            None if usd_per_gpu_hour is None else usd(usd_per_gpu_hour, "usd_per_gpu_hour")
        )
        self.usd_per_call: Decimal | None = None if usd_per_call is None else usd(usd_per_call, "usd_per_call")
        self.usd_per_mtok: Decimal | None = (
            None if usd_per_mtok is None else checked_usd_per_mtok(usd_per_mtok, "usd_per_mtok")
        )
        self._is_list_price = self.usd_per_gpu_hour is self.usd_per_call is self.usd_per_mtok is None
        self._nano_per_gpu_hour = exact(self.usd_per_gpu_hour, NANO_PER_USD)
        self._nano_per_call = exact(self.usd_per_call, NANO_PER_USD)
        self._nano_per_token = exact(self.usd_per_mtok, NANO_PER_TOKEN)

    def settle(self, charges: Sequence[Charge], frame: Frame) -> Settlement:
        """Each period's usage at its price."""
        settled = Settlement()
        for span, group in Periods(self.period, frame.tz).group(within(charges, frame.window)):
            owed: Exact = 0
            listed: Exact = 0
            calls: Exact = 0
            for charge in group:
                price = self._price(charge)
                if price is None:
                    settled.leave_out(charge)
                    continue
                owed += price
                listed += charge.usd or 0
                calls += charge.calls
            owed = frame.rounded(owed)
            settled.parts.append(Part("usage", span.clipped(frame.window), "usage", owed, owed, listed, calls))
        return settled

    def _price(self, charge: Charge) -> Exact | None:
        """What one use costs in nano-USD; `None` when that is not known."""
        if self._is_list_price:
            return charge.usd
        if charge.tokens is None and self._nano_per_token:
            return None
        by_time_and_call = charge.gpu_hours * self._nano_per_gpu_hour + charge.calls * self._nano_per_call
        return by_time_and_call + (charge.tokens or 0) * self._nano_per_token
