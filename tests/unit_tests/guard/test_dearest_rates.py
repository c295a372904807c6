"""The dearest rates of a request: what they charge, what they leave room for, and how long they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard import PriceBook
from langchain_costguard.cost import Cost, PriceSource
from langchain_costguard.guard import rates as module
from langchain_costguard.guard.rates import Billing, DearestRates, Step, dearest_rates
from langchain_costguard.pricing import gpu_hour, per_call, per_token
from langchain_costguard.pricing.rates import GpuHourCard, RateCard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
FLAT = DearestRates(0, 1, steps=(Step(-1, 1_500_000, 7_000_000),), standard=(1_000_000, 2_000_000), per_call=300_000)


def asked(model: str = "gpt-4o", provider: str | None = "openai", tiers: tuple[str, ...] = (), **how: Any) -> Billing:
    """What decides the rates of a plain request."""
    kinds: dict[str, Any] = dict.fromkeys(("writes_5m", "writes_1h", "hears", "speaks"), False)
    return Billing(model, provider, frozenset(tiers), how.pop("region", None), **{**kinds, **how})


def found(billing: Billing, prices: PriceBook | None = None, now: float = NOON) -> DearestRates:
    """Its dearest rates at a moment."""
    return module._find(prices or PriceBook(), billing, now)


# -- what they charge -----------------------------------------------------------------------------------------------


def test_tokens_and_the_call_are_charged_and_rounded_up_once() -> None:
    """By hand: 3 x 1.5 + 2 x 7 + 0.3 = 18.8 microdollars, which are 18,800 nano-USD; one pico-USD more is one more."""
    assert FLAT.nano_usd(3, 2) == 18_800
    assert FLAT._replace(per_call=300_001).nano_usd(3, 2) == 18_801
    assert FLAT.typical_nano_usd(3, 2) == 7_300
    assert FLAT.nano_usd(0, 0) == 300


def test_finer_rates_than_pico_dollars_are_rounded_up_as_well() -> None:
    """Rounded down, a reservation would be below the bill."""
    fine = DearestRates(0, 1, steps=(Step(-1, 1, 0),), scale=15)
    assert [fine.nano_usd(tokens, 0) for tokens in (0, 1, 10**6, 10**6 + 1)] == [0, 1, 1, 2]


def test_what_is_paid_of_the_list_price_is_charged_and_rounded_up() -> None:
    """A discount lowers what a call can cost, never below what it will."""
    third = DearestRates(0, 1, steps=(Step(-1, 1_000, 0),), paid=(1, 3))
    assert [third.nano_usd(tokens, 0) for tokens in (3, 4, 6, 7)] == [1, 2, 2, 3]
    assert third._replace(scale=15, paid=(2, 3)).nano_usd(3_000, 0) == 2


@pytest.mark.parametrize(("tokens", "above"), [(0, -1), (100, -1), (101, 100), (200, 100), (201, 200), (9_999, 200)])
def test_a_step_begins_above_its_threshold(tokens: int, above: int) -> None:
    """Providers say 'more than', and one token decides over double the price."""
    steps = tuple(Step(start, start + 1, 0) for start in (-1, 100, 200))
    assert FLAT._replace(steps=steps).step_for(tokens).above == above


@pytest.mark.parametrize("scale", [12, 14])
@pytest.mark.parametrize("paid", [(1, 1), (2, 3), (9, 10)])
@pytest.mark.parametrize("spare", [0, 1, 999, 7_000, 123_456_789])
def test_the_output_that_an_amount_pays_for_costs_at_most_that_and_one_more_token_more(
    scale: int, paid: tuple[int, int], spare: int
) -> None:
    """Too much and the shortened call is refused all the same; too little and it is cut for nothing."""
    rates = FLAT._replace(scale=scale, paid=paid)
    amount = rates.nano_usd(10, 0) + spare
    tokens = rates.output_for(amount, 10)
    assert tokens is not None
    assert rates.nano_usd(10, tokens) <= amount < rates.nano_usd(10, tokens + 1)


def test_an_amount_below_the_input_pays_for_no_output_and_free_output_has_no_limit() -> None:
    """Zero is a limit; `None` is none."""
    assert FLAT.output_for(10, 10) == 0
    assert FLAT._replace(steps=(Step(-1, 1_500_000, 0),)).output_for(10, 10) is None
    assert FLAT._replace(paid=(0, 1)).output_for(10**9, 0) == 0


def test_busy_time_is_charged_by_the_hour_with_the_call_and_rounded_up() -> None:
    """By hand: an hour is 36 dollars, a second one cent; a nanosecond is still one nano-dollar."""
    card = GpuHourCard(pico_usd_per_hour=36 * 10**12, source=PriceSource("s", "1", "p", "m"), pico_usd_per_call=5_000)
    by_hour = DearestRates(0, 1, hourly=card)
    assert by_hour.hours_nano_usd(1) == 10_000_005
    assert by_hour.hours_nano_usd(0) == 5
    assert by_hour.hours_nano_usd(1e-9) == 6
    assert FLAT.hours_nano_usd(1) == 0


def test_only_rates_of_nothing_are_free() -> None:
    """What has no price, or one by the hour, is not."""
    free = DearestRates(0, 1, steps=(Step(-1, 0, 0),))
    assert free.is_free
    assert not free._replace(problem="no price").is_free
    assert not free._replace(steps=(Step(-1, 0, 1),)).is_free
    assert not free._replace(steps=(Step(-1, 1, 0),)).is_free
    assert not found(asked("own", None), PriceBook({"own": gpu_hour(36)})).is_free


# -- how they are found ---------------------------------------------------------------------------------------------


def test_the_buckets_that_a_request_can_meet_decide_its_rates() -> None:
    """Prices in pico-USD a token; each kind of input and output is dearer than the one before."""
    dear: dict[str, int] = {"cache_read": 2, "cache_write": 3, "cache_write_1h": 4, "audio_input": 5, "audio_output": 7}
    book = PriceBook({"mine": per_token(1, 6, **{f"{name}_usd_per_mtok": usd for name, usd in dear.items()})})
    rates = {
        name: found(asked("mine", None, **{name: True}) if name else asked("mine", None), book).steps
        for name in ("", "writes_5m", "writes_1h", "hears", "speaks")
    }
    assert rates == {
        "": (Step(-1, 2_000_000, 6_000_000),),
        "writes_5m": (Step(-1, 3_000_000, 6_000_000),),
        "writes_1h": (Step(-1, 4_000_000, 6_000_000),),
        "hears": (Step(-1, 5_000_000, 6_000_000),),
        "speaks": (Step(-1, 2_000_000, 7_000_000),),
    }
    assert found(asked("mine", None), book).standard == (1_000_000, 6_000_000)


def test_cards_of_several_scales_are_compared_in_the_finest() -> None:
    """A rate of a tenth of a pico-dollar must not be read as ten of them."""
    fine = PriceBook({"mine": per_token("1.0000001", 2)})
    rates = found(asked("mine", None), fine)
    assert (rates.scale, rates.steps) == (13, (Step(-1, 10_000_001, 20_000_000),))
    assert (rates.nano_usd(1, 0), rates.nano_usd(0, 1), rates.standard) == (1_001, 2_000, (10_000_001, 20_000_000))


def test_the_dearest_of_all_tiers_that_may_serve_is_taken() -> None:
    """Priority can be granted or not; flex can be served as standard."""
    standard, priority = (found(asked("gpt-5", tiers=tiers)).nano_usd(0, 10**6) for tiers in ((), ("priority",)))
    flex, both = (found(asked("gpt-5", tiers=tiers)).nano_usd(0, 10**6) for tiers in (("flex",), ("flex", "auto")))
    assert flex == standard < priority == both
    assert found(asked("gpt-5", tiers=("default", "standard"))).steps == found(asked("gpt-5")).steps


def test_a_tier_without_a_price_is_left_out_only_where_it_cannot_be_dearer() -> None:
    """A model without a price for flex is served as standard; one for a tier nobody knows is not known."""
    book = PriceBook({"mine": per_token(1, 2)})
    assert found(asked("mine", None, tiers=("flex", "priority")), book).nano_usd(1, 1) == 3_000
    assert found(asked("mine", None, tiers=("turbo",)), book).problem is None
    assert found(asked("nobody/knows-it", None)).problem is not None


def test_rates_hold_until_midnight_at_most() -> None:
    """A list that is updated, or a price that begins tomorrow, is seen tomorrow."""
    rates = found(asked())
    assert rates.valid_from <= NOON < rates.valid_until <= MIDNIGHT
    unknown = found(asked("nobody/knows-it", None))
    assert (unknown.valid_from, unknown.valid_until) == (NOON, MIDNIGHT)


def test_rates_are_found_anew_when_they_no_longer_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs for weeks must not reserve at last month's prices."""
    moments, clock = [], {"now": NOON}

    def find(prices: PriceBook, billing: Billing, now: float) -> DearestRates:
        del prices, billing
        moments.append(now)
        return FLAT._replace(valid_from=NOON, valid_until=NOON + 10)

    monkeypatch.setattr(module, "time", lambda: clock["now"])
    monkeypatch.setattr(module, "_find", find)
    book, billing = PriceBook(), asked()
    for clock["now"] in (NOON, NOON + 9.9, NOON + 10, NOON - 1):
        dearest_rates(book, billing)
    assert moments == [NOON, NOON + 10, NOON - 1]


