"""BudgetStatus: what a budget's counter holds in its window, what is left, and when it will be used up at this rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from langchain_costguard._amounts import volume
from langchain_costguard.budgets.identity import unescaped
from langchain_costguard.budgets.limits import outside
from langchain_costguard.budgets.windows import instant
from langchain_costguard.cost import to_usd
from langchain_costguard.pricing.amounts import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_costguard.budgets.budget import Budget
    from langchain_costguard.budgets.claims import BudgetSetting, CounterState, Unit

_SHARES: Final = 10_000
_US: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """What one counter of a budget holds in the present window.

    Amounts are `Decimal` US dollars for a budget in money, and whole numbers of tokens or calls for the others.
    """

    name: str
    """The budget's name, or its key if it has none."""
    key: str
    """What an operator's changes are kept under; a guaranteed share has one of its own."""
    counter: str
    """The counter in the store."""
    each_value: str | None
    """Whose counter or guaranteed share it is; `None` for the one of everybody, or of all without a value."""
    unit: Unit
    per: str
    """The window."""
    limit: Decimal | int
    """The limit in force."""
    spent: Decimal | int
    """Charged in this window, `unsettled` included."""
    reserved: Decimal | int
    """Reserved by calls under way."""
    remaining: Decimal | int
    """What can still be reserved; 0 where more is spent than the limit."""
    unsettled: Decimal | int
    """The part of `spent` that was charged for calls whose process is gone; it may be corrected."""
    overrun: Decimal | int
    """How much was charged above what had been reserved."""
    refused: int
    """How many calls were refused; for a budget that does not refuse, how many did not fit."""
    frozen: str | None
    """Why it admits nothing; `None` if it does."""
    started_at: datetime | None
    """The first moment that counts, in UTC; `None` for runs and totals."""
    resets_at: datetime | None
    """When nothing is spent again, in UTC; `None` for runs, totals and rolling windows."""
    covers: str
    """The calls it is for, in words."""
    uncounted: int = 0
    """How many calls of this process were let through and charged nothing, because what they cost is not known."""

    @property
    def share_spent(self) -> Decimal:
        """What part of the limit is spent, rounded half to even to 4 decimals; 1 is all of it, or a limit of 0."""
        if not self.limit:
            return Decimal(1)
        return to_usd(round(Fraction(self.spent) / Fraction(self.limit) * _SHARES), _SHARES)

    def forecast(self, now: datetime, *, since: datetime | None = None) -> datetime | None:
        """When the limit is reached, if spending goes on as it did on average since the window began.

        Reservations are left out. In a rolling window, as much falls out as comes in, so that an average rate never
        reaches the limit.

        Args:
            now: the present moment; must know its time zone.
            since: when spending began; needed for a total, whose beginning is not kept.

        Returns:
            The moment in UTC; `now` where it is reached already; `None` where it is not before the window ends, or
            nothing is spent, or the beginning is not known.

        Raises:
            ValueError: a moment has no time zone.
        """
        now = moment(now, "now")
        if self.spent >= self.limit:
            return now
        began = moment(since, "since") if since else self.started_at if self.resets_at else None
        if began is None or now <= began or self.spent <= 0:
            return None
        left = (Fraction(self.limit) / Fraction(self.spent) - 1) * ((now - began) // _US)
        if left > (datetime.max.replace(tzinfo=UTC) - now) // _US:
            return None
        reached = now + timedelta(microseconds=-(-left.numerator // left.denominator))
        return None if self.resets_at and reached >= self.resets_at else reached

    def __str__(self) -> str:
        """One line for people."""
        whose = f" ({self.each_value})" if self.each_value else ""
        figures = [f"{self._shown(self.spent)} of {self._shown(self.limit)} spent ({self.share_spent:.0%})"]
        if self.reserved:
            figures.append(f"{self._shown(self.reserved)} reserved")
        figures.append(f"{self._shown(self.remaining)} left")
        if self.refused:
            figures.append(f"{self.refused:,} refused")
        if self.uncounted:
            figures.append(f"{self.uncounted:,} not counted, because what they cost is not known")
        if self.resets_at:
            figures.append(f"resets {self.resets_at:%Y-%m-%d %H:%M} UTC")
        if self.frozen is not None:
            figures.append(f"frozen: {self.frozen}")
        return f"{self.name}{whose}: {', '.join(figures)}"

    def _shown(self, amount: Decimal | int) -> str:
        return volume(amount, self.unit)


def statuses(
    budget: Budget, counters: Iterable[CounterState], settings: Iterable[BudgetSetting], now_us: int
) -> list[BudgetStatus]:
    """What a budget's counters hold in the window that now is.

    Args:
        budget: the budget.
        counters: what the store holds; those of other budgets and windows are left out.
        settings: what operators have set.
        now_us: the store's time, in microseconds since 1970-01-01 UTC.

    Returns:
        One for each counter that was used, in order of their names; a counter that is the same for every call, and
        every guaranteed share, is there even if it was never used.
    """
    slot, since, _ = budget.window_of(now_us)
    found: dict[tuple[str, str], list[CounterState]] = {(key, key): [] for key in _always(budget)}
    for state in counters:
        if state.budget in budget.keys and since <= state.slot_us <= slot:
            found.setdefault((state.budget, state.counter), []).append(state)
    by_key = {setting.budget: setting for setting in settings}
    return [
        _status(budget, key, counter, states, by_key.get(key), now_us)
        for (key, counter), states in sorted(found.items())
    ]


def _always(budget: Budget) -> tuple[str, ...]:
    """The counters that are there before any call: those that bear a key's own name."""
    has_many = budget.per == "run" or (budget.each is not None and not budget.shares)
    return () if has_many else budget.keys


def _status(
    budget: Budget,
    key: str,
    counter: str,
    states: Sequence[CounterState],
    setting: BudgetSetting | None,
    now_us: int,
) -> BudgetStatus:
    limit = budget.limit_under(key) if setting is None or setting.limit is None else setting.limit
    spent, reserved = sum(state.spent for state in states), sum(state.reserved for state in states)
    frozen = [reason for reason in (setting and setting.frozen, *(state.frozen for state in states)) if reason]
    _, since, resets = budget.window_of(now_us)
    return BudgetStatus(
        name=budget.name or budget.key,
        key=key,
        counter=counter,
        each_value=_value(budget, counter),
        unit=budget.unit,
        per=budget.per,
        limit=outside(limit, budget.unit),
        spent=outside(spent, budget.unit),
        reserved=outside(reserved, budget.unit),
        remaining=outside(max(limit - spent - reserved, 0), budget.unit),
        unsettled=outside(sum(state.unsettled for state in states), budget.unit),
        overrun=outside(sum(state.overrun for state in states), budget.unit),
        refused=sum(state.refused for state in states),
        frozen=frozen[0] if frozen else None,
        started_at=None if budget.per in {"run", "total"} else instant(since),
        resets_at=None if resets is None else instant(resets),
        covers=budget.covers,
    )


def _value(budget: Budget, counter: str) -> str | None:
    """Whose counter it is, as it stands behind the budget's key."""
    for part in counter[len(budget.key) :].split("|"):
        name, found, value = part.partition("=")
        if found and name != "run":
            return unescaped(value)
    return None
