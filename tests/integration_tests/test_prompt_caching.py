"""Planned models against a provider with a real prefix cache: what is read, billed, recorded, and what stays whole."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard import Cascade, guarded, track_costs
from langchain_costguard.prompt_caching import CachePlan, measure_caching
from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.testing.loopback import ModelPrice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_costguard.prompt_caching import PlannedModel

HANDBOOK = "\n".join(f"Rule {number}: refunds of kind {number * 7} take {number % 9} days." for number in range(400))
HOUR = timedelta(hours=1)


class City(BaseModel):
    """A city."""

    name: str


@tool
def find_order(number: int) -> str:
    """Look an order up."""
    return f"Order {number} is on its way."


@pytest.fixture
def watched() -> Iterator[LoopbackProvider]:
    """A provider that remembers what it was sent."""
    with LoopbackProvider(keep_bodies=True, prices={"claude-sonnet-5": ModelPrice(2, 10)}) as served:
        yield served


def requests(front: bool = False) -> list[Any]:
    """Ten requests, with an id in front of the handbook or without."""
    return [
        [("system", f"Request {100_000 + number}.\n{HANDBOOK}" if front else HANDBOOK), ("human", f"Order {number}?")]
        for number in range(10)
    ]


def planned(model: Any, **given: Any) -> PlannedModel:
    """A model with a plan for the handbook."""
    plan = CachePlan.from_examples(model, requests()[:2], reuse=100, within=HOUR, **given)
    assert plan.worth_it, plan.reason
    return plan.apply(model)


def claude(provider: LoopbackProvider) -> Any:
    """A real client of Anthropic's messages, of a model that caches from 1,024 tokens on."""
    return provider.anthropic_model(model="claude-sonnet-5", max_tokens=64)


def system_marks(provider: LoopbackProvider) -> list[Any]:
    """The marks of the system prompts that were received."""
    bodies = [request.body for request in provider.requests if request.body]
    return [
        [block.get("cache_control") for block in body["system"]] if isinstance(body["system"], list) else None
        for body in bodies
    ]


def test_static_first_reads_nearly_everything_and_an_id_in_front_nothing(provider: LoopbackProvider) -> None:
    """The layout decides, the lint says so beforehand, and the bill agrees with the measure."""
    model = provider.chat_model(model="gpt-4o")
    with track_costs() as good:
        planned(model).batch(requests(), {"max_concurrency": 1})
    with track_costs() as bad:
        model.batch(requests(front=True), {"max_concurrency": 1})
    (first,), (second,) = measure_caching(good.entries()), measure_caching(bad.entries())
    assert (first.hit_share or 0) > 0.85  # the first of ten calls reads nothing
    assert second.cache_read == 0
    (finding,) = CachePlan.from_examples(model, requests(front=True)[:2], reuse=100, within=HOUR).findings
    assert (finding.kind, finding.message, finding.character) == ("id", 0, 8)
    assert good.total_cost is not None
    assert bad.total_cost is not None
    assert good.total_cost + bad.total_cost == provider.billed
    assert first.billed == good.total_cost


def test_the_ledger_says_which_calls_were_planned(provider: LoopbackProvider) -> None:
    """What a report groups by technique is this."""
    model = planned(provider.chat_model(model="gpt-4o"))
    with track_costs() as costs:
        model.invoke(requests()[0])
        model.invoke("Something else.")
    assert [line.techniques for line in costs.entries()] in ([("prompt_caching",), ()], [(), ("prompt_caching",)])


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
def test_marks_reach_the_wire_in_every_way_of_asking(watched: LoopbackProvider, way: str) -> None:
    """A mark that is lost in a stream is a discount that is lost without a word."""
    model, given = planned(claude(watched)), requests()[3]

    async def pieces() -> str:
        return "".join([piece.text async for piece in model.astream(given)])

    texts: dict[str, Callable[[], str]] = {
        "invoke": lambda: model.invoke(given).text,
        "ainvoke": lambda: asyncio.run(model.ainvoke(given)).text,
        "stream": lambda: "".join(piece.text for piece in model.stream(given)),
        "astream": lambda: asyncio.run(pieces()),
        "batch": lambda: model.batch([given])[0].text,
        "abatch": lambda: asyncio.run(model.abatch([given]))[0].text,
    }
    assert texts[way]() == "An answer from the loopback provider."
    assert system_marks(watched) == [[{"type": "ephemeral"}]]


def test_tools_and_structured_answers_stay(watched: LoopbackProvider) -> None:
    """What a model can do it can still do."""
    model = claude(watched)
    planned(model).bind_tools([find_order]).invoke(requests()[0])
    watched.next(tool_calls=[("City", {"name": "Paris"})])
    city = planned(model).with_structured_output(City).invoke(requests()[0])
    assert city == City(name="Paris")
    assert [body["tools"][0]["name"] for body in (r.body for r in watched.requests) if body] == ["find_order", "City"]


def test_an_agent_with_anthropics_own_middleware_is_marked_by_the_plan_alone(watched: LoopbackProvider) -> None:
    """Two who mark would be two writes, or a fifth mark and a refusal."""
    middleware: Any = AnthropicPromptCachingMiddleware(unsupported_model_behavior="ignore")
    tools = [find_order]
    examples = [[("system", HANDBOOK), ("human", f"Order {number}?")] for number in range(2)]
    plan = CachePlan.from_examples(claude(watched), examples, tools=tools, reuse=100, within=HOUR)
    model: Any = plan.apply(claude(watched))  # any Runnable that binds tools will do
    agent = create_agent(model, tools, system_prompt=HANDBOOK, middleware=[middleware])
    agent.invoke({"messages": [HumanMessage("Order 3?")]})
    (request,) = watched.requests
    assert request.body is not None
    assert "cache_control" not in request.body
    assert str(request.body).count("cache_control") == 1


def test_it_composes_with_budgets_and_cascades(provider: LoopbackProvider) -> None:
    """A planned model is still one that can be guarded, and be a tier."""
    mini, full = (provider.chat_model(model=name, max_tokens=50) for name in ("gpt-4o-mini", "gpt-4o"))
    with track_costs() as costs:
        planned(guarded(mini)).invoke(requests()[1])
        Cascade([planned(mini), planned(full)]).invoke(requests()[2])
    assert costs.total_cost == provider.billed
    assert all("prompt_caching" in line.techniques for line in costs.entries())
    assert len(costs.entries()) == len(provider.requests) == 2
