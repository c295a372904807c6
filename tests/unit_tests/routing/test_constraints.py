"""What a route's model can take: its window, tools, images and schemas, by its profile or by what the user says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langchain_costguard import Budget, Cascade, guarded, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.routing import NoRouteError, Route, TaskRouter
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Reply, ScriptedChatModel

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = HumanMessage([{"type": "image", "base64": PIXEL, "mime_type": "image/png"}, {"type": "text", "text": "What?"}])


ROME = Reply("Rome", tool_calls=[("City", {"name": "Rome"})])


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return city


def model(name: str, *answers: Any) -> ScriptedChatModel:
    """A model with a list price, whose window our rows or a profile know."""
    return ScriptedChatModel(responses=list(answers) or "An answer.", model=name, provider="openai")


def router(mini: Any, full: Any = None) -> TaskRouter:
    """Two routes; questions go to the small one."""
    return TaskRouter({"easy": mini, "hard": full or model("gpt-4o")}, "easy")


def test_a_prompt_longer_than_the_window_goes_to_a_model_with_a_larger_one() -> None:
    """The provider would refuse it."""
    routed = router(Route(model("gpt-4o-mini"), max_input_tokens=1_000))
    assert routed.decide("word " * 900).route == "easy"
    decision = routed.decide("word " * 2_000)
    assert decision.route == "hard"
    assert "longer than the 1,000 input tokens of gpt-4o-mini" in decision.reason


def test_the_window_of_a_known_model_needs_no_declaration() -> None:
    """The rows that bound budgets know it: gpt-4 takes 8,192 tokens."""
    routed = router(model("gpt-4"), model("gpt-4.1"))
    assert routed.decide("word " * 1_000).route == "easy"
    assert routed.decide("word " * 20_000).route == "hard"


def test_earlier_turns_and_tools_count_against_the_window() -> None:
    """A conversation outgrows its model slowly."""
    small = Route(model("gpt-4o-mini"), max_input_tokens=1_000)
    talk = [("human", "word " * 600), ("ai", "word " * 600), ("human", "And?")]
    assert router(small).decide(talk).route == "hard"
    tight = Route(model("gpt-4o-mini"), max_input_tokens=30)
    assert router(tight).decide("Hello").route == "easy"
    assert router(tight).bind_tools([weather]).decide("Hello").route == "hard"


def test_a_question_too_long_for_all_is_refused_before_anybody_is_asked() -> None:
    """An error from a provider is later and says less."""
    asked = model("gpt-4o-mini")
    routed = TaskRouter({"easy": Route(asked, max_input_tokens=100)}, "easy")
    with pytest.raises(NoRouteError, match="shorten the prompt"):
        routed.invoke("word " * 1_000)
    assert not asked.calls


def test_images_go_to_a_model_that_sees() -> None:
    """By LangChain's profile: gpt-3.5-turbo sees nothing."""
    blind = ChatOpenAI(model="gpt-3.5-turbo", api_key="none")
    routed = router(blind)
    assert routed.decide("What?").route == "easy"
    assert routed.decide([IMAGE]).route == "hard"
    assert router(Route(blind, images=True)).decide([IMAGE]).route == "easy"


def test_a_route_declared_without_tools_is_avoided_once_there_are_any() -> None:
    """Also where they come with one call alone."""
    routed = router(Route(model("gpt-4o-mini"), tools=False))
    assert routed.decide("Rome?").route == "easy"
    assert routed.bind_tools([weather]).decide("Rome?").route == "hard"
    assert routed.decide("Rome?", tools=[{"type": "function"}]).route == "hard"


def test_a_model_that_cannot_bind_tools_is_avoided_and_not_an_error() -> None:
    """Many local models are of that kind."""
    routed = router(FakeListChatModel(responses=["x"]))
    assert routed.bind_tools([weather]).decide("Rome?").route == "hard"
    assert routed.with_structured_output(City).decide("Rome?").route == "hard"
    assert router(RunnableLambda(str)).bind_tools([weather]).decide("Rome?").route == "hard"


def test_a_route_declared_without_schemas_is_avoided() -> None:
    """The user knows their server better than any profile."""
    routed = router(Route(model("gpt-4o-mini"), structured_output=False))
    assert routed.with_structured_output(City).decide("Rome?").route == "hard"


def test_what_is_bound_to_a_route_stays_bound() -> None:
    """LangChain's own bindings lose their settings when tools are bound to them."""
    asked = model("gpt-4o-mini", "a", ROME)
    routed = TaskRouter({"easy": asked.bind(temperature=0.5)}, "easy")
    routed.bind_tools([weather]).invoke("Rome?")
    assert asked.calls[0].kwargs["temperature"] == 0.5
    assert asked.calls[0].kwargs["tools"]
    routed.with_structured_output(City).invoke("Rome?")
    assert asked.calls[1].kwargs["temperature"] == 0.5


def budget_on(name: str, **limits: Any) -> Any:
    """A block with a budget on one model that is too small for any call."""
    return track_costs(
        budgets=[Budget(tokens=1, per="total", scope=Scope.model(name), **limits)], store=InMemoryStore()
    )


@pytest.mark.parametrize("how", ["plain", "bound", "with a parser", "with a schema"])
def test_a_route_that_a_budget_would_refuse_gives_way_to_a_cheaper_one(how: str) -> None:
    """A cheaper answer is worth more than a refusal."""
    mini, full = model("gpt-4o-mini", ROME), model("gpt-4o", ROME)
    routes: dict[str, Any] = {"easy": mini, "hard": full}
    if how == "bound":
        routes["hard"] = full.bind(temperature=0)
    if how == "with a parser":
        routes = {name: one | StrOutputParser() for name, one in routes.items()}
    routed: Any = TaskRouter(routes, "hard")
    if how == "with a schema":
        routed = routed.with_structured_output(City)
    with budget_on("gpt-4o"):
        decision = routed.decide("Rome?")
        assert asyncio.run(routed.adecide("Rome?")) == decision
        routed.invoke("Rome?")
    assert decision.route == "easy"
    assert "a budget would refuse 'hard'" in decision.reason
    assert (len(mini.calls), len(full.calls)) == (1, 0)


def test_budgets_that_do_not_refuse_change_nothing() -> None:
    """A soft budget warns; it does not choose models."""
    routed = TaskRouter({"easy": model("gpt-4o-mini"), "hard": model("gpt-4o")}, "hard")
    with budget_on("gpt-4o", mode="soft"):
        assert routed.decide("Rome?").route == "hard"


def test_routes_that_cannot_be_asked_about_are_left_to_their_own_calls() -> None:
    """A cascade, a chain and a guarded model meet their budgets themselves."""
    mini, full = model("gpt-4o-mini"), model("gpt-4o")
    prompted = ChatPromptTemplate.from_template("{query}") | full
    for hard in (Cascade([mini, full], lambda _: True), prompted, guarded(full)):
        routed = TaskRouter({"easy": mini, "hard": hard}, "hard")
        with budget_on("o3"):
            assert routed.decide({"query": "Rome?"}).route == "hard"