def test_a_price_per_call_is_charged_beside_free_tokens() -> None:
    """One cent is ten million nano-USD."""
    rates = found(asked("flat", None), PriceBook({"flat": per_call("0.01")}))
    assert (rates.nano_usd(10**6, 10**6), rates.is_free) == (10_000_000, True)


@pytest.mark.parametrize(
    ("cost", "share"),
    [
        (None, (1, 1)),
        (Cost(0), (1, 1)),
        (Cost(5, 5), (1, 1)),
        (Cost(6, 5), (1, 1)),
        (Cost(0, 5), (0, 1)),
        (Cost(9 * 10**11, 10**12), (9, 10)),
        (Cost(9 * 10**11 + 1, 10**12), (9, 10)),
        (Cost(9 * 10**11 + 2, 10**12), (9 * 10**11 + 3, 10**12)),
    ],
)
def test_a_discount_is_read_from_a_cost_and_never_above_what_it_is(cost: Cost | None, share: tuple[int, int]) -> None:
    """The share is stated in a few decimals; where it is not, it is rounded up."""
    assert module._paid_share(cost) == share


def test_a_discount_lowers_the_rates_by_its_share() -> None:
    """Ten percent off the list is nine tenths of it."""
    plain, less = (found(asked(), PriceBook(discount=discount)) for discount in (None, Decimal("0.1")))
    assert (plain.paid, less.paid) == ((1, 1), (9, 10))
    assert less.nano_usd(1000, 1000) * 10 == plain.nano_usd(1000, 1000) * 9


