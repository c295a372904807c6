"""The FOCUS export keeps the specification's rules, and its sums are the ledger's."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from langchain_costguard.cost import PriceSource
from langchain_costguard.exports import FOCUS_COLUMNS, FOCUS_MANDATORY, FOCUS_VERSION, FocusExported, write_focus
from langchain_costguard.testing.lines import make_entry, random_lines
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.ledger import LedgerEntry

NEVER_NULL = {
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
"""The columns of FOCUS 1.2 that allow no nulls."""

NULL_AT_TIMES = {"BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"}
"""The other mandatory ones, which the specification allows, or demands, to be null at times."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


def rows_of(*entries: LedgerEntry) -> tuple[FocusExported, list[dict[str, str]]]:
    """What became of the lines, and the rows."""
    file = io.StringIO()
    done = write_focus(entries, file, billing_account="org-1")
    return done, list(csv.DictReader(io.StringIO(file.getvalue()), strict=True))


def test_the_columns_are_those_the_specification_demands_and_ours_are_marked() -> None:
    """A tool that reads FOCUS refuses a file without them, and knows ours by their `x_`."""
    assert FOCUS_VERSION == "1.2"
    assert set(FOCUS_MANDATORY) == NEVER_NULL | NULL_AT_TIMES
    assert len(FOCUS_MANDATORY) == 21
    assert set(FOCUS_MANDATORY) <= set(FOCUS_COLUMNS)
    assert len(set(FOCUS_COLUMNS)) == len(FOCUS_COLUMNS)
    assert all(re.fullmatch(r"(x_)?[A-Z][A-Za-z]*", column) for column in FOCUS_COLUMNS)


