"""What a compressor in a chain leaves out is booked with the next call of its run, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import Runnable, RunnableLambda

from langchain_costguard import CostCallbackHandler, InMemoryStore, track_costs
from langchain_costguard.callbacks.shortened import SHORTENED
from langchain_costguard.tags import COMPRESSED_EVENT
from langchain_costguard.testing import ScriptedChatModel


def _shorten(text: str) -> str:
    dispatch_custom_event(COMPRESSED_EVENT, {"saved_tokens": 40})
    return text[:10]


async def _ashorten(text: str) -> str:
    await adispatch_custom_event(COMPRESSED_EVENT, {"saved_tokens": 40})
    return text[:10]


SHORTEN: Runnable[Any, Any] = RunnableLambda(_shorten, afunc=_ashorten)


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "batch"])
def test_the_next_call_says_how_many_tokens_were_left_out(way: str) -> None:
    """The compressor does not know the model, and the model does not know the compressor."""
    chain = SHORTEN | ScriptedChatModel(responses=["yes"])
    with track_costs() as costs:
        if way == "ainvoke":
            asyncio.run(chain.ainvoke("a long text"))
        elif way == "stream":
            list(chain.stream("a long text"))
        elif way == "batch":
            chain.batch(["a long text"])
        else:
            chain.invoke("a long text")
    (line,) = costs.entries()
    assert (line.saved_input_tokens, line.techniques) == (40, ("compression",))


def test_only_the_next_call_claims_it_however_many_handlers_watch() -> None:
    """A saving that two calls, or two handlers, claim is claimed twice."""
    model = ScriptedChatModel(responses=["yes", "yes"])
    chain = SHORTEN | model | (lambda answer: answer.text) | model
    store = InMemoryStore()
    with track_costs() as costs:
        chain.invoke("a long text", {"callbacks": [CostCallbackHandler(store=store)]})
    assert sorted(line.saved_input_tokens or 0 for line in costs.entries()) == [0, 40]
    assert sorted(line.saved_input_tokens or 0 for line in store.entries()) == [0, 40]


def test_what_several_compressors_leave_out_adds_up() -> None:
    """Documents one by one, then the history: one prompt."""
    chain = SHORTEN | SHORTEN | ScriptedChatModel(responses=["yes"])
    with track_costs() as costs:
        chain.invoke("a long text")
    (line,) = costs.entries()
    assert line.saved_input_tokens == 80


def test_a_run_that_makes_no_call_leaves_nothing_behind() -> None:
    """A service that only compresses must not grow, nor give its tokens to a stranger."""
    with track_costs() as costs:
        (SHORTEN | RunnableLambda(str)).invoke("a long text")
        assert not SHORTENED
        ScriptedChatModel(responses=["yes"]).invoke("another")
    (line,) = costs.entries()
    assert line.saved_input_tokens is None


def test_an_event_without_tokens_breaks_nothing() -> None:
    """Anybody may dispatch an event of any content."""

    def odd(text: str) -> str:
        dispatch_custom_event(COMPRESSED_EVENT, {"tokens": "many"})
        return text

    with track_costs() as costs:
        (RunnableLambda(odd) | ScriptedChatModel(responses=["yes"])).invoke("a long text")
    (line,) = costs.entries()
    assert line.saved_input_tokens is None
