"""The errors and warnings of the package, and what each of them carries.

```
CostGuardError (LangChainException)
├── UnknownPriceError (LookupError)        .model .provider .suggestions
├── PriceFormatError (ValueError)          .path
├── UnboundedInputError (ValueError)       .parts
├── LedgerFormatError (ValueError)         .line
├── StoreError                             the backend's exception is its __cause__
│   ├── StoreVersionError                  .found .supported
│   └── BudgetStoreError (ModelError)      a hard budget could not be checked, so the call was not made
├── InfeasibleTargetError (ValueError)      .rows .rows_needed
├── LosingCascadeError (ValueError)         .cut .break_even
├── UncalibratedSignalError (ValueError)    a signal was asked to judge before it has a threshold
├── NoRouteError (ValueError)              .routes                             (routing)
├── OutputTruncatedError (ModelError)      .answer .max_tokens                 (output_limits)
├── ForeignFormatError (ValueError)        .source .row                        (imports)
├── CheckpointError (ValueError)           .path .line                         (batching)
├── ItemsFailedError                       .errors .not_run                    (batching)
├── BatchError                             its tree is drawn in batching/job_errors.py
├── BudgetExceededError (ModelError)       .budget .reason .unit .limit .spent .reserved .requested ...
└── OptionalDependencyError (ImportError)  .package .extra

CostGuardWarning (UserWarning)
├── UnpricedUsageWarning      a call was recorded whose price is not known
├── StalePricesWarning        the price list is older than 60 days
└── UntrackedStoreWarning     lines wait in memory because the store cannot be written
```

Errors of one technique live in its room, which is named behind them. Every message ends with the argument or the
command that mends the fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from langchain_core.exceptions import LangChainException, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal


class CostGuardError(LangChainException):
    """Base class of every error this package raises on purpose."""


class UnknownPriceError(CostGuardError, LookupError):
    """No price is known for a model and the caller asked for one.

    Attributes:
        model: the model as it was asked for.
        provider: the provider as it was asked for, `None` when it was not given.
        suggestions: known models with similar names, nearest first.
    """

    def __init__(
        self, message: str, *, model: str, provider: str | None = None, suggestions: Sequence[str] = ()
    ) -> None:
        """Keep the facts of the lookup beside its message."""
        super().__init__(message)
        self.model = model
        self.provider = provider
        self.suggestions: tuple[str, ...] = tuple(suggestions)


class PriceFormatError(CostGuardError, ValueError):
    """A price, an override or a price list could not be understood.

    Attributes:
        path: where in the input the fault is, such as `"models[3].rates.input"`; `None` for a single value.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        """Keep where the fault is beside its message."""
        super().__init__(message)
        self.path = path


class UnboundedInputError(CostGuardError, ValueError):
    """Part of a request has no known upper bound on its tokens, because the request only names it or no limit is known.

    Attributes:
        parts: what it is, one short sentence each.
    """

    def __init__(self, message: str, *, parts: Sequence[str]) -> None:
        """Keep the parts beside the message."""
        super().__init__(message)
        self.parts: tuple[str, ...] = tuple(parts)


class LedgerFormatError(CostGuardError, ValueError):
    """A file of ledger lines could not be understood; nothing of it was taken.

    Attributes:
        line: which line of the file it is, from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        """Keep the line's number beside the message."""
        super().__init__(message)
        self.line = line


class UncalibratedSignalError(CostGuardError, ValueError):
    """A signal that waits for its threshold was asked to judge."""


class StoreError(CostGuardError):
    """A store could not be opened, read or written; the backend's own exception is `__cause__`."""


class StoreVersionError(StoreError):
    """A store has a schema that this release does not understand.

    Attributes:
        found: the revision the store has.
        supported: the newest revision this release knows.
    """

    def __init__(self, message: str, *, found: str, supported: str) -> None:
        """Keep both revisions beside the message."""
        super().__init__(message)
        self.found = found
        self.supported = supported


class BudgetStoreError(StoreError, ModelError):
    """A hard budget could not be checked, because its store did not answer; the call was not made."""


RefusedFor = Literal["limit", "frozen", "unpriced", "unbounded", "identity", "contradiction"]
"""Why a call was refused: it does not fit, the budget is frozen, the model's price or the call's largest cost is not
known, the run does not say whose counter is meant, or budgets of two handlers keep one counter by different rules."""


class BudgetExceededError(CostGuardError, ModelError):
    """A budget refused a call before anything was sent to the provider.

    It is a `ModelError` that is not retryable: agents' retry middleware raises it instead of answering with it.
    Amounts are US dollars for a budget in money, and whole numbers of tokens or calls for the others; `None` where
    they are not known.

    Attributes:
        budget: the budget's name.
        reason: why it refused.
        unit: what the budget counts.
        limit: its limit.
        spent: what is spent of it.
        reserved: what other calls have reserved of it.
        requested: what this call would reserve: the most it can cost.
        typical: what such a call typically costs.
        resets_at: when the window ends; `None` for one that never does.
        waiting_helps: whether the call would fit once calls under way have ended.
    """

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        reason: RefusedFor = "limit",
        unit: Literal["usd", "tokens", "calls"] = "usd",
        limit: Decimal | int | None = None,
        spent: Decimal | int | None = None,
        reserved: Decimal | int | None = None,
        requested: Decimal | int | None = None,
        typical: Decimal | int | None = None,
        resets_at: datetime | None = None,
        waiting_helps: bool = False,
    ) -> None:
        """Keep the facts of the refusal beside its message."""
        super().__init__(message)
        self.budget = budget
        self.reason: RefusedFor = reason
        self.unit: Literal["usd", "tokens", "calls"] = unit
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.requested = requested
        self.typical = typical
        self.resets_at = resets_at
        self.waiting_helps = waiting_helps


class InfeasibleTargetError(CostGuardError, ValueError):
    """No threshold of a cascade is known to meet the target, so that only the full model does.

    Attributes:
        rows: how many labelled rows there were.
        rows_needed: the fewest with which the target can be shown at all, when these were too few; else `None`.
    """

    def __init__(self, message: str, *, rows: int, rows_needed: int | None = None) -> None:
        """Keep the numbers of rows beside the message."""
        super().__init__(message)
        self.rows = rows
        self.rows_needed = rows_needed


class LosingCascadeError(CostGuardError, ValueError):
    """A cascade would cost at least as much as its full model alone.

    Attributes:
        cut: the share of the full model's cost it would save: zero or below.
        break_even: the share of answers it could escalate at no loss; below zero where trying alone costs more.
    """

    def __init__(self, message: str, *, cut: float, break_even: float) -> None:
        """Keep both shares beside the message."""
        super().__init__(message)
        self.cut = cut
        self.break_even = break_even


class OptionalDependencyError(CostGuardError, ImportError):
    """A feature needs a package that is not installed.

    Attributes:
        package: the import name that is missing.
        extra: the extra of this package that installs it.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        """Write the install line into the message."""
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed: "
            f"pip install 'langchain-costguard[{extra}]'"
        )
        self.package = package
        self.extra = extra


class CostGuardWarning(UserWarning):
    """Base class of every warning this package gives."""


class UnpricedUsageWarning(CostGuardWarning):
    """Usage was recorded whose price is not known; it is counted apart and never as zero."""


class StalePricesWarning(CostGuardWarning):
    """The price list in use is older than 60 days."""


class UntrackedStoreWarning(CostGuardWarning):
    """The store could not be written; its lines wait in memory and are written when it answers again."""
