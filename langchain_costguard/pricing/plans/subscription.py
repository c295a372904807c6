"""Subscription: a fee for each period, what it covers, and the price of what goes beyond."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from langchain_costguard._amounts import money, volume
from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.amounts import Exact, exact, nano_usd, quantity, tidy, usd
from langchain_costguard.pricing.plans.pay_as_you_go import NANO_PER_TOKEN
from langchain_costguard.pricing.plans.periods import PeriodName, Periods, Span
from langchain_costguard.pricing.plans.plan import Frame, Part, Plan, Settlement, within
from langchain_costguard.pricing.plans.usage import MEASURES, UNIT_WORDS
from langchain_costguard.pricing.quotes import usd_per_mtok

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

    from langchain_costguard.pricing.plans.usage import Charge
    from langchain_costguard.pricing.quotes import Dollars

AllowanceUnit = Literal["usd", "tokens", "calls", "gpu_hours"]
"""What an allowance is counted in; `"usd"` is US dollars of list price."""

_US: Final = timedelta(microseconds=1)


class Subscription(Plan):
    """Pay a fee for every period, whatever is used, and for what goes beyond its allowance.

    Usage that has nothing of the allowance's unit in it (API calls on a subscription to GPU-hours) is outside the
    subscription and owed at list price.

    Args:
        fee: the price of a period in US dollars.
        period: how long a period is.
        allowance: what a period covers, counted in `unit`; `None` covers everything.
        unit: what the allowance is counted in: `"usd"` (US dollars of list price), `"tokens"`, `"calls"`,
            `"gpu_hours"`.
        overage: the price beyond the allowance: `"list"` for the list price (pay as you go), or US dollars per call,
            per GPU-hour, per million tokens, or per dollar of list price, according to `unit`.
        renews: a day on which a period begins, such as `date(2026, 1, 31)`; `None` for calendar periods.
        name: what it is called in bills and comparisons; by default the fee and the period.

    Raises:
        PriceFormatError: an amount is negative or no number.
        ValueError: the period or the unit is not known.
    """

    suits: ClassVar[str] = "steady use that comes near its allowance in every period"

    def __init__(
        self,
        fee: Dollars,
        period: PeriodName = "month",
        *,
        allowance: Dollars | None = None,
        unit: AllowanceUnit = "usd",
        overage: Dollars | Literal["list"] = "list",
        renews: date | None = None,
        name: str | None = None,
    ) -> None:
        """Read the terms."""
        self.fee: Decimal = usd(fee, "fee")
        self._fee_nano = nano_usd(fee, "fee")
        super().__init__(name or f"subscription ({money(tidy(self.fee))} a {period})", period, renews)
        if unit not in MEASURES:
            msg = f"unit={unit!r} is not known: give 'usd', 'tokens', 'calls' or 'gpu_hours'"
            raise ValueError(msg)
        self.unit: AllowanceUnit = unit
        self.allowance: Decimal | None = (
            None if allowance is None else quantity(allowance, "allowance", UNIT_WORDS[unit])
        )
        scale = NANO_PER_USD if unit == "usd" else 1
        self._allowance = None if self.allowance is None else exact(self.allowance, scale)
        self.overage = overage
        self._overage = None if overage == "list" else _nano_per_unit(overage, unit)

    def settle(self, charges: Sequence[Charge], frame: Frame) -> Settlement:
        """Every period that is touched: its fee, what it covered, what lapsed, what went beyond."""
        settled = Settlement()
        periods = Periods(self.period, frame.tz, self.renews)
        by_period = {span.start: group for span, group in periods.group(within(charges, frame.window))}
        for span in periods.touching(frame.window):
            part = span.clipped(frame.window)
            share = _share(part, span) if frame.prorate else 1
            self._settle_period(by_period.get(span.start, ()), part, share, frame, settled)
        return settled

    def _settle_period(
        self, charges: Sequence[Charge], span: Span, share: Exact, frame: Frame, settled: Settlement
    ) -> None:
        allowance = None if self._allowance is None else self._allowance * share
        use = _Use(allowance, self.unit, self._overage)
        for charge in charges:
            if not use.add(charge):
                settled.leave_out(charge)
        fee = frame.rounded(self._fee_nano * share)
        earned = frame.rounded(fee * use.filled)
        beyond = frame.rounded(use.beyond_nano)
        parts = settled.parts
        parts.append(Part("purchase", span, f"fee, a {self.period}", fee, 0))
        if use.calls_covered or use.covered or earned:
            text = "covered" if self.allowance is None else f"covered by {volume(self.allowance, self.unit)}"
            parts.append(
                Part("usage", span, text, 0, earned, use.listed_covered, use.calls_covered, use.covered, self.unit)
            )
        if earned != fee:
            unused = None if allowance is None else allowance - use.covered
            parts.append(Part("unused", span, "allowance not used", 0, fee - earned, quantity=unused, unit=self.unit))
        if use.calls_beyond or use.beyond or beyond:
            parts.append(
                Part(
                    "overage",
                    span,
                    "beyond the allowance",
                    beyond,
                    beyond,
                    use.listed_beyond,
                    use.calls_beyond,
                    use.beyond,
                    self.unit,
                )
            )


class _Use:
    """What a period's usage takes of its allowance, and what goes beyond; money in nano-USD."""

    def __init__(self, allowance: Exact | None, unit: AllowanceUnit, nano_per_unit: Exact | None) -> None:
        self._allowance = allowance
        self._unit: AllowanceUnit = unit
        self._nano_per_unit = nano_per_unit
        self.covered: Exact = 0
        self.beyond: Exact = 0
        self.beyond_nano: Exact = 0
        self.listed_covered: Exact = 0
        self.listed_beyond: Exact = 0
        self.calls_covered: Exact = 0
        self.calls_beyond: Exact = 0

    @property
    def filled(self) -> Exact:
        """The share of the fee that was of use: the allowance's used part; all of it where there is no allowance."""
        if self._allowance:
            return Fraction(self.covered) / self._allowance
        return 1 if self._allowance is not None or self.calls_covered or self.covered else 0

    def add(self, charge: Charge) -> bool:
        """Take a charge in; `False` if its price, or how much it used, is not known."""
        if self._allowance is None:
            self._cover(charge, charge.usd or 0, getattr(charge, self._unit) or 0)
            return True
        used: Exact | None = getattr(charge, self._unit)
        if used is None:
            return False
        if not used and self._unit != "usd":
            return self._add_outside(charge)
        covered = min(used, self._allowance - self.covered)
        beyond = used - covered
        share = Fraction(beyond) / used if covered and beyond else int(beyond > 0)
        if share and self._nano_per_unit is None and charge.usd is None:
            return False
        listed = charge.usd or 0
        self._cover(charge, listed - listed * share, covered, calls=charge.calls if not share or covered else 0)
        if share:
            owed = listed * share if self._nano_per_unit is None else beyond * self._nano_per_unit
            self._exceed(owed, listed * share, beyond, calls=0 if covered else charge.calls)
        return True

    def _add_outside(self, charge: Charge) -> bool:
        """A charge that has nothing to do with the allowance."""
        if charge.usd is None:
            return False
        self._exceed(charge.usd, charge.usd, 0, calls=charge.calls)
        return True

    def _cover(self, charge: Charge, listed: Exact, covered: Exact, calls: Exact | None = None) -> None:
        self.covered += covered
        self.listed_covered += listed
        self.calls_covered += charge.calls if calls is None else calls

    def _exceed(self, owed: Exact, listed: Exact, beyond: Exact, *, calls: Exact) -> None:
        self.beyond += beyond
        self.beyond_nano += owed
        self.listed_beyond += listed
        self.calls_beyond += calls


def _nano_per_unit(price: Dollars, unit: AllowanceUnit) -> Exact:
    """The price beyond the allowance in nano-USD for one of its units (one nano-USD of list price for `"usd"`)."""
    if isinstance(price, str) and price.isalpha():
        msg = f"overage={price!r} is not known: give 'list' for the list price, or a price per unit such as '0.01'"
        raise PriceFormatError(msg, path="overage")
    if unit == "tokens":
        return exact(usd_per_mtok(price, "overage"), NANO_PER_TOKEN)
    return exact(usd(price, "overage"), 1 if unit == "usd" else NANO_PER_USD)


def _share(part: Span, span: Span) -> Fraction:
    return Fraction((part.end - part.start) // _US, (span.end - span.start) // _US)
