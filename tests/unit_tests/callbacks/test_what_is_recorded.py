"""Every way of calling a model leaves one line with its usage, its cost and its place."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from langchain_costguard import CostCallbackHandler, PriceBook, free, gpu_hour, track_costs
from langchain_costguard.testing import Reply, ScriptedChatModel, ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
COST = Decimal("0.0075")
"""What USAGE costs on gpt-4o: 1,000 x $2.50/M + 500 x $10/M."""


def gpt_4o(*responses: Any, **settings: Any) -> ScriptedChatModel:
    """A model that claims to be gpt-4o of OpenAI and reports USAGE."""
    script = list(responses) or [Reply("The answer.", usage=USAGE)]
    return ScriptedChatModel(responses=script, cycle=True, model_name="gpt-4o", provider="openai", **settings)


async def consume(stream: Any) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


WAYS: dict[str, Callable[[ScriptedChatModel], Any]] = {
    "invoke": lambda model: model.invoke("q"),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("q")),
    "stream": lambda model: list(model.stream("q")),
    "astream": lambda model: asyncio.run(consume(model.astream("q"))),
    "batch": lambda model: model.batch(["q"]),
    "abatch": lambda model: asyncio.run(model.abatch(["q"])),
    "generate": lambda model: model.generate([[]]),
    "agenerate": lambda model: asyncio.run(model.agenerate([[]])),
    "with_retry": lambda model: model.with_retry().invoke("q"),
    "bind": lambda model: model.bind(stop=["x"]).invoke("q"),
    "astream_events": lambda model: asyncio.run(consume(model.astream_events("q", version="v2"))),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_calling_is_one_priced_line(way: str) -> None:
    """A user must not have to know by which door LangChain enters a model."""
    with track_costs() as costs:
        WAYS[way](gpt_4o())
    (entry,) = costs.entries()
    assert costs.total_cost == COST
    assert (entry.status, entry.provider, entry.request_model, entry.response_model) == (
        "ok",
        "openai",
        "gpt-4o",
        "gpt-4o",
    )
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == (1000, 500)
    assert entry.latency_ms > 0


def test_batch_is_one_line_per_input() -> None:
    """`batch` runs threads; nothing may be lost or counted twice there."""
    with track_costs() as costs:
        gpt_4o().batch([f"question {number}" for number in range(20)])
    assert len(costs.entries()) == 20
    assert costs.total_cost == 20 * COST


def test_generate_of_several_prompts_is_a_line_for_each() -> None:
    """`generate([[a], [b]])` ends its runs only when all are done."""
    with track_costs() as costs:
        gpt_4o().generate([[], [], []])
    assert [entry.billed_cost for entry in costs.entries()] == [COST] * 3


def test_time_to_first_token_is_known_for_streams_only() -> None:
    """A latency figure of an unstreamed call would be a lie."""
    with track_costs() as costs:
        gpt_4o().invoke("q")
        list(gpt_4o().stream("q"))
    invoked, streamed = costs.entries()
    assert invoked.time_to_first_token_ms is None
    assert 0 < streamed.time_to_first_token_ms <= streamed.latency_ms


def test_the_path_of_chains_and_tools_around_a_call_is_recorded() -> None:
    """Cost by chain is the first question of whoever has more than one."""

    @tool
    def lookup(word: str) -> str:
        """Look a word up."""
        return str(gpt_4o().invoke(word).content)

    outer = RunnableLambda(lookup.invoke).with_config(run_name="outer")
    with track_costs() as costs:
        outer.invoke("w")
    (entry,) = costs.entries()
    assert entry.chain == "outer > lookup"
    assert entry.parent_run_id not in {None, entry.root_run_id}
    assert entry.root_run_id != entry.run_id


def test_a_bare_model_is_its_own_root() -> None:
    """Grouping by root run must also hold calls outside any chain."""
    with track_costs() as costs:
        gpt_4o().invoke("q")
    (entry,) = costs.entries()
    assert (entry.chain, entry.parent_run_id, entry.root_run_id) == ("", None, entry.run_id)


def test_tags_metadata_user_session_and_thread_are_recorded() -> None:
    """Showback to users and features rests on these."""
    chain = ChatPromptTemplate.from_template("{q}") | gpt_4o() | StrOutputParser()
    config: Any = {
        "tags": ["checkout"],
        "metadata": {"user": "u1", "session_id": "s1", "thread_id": "t1", "plan": "gold", "seats": 3, "blob": {"a": 1}},
    }
    with track_costs() as costs:
        chain.invoke({"q": "hello"}, config=config)
    (entry,) = costs.entries()
    assert entry.tags == ("checkout",)
    assert (entry.user, entry.session, entry.thread) == ("u1", "s1", "t1")
    assert dict(entry.metadata) == {
        "user": "u1",
        "session_id": "s1",
        "thread_id": "t1",
        "plan": "gold",
        "seats": 3,
    }


def test_technique_tags_become_columns_and_not_metadata() -> None:
    """Techniques tell the recorder what they did through metadata; users must not see that plumbing."""
    config: Any = {"metadata": {"costguard_technique": "cascade", "costguard_baseline_model": "gpt-4o-mini"}}
    with track_costs() as costs:
        gpt_4o().invoke("q", config=config)
    (entry,) = costs.entries()
    assert (entry.techniques, entry.baseline_model, dict(entry.metadata)) == (("cascade",), "gpt-4o-mini", {})
    assert entry.baseline_cost == Decimal("0.00045")


def test_parallel_branches_do_not_mix() -> None:
    """Two calls at the same time must each keep their own usage and place."""
    small = ScriptedChatModel(
        responses=[Reply("a", usage={"input_tokens": 10, "output_tokens": 1, "total_tokens": 11})],
        model_name="gpt-4o-mini",
        provider="openai",
    )
    with track_costs() as costs:
        RunnableParallel(large=gpt_4o(), small=small).invoke("q")
    by_model = {entry.request_model: entry.usage.input_tokens for entry in costs.entries()}
    assert by_model == {"gpt-4o": 1000, "gpt-4o-mini": 10}


def test_a_text_model_is_recorded_too() -> None:
    """Completion models report their usage elsewhere than chat models do."""
    model = ScriptedLLM(responses=["An answer."], cycle=True, model_name="gpt-3.5-turbo-instruct", provider="openai")
    with track_costs() as costs:
        model.invoke("q")
    (entry,) = costs.entries()
    assert (entry.kind, entry.request_model, entry.is_estimated) == ("llm", "gpt-3.5-turbo-instruct", False)
    assert entry.usage.output_tokens > 0
    assert entry.billed_cost > 0


def test_a_batch_of_text_prompts_is_counted_once() -> None:
    """OpenAI's text models put the usage of all prompts into the first result; the others must not be estimated."""
    model = ScriptedLLM(responses=["An answer."], cycle=True, model_name="gpt-3.5-turbo-instruct", provider="openai")
    with track_costs() as costs:
        model.generate(["one", "two", "three"])
    entries = costs.entries()
    assert len(entries) == 3
    assert [entry.is_estimated for entry in entries] == [False] * 3
    assert sum(entry.usage.output_tokens > 0 for entry in entries) == 1
    assert [entry.is_priced for entry in entries] == [True] * 3


