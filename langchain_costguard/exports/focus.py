"""FOCUS 1.2: the ledger as charges that FinOps tools read beside cloud bills, one row a day and kind of call."""

from __future__ import annotations

from itertools import groupby
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from langchain_costguard._progress import watched
from langchain_costguard.exports.cells import row, usd
from langchain_costguard.exports.files import writable
from langchain_costguard.exports.focus_charges import Charge, day_of, key_of, month_of, standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from langchain_costguard.exports.cells import Cell
    from langchain_costguard.exports.files import Place
    from langchain_costguard.exports.focus_charges import ChargeKey
    from langchain_costguard.ledger import LedgerEntry

FOCUS_VERSION: Final = "1.2"
"""The version of the FinOps Open Cost and Usage Specification that is written."""

FOCUS_MANDATORY: Final[tuple[str, ...]] = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
)
"""The columns that version 1.2 demands of every data set."""

FOCUS_COLUMNS: Final[tuple[str, ...]] = (
    *FOCUS_MANDATORY,
    "ChargeFrequency",
    "ConsumedQuantity",
    "ConsumedUnit",
    "PricingCategory",
    "ServiceSubcategory",
    "SkuId",
    "Tags",
    "x_Calls",
    "x_EstimatedCalls",
    "x_InputTokens",
    "x_OutputTokens",
)
"""The columns of the file, in its order; those with `x_` are ours, as the specification provides for."""

_US_PER_DAY: Final = 86_400_000_000


class FocusExported(NamedTuple):
    """What became of the lines of a ledger."""

    rows: int
    """Charges that were written."""
    lines: int
    """Lines that are in them."""
    unpriced_lines: int
    """Lines left out because what they cost is not known: FOCUS allows no empty cost, and zero would be wrong."""
    uncharged_lines: int
    """Lines left out because nobody charges for them: cached answers, and calls that used nothing."""


def write_focus(
    entries: Iterable[LedgerEntry], file: Place | IO[str], *, billing_account: str = "langchain-costguard"
) -> FocusExported:
    """Write ledger lines as a FOCUS 1.2 data set in CSV.

    A row is a charge: the calls of one UTC day with the same provider, model, tier, kind and tags. All four costs are
    what is owed, but for `ListCost`, which is the price before your own discount. Nothing is amortised. The invoice is
    taken to be the provider's, for a calendar month.

    Args:
        entries: the lines, oldest first, such as `store.entries()`; one day of them is summed at a time, and lines in
            another order make more rows with the same sums.
        file: a path, or a text file that is open for writing. A path holds the whole export or what was there before.
        billing_account: the account that pays, for `BillingAccountId`, which may not be empty; the ledger does not know
            it.

    Returns:
        How many rows were written, and which lines are in none.

    Raises:
        OSError: the file cannot be written, or is a SQLite database; a file that was there is still there.
        ValueError: `billing_account` is empty.

    Example:
        ```python
        write_focus(open_store("costs.db").entries(), "costs.focus.csv", billing_account="org-1234")
        ```
    """
    if not billing_account.strip():
        msg = "billing_account is empty, and FOCUS demands one: give the provider's account, such as 'org-1234'"
        raise ValueError(msg)
    seen = {"charged": 0, "unpriced": 0, "uncharged": 0}
    rows = 0
    with writable(file) as opened:
        opened.write(row(FOCUS_COLUMNS))
        for key, charge in _charges(watched(entries, "writing lines"), seen):
            opened.write(row(_row(key, charge, billing_account)))
            rows += 1
    return FocusExported(rows, seen["charged"], seen["unpriced"], seen["uncharged"])


def _charges(entries: Iterable[LedgerEntry], seen: dict[str, int]) -> Iterator[tuple[ChargeKey, Charge]]:
    """The charges of one day after the other; `seen` counts what became of the lines."""
    for _, day in groupby(entries, key=_day):
        charges: dict[ChargeKey, Charge] = {}
        for entry in day:
            found = standing(entry)
            seen[found] += 1
            if found == "charged":
                charges.setdefault(key_of(entry), Charge()).add(entry)
        yield from charges.items()


def _day(entry: LedgerEntry) -> int:
    return entry.started_at_us // _US_PER_DAY


def _row(key: ChargeKey, charge: Charge, billing_account: str) -> list[Cell]:
    """The cells of a charge; a column that is not among them is empty."""
    day = day_of(key.day)
    begin, end = month_of(day)
    cells: dict[str, Cell] = {
        "BilledCost": usd(charge.billed),
        "BillingAccountId": billing_account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(begin),
        "BillingPeriodEnd": _moment(end),
        "ChargeCategory": "Adjustment" if key.is_adjustment else "Usage",
        "ChargeDescription": _description(key),
        "ChargeFrequency": "One-Time" if key.is_adjustment else "Usage-Based",
        "ChargePeriodStart": _moment(day),
        "ChargePeriodEnd": _moment(day_of(key.day + 1)),
        "ContractedCost": usd(charge.billed),
        "EffectiveCost": usd(charge.billed),
        "InvoiceIssuerName": key.provider,
        "ListCost": usd(charge.listed),
        "ProviderName": key.provider,
        "PublisherName": key.provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{key.provider} models",
        "ServiceSubcategory": "Generative AI",
        "SkuId": None if key.model is None else f"{key.provider}/{key.model}",
        "Tags": key.tags,
        "x_Calls": charge.calls,
        "x_EstimatedCalls": charge.estimated_calls,
        "x_InputTokens": charge.input_tokens,
        "x_OutputTokens": charge.output_tokens,
    }
    if not key.is_adjustment:
        quantity = charge.input_tokens + charge.output_tokens if key.is_metered else charge.calls
        unit = "Tokens" if key.is_metered else "Requests"
        cells |= {"ConsumedQuantity": quantity, "ConsumedUnit": unit, "PricingQuantity": quantity, "PricingUnit": unit}
        cells["PricingCategory"] = "Standard"
    return [cells.get(column) for column in FOCUS_COLUMNS]


def _description(key: ChargeKey) -> str:
    if key.is_adjustment:
        return f"difference to the bill of {key.provider}"
    tier = f" ({key.tier})" if key.tier else ""
    return f"{key.kind} calls of {key.model or 'an unnamed model'}{tier}"


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