def test_amounts_are_whole_however_large() -> None:
    """A float would lose the last digits of them, and a reservation would be below the bill."""
    third = DearestRates(0, 1, steps=(Step(-1, 1_000, 0),), paid=(1, 3))
    assert third.nano_usd(3 * 10**20 + 1, 0) == 10**20 + 1
    card = GpuHourCard(pico_usd_per_hour=3_600 * (10**20 + 1), source=PriceSource("s", "1", "p", "m"))
    assert DearestRates(0, 1, hourly=card).hours_nano_usd(1000) == 10**20 + 1


def test_every_question_names_the_tier_the_region_and_the_moment() -> None:
    """Asked about another, the bound would be that of another call."""
    asked_of: list[tuple[str, Any, Any, Any]] = []

    class Asking(PriceBook):
        """Notes what it is asked."""

        def resolve(self, model: str, provider: str | None = None, **how: Any) -> Any:
            asked_of.append(("resolve", how["service_tier"], how["region"], how["at"]))
            return super().resolve(model, provider, **how)

        def price(self, usage: Any, **how: Any) -> Any:
            asked_of.append(("price", how["service_tier"], how["region"], how["at"]))
            return super().price(usage, **how)

        def why_unpriced(self, model: str, provider: str | None = None, **how: Any) -> str:
            asked_of.append((f"why {model} {provider}", how["service_tier"], how["region"], how["at"]))
            return super().why_unpriced(model, provider, **how)

    found(asked("gpt-5", tiers=("priority",), region="eu"), Asking())
    assert asked_of == [(verb, tier, "eu", NOON) for tier in (None, "priority") for verb in ("resolve", "price")]
    asked_of.clear()
    found(asked("nobody", "openai", region="eu"), Asking())
    assert asked_of[-1] == ("why nobody openai", None, "eu", NOON)


def test_steps_of_cards_with_different_scales_are_compared_in_one() -> None:
    """Ten units of the finer card are one of the coarser."""
    source = PriceSource("s", "1", "p", "m")
    coarse = RateCard(rates=(7,) * 8, source=source, scale=12)  # type: ignore[arg-type]  # eight of them
    fine = RateCard(rates=(69,) * 8, source=source, scale=13)  # type: ignore[arg-type]  # eight of them
    assert module._dearest([coarse, fine], asked(), (1, 1), NOON).steps == (Step(-1, 70, 70),)
    assert module._dearest([fine, coarse], asked(), (1, 1), NOON).standard == (69, 69)
    assert module._dearest([coarse, fine], asked(), (1, 1), NOON).standard == (70, 70)
    dear = coarse.dearer(range(8), scale=14, per_call=3, source=source)
    assert (dear.rates, dear.scale, dear.per_call, dear.source) == (tuple(range(8)), 14, 3, source)


def test_what_costs_nothing_at_all_pays_for_no_output() -> None:
    """With everything off there is no price to divide by."""
    assert DearestRates(0, 1, steps=(Step(-1, 0, 1),), paid=(0, 1)).output_for(5, 0) == 0
