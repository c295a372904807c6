"""Prepaid: credit that was bought, runs down oldest lot first, and may expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from langchain_costguard._amounts import money
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.amounts import Exact, moment, nano_usd
from langchain_costguard.pricing.plans.periods import PeriodName, Periods, Span
from langchain_costguard.pricing.plans.plan import Frame, Part, Plan, Settlement, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_costguard.pricing.plans.usage import Charge
    from langchain_costguard.pricing.quotes import Dollars

DrawOrder = Literal["purchase", "expiry"]
"""Which lot is drawn on first: the one bought first, or the one that expires first."""

_US: Final = timedelta(microseconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Credit:
    """A lot of credit.

    Args:
        amount: what it is worth, in US dollars of list price.
        valid_from: when it was bought; must know its time zone.
        expires: the first moment it is worth nothing any more; `None` for never.
        price: what was paid for it in US dollars; `None` for its amount, 0 for a gift.
        name: what it is called, where a name helps to tell lots apart.

    Raises:
        PriceFormatError: an amount is no number, negative, or the lot is worth nothing.
        ValueError: a moment has no time zone, or it expires before it is valid.
    """

    __slots__ = ("amount_nano", "expires", "name", "price_nano", "valid_from")

    def __init__(
        self,
        amount: Dollars,
        valid_from: datetime,
        expires: datetime | None = None,
        *,
        price: Dollars | None = None,
        name: str = "",
    ) -> None:
        """Read the lot."""
        self.amount_nano: int = nano_usd(amount, "amount")
        self.price_nano: int = self.amount_nano if price is None else nano_usd(price, "price")
        self.valid_from: datetime = moment(valid_from, "valid_from")
        self.expires: datetime | None = None if expires is None else moment(expires, "expires")
        self.name: str = name
        if not self.amount_nano:
            msg = "amount=0 is no credit: give what the lot is worth, and price=0 for a gift"
            raise PriceFormatError(msg, path="amount")
        if self.expires is not None and self.expires <= self.valid_from:
            msg = (
                f"expires={self.expires.isoformat()} is not after valid_from={self.valid_from.isoformat()}: "
                "exchange them, or give a later expiry"
            )
            raise ValueError(msg)

    def __repr__(self) -> str:
        """The lot in one line."""
        until = "without expiry" if self.expires is None else f"until {self.expires.isoformat()}"
        return f"Credit({_usd(self.amount_nano)} from {self.valid_from.isoformat()} {until})"

    def is_valid(self, at: datetime) -> bool:
        """Whether it can be drawn on."""
        return self.valid_from <= at and (self.expires is None or at < self.expires)

    def overlaps(self, other: Credit) -> bool:
        """Whether both can be drawn on at some moment."""
        return self.is_valid(max(self.valid_from, other.valid_from)) and other.is_valid(
            max(self.valid_from, other.valid_from)
        )

    def paid_for(self, drawn: Exact) -> Exact:
        """What was paid for so much of it, in nano-USD."""
        return Fraction(drawn) * self.price_nano / self.amount_nano


class Prepaid(Plan):
    """Credit that is bought first and used up later; what no credit covers is owed at list price.

    Lots may overlap: the one bought first is drawn on first, and what is left of it at its expiry lapses.

    Args:
        credits: the lots.
        draw_first: `"purchase"` draws on the lot bought first, `"expiry"` on the one that expires first.
        period: how much time a line of the bill covers.
        name: what it is called in bills and comparisons.

    Raises:
        PriceFormatError: there is no lot, two have the same name, or which of two is drawn on first is not said.
        ValueError: the period or the order is not known.
    """

    suits: ClassVar[str] = "use that is known to come, where credit is discounted or spending must stop at a sum"
    looks_back: ClassVar[bool] = True

    def __init__(
        self,
        credits: Iterable[Credit],  # noqa: A002 - the word of the trade
        *,
        draw_first: DrawOrder = "purchase",
        period: PeriodName = "month",
        name: str = "prepaid",
    ) -> None:
        """Put the lots in order."""
        super().__init__(name, period)
        if draw_first not in {"purchase", "expiry"}:
            msg = f"draw_first={draw_first!r} is not known: give 'purchase' or 'expiry'"
            raise ValueError(msg)
        self.draw_first: DrawOrder = draw_first
        self.credits: tuple[Credit, ...] = tuple(sorted(_checked(credits), key=self._order))
        _refuse_ambiguous(self.credits, self._order)

    def settle(self, charges: Sequence[Charge], frame: Frame) -> Settlement:
        """Credit bought, drawn and lapsed in each period, and what it did not cover."""
        window, periods = frame.window, Periods(self.period, frame.tz)
        settled, account = Settlement(), _Account(self.credits)
        for charge in charges:
            if charge.at < window.start:
                account.draw(charge)
        for span, group in periods.group(within(charges, window)):
            self._settle_period(group, span.clipped(window), account, frame, settled)
        settled.parts += self._purchases(periods, window)
        settled.parts += self._lapsed(periods, account, frame)
        settled.remaining = account.left_at(window.end)
        return settled

    def _order(self, lot: Credit) -> tuple[datetime, datetime]:
        first = lot.valid_from if self.draw_first == "purchase" else lot.expires or _NEVER
        return first, lot.valid_from

    @staticmethod
    def _settle_period(
        charges: Sequence[Charge], span: Span, account: _Account, frame: Frame, settled: Settlement
    ) -> None:
        before = account.paid(frame)
        drawn: Exact = 0
        beyond: Exact = 0
        calls_drawn: Exact = 0
        calls_beyond: Exact = 0
        for charge in charges:
            if charge.usd is None:
                settled.leave_out(charge)
                continue
            taken = account.draw(charge)
            drawn += taken
            beyond += charge.usd - taken
            if taken or not charge.usd:
                calls_drawn += charge.calls
            else:
                calls_beyond += charge.calls
        beyond = frame.rounded(beyond)
        if drawn or calls_drawn:
            used = account.paid(frame) - before
            settled.parts.append(Part("usage", span, "drawn from credit", 0, used, drawn, calls_drawn, drawn, "usd"))
        if beyond or calls_beyond:
            text = "not covered by credit"
            settled.parts.append(Part("overage", span, text, beyond, beyond, beyond, calls_beyond, beyond, "usd"))

    def _purchases(self, periods: Periods, window: Span) -> list[Part]:
        return [
            Part(
                "purchase",
                periods.around(lot.valid_from).clipped(window),
                " ".join(filter(None, ("credit of", _usd(lot.amount_nano), lot.name))),
                lot.price_nano,
                0,
                quantity=lot.amount_nano,
                unit="usd",
            )
            for lot in self.credits
            if window.start <= lot.valid_from < window.end
        ]

    def _lapsed(self, periods: Periods, account: _Account, frame: Frame) -> list[Part]:
        """What expired in the window; credit that expires at its end has lapsed."""
        parts = []
        for lot, drawn in zip(self.credits, account.drawn, strict=True):
            if lot.expires is None or not frame.window.start < lot.expires <= frame.window.end:
                continue
            if drawn < lot.amount_nano:
                span = periods.around(lot.expires - _US).clipped(frame.window)
                lost = lot.price_nano - frame.rounded(lot.paid_for(drawn))
                left = lot.amount_nano - drawn
                parts.append(Part("unused", span, "credit expired", 0, lost, quantity=left, unit="usd"))
        return parts


class _Account:
    """How much of each lot has been drawn, in nano-USD."""

    def __init__(self, lots: Sequence[Credit]) -> None:
        self._lots = lots
        self.drawn: list[Exact] = [0] * len(lots)

    def draw(self, charge: Charge) -> Exact:
        """Take a charge from the lots in their order; returns how much of it they covered."""
        owed = wanted = charge.usd or 0
        for number, lot in enumerate(self._lots):
            if not owed:
                break
            if lot.is_valid(charge.at):
                taken = min(owed, lot.amount_nano - self.drawn[number])
                self.drawn[number] += taken
                owed -= taken
        return wanted - owed

    def paid(self, frame: Frame) -> Exact:
        """What was paid for all that has been drawn, each lot rounded on its own."""
        return sum(frame.rounded(lot.paid_for(drawn)) for lot, drawn in zip(self._lots, self.drawn, strict=True))

    def left_at(self, end: datetime) -> Exact:
        """What can still be drawn after a moment, of the lots bought before it."""
        return sum(
            lot.amount_nano - drawn
            for lot, drawn in zip(self._lots, self.drawn, strict=True)
            if lot.valid_from < end and (lot.expires is None or lot.expires > end)
        )


def _checked(lots: Iterable[object]) -> list[Credit]:
    found = [lots] if isinstance(lots, Credit) else list(lots)
    checked = []
    names = [lot.name for lot in found if isinstance(lot, Credit) and lot.name]
    for number, lot in enumerate(found):
        if not isinstance(lot, Credit):
            msg = f"credits[{number}]={lot!r} is no lot: give Credit(amount, valid_from, expires)"
            raise PriceFormatError(msg, path=f"credits[{number}]")
        checked.append(lot)
        if names.count(lot.name) > 1:
            msg = f"two lots are called {lot.name!r}: was one listed twice? Remove it, or give it another name"
            raise PriceFormatError(msg, path=f"credits[{number}]")
    if not found:
        msg = "credits=[] is no prepaid plan: give at least one Credit(amount, valid_from), or PayAsYouGo()"
        raise PriceFormatError(msg, path="credits")
    return checked


def _refuse_ambiguous(lots: Sequence[Credit], order: Callable[[Credit], tuple[datetime, datetime]]) -> None:
    """Refuse lots of which nobody can say which one is drawn on first."""
    for one, other in pairwise(lots):
        if order(one) == order(other) and one.overlaps(other) and not (one.name and other.name):
            msg = (
                f"{one!r} and {other!r} overlap and were bought at the same moment, so which is drawn on first is not "
                "said: was one listed twice? Make them one Credit, give both a name= (then the one listed first is "
                "drawn on first), or, where they expire at different moments, say draw_first='expiry'"
            )
            raise PriceFormatError(msg, path="credits")


def _usd(nano: int) -> str:
    return money(to_usd(nano, NANO_PER_USD))
