"""What a line, a question and a sum say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from langchain_costguard.ledger import FINAL_STATUSES, GROUP_KEYS, LedgerEntry, LedgerQuery, LedgerTotals


def _line(**fields: object) -> LedgerEntry:
    return LedgerEntry(run_id=uuid4(), started_at_us=1_774_771_200_123_456, **fields)


def test_money_leaves_a_line_as_exact_dollars() -> None:
    """A float would round what an invoice adds up."""
    line = _line(billed_nano=210_001, list_nano=420_000, avoided_nano=0, baseline_nano=3_500_000)
    assert line.billed_cost == Decimal("0.000210001")
    assert line.list_cost == Decimal("0.00042")
    assert line.avoided_cost == Decimal(0)
    assert line.baseline_cost == Decimal("0.0035")


def test_an_unknown_cost_is_none_and_a_free_call_is_zero() -> None:
    """The difference is the whole point of the ledger."""
    assert (_line().billed_cost, _line().is_priced) == (None, False)
    assert (_line(billed_nano=0).billed_cost, _line(billed_nano=0).is_priced) == (Decimal(0), True)


def test_times_leave_a_line_in_their_units() -> None:
    """Readers must never multiply by a guess."""
    line = _line(latency_us=1500, first_token_us=250)
    assert line.started_at_utc == datetime(2026, 3, 29, 8, 0, 0, 123456, tzinfo=UTC)
    assert (line.latency_ms, line.time_to_first_token_ms) == (1.5, 0.25)
    assert (_line().latency_ms, _line().time_to_first_token_ms) == (None, None)


def test_the_model_is_the_one_asked_for_else_the_one_that_answered() -> None:
    """A report by model must not split one model by its dated snapshots."""
    assert _line(request_model="gpt-4o", response_model="gpt-4o-2024-08-06").model == "gpt-4o"
    assert _line(response_model="gpt-4o-2024-08-06").model == "gpt-4o-2024-08-06"
    assert _line().model is None


def test_an_estimate_is_marked_as_one() -> None:
    """Counted tokens are not reported tokens."""
    assert _line(estimate_method="bytes").is_estimated
    assert not _line().is_estimated


def test_only_an_end_that_was_seen_is_final() -> None:
    """A late end corrects what was only assumed."""
    assert {"ok", "cached", "error"} == FINAL_STATUSES


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_moment_without_a_time_zone_is_refused(name: str) -> None:
    """It would mean another hour on each machine that asks."""
    with pytest.raises(ValueError, match=rf"{name}\.replace\(tzinfo=timezone\.utc\)"):
        LedgerQuery(**{name: datetime(2026, 3, 29)})  # type: ignore[arg-type]  # noqa: DTZ001 - the mistake itself


@pytest.mark.parametrize("limit", [0, -1])
def test_a_question_for_no_lines_is_refused(limit: int) -> None:
    """`limit=0` reads as "all" to some and as "none" to others."""
    with pytest.raises(ValueError, match="give 1 or more"):
        LedgerQuery(limit=limit)


def test_a_sum_is_unknown_when_nothing_in_it_is_known() -> None:
    """Zero dollars for ten unpriced calls would be a lie; for no calls at all it is the truth."""
    assert LedgerTotals().billed_cost == Decimal(0)
    assert LedgerTotals(calls=10, unpriced_calls=10).billed_cost is None
    assert LedgerTotals(calls=10, unpriced_calls=9, billed_nano=5).billed_cost == Decimal("0.000000005")
    assert LedgerTotals(calls=3, unpriced_calls=2, open_calls=1).billed_cost is None
    assert LedgerTotals(calls=1, open_calls=1).billed_cost == Decimal(0)


def test_sums_add_up_field_by_field() -> None:
    """Reports put days together into weeks."""
    fields = LedgerTotals._fields[1:]
    left = LedgerTotals(("a",), *range(len(fields)))
    right = LedgerTotals(("b",), *[100] * len(fields))
    assert left.plus(right) == LedgerTotals(("a",), *(100 + number for number in range(len(fields))))
    assert LedgerTotals(input_tokens=7, output_tokens=5).total_tokens == 12
    assert LedgerTotals(avoided_nano=1_000_000_000).avoided_cost == Decimal(1)


def test_every_group_key_is_a_word_of_its_own() -> None:
    """`totals(by=...)` refuses others, so a key that is missing here cannot be asked for anywhere."""
    assert len(set(GROUP_KEYS)) == len(GROUP_KEYS) == 14
