"""CascadeChatModel: what LangChain sees of it, and who sees its legs."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool
from pydantic import BaseModel
from typing_extensions import TypedDict

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
    agent = create_agent(Cascade(tiers), [])  # type: ignore[arg-type]  # it stands in for a model
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


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Unforced(ScriptedChatModel):
    """A model that cannot be made to call a tool."""

    def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
        del tool_choice
        return super().bind_tools(tools, **kwargs)


class CityDict(TypedDict):
    """A city."""

    name: str
    people: int


CITY_SCHEMA = {
    "title": "City",
    "description": "A city.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
BAD_DRAFTS = [
    Reply("Rome has 3 million people."),
    Reply("", tool_calls=[("{}", {"name": "Rome"})]),
    Reply("", tool_calls=[("{}", {"name": "Rome", "people": "many"})]),
    Reply("", tool_calls=[("City9", {"name": "Rome", "people": 3})]),
]


@pytest.mark.parametrize("face", [Cascade, CascadeChatModel])
@pytest.mark.parametrize("include_raw", [False, True])
@pytest.mark.parametrize(("schema", "called"), [(City, "City"), (CityDict, "CityDict"), (CITY_SCHEMA, "City")])
@pytest.mark.parametrize("bad", BAD_DRAFTS)
def test_a_structured_draft_that_lacks_its_schema_escalates(
    face: Any, schema: Any, called: str, bad: Reply, include_raw: bool
) -> None:
    """The program asked for an object; a text, a wrong call or half a call is none."""
    right = {"name": "Rome", "people": 3}
    draft = Reply(bad.content, tool_calls=[(name.format(called), args) for name, args in bad.tool_calls])
    full = ScriptedChatModel(responses=Reply("", tool_calls=[(called, right)]), model="full")
    made = face(tiers=[Unforced(responses=draft, model="mini"), full])
    answer = made.with_structured_output(schema, include_raw=include_raw).invoke("?")
    found = answer["parsed"] if include_raw else answer
    assert (found.model_dump() if isinstance(found, City) else found) == right
    assert len(full.calls) == 1


@pytest.mark.parametrize("schema", [City, CityDict, CITY_SCHEMA])
def test_a_structured_draft_that_has_its_schema_is_kept(schema: Any) -> None:
    """The large model is not asked for nothing; the cascade itself stays without a schema."""
    name = getattr(schema, "__name__", "City")
    mini = ScriptedChatModel(responses=Reply("", tool_calls=[(name, {"name": "Rome", "people": 3})]))
    full = ScriptedChatModel(responses=[], model="full")
    made = CascadeChatModel(tiers=[mini, full])
    assert made.with_structured_output(schema).invoke("?")
    assert made.invoke("?").tool_calls
    assert not full.calls


@pytest.mark.parametrize("face", [Cascade, CascadeChatModel])
def test_tools_are_bound_through_fallbacks(face: Any) -> None:
    """LangChain resolves the type hints of `bind_tools` to see whether it gives a Runnable."""
    made = face(tiers=[ScriptedChatModel(responses="a"), ScriptedChatModel(responses="b")])
    other = ScriptedChatModel(responses="c")

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    assert made.with_fallbacks([other]).bind_tools([weather]).invoke("?").text == "a"
    assert made.with_fallbacks([other]).with_structured_output(City)


def test_attributes_that_are_changed_later_count() -> None:
    """Pydantic lets them be changed; a cascade that went on as before would say one thing and do another."""
    made = model()
    assert made.model_copy(update={"accept": lambda _: True}).invoke("?").text == "a"
    assert made.invoke("?").text == "b"
    made.accept = lambda _: True
    assert made.invoke("?").text == "a"
    made.tiers = [ScriptedChatModel(responses="x", model="new"), *made.tiers]
    assert made.invoke("?").text == "x"
    assert made.model_name == "new > gpt-4o-mini > gpt-4o"


WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_the_users_context_variables_reach_the_legs(way: str) -> None:
    """A key per tenant, or a request's id for the log, is often kept in one."""

    def say(messages: Any) -> Reply:
        del messages
        return Reply(WHO.get())

    tiers = [ScriptedChatModel(responses=say), ScriptedChatModel(responses=say, model="full")]
    made = CascadeChatModel(tiers=tiers, accept=never)

    async def asked() -> str:
        if way == "ainvoke":
            return (await made.ainvoke("?")).text
        return "".join([piece.text async for piece in made.astream("?")])

    WHO.set("alice")
    if way.startswith("a"):
        assert asyncio.run(asked()) == "alice"
    else:
        assert "".join(piece.text for piece in ([made.invoke("?")] if way == "invoke" else made.stream("?"))) == "alice"
