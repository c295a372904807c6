"""Which models can answer a request: the dearest of all it names is reserved, wherever it names them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

from langchain_costguard.guard.bound import CallBound, CallRequest, bound_call
from langchain_costguard.pricing.book import PriceBook

BOOK = PriceBook()
OTHER = "gpt-4o"


def bound(model: str = "gpt-4o-mini", serialized: Any = None, /, **params: Any) -> CallBound:
    """The bound of a chat call to OpenAI."""
    request = CallRequest("chat", [HumanMessage("hello")], {"max_tokens": 50, **params}, serialized, model, "openai")
    return bound_call(request, BOOK)


@pytest.mark.parametrize(
    "params",
    [
        {"model": OTHER},
        {"extra_body": {"model": OTHER}},
        {"model_kwargs": {"model": OTHER}},
        {"models": ["gpt-4o-mini", OTHER]},
        {"extra_body": {"models": [OTHER]}},
        {"model_kwargs": {"models": (OTHER,)}},
        {"extra_body": {"fallbacks": [{"model": OTHER}]}},
        {"fallbacks": OTHER},
    ],
)
def test_the_dearest_model_that_a_request_names_is_reserved(params: dict[str, Any]) -> None:
    """A gateway asks any of them, and the one in the body replaces the client's."""
    named, dearest = bound(**params), bound(OTHER)
    assert dearest.nano_usd is not None
    assert named.nano_usd == dearest.nano_usd > (bound().nano_usd or 0)
    assert named.answered(10) is None


def test_naming_a_cheaper_model_does_not_lower_what_is_reserved() -> None:
    """The requested one may still be the one that answers."""
    assert bound(OTHER, extra_body={"model": "gpt-4o-mini"}).nano_usd == bound(OTHER).nano_usd


def test_models_that_the_client_was_made_with_count() -> None:
    """Where `invocation_params` do not repeat them."""
    serialized = {"id": ["ChatOpenRouter"], "kwargs": {"max_retries": 0, "models": [OTHER]}}
    assert bound("gpt-4o-mini", serialized).nano_usd == bound(OTHER).nano_usd


@pytest.mark.parametrize("named", [{"models": [OTHER, 5]}, {"extra_body": {"fallbacks": [{"provider": "x"}]}}])
def test_models_that_cannot_be_read_are_refused_by_the_argument_that_names_them(named: dict[str, Any]) -> None:
    """Any model could answer."""
    bounded = bound(**named)
    assert (bounded.nano_usd, bounded.reason) == (None, "unbounded")
    assert ("models" if "models" in named else "fallbacks") in (bounded.problem or "")


def test_a_named_model_without_a_price_is_refused() -> None:
    """It could cost anything."""
    assert bound(extra_body={"model": "nobody-knows-it"}).reason == "unpriced"


def test_the_name_of_a_deployment_beside_its_model_needs_no_price() -> None:
    """It is a label of the user's own."""
    assert bound(OTHER, model="our-deployment").nano_usd == bound(OTHER).nano_usd


def test_an_answer_that_the_client_names_by_itself_can_fill_the_window() -> None:
    """`use_previous_response_id` leaves out the messages up to the last answer and bills them all the same."""
    client = ChatOpenAI(model=OTHER, api_key="none", max_retries=0, use_previous_response_id=True)  # type: ignore[arg-type]  # a plain text does
    last = AIMessage("It is.", response_metadata={"id": "resp_1"})
    found = [
        bound_call(
            CallRequest("chat", [*history, HumanMessage("hello")], {"max_tokens": 50}, serialized, OTHER, "openai"),
            BOOK,
        ).input_tokens
        for history, serialized in (([last], dumpd(client)), ([], dumpd(client)), ([last], None))
    ]
    assert found[0] == 128_000
    assert all(tokens is not None and tokens < 100 for tokens in found[1:])
