"""What changed between two periods: parts that add up to the change, exactly, whatever the calls were."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard import CostReport, InMemoryStore, LedgerQuery
from langchain_costguard.ledger import LedgerEntry, LedgerTotals
from langchain_costguard.reports.drivers import divided
from langchain_costguard.usage import TokenUsage

GROWN = {"volume": "1", "mix": "0", "unpriced": "0", "input_tokens": "0", "output_tokens": "0", "price": "0"}


def line(
    cost: str | None = "1", model: str = "gpt-4o", tokens: tuple[int, int] = (1000, 100), **fields: Any
) -> LedgerEntry:
    """One call."""
    return LedgerEntry(
        run_id=uuid4(),
        started_at_us=1_775_000_000_000_000,
        provider="openai",
        request_model=model,
        usage=TokenUsage(uncached_input=tokens[0], output_text=tokens[1]),
        billed_nano=None if cost is None else int(Decimal(cost) * 10**9),
        **fields,
    )


def report(*lines: LedgerEntry) -> CostReport:
    """A report over these lines."""
    store = InMemoryStore()
    for each in lines:
        store.append(each)
    return CostReport(store)


def drivers(before: CostReport, after: CostReport) -> dict[str, Decimal]:
    """What drove the change, where anything did."""
    return {each.name: each.change_cost for each in after.compare(before).drivers if each.change_cost}


def test_more_of_the_same_is_volume() -> None:
    """Twice the calls at twice the bill is growth, and nothing else."""
    assert drivers(report(line(), line()), report(line(), line(), line())) == {"volume": Decimal(1)}


def test_dearer_models_are_mix() -> None:
    """As many calls, more of them to the large model: that is a choice, not growth."""
    before = report(line("1"), line("1"), line("3", "o3"))
    after = report(line("1"), line("3", "o3"), line("3", "o3"))
    assert drivers(before, after) == {"mix": Decimal(2)}


def test_longer_prompts_and_longer_answers_are_told_apart() -> None:
    """gpt-4o bills an output token like four input tokens; the ledger keeps one sum for both."""
    before = report(line("0.0035", tokens=(1000, 100)))
    assert drivers(before, report(line("0.006", tokens=(2000, 100)))) == {"input_tokens": Decimal("0.0025")}
    assert drivers(before, report(line("0.0045", tokens=(1000, 200)))) == {"output_tokens": Decimal("0.001")}


def test_the_same_tokens_for_less_is_price() -> None:
    """A new price list, a discount or a prompt cache."""
    assert drivers(report(line("1")), report(line("0.75"))) == {"price": Decimal("-0.25")}


def test_calls_that_lost_their_price_are_no_saving() -> None:
    """A bill that shrinks because half of it is unknown must not look like success."""
    assert drivers(report(line(), line()), report(line(), line(None))) == {"unpriced": Decimal(-1)}
    found = report(line(), line(None)).compare(report(line(), line()))
    assert (found.unpriced_before, found.unpriced_after) == (0, 1)
    assert "Without 0 unpriced calls before and 1 after." in str(found)
    assert drivers(report(line(), line(None)), report(line(), line())) == {"unpriced": Decimal(1)}


def test_answers_from_the_cache_are_mix() -> None:
    """A cached answer has no tokens; it is another kind of call and not a short one."""
    cached = line("0", tokens=(0, 0), status="cached")
    assert drivers(report(line(), line()), report(line(), cached)) == {"mix": Decimal(-1)}


def test_a_period_of_unknown_cost_has_no_change() -> None:
    """From unknown to a dollar is not a rise of a dollar."""
    found = report(line()).compare(report(line(None)))
    assert (found.cost_before, found.change_cost, found.change_share, found.drivers) == (None, None, None, ())
    assert "unknown" in str(found)
    assert found.to_dict()["change_cost"] is None


def test_a_row_of_unknown_cost_has_no_change() -> None:
    """One user's calls lost their price: what they did cost is in the parts, what changed is not known."""
    found = report(line(user="ann"), line(None, user="bob")).compare(report(line(user="ann"), line(user="bob")), "user")
    bob, ann = found.rows
    assert (bob.name, bob.cost_after, bob.change_cost) == ("bob", None, None)
    assert ann.change_cost == Decimal(0)
    assert sum(driver.change_cost for row in found.rows for driver in row.drivers) == found.change_cost


def test_from_nothing_everything_is_volume() -> None:
    """The first month has no month before it."""
    assert drivers(report(), report(line())) == {"volume": Decimal(1)}
    assert drivers(report(line()), report()) == {"volume": Decimal(-1)}
    assert report().compare(report()).change_cost == Decimal(0)


def test_rows_say_whose_change_it_was() -> None:
    """By any key; the greatest change first, and each row divided like the whole."""
    before = report(line(user="ann"), line(user="bob", metadata={"team": "shop"}))
    after = report(line(user="ann"), line("4", user="bob", metadata={"team": "shop"}))
    found = after.compare(before, "user")
    assert [(row.name, row.change_cost) for row in found.rows] == [("bob", Decimal(3)), ("ann", Decimal(0))]
    assert "price" in str(found)
    by_team = after.compare(before, "metadata:team").to_dict()["rows"][0]
    assert (by_team["group"], by_team["drivers"]["price"]) == (["shop"], "3")
    json.loads(found.to_json())
    assert found._repr_html_().count("<table") == 2
    assert found.change_share == 1.5


def test_keys_under_which_a_call_counts_twice_are_refused() -> None:
    """Parts that add up to more than the whole are no parts."""
    with pytest.raises(ValueError, match="LedgerQuery"):
        report(line(tags=("a", "b"))).compare(report(), "tag")
    with pytest.raises(ValueError, match="colour"):
        report().compare(report(), "colour")


def test_it_compares_two_periods_of_one_ledger() -> None:
    """The usual case: this month and the last one of the same store."""
    store = InMemoryStore()
    early, late = line("1"), line("2")
    late.started_at_us += 86_400_000_000
    store.append(early)
    store.append(late)
    between = late.started_at_utc
    before, after = (
        CostReport(store, query=query) for query in (LedgerQuery(until=between), LedgerQuery(since=between))
    )
    assert (after.compare(before).cost_before, after.compare(before).cost_after) == (Decimal(1), Decimal(2))


SUMS = st.builds(
    lambda calls, unpriced, opened, nano, inputs, outputs: LedgerTotals(
        calls=calls + unpriced + opened,
        unpriced_calls=unpriced,
        open_calls=opened,
        billed_nano=nano if calls else 0,
        input_tokens=inputs,
        output_tokens=outputs,
    ),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(0, 2),
    st.integers(-5, 10**12),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
CELLS = st.dictionaries(st.tuples(st.sampled_from("abcd")), SUMS, max_size=4)


@given(CELLS, CELLS, st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_the_parts_always_add_up(before: Any, after: Any, weights: tuple[int, int]) -> None:
    """To the nano-dollar, for any two periods: open, unpriced, gone and new groups, and none at all."""
    parts = divided(before, after, lambda _: weights)
    change = sum(each.billed_nano for each in after.values()) - sum(each.billed_nano for each in before.values())
    assert sum(sum(each) for each in parts.values()) == change
