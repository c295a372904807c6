"""What a refusal says: which budget, what it holds, what the call asks for, and the argument that mends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from langchain_costguard._amounts import in_unit
from langchain_costguard.budgets.limits import outside
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError

if TYPE_CHECKING:
    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Refusal, Unit
    from langchain_costguard.budgets.identity import MissingIdentityError
    from langchain_costguard.guard.bound import CallBound, CallRequest
    from langchain_costguard.stores.budget_base import BudgetStore

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_us: int | None) -> datetime | None:
    """A time in microseconds since 1970 as a moment, in UTC."""
    return None if time_us is None else _EPOCH + timedelta(microseconds=time_us)


def shown(amount: int, unit: Unit) -> str:
    """An amount as a refusal says it: every digit, so that a nano-dollar too much can be seen.

    Args:
        amount: nano-USD, or so many tokens or calls.
        unit: which of them.
    """
    return in_unit(outside(amount, unit), unit)


def not_admitted(refusal: Refusal, budget: Budget, bound: CallBound, request: CallRequest) -> BudgetExceededError:
    """The error of a call that does not fit, or whose budget is frozen."""
    claim = refusal.claim
    left = refusal.limit - refusal.spent
    resets_at = moment(budget.window_of(claim.slot_us)[2])
    typical = bound.typical_nano_usd if claim.unit == "usd" else None
    waiting_helps = refusal.reason == "full" and claim.amount <= left
    msg = (
        f"budget {_name(budget)!r} refuses this call to {request.model}: limit {shown(refusal.limit, claim.unit)}"
        f"{_of_counter(budget, refusal)}, spent {shown(refusal.spent, claim.unit)}, "
        f"reserved {shown(refusal.reserved, claim.unit)}; the call reserves {shown(claim.amount, claim.unit)}"
        f"{_typically(typical)}"
    )
    msg += f": {_remedy(refusal, budget, bound, waiting_helps=waiting_helps)}"
    if resets_at is not None:
        msg += f"; the window ends {resets_at:%Y-%m-%d %H:%M} UTC"
    return BudgetExceededError(
        msg,
        budget=_name(budget),
        reason="frozen" if refusal.reason == "frozen" else "limit",
        unit=claim.unit,
        limit=outside(refusal.limit, claim.unit),
        spent=outside(refusal.spent, claim.unit),
        reserved=outside(refusal.reserved, claim.unit),
        requested=outside(claim.amount, claim.unit),
        typical=None if typical is None else outside(typical, "usd"),
        resets_at=resets_at,
        waiting_helps=waiting_helps,
    )


def no_bound(budget: Budget, bound: CallBound, request: CallRequest) -> BudgetExceededError:
    """The error of a call whose largest cost is not known."""
    problem = bound.tokens_problem if budget.unit == "tokens" else bound.problem
    msg = f"budget {_name(budget)!r} is hard and cannot hold this call to {request.model}: {problem}"
    return BudgetExceededError(
        msg,
        budget=_name(budget),
        reason="unpriced" if bound.reason == "unpriced" and budget.unit == "usd" else "unbounded",
        unit=budget.unit,
        limit=budget.limit,
    )


def no_identity(budget: Budget, error: MissingIdentityError) -> BudgetExceededError:
    """The error of a run that does not say whose counter is meant."""
    msg = f"budget {_name(budget)!r} refuses this call: {error}"
    return BudgetExceededError(msg, budget=_name(budget), reason="identity", unit=budget.unit, limit=budget.limit)


def contradicting(first: Budget, second: Budget) -> BudgetExceededError:
    """The error of a call that two handlers' budgets mean, which would keep one counter by different rules."""
    msg = (
        f"{first!r} and {second!r}, of two handlers that see this call, contradict: both are kept under "
        f"{second.key!r}, where only their limits, modes and alerts may differ: give one of them another name="
    )
    strict = second if second.refuses else first
    return BudgetExceededError(msg, budget=_name(strict), reason="contradiction", unit=strict.unit, limit=strict.limit)


def not_checked(budget: Budget, fault: Exception) -> BudgetExceededError:
    """The error of a call that could not be checked because checking itself failed."""
    msg = (
        f"budget {_name(budget)!r} is hard, and checking this call failed with {type(fault).__name__}, so it was not "
        "made: give on_store_error='allow' to let calls through unchecked, and report what is above this error"
    )
    return BudgetExceededError(msg, budget=_name(budget), reason="unbounded", unit=budget.unit, limit=budget.limit)


def store_failed(budget: Budget, store: BudgetStore, error: Exception) -> BudgetStoreError:
    """The error of a call that could not be checked."""
    msg = (
        f"budget {_name(budget)!r} cannot be checked in {store.location}, so the call was not made ({error}): mend the "
        "store, or give on_store_error='allow' to let calls through unchecked"
    )
    return BudgetStoreError(msg)


def _name(budget: Budget) -> str:
    return budget.name or budget.key


def _remedy(refusal: Refusal, budget: Budget, bound: CallBound, *, waiting_helps: bool) -> str:
    if refusal.reason == "frozen":
        return (
            f"it is frozen ({refusal.note}): `langchain-costguard budgets unfreeze {refusal.claim.budget}` "
            "once the cause is known"
        )
    if waiting_helps:
        return "it fits when calls under way have ended: wait, or use guarded(model)"
    left = refusal.limit - refusal.spent - refusal.reserved
    fitting = bound.output_that_fits(left) if refusal.claim.unit == "usd" else None
    if fitting:
        return f"set max_tokens={fitting} or less on the model, or raise the limit"
    if bound.named and refusal.claim.unit != "calls":
        return (
            f"the request only names {'; '.join(bound.named)}, for which the context window was taken "
            f"({bound.input_tokens:,} tokens): leave that out of the call, or raise the limit"
        )
    return f"raise the limit{_or_wait(refusal, budget)}"


def _or_wait(refusal: Refusal, budget: Budget) -> str:
    """Whether a later window has room; a total has none, nor is a run's budget ever filled again."""
    if budget.per in {"total", "run"} or refusal.claim.amount > refusal.limit:
        return ""
    is_rolling = budget.window_of(refusal.claim.slot_us)[2] is None
    return ", or wait until earlier spending has left the window" if is_rolling else ", or wait for the next window"


def _of_counter(budget: Budget, refusal: Refusal) -> str:
    value = refusal.claim.counter.removeprefix(budget.key).lstrip("|")
    return f" for {value}" if value else ""


def _typically(nano_usd: int | None) -> str:
    return "" if nano_usd is None else f" (typically {shown(nano_usd, 'usd')})"
