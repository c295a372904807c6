"""BudgetAlert: what people are told when a budget crosses a threshold, refuses a call or is overrun."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard._amounts import volume
from langchain_costguard.budgets.claims import PPM
from langchain_costguard.budgets.identity import unescaped
from langchain_costguard.budgets.limits import outside
from langchain_costguard.budgets.windows import instant
from langchain_costguard.cost import to_usd
from langchain_costguard.pricing.amounts import tidy

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Crossing, CrossingKind, Unit
    from langchain_costguard.stores.budget_base import BudgetStore


class BudgetAlert(NamedTuple):
    """Something that is told once per budget, value and window.

    Amounts are US dollars for a budget in money, and whole numbers of tokens or calls for the others.
    """

    budget: str
    """The budget's name."""
    counter: str | None
    """Whose counter it is, such as `"user=alice"`, `"run=7b0d..."` or `"no user"`; `None` where the budget has one."""
    kind: CrossingKind
    """`"threshold"`: a share of the limit is spent. `"refused"`: a call did not fit, for the first time in this window.
    `"overrun"`: a call used more than had been reserved for it."""
    threshold: Decimal
    """The share of the limit that was crossed, such as `Decimal("0.8")`; for the other kinds the share that is
    spent."""
    limit: Decimal | int
    """The limit in force."""
    spent: Decimal | int
    """What is spent of it."""
    reserved: Decimal | int
    """What calls under way have reserved of it."""
    unit: Unit
    """What the budget counts."""
    at: datetime
    """When it happened, in UTC, by the clock of the budget's store."""
    resets_at: datetime | None
    """When the window ends; `None` for one that never does, or where it is not known."""
    message: str
    """The same as one sentence for people; what could steer a terminal is spelled out."""


def alert_of(budget: Budget, crossing: Crossing, store: BudgetStore) -> BudgetAlert:
    """What is to be told of a crossing, now.

    Args:
        budget: the budget whose claim crossed something.
        crossing: what the store reported.
        store: the store, for its time.
    """
    resets_at_us = budget.window_of(crossing.claim.slot_us)[2]
    return crossing_alert(
        crossing,
        name=budget.name or budget.key,
        key=budget.key,
        at=instant(store.now_us()),
        resets_at=None if resets_at_us is None else instant(resets_at_us),
    )


def crossing_alert(
    crossing: Crossing, *, name: str, key: str, at: datetime, resets_at: datetime | None = None
) -> BudgetAlert:
    """What is to be told of a crossing, from values alone.

    Args:
        crossing: what the store reported.
        name: the budget's name.
        key: its key, with which its counters begin.
        at: when it happened, in UTC.
        resets_at: when the window of the claim ends, in UTC, where it does.
    """
    claim = crossing.claim
    alert = BudgetAlert(
        budget=name,
        counter=_whose(claim.counter.removeprefix(key)),
        kind=crossing.kind,
        threshold=to_usd(crossing.share_ppm, PPM),
        limit=outside(crossing.limit, claim.unit),
        spent=outside(crossing.spent, claim.unit),
        reserved=outside(crossing.reserved, claim.unit),
        unit=claim.unit,
        at=at,
        resets_at=resets_at,
        message="",
    )
    return alert._replace(message=_message(alert))


def _whose(parts: str) -> str | None:
    """What stands behind the budget's key in a counter, as it was before it was escaped."""
    words = []
    for part in filter(None, parts.split("|")):
        name, is_given, value = part.partition("=")
        words.append(f"{unescaped(name)}={unescaped(value)}" if is_given else f"no {unescaped(name)}")
    return ", ".join(words) or None


def _message(alert: BudgetAlert) -> str:
    name = alert.budget if alert.counter is None else f"{alert.budget} ({alert.counter})"
    happened = _happened(alert, _printable(name))
    figures = f"{volume(alert.spent, alert.unit)} spent, {volume(alert.reserved, alert.unit)} reserved"
    resets = "" if alert.resets_at is None else f"; it resets at {alert.resets_at:%Y-%m-%d %H:%M} UTC"
    return f"{happened}: {figures}{resets}."


def _happened(alert: BudgetAlert, name: str) -> str:
    limit = volume(alert.limit, alert.unit)
    if alert.kind == "threshold":
        return f"Budget {name} has reached {_percent(alert.threshold)} of its {limit}"
    if alert.kind == "overrun":
        return f"A call used more of budget {name} than was reserved for it, against its {limit}"
    return f"Budget {name} has refused a call, the first in this window, against its {limit}"


def _percent(share: Decimal) -> str:
    return f"{tidy(share * 100):f} %"


def _printable(text: str) -> str:
    """A name that came from outside, with nothing in it that could steer a terminal or begin a line of a log."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
