"""What a reader must know beside the sums."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_costguard.cost import PriceSource
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
    assert texts[1].startswith("2 calls: no price of mystery-1 is known. Give its price:")
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
    book("m", cost=None, tokens=None, unpriced_reason="no usage was reported")
    book(None, cost=None, unpriced_reason="the run named no model")
    fixes = {reason.reason: reason.fix for reason in CostReport(store).unpriced()}
    assert "stream_usage=True" in fixes["no usage was reported"]
    assert "record(model=...)" in fixes["the run named no model"]


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
    assert [str(used) for used in lists] == ["genai-prices 0.2.3 (2 calls)", "override (1 call)"]


def test_a_report_says_where_its_lines_are_kept(store: InMemoryStore, book: Book) -> None:
    """Who closes the notebook should know what is lost with it."""
    book()
    assert "kept in memory only" in CostReport(store).text(100)
