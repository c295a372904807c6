"""The decision itself: values in, a decision out."""

from __future__ import annotations

import pytest

from langchain_costguard.routing import NoRouteError, RoutingDecision
from langchain_costguard.routing.decision import Needs, Proposal, RouteFacts, dearest, plan

WANTED = Proposal("mini", "task 'simple_qa', named in the input", 0.9)


def facts(*routes: RouteFacts) -> dict[str, RouteFacts]:
    """Routes by their names."""
    return {route.name: route for route in routes}


def route(name: str, price: int | None, **what: bool | int | None) -> RouteFacts:
    """A route whose model is called like it."""
    return RouteFacts(name, f"model-{name}", price, **what)  # type: ignore[arg-type] # booleans and windows


def test_a_proposal_nothing_stands_against_is_the_decision() -> None:
    """A constraint that holds must not change anything."""
    course = plan(WANTED, Needs(tools=True), facts(route("mini", 1), route("full", 9)))
    assert course.decision == RoutingDecision("mini", WANTED.reason, 0.9)
    assert course.cheaper == ()


@pytest.mark.parametrize("lack", ["tools", "images", "structured_output"])
def test_a_route_without_a_capability_gives_way_to_the_nearest_dearer_one_that_has_it(lack: str) -> None:
    """A model that cannot see the image would answer something, and be billed for it."""
    routes = facts(route("full", 9), route("mini", 1, **{lack: False}), route("middle", 3), route("free", 0))
    decision = plan(WANTED, Needs(**{lack: True}), routes).decision
    assert decision.route == "middle"
    assert "model-mini has no" in decision.reason
    assert decision.confidence is None


def test_without_a_dearer_one_the_nearest_cheaper_one_takes_it() -> None:
    """The dearest model is not always the one that can do most."""
    routes = facts(route("mini", 5, images=False), route("low", 1), route("lower", 0))
    assert plan(WANTED, Needs(images=True), routes).decision.route == "low"


def test_what_no_profile_says_is_taken_for_possible() -> None:
    """Most local models have no profile; they would otherwise never be asked."""
    routes = facts(route("mini", 1, images=None), route("full", 9, images=True))
    assert plan(WANTED, Needs(images=True), routes).decision.route == "mini"


def test_a_question_too_long_for_every_route_is_an_error_that_names_the_window() -> None:
    """The provider would refuse it anyway, with a worse message."""
    routes = facts(route("mini", 1, max_input_tokens=10), route("full", 9, max_input_tokens=20))
    needs = Needs(fits_window=lambda window, _: window >= 30)
    with pytest.raises(
        NoRouteError, match=r"longer than the 10 input tokens of model-mini.*shorten the prompt"
    ) as raised:
        plan(WANTED, needs, routes)
    assert raised.value.routes == ("mini", "full")


def test_a_budget_turns_to_the_dearest_of_the_cheaper_routes_that_can_take_it() -> None:
    """The best answer that can still be paid for."""
    routes = facts(
        route("full", 9), route("mini", 1), route("middle", 3, images=False), route("unknown", None), route("low", 2)
    )
    course = plan(Proposal("full", "said so", 1.0), Needs(images=True), routes)
    assert course.cheaper == ("low", "mini")
    assert course.settled("mini") == RoutingDecision("mini", "said so; a budget would refuse 'full'", None)
    assert course.settled("full") is course.decision


def test_where_nothing_fits_the_budget_itself_refuses() -> None:
    """Its error says what is missing and how to mend it; ours could only say less."""
    course = plan(Proposal("full", "said so"), Needs(), facts(route("full", 9), route("mini", 1)))
    assert course.settled(None) is course.decision


def test_the_dearest_route_is_the_baseline_and_unknown_prices_are_none() -> None:
    """A saving against a model whose price nobody knows is no saving."""
    assert dearest((route("mini", 1), route("full", 9), route("unknown", None))) == route("full", 9)
    assert dearest((route("unknown", None),)) is None