def test_every_row_keeps_the_rules_of_the_specification() -> None:
    """One null where none may be, and a whole import fails."""
    lines = sorted(random_lines(400), key=lambda line: line.started_at_us)
    done, rows = rows_of(*lines)
    assert done.rows == len(rows) > 50
    for row in rows:
        assert [column for column in NEVER_NULL if row[column] == ""] == []
        assert row["BillingCurrency"] == "USD"
        assert row["ServiceCategory"] == "AI and Machine Learning"
        assert row["ServiceSubcategory"] == "Generative AI"
        assert row["ChargeClass"] == ""
        moments = [row[f"{name}Period{end}"] for name in ("Billing", "Charge") for end in ("Start", "End")]
        assert all(MOMENT.fullmatch(moment) for moment in moments)
        assert moments[0] <= moments[2] < moments[3] <= moments[1]
        for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            assert re.fullmatch(r"-?\d+(\.\d+)?", row[column])
        is_usage = row["ChargeCategory"] == "Usage"
        assert is_usage or row["ChargeCategory"] == "Adjustment"
        metered = ("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "PricingCategory")
        assert [bool(row[column]) for column in metered] == [is_usage] * 5
        assert not is_usage or row["PricingUnit"] in {"Tokens", "Requests"}
        assert row["ChargeFrequency"] == ("Usage-Based" if is_usage else "One-Time")
        assert row["Tags"] == "" or isinstance(json.loads(row["Tags"]), dict)


def test_the_sums_are_the_ledgers_to_the_last_digit() -> None:
    """Finance compares the file with the report."""
    lines = sorted(random_lines(400), key=lambda line: line.started_at_us)
    done, rows = rows_of(*lines)
    charged = [line for line in lines if line.billed_nano is not None and line.status != "cached"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(
        sum(line.billed_nano or 0 for line in charged)
    ) / Decimal(10**9)
    assert done.lines + done.unpriced_lines + done.uncharged_lines == 400
    assert done.unpriced_lines == sum(line.billed_nano is None and line.status != "cached" for line in lines)


def test_the_calls_of_a_day_with_the_same_tags_are_one_charge() -> None:
    """A row for each call would be a bill nobody reads; a row over several tags would be nobody's."""
    lines = [
        make_entry(at=NOON, tags=("checkout",), user="u1", metadata={"team": "shop", "seats": 2}),
        make_entry(
            at=NOON + timedelta(minutes=1), tags=("checkout",), user="u1", metadata={"team": "shop", "seats": 2}
        ),
        make_entry(at=NOON + timedelta(minutes=2), user="u2", list_nano=420_000),
        make_entry(at=NOON + timedelta(hours=12), user="u2"),
    ]
    done, (first, second, third) = rows_of(*lines)
    assert done == FocusExported(rows=3, lines=4, unpriced_lines=0, uncharged_lines=0)
    assert (first["BilledCost"], first["PricingQuantity"], first["PricingUnit"]) == ("0.00042", "2200", "Tokens")
    assert (first["x_Calls"], first["x_InputTokens"], first["x_OutputTokens"]) == ("2", "2000", "200")
    assert json.loads(first["Tags"]) == {"checkout": True, "seats": 2, "team": "shop", "user": "u1"}
    assert (second["ListCost"], second["ContractedCost"], second["BilledCost"]) == ("0.00042", "0.00021", "0.00021")
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == ("2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z")
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert (third["BillingPeriodStart"], third["BillingPeriodEnd"]) == ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")
    assert (first["SkuId"], first["ServiceName"]) == ("openai/gpt-4o-mini", "openai models")
    assert (first["BillingAccountId"], first["InvoiceIssuerName"]) == ("org-1", "openai")
    assert first["ChargeDescription"] == "chat calls of gpt-4o-mini"


def test_what_is_not_priced_is_left_out_and_counted_never_a_zero() -> None:
    """A zero in a bill says free, and the bill that comes says otherwise."""
    done, rows = rows_of(make_entry(billed_nano=None, unpriced_reason="no price"), make_entry())
    assert done == FocusExported(rows=1, lines=1, unpriced_lines=1, uncharged_lines=0)
    assert [row["BilledCost"] for row in rows] == ["0.00021"]
    done, rows = rows_of(make_entry(billed_nano=None))
    assert (done, rows) == (FocusExported(rows=0, lines=0, unpriced_lines=1, uncharged_lines=0), [])


def test_a_free_model_is_a_charge_of_nothing_and_a_cached_answer_is_none() -> None:
    """What was used is shown even where it is free; what a cache answered, no provider was asked."""
    free = make_entry(billed_nano=0, list_nano=0, provider="ollama")
    cached = make_entry(status="cached", billed_nano=0)
    failed = make_entry(status="error", billed_nano=0, usage=None)
    done, (row,) = rows_of(free, cached, failed)
    assert done == FocusExported(rows=1, lines=1, unpriced_lines=0, uncharged_lines=2)
    assert (row["BilledCost"], row["ConsumedQuantity"]) == ("0", "1100")


def test_what_has_no_tokens_is_counted_in_requests() -> None:
    """A tool or an hour of a machine has a price and no tokens."""
    _, (row,) = rows_of(make_entry(kind="tool", usage=None, calls=7, billed_nano=70_000_000, list_nano=None))
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListCost"]) == ("7", "Requests", "0.07")


def test_an_adjustment_is_one_and_may_be_negative() -> None:
    """The difference to an invoice is no usage."""
    _, (row,) = rows_of(make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-5, list_nano=None))
    assert (row["ChargeCategory"], row["BilledCost"], row["PricingQuantity"]) == ("Adjustment", "-0.000000005", "")
    assert row["ChargeDescription"] == "difference to the bill of openai"


def test_tiers_and_batches_are_told_apart() -> None:
    """Half the price for half the rows is not visible in a sum of both."""
    _, rows = rows_of(make_entry(), make_entry(batch=True, service_tier="flex"))
    assert [row["ChargeDescription"] for row in rows] == [
        "chat calls of gpt-4o-mini",
        "chat calls of gpt-4o-mini (flex, batch)",
    ]


def test_a_provider_that_is_not_known_is_the_price_lists_or_said_to_be_unknown() -> None:
    """The specification demands a name, and an empty one would be refused."""
    priced = make_entry(provider=None, price=PriceSource("genai-prices", "1", "anthropic", "claude"))
    _, rows = rows_of(priced, make_entry(provider=None, request_model=None, response_model=None))
    assert [(row["ProviderName"], row["SkuId"]) for row in rows] == [
        ("anthropic", "anthropic/gpt-4o-mini"),
        ("unknown", ""),
    ]


def test_pandas_reads_it_with_exact_sums(tmp_path: Path) -> None:
    """What people who are given a FOCUS file open it with."""
    path = tmp_path / "costs.focus.csv"
    write_focus([make_entry(tags=("=1+1",), metadata={"score": float("nan")})], path)
    frame = pd.read_csv(path, parse_dates=["ChargePeriodStart"], dtype={"BilledCost": str})
    assert frame["BilledCost"].map(Decimal).sum() == Decimal("0.00021")
    assert json.loads(frame["Tags"][0]) == {"=1+1": True, "score": "nan"}
    assert frame["BillingAccountName"].isna().all()


def test_hostile_names_are_no_formulas() -> None:
    """Names of models and providers come from outside as well."""
    _, (row,) = rows_of(make_entry(provider="=1+1", request_model="@x\n"))
    assert (row["ProviderName"], row["SkuId"]) == ("'=1+1", "'=1+1/@x\\n")


def test_an_empty_account_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The specification allows no empty one."""
    with pytest.raises(ValueError, match="give the provider's account, such as 'org-1234'"):
        write_focus([make_entry()], tmp_path / "costs.csv", billing_account=" ")
    assert list(tmp_path.iterdir()) == []


def test_lines_in_another_order_make_more_rows_and_the_same_sums() -> None:
    """`entries(limit=...)` gives the newest first."""
    lines = [make_entry(at=NOON), make_entry(at=NOON + timedelta(days=1)), make_entry(at=NOON)]
    done, rows = rows_of(*lines)
    assert done.rows == 3
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.00063")


def test_an_empty_ledger_is_a_heading_alone() -> None:
    """Nothing was charged, and the columns are there."""
    assert rows_of() == (FocusExported(0, 0, 0, 0), [])


def test_usage_without_tokens_is_no_token_charge() -> None:
    """A quantity of zero tokens at a price is a division by zero somewhere later."""
    _, (row,) = rows_of(make_entry(usage=TokenUsage(), billed_nano=5))
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("1", "Requests")
