"""What one row says."""

from __future__ import annotations

from decimal import Decimal

from langchain_costguard.ledger import LedgerTotals
from langchain_costguard.reports.rows import ReportRow, ordered, regrouped, shortened


def _row(name: str | None, cost: str | None, **fields: int) -> ReportRow:
    return ReportRow(keys=("model",), group=(name,), billed_cost=None if cost is None else Decimal(cost), **fields)


def test_a_cost_says_what_it_leaves_out() -> None:
    """A partial sum that looks whole is the silent zero again."""
    totals = LedgerTotals(calls=4, unpriced_calls=1, open_calls=2, billed_nano=12_300_000)
    assert ReportRow.of((), totals).cost == "$0.0123 + 1 unpriced call + 2 open calls"


def test_a_group_without_any_priced_call_is_unknown() -> None:
    """Nothing known is not free."""
    row = ReportRow.of((), LedgerTotals(calls=2, unpriced_calls=2))
    assert (row.billed_cost, row.list_cost, row.cost) == (None, None, "unknown")


def test_a_group_of_open_calls_is_unknown() -> None:
    """A call that has not ended has a cost, only nobody knows it yet."""
    assert ReportRow.of((), LedgerTotals(calls=2, open_calls=2)).cost == "unknown"


def test_an_empty_ledger_cost_nothing() -> None:
    """No calls is a known sum: zero."""
    assert ReportRow.of((), LedgerTotals()).cost == "$0.00"


def test_a_free_call_costs_zero_and_not_unknown() -> None:
    """A local model that is free must not look unpriced."""
    assert ReportRow.of((), LedgerTotals(calls=1)).billed_cost == Decimal(0)


def test_a_missing_value_has_a_name() -> None:
    """`None / None` in a table tells nobody what is missing."""
    row = ReportRow(keys=("model", "user"), group=("gpt-4o", None))
    assert row.name == "gpt-4o / (no user)"


def test_rows_stand_dearest_first_and_unknown_last() -> None:
    """The first row answers what a reader asks first."""
    rows = [_row("a", "0.01"), _row("b", None), _row("c", "2"), _row("d", "0.01", input_tokens=5)]
    assert [row.group[0] for row in ordered(rows)] == ["c", "d", "a", "b"]


def test_days_stand_in_their_order_whatever_they_cost() -> None:
    """A series by day sorted by cost is no series."""
    days = [
        ReportRow(keys=("day", "model"), group=(day, model), billed_cost=Decimal(cost))
        for day, model, cost in [("2026-03-02", "a", "9"), ("2026-03-01", "b", "1"), ("2026-03-01", "a", "2")]
    ]
    assert [row.group for row in ordered(days)] == [("2026-03-01", "a"), ("2026-03-01", "b"), ("2026-03-02", "a")]


def test_finer_sums_add_up_to_coarser_ones() -> None:
    """All tables come from one reading, so they can never disagree."""
    parts = [
        LedgerTotals(("2026-03-01", "a"), calls=1, billed_nano=5),
        LedgerTotals(("2026-03-02", "a"), calls=2, billed_nano=7),
        LedgerTotals(("2026-03-02", "b"), calls=4, unpriced_calls=4),
    ]
    sums = {part.group: (part.calls, part.billed_nano) for part in regrouped(parts, [1])}
    assert sums == {("a",): (3, 12), ("b",): (4, 0)}


def test_rows_beyond_the_shown_ones_become_one() -> None:
    """A year of days must not fill the screen, nor fall out of the sums."""
    rows = [_row("a", "3", calls=1), _row("b", "2", calls=1), _row("c", "1.5", calls=2), _row("d", None, calls=3)]
    rest = shortened(rows, 2, rest="others")[-1]
    assert (rest.name, rest.calls, rest.billed_cost) == ("2 others", 5, Decimal("1.5"))


def test_one_row_too_many_is_simply_shown() -> None:
    """A rest of one row would take the same space and say less."""
    rows = [_row("a", "3"), _row("b", "2"), _row("c", "1")]
    assert shortened(rows, 2, rest="others") == tuple(rows)


def test_rows_show_themselves_as_a_table() -> None:
    """An answer is read first and counted with afterwards."""
    rows = ordered([_row("a", "0.5", calls=1), _row("b", None, calls=2, unpriced_calls=2)])
    heading, _, *lines = [line.split() for line in repr(rows).splitlines()]
    assert heading == ["Model", "Calls", "Input", "tokens", "Output", "tokens", "Cost"]
    assert lines == [["a", "1", "0", "0", "$0.50"], ["b", "2", "0", "0", "unknown"]]
    assert "<table>" in rows._repr_html_()
    assert "No calls" in repr(ordered([]))


def test_rows_become_a_frame_with_exact_money() -> None:
    """A question answered by us is the beginning of one answered by pandas."""
    frame = ordered([_row("a", "0.1", calls=1), _row("b", "0.2", calls=2)]).to_pandas()
    assert frame["billed_cost"].sum() == Decimal("0.3")
    assert frame.set_index("model")["calls"].to_dict() == {"a": 1, "b": 2}


def test_a_row_is_json_safe() -> None:
    """Money leaves as decimal strings: JSON numbers are floats to most readers."""
    values = _row("a", "0.000000001", calls=1).to_dict()
    assert (values["model"], values["calls"], values["billed_cost"], values["list_cost"]) == (
        "a",
        1,
        "0.000000001",
        None,
    )
