"""What the same tokens would have cost elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_costguard.pricing import PriceBook, per_token
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.replay import NO_TOKENS, NOT_ENDED, NOT_KEPT
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from tests.unit_tests.reports.conftest import Book


def _report(store: InMemoryStore, **policy: Any) -> CostReport:
    return CostReport(store, prices=PriceBook({"ten": per_token(10, 10)}, **policy))


def test_every_call_is_priced_on_the_other_model(store: InMemoryStore, book: Book) -> None:
    """The comparison a local model has to stand: the same tokens at the list price of a big one."""
    book("smollm2", cost="0", tokens=(2000, 250))
    book("smollm2", cost="0", usage=TokenUsage(uncached_input=976, cache_read=1024, output_text=300))
    report = _report(store)
    assert report.at_model("gpt-4o") == Decimal("0.0142200")  # 2000x2.5+250x10, 976x2.5+1024x1.25+300x10 per million
    assert report.at_model("gpt-4o-mini", provider="openai") == Decimal("0.0008532")
    assert report.at_model("ten") == Decimal("0.0455")


def test_a_replay_on_the_same_model_is_its_list_price(store: InMemoryStore, book: Book) -> None:
    """A comparison at one's own discount on one side and at list price on the other compares nothing."""
    book(cost="0.0075", billed_nano=3_750_000, tokens=(2000, 250))
    report = _report(store, discount="0.5")
    assert report.at_model("gpt-4o") == report.list_cost == Decimal("0.0075")


def test_each_call_is_priced_on_its_own_day(store: InMemoryStore, book: Book) -> None:
    """The price of o3 fell by 80 % on 10 June 2025."""
    book(tokens=(1000, 0), at="2025-06-01T12:00")
    book(tokens=(1000, 0), at="2025-07-01T12:00")
    assert _report(store).at_model("o3") == Decimal("0.012")


def test_cached_answers_cost_nothing_on_any_model(store: InMemoryStore, book: Book) -> None:
    """They asked no model."""
    book(tokens=(900, 100))
    book(cost="0", tokens=(900, 100), status="cached")
    assert _report(store).at_model("ten") == Decimal("0.01")


def test_a_call_that_used_nothing_costs_nothing(store: InMemoryStore, book: Book) -> None:
    """A request the provider refused has no tokens and is still known."""
    book(cost="0", tokens=None, status="error")
    assert _report(store).at_model("gpt-4o") == Decimal(0)


def test_unknown_tokens_make_the_answer_unknown_and_say_why(store: InMemoryStore, book: Book) -> None:
    """A comparison over half the calls must not pass for one over all."""
    book(tokens=(900, 100))
    book(cost=None, tokens=None)
    book(cost=None, tokens=None, status="open")
    replay = _report(store).replay("ten")
    assert (replay.cost, replay.known_cost, replay.calls) == (None, Decimal("0.01"), 1)
    assert replay.left_out == {NO_TOKENS: 1, NOT_ENDED: 1}
    assert str(replay).startswith("1 call on ten: $0.01; 1 call left out: ")


def test_a_model_without_a_price_has_no_answer(store: InMemoryStore, book: Book) -> None:
    """Zero would make the unknown model the cheapest of all."""
    book()
    report = _report(store)
    assert report.at_model("unheard-of") is None
    assert list(report.replay("unheard-of").left_out.values()) == [1]
    assert "no price list has the model 'unheard-of'" in str(report.replay("unheard-of"))


def test_the_policy_for_unknown_models_does_not_invent_a_comparison(store: InMemoryStore, book: Book) -> None:
    """`unknown="free"` is for one's own calls, not for a model one only asks about."""
    book()
    assert _report(store, unknown="free").at_model("unheard-of") is None
    assert _report(store, unknown="raise").at_model("unheard-of") is None


def test_folded_calls_are_counted_as_left_out(book: Book) -> None:
    """Their sums are right, but their prices cannot be asked again."""
    store = InMemoryStore(max_entries=1)
    for line in [book(), book(), book()]:
        store.append(line)
    replay = _report(store).replay("ten")
    assert (replay.calls, replay.left_out, replay.left_out_calls, replay.cost) == (1, {NOT_KEPT: 2}, 2, None)
