"""What a reader must know beside the sums."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.cost import PriceSource
from langchain_costguard.pricing import Catalog, PriceBook
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.notes import notes_on
from langchain_costguard.reports.rows import ReportRow
from langchain_costguard.stores.memory import InMemoryStore

if TYPE_CHECKING:
    from tests.unit_tests.reports.conftest import Book


def test_unpriced_calls_come_first_with_reason_and_fix(store: InMemoryStore, book: Book) -> None:
    """Who reads only the first line must still learn that the sum is not the whole."""
    book(cost="0.01", estimate_method="tiktoken")
    book("mystery-1", cost=None)
    book("mystery-1", cost=None)
    texts = [note.text for note in CostReport(store).notes()]
    assert texts[0] == "2 of 3 calls are unpriced: the sums do not cover them."
    assert texts[1] == "2 calls: no price list has the model 'mystery-1': give overrides={'mystery-1': free()}."
    assert texts[2] == "1 of 3 calls is estimated: the provider reported no tokens, so they were counted here."


def test_a_complete_report_has_no_notes(store: InMemoryStore, book: Book) -> None:
    """Warnings that are always there are read by nobody."""
    book()
    assert CostReport(store).notes() == ()


def test_reasons_are_counted_by_model_and_provider(store: InMemoryStore, book: Book) -> None:
    """Two deployments of one name are two things to mend."""
    book("m", cost=None, provider="azure")
    book("m", cost=None, provider="azure")
    book("m", cost=None, provider="openai")
    found = [(reason.model, reason.provider, reason.calls) for reason in CostReport(store).unpriced()]
    assert found == [("m", "azure", 2), ("m", "openai", 1)]


def test_the_fix_fits_what_is_missing(store: InMemoryStore, book: Book) -> None:
    """The price of a model does not help where the tokens, or its name, are unknown."""
    book("n", cost=None)
    book("o", cost=None, unpriced_reason=None)
    book("p", cost=None, unpriced_reason="tracking failed: KeyError")
    book("m", cost=None, tokens=None, unpriced_reason="no usage was reported")
    book(None, cost=None, unpriced_reason="the run named no model")
    fixes = {reason.reason: reason.fix for reason in CostReport(store).unpriced()}
    assert fixes["no price list has the model 'n'"] == "give overrides={'n': free()}"
    assert fixes["no reason was noted"] == "give overrides={'o': per_token(input, output)}, or free()"
    assert fixes["tracking failed: KeyError"] == "the log of langchain_costguard says where"
    assert "stream_usage=True" in fixes["no usage was reported"]
    assert "ChatOpenAI(model=...)" in fixes["the run named no model"]


def test_unpriced_calls_that_are_no_longer_kept_are_still_counted(book: Book) -> None:
    """Reasons get lost with the lines; the calls must not."""
    store = InMemoryStore(max_entries=1)
    for line in [book("m", cost=None), book("m", cost=None), book("m", cost=None)]:
        store.append(line)
    reasons = CostReport(store).unpriced()
    assert [reason.calls for reason in reasons] == [1, 2]
    assert reasons[1].reason == "only their sums were read"


def test_many_reasons_are_cut_and_say_so(store: InMemoryStore, book: Book) -> None:
    """A page of reasons hides the sums."""
    for number in range(8):
        book(f"m{number}", cost=None)
    notes = CostReport(store).notes()
    assert (len(notes), notes[-1].text) == (7, "3 more reasons: see report.unpriced().")


def test_an_open_call_warns_and_a_failed_one_is_a_remark() -> None:
    """An open call makes the sum too low; a failed one does not."""
    total = ReportRow(calls=3, open_calls=1, failed_calls=1, billed_cost=Decimal(1))
    notes = notes_on(total, (), stale=None)
    assert [(note.text, note.is_warning) for note in notes] == [
        ("1 of 3 calls is still open: the sums do not cover it yet.", True),
        ("1 of 3 calls failed or ended early.", False),
    ]


def test_the_lists_that_priced_the_calls_are_named(store: InMemoryStore, book: Book) -> None:
    """A cost can be checked only against the list it came from."""
    book()
    book()
    book(price=PriceSource("override", "", "openai", "gpt-4o"))
    lists = CostReport(store).price_lists()
    assert [str(used) for used in lists] == ["genai-prices 0.2.3 (2 calls)", "your own prices (1 call)"]


@pytest.mark.parametrize(("age_days", "is_stale"), [(60, False), (61, True)])
def test_an_old_price_list_is_a_warning(store: InMemoryStore, book: Book, age_days: int, *, is_stale: bool) -> None:
    """Prices change; a figure from an old list is an old figure."""
    book()
    dated = datetime.now(UTC).date() - timedelta(days=age_days)
    prices = PriceBook(catalog=Catalog((), source="genai-prices", version="0.0.1", dated=dated))
    report = CostReport(store, prices=prices)
    warning = (
        f"The price list is more than 60 days old ({dated}), and prices may have changed: "
        "pip install --upgrade genai-prices, or give PriceBook(catalog=Catalog.from_file(path))."
    )
    assert [note.text for note in report.notes() if note.is_warning] == [warning] * is_stale
    assert f"The price list is genai-prices 0.0.1 of {dated}, {age_days} days old." in report.text(100)


def test_an_old_list_that_priced_nothing_is_no_warning(store: InMemoryStore, book: Book) -> None:
    """Who pays by the GPU-hour does not care how old a list of others' prices is."""
    book(price=PriceSource("override", "", "", ""))
    prices = PriceBook(catalog=Catalog((), source="genai-prices", version="0.0.1", dated=date(2020, 1, 1)))
    assert CostReport(store, prices=prices).notes() == ()


def test_a_report_says_where_its_lines_are_kept(store: InMemoryStore, book: Book) -> None:
    """Who closes the notebook should know what is lost with it."""
    book()
    assert "kept in memory only" in CostReport(store).text(100)


def test_a_handler_may_read_its_memory_and_name_its_store(store: InMemoryStore, book: Book) -> None:
    """Lines that are also in a database do not end with the process."""

    class Kept(InMemoryStore):
        location = "sqlite:///costs.db"
        is_durable = True

    book()
    assert "Lines are kept in sqlite:///costs.db." in CostReport(store, kept_in=Kept()).text(100)