def test_an_unknown_model_keeps_its_tokens_and_has_no_cost() -> None:
    """A price that is silently zero is the fault users forgive least."""
    model = ScriptedChatModel(responses=[Reply("x", usage=USAGE)], model_name="my-own-7b", provider="ollama")
    with track_costs() as costs:
        model.invoke("q")
    (entry,) = costs.entries()
    assert (entry.billed_cost, costs.total_cost, costs.unpriced_calls) == (None, None, 1)
    assert entry.usage.input_tokens == 1000
    assert "free()" in entry.unpriced_reason
    assert "gpu_hour(" in entry.unpriced_reason


def test_a_free_model_costs_zero_and_not_nothing() -> None:
    """Zero means free, `None` means unknown."""
    model = ScriptedChatModel(responses=[Reply("x", usage=USAGE)], model_name="my-own-7b", provider="ollama")
    with track_costs(prices={"my-own-7b": free()}) as costs:
        model.invoke("q")
    assert costs.total_cost == Decimal(0)
    assert costs.unpriced_calls == 0


def test_concurrent_calls_share_the_hours_of_one_machine() -> None:
    """Two calls of one second at the same time occupy the GPU for one second, not two."""
    model = ScriptedChatModel(
        responses=[Reply("x", usage=USAGE, latency_seconds=0.2)], cycle=True, model_name="my-own-7b", provider="vllm"
    )
    book = PriceBook({"my-own-7b": gpu_hour("3600")})  # one dollar a second

    async def at_once() -> None:
        await asyncio.gather(*(model.ainvoke("q") for _ in range(10)))

    with track_costs(prices=book) as costs:
        asyncio.run(at_once())
    longest = max(entry.latency_us for entry in costs.entries())
    assert Decimal("0.19") < costs.total_cost < Decimal(longest) / 1_000_000 * 2


