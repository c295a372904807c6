"""How a list's prices become a card: the most specific price, every step, every uplift, and when it holds."""

from __future__ import annotations

from decimal import Decimal

from langchain_costguard.cost import CostLine, PriceSource
from langchain_costguard.pricing import per_token
from langchain_costguard.pricing.compiling import Span, Tiered, compile_card
from langchain_costguard.pricing.rates import card_of
from langchain_costguard.usage import TokenUsage

SOURCE = PriceSource("list", "1", "acme", "m", "flex")
STEPPED = {"input_mtok": Tiered(Decimal(1), ((100, Decimal(2)), (200, Decimal(4)))), "output_mtok": Tiered(Decimal(8))}


def test_every_step_of_a_list_is_a_step_of_the_card_and_an_uplift_raises_all_of_them() -> None:
    """By hand, in pico-USD a token: 1, 2 and 4 dollars a million, a tenth more; output has one price throughout."""
    card = compile_card(STEPPED, source=SOURCE, span=Span(1, 2), factor=Decimal("1.1"))
    assert (card.rates[0], card.rates[5]) == (1_100_000, 8_800_000)
    assert [(above, rates[0], rates[5]) for above, rates, _ in card.steps] == [
        (200, 4_400_000, 8_800_000),
        (100, 2_200_000, 8_800_000),
    ]
    assert [source.context for _, _, source in card.steps] == ["flex, input>200", "flex, input>100"]
    assert (card.valid_from, card.valid_until, card.source, card.per_call) == (1, 2, SOURCE, 0)


def test_a_thousand_requests_have_one_price_in_lists_and_a_call_a_thousandth_of_it() -> None:
    """Read as the price of a call, a search model would cost a thousand times too much."""
    card = compile_card({"requests_kcount": Tiered(Decimal(5))}, source=SOURCE, span=Span())
    assert (card.per_call, card.unpriced) == (5_000_000_000, tuple(range(8)))
    bare = compile_card(STEPPED, source=SOURCE._replace(context=""), span=Span())
    assert bare.steps[0][2].context == "input>200"


def test_each_bucket_takes_the_most_specific_price_there_is() -> None:
    """Audio at the price of text would be several times too cheap."""
    names = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "input_audio_mtok", "output_mtok")
    prices = {name: Tiered(Decimal(number)) for number, name in enumerate(names, 1)}
    assert compile_card(prices, source=SOURCE, span=Span()).rates == tuple(
        dollars * 10**6 for dollars in (1, 2, 3, 3, 4, 5, 5, 5)
    )


def test_a_stretch_holds_from_its_first_moment_and_not_at_its_end() -> None:
    """On the day of a price change the new price holds from midnight."""
    span = Span(10, 20)
    assert [span.holds(moment) for moment in (9.9, 10, 19.9, 20)] == [False, True, True, False]
    assert Span.around(10, [5, 10, 20]) == (10, 20)
    assert Span.around(1, [5]) == (float("-inf"), 5)
    assert span.overlap(Span(15, 30)) == (15, 20)


def test_the_calls_of_a_cost_are_explained_by_their_number_and_their_price() -> None:
    """A bill that only says the sum cannot be checked."""
    card = card_of((Decimal(1), *[None] * 7), source=SOURCE, usd_per_call=Decimal("0.01"))
    cost = card.cost(TokenUsage(uncached_input=3), calls=2)
    assert cost is not None
    assert cost.breakdown == (
        CostLine("uncached_input", 3, "token", Decimal("0.000001"), Decimal("0.000003")),
        CostLine("call", 2, "call", Decimal("0.01"), Decimal("0.02")),
    )
    assert cost.total == sum(line.amount for line in cost.breakdown)


def test_prices_finer_and_coarser_than_a_million_tokens_are_exact() -> None:
    """`1E+1` is ten dollars, and a fraction of a pico-dollar is not lost."""
    assert card_of((Decimal("1E+1"),) * 8, source=SOURCE).rates[0] == 10_000_000
    fine = card_of((Decimal("0.00000001"),) * 8, source=SOURCE)
    assert (fine.scale, fine.rates[0]) == (14, 1)
    assert card_of((Decimal(1),) * 8, source=SOURCE, usd_per_call=Decimal("1E-13")).scale == 13


def test_calls_alone_are_charged_in_pico_dollars_whatever_the_scale() -> None:
    """Thirty calls at a tenth of a pico-dollar are three; where tokens cost, unknown tokens have no cost."""
    card = card_of((Decimal(0),) * 8, source=SOURCE, usd_per_call=Decimal("1E-13"))
    cost = card.cost(None, calls=30)
    assert cost is not None
    assert (cost.pico_usd, cost.source) == (3, SOURCE)
    assert card_of((Decimal(1),) * 8, source=SOURCE, usd_per_call=Decimal(1)).cost(None) is None
    assert card_of((None, *[Decimal(0)] * 7), source=SOURCE, usd_per_call=Decimal(1)).cost(None) is None


def test_thinking_costs_as_much_as_output_unless_it_has_a_price_of_its_own() -> None:
    """Most lists do not name it."""
    assert per_token(1, 2).rates[4:] == (1_000_000, 2_000_000, 2_000_000, 2_000_000)
    assert per_token(1, 2, reasoning_usd_per_mtok=3).rates[6] == 3_000_000


def test_the_breakdown_takes_the_step_that_the_cost_took() -> None:
    """Output does not count towards a threshold of input."""
    card = compile_card(STEPPED, source=SOURCE, span=Span())
    for given in (100, 101):
        cost = card.cost(TokenUsage(uncached_input=given, output_text=50))
        assert cost is not None
        assert cost.total == sum(line.amount for line in cost.breakdown)
        assert cost.breakdown[0].usd_per_unit == Decimal("0.000001") * (given - 99)
