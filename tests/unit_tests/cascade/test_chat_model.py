"""CascadeChatModel: what LangChain sees of it, and who sees its legs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool

from langchain_costguard import Cascade, CascadeChatModel, CostCallbackHandler, track_costs
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from langchain_costguard.cascade import Draft

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def never(draft: Draft) -> bool:
    """Accept nothing."""
    return False


def model(*, accept: Any = never, **settings: Any) -> CascadeChatModel:
    """A cascade of two scripted models."""
    tiers = [
        ScriptedChatModel(responses=Reply("a", usage=USAGE), model="gpt-4o-mini", provider="openai"),
        ScriptedChatModel(responses=Reply("b", usage=USAGE), model="gpt-4o", provider="openai"),
    ]
    return CascadeChatModel(tiers=tiers, accept=accept, **settings)


class Starts(BaseCallbackHandler):
    """Counts the model runs it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def on_chat_model_start(self, *args: Any, metadata: Any = None, **kwargs: Any) -> None:
        self.names.append(metadata["ls_model_name"])


@pytest.mark.parametrize("is_async", [False, True])
def test_others_see_one_run_and_we_see_the_legs(is_async: bool) -> None:
    """A counter that saw the legs as well would count everything twice."""
    starts = Starts()
    config: Any = {"callbacks": [starts]}
    with get_usage_metadata_callback() as counted, track_costs() as costs:
        asyncio.run(model().ainvoke("?", config)) if is_async else model().invoke("?", config)
    assert starts.names == ["gpt-4o-mini > gpt-4o"]
    assert sum(usage["total_tokens"] for usage in counted.usage_metadata.values()) == 30
    assert [entry.request_model for entry in costs.entries()] == ["gpt-4o-mini", "gpt-4o"]


def test_invoke_that_goes_through_the_stream_finds_its_run() -> None:
    """`astream_events` makes it so; the handlers of the run must still see the legs, and below it."""
    handler = CostCallbackHandler()

    async def read() -> list[Any]:
        config: Any = {"callbacks": [handler], "tags": ["checkout"]}
        chain = model() | StrOutputParser()
        return [event async for event in chain.astream_events("?", config, version="v2")]

    events = asyncio.run(read())
    assert "a" not in [event["data"].get("chunk") for event in events]
    assert [entry.request_model for entry in handler.entries()] == ["gpt-4o-mini", "gpt-4o"]
    assert all("checkout" in entry.tags and entry.parent_run_id is not None for entry in handler.entries())


def test_an_agent_takes_it() -> None:
    """It stands where a chat model is required."""
    from langchain.agents import create_agent

    @tool
    def lookup(word: str) -> str:
        """Look a word up."""
        return word

    replies = [Reply("", tool_calls=[("lookup", {"word": "x"})]), Reply("done")]
    tiers = [ScriptedChatModel(responses=replies, model="gpt-4o-mini"), ScriptedChatModel(model="gpt-4o")]
    agent = create_agent(CascadeChatModel(tiers=tiers), [lookup])
    with track_costs() as costs:
        answer = agent.invoke({"messages": [("user", "hello")]})
    assert answer["messages"][-1].text == "done"
    assert costs.calls == 2


def test_an_agent_takes_the_runnable_too() -> None:
    """Agents ask only for `bind_tools` and `invoke`."""
    from langchain.agents import create_agent

    tiers = [ScriptedChatModel(responses="done", model="gpt-4o-mini"), ScriptedChatModel(model="gpt-4o")]
    agent = create_agent(Cascade(tiers), [])  # type: ignore[arg-type]
    assert agent.invoke({"messages": [("user", "hello")]})["messages"][-1].text == "done"


def test_two_cascades_differ_in_a_caches_key() -> None:
    """Otherwise one would be served the other's answers."""
    first, second = model(), model(temperature=0.5)
    assert first._get_llm_string() != second._get_llm_string()
    assert first._get_llm_string() == model()._get_llm_string()


def test_its_own_settings_reach_every_tier() -> None:
    """A limit that only the first tier keeps is none."""
    cascade = model(max_tokens=7, temperature=0)
    cascade.invoke("?")
    assert [tier.calls[0].kwargs["max_tokens"] for tier in cascade.tiers] == [7, 7]


def test_bad_input_is_refused_at_once() -> None:
    """It is refused where it is written."""
    tier = ScriptedChatModel()
    with pytest.raises(ValueError, match="two or more"):
        CascadeChatModel(tiers=[tier])
    with pytest.raises(TypeError, match="use `Cascade`"):
        CascadeChatModel(tiers=[tier | StrOutputParser(), tier | StrOutputParser()])