def test_a_call_through_a_tool_binding_is_recorded() -> None:
    """Bound tools travel another way through LangChain."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    reply = Reply(usage=USAGE, tool_calls=[("add", {"a": 1, "b": 2})])
    with track_costs() as costs:
        answer = gpt_4o(reply).bind_tools([add]).invoke("1 + 2?")
    assert answer.tool_calls[0]["name"] == "add"
    assert costs.total_cost == COST


def test_structured_output_is_recorded_once() -> None:
    """`with_structured_output` wraps the model twice."""
    schema = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    with track_costs() as costs:
        gpt_4o().with_structured_output(schema).invoke("q")
    assert costs.calls == 1


def test_the_handler_answers_for_what_it_saw() -> None:
    """The attributes users know from LangChain's own handlers, with the words of usage_metadata."""
    handler = CostCallbackHandler()
    gpt_4o().invoke("q", config={"callbacks": [handler]})
    assert (handler.calls, handler.input_tokens, handler.output_tokens) == (1, 1000, 500)
    assert handler.total_cost == COST
    assert repr(handler) == "CostCallbackHandler(1 call, $0.0075)"
    assert "$0.0075" in str(handler.report())
    assert "<" in handler._repr_html_()


def test_a_handler_on_the_model_itself_is_enough() -> None:
    """`callbacks=` of a model's constructor is one of the places users put a handler."""
    handler = CostCallbackHandler()
    gpt_4o(callbacks=[handler]).invoke("q")
    assert handler.calls == 1


def test_the_digest_of_equal_prompts_is_equal_and_of_others_is_not() -> None:
    """The advisor finds repeats by digests; a digest that mixes prompts would advise a wrong cache."""
    model = gpt_4o()
    with track_costs() as costs:
        for prompt in ("same", "same", "other"):
            model.invoke(prompt)
    first, second, third = (entry.prompt_digest for entry in costs.entries())
    assert first == second != third


def test_long_prompts_with_one_beginning_share_its_block_digests() -> None:
    """Shared prefixes are what provider prompt caching saves on; they are found without keeping text."""
    model = gpt_4o()
    beginning = "The manual. " * 1000
    with track_costs() as costs:
        model.invoke(beginning + "Question one?")
        model.invoke(beginning + "Another question?")
    first, second = (entry.prefix_digests for entry in costs.entries())
    assert len(first) == len(second) == 2
    assert first == second


def test_a_message_object_with_usage_is_read_like_a_reply() -> None:
    """Whatever produced the message, its usage_metadata counts."""
    with track_costs() as costs:
        gpt_4o(AIMessage("x", usage_metadata=USAGE)).invoke("q")
    assert costs.total_cost == COST
