"""What the same tokens would have cost elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from langchain_costguard.cost import Cost
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.replay import NO_TOKENS, NOT_ENDED, NOT_KEPT
from langchain_costguard.stores.memory import InMemoryStore

if TYPE_CHECKING:
    from langchain_costguard.pricing.book import PriceBook

    from langchain_costguard.usage import TokenUsage
    from tests.unit_tests.reports.conftest import Book


class TenPerToken:
    """Ten micro-dollars a token for every model but `unheard-of`, half of it owed."""

    def price(self, usage: TokenUsage, *, model: str, **context: object) -> Cost | None:
        """The cost of one call."""
        pico = usage.total_tokens * 10_000_000
        return None if model == "unheard-of" else Cost(pico // 2, list_pico_usd=pico)


def _report(store: InMemoryStore) -> CostReport:
    return CostReport(store, prices=cast("PriceBook", TenPerToken()))


def test_every_call_is_priced_at_the_list_price_of_the_other_model(store: InMemoryStore, book: Book) -> None:
    """A comparison at one's own discount on one side and at list price on the other compares nothing."""
    book(tokens=(900, 100))
    book(tokens=(50, 50))
    assert _report(store).at_model("gpt-4o") == Decimal("0.011")


def test_cached_answers_cost_nothing_on_any_model(store: InMemoryStore, book: Book) -> None:
    """They asked no model."""
    book(tokens=(900, 100))
    book(cost="0", tokens=(900, 100), status="cached")
    assert _report(store).at_model("gpt-4o") == Decimal("0.01")


def test_a_call_that_used_nothing_costs_nothing(store: InMemoryStore, book: Book) -> None:
    """A request the provider refused has no tokens and is still known."""
    book(cost="0", tokens=None, status="error")
    assert _report(store).at_model("gpt-4o") == Decimal(0)


def test_unknown_tokens_make_the_answer_unknown_and_say_why(store: InMemoryStore, book: Book) -> None:
    """A comparison over half the calls must not pass for one over all."""
    book(tokens=(900, 100))
    book(cost=None, tokens=None)
    book(cost=None, tokens=None, status="open")
    replay = _report(store).replay("gpt-4o")
    assert (replay.cost, replay.known_cost, replay.calls) == (None, Decimal("0.01"), 1)
    assert replay.left_out == {NO_TOKENS: 1, NOT_ENDED: 1}
    assert str(replay).startswith("1 call on gpt-4o: $0.01; 1 call left out: ")


def test_a_model_without_a_price_has_no_answer(store: InMemoryStore, book: Book) -> None:
    """Zero would make the unknown model the cheapest of all."""
    book()
    report = _report(store)
    assert report.at_model("unheard-of") is None
    assert report.replay("unheard-of").left_out == {"no price of unheard-of is known": 1}


def test_folded_calls_are_counted_as_left_out(book: Book) -> None:
    """Their sums are right, but their prices cannot be asked again."""
    store = InMemoryStore(max_entries=1)
    for line in [book(), book(), book()]:
        store.append(line)
    replay = _report(store).replay("gpt-4o")
    assert (replay.calls, replay.left_out, replay.left_out_calls, replay.cost) == (1, {NOT_KEPT: 2}, 2, None)
