"""Streams: a rejected draft is never shown, and pieces add up to the answer with its record."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Cascade, CascadeChatModel, track_costs
from langchain_costguard.cascade import JudgedBy
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from langchain_costguard.cascade import Draft

FACES = [Cascade, CascadeChatModel]


def is_short(draft: Draft) -> bool:
    """Accept short answers."""
    return len(draft.answer.text) < 10


def cascade(face: Any, first: Any, second: Any = "the large model answers", **settings: Any) -> Any:
    """A cascade of two scripted models."""
    tiers = [ScriptedChatModel(responses=first, model="mini"), ScriptedChatModel(responses=second, model="full")]
    return face(tiers=tiers, accept=is_short, **settings)


def pieces_of(model: Any, *, is_async: bool, config: Any = None) -> list[Any]:
    """The pieces of one stream."""

    async def read() -> list[Any]:
        return [piece async for piece in model.astream("?", config)]

    return asyncio.run(read()) if is_async else list(model.stream("?", config))


def floats_in(value: Any) -> list[float]:
    """Every float in nested metadata."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [found for item in value for found in floats_in(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("face", FACES)
def test_a_rejected_draft_is_never_shown(face: Any, is_async: bool) -> None:
    """What nobody accepted is not the answer, not even for a moment."""
    pieces = pieces_of(cascade(face, "this draft is far too long"), is_async=is_async)
    whole = sum(pieces[1:], pieces[0])
    assert whole.text == "the large model answers"
    assert len([piece for piece in pieces if piece.text]) == 4, "the last tier's answer comes as it is made"
    assert whole.response_metadata["cascade"]["tier"] == 1


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("face", FACES)
def test_an_accepted_draft_comes_in_one_piece(face: Any, is_async: bool) -> None:
    """It is shown once it is judged."""
    pieces = pieces_of(cascade(face, "short"), is_async=is_async)
    assert [piece.text for piece in pieces if piece.text] == ["short"]
    assert pieces[-1].chunk_position == "last"


@pytest.mark.parametrize("first", ["short", "this draft is far too long"])
@pytest.mark.parametrize("face", FACES)
def test_the_record_stands_on_one_piece_and_holds_no_float(face: Any, first: str) -> None:
    """LangChain adds pieces up, and fails on floats."""
    pieces = pieces_of(cascade(face, first), is_async=False)
    records = [piece.response_metadata["cascade"] for piece in pieces if "cascade" in piece.response_metadata]
    assert len(records) == 1
    assert floats_in(records) == []
    assert sum(piece.chunk_position == "last" for piece in pieces) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_the_chat_model_reports_the_usage_of_all_legs_once(is_async: bool) -> None:
    """Whoever counts tokens by usage counts them all, and none twice."""
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    model = cascade(CascadeChatModel, Reply("this draft is far too long", usage=usage), Reply("yes", usage=usage))
    pieces = pieces_of(model, is_async=is_async)
    assert [piece.usage_metadata["input_tokens"] for piece in pieces if piece.usage_metadata] == [20]
    assert model.invoke("?").usage_metadata["total_tokens"] == 30


@pytest.mark.parametrize("face", FACES)
def test_a_last_tier_that_breaks_off_raises(face: Any) -> None:
    """Half an answer cannot be taken back, so the error is the user's to see."""
    model = cascade(face, "this draft is far too long", Reply("one two three four", fail_after_chunks=2))
    stream = model.stream("?")
    assert next(stream).text == "one"
    with pytest.raises(ConnectionError):
        list(stream)


@pytest.mark.parametrize("face", FACES)
def test_a_stream_that_is_closed_early_closes_the_leg(face: Any) -> None:
    """The provider bills what it has sent: it is a line, and not an open call."""
    with track_costs() as costs:
        stream = cascade(face, "this draft is far too long").stream("?")
        next(stream)
        stream.close()
    assert [entry.status for entry in costs.entries()] == ["ok", "cancelled"]


@pytest.mark.parametrize("face", FACES)
async def test_an_async_stream_that_is_closed_early_closes_the_leg_at_once(face: Any) -> None:
    """Left to the garbage collector, the large model would write on, and nobody would book it."""
    with track_costs() as costs:
        async with aclosing(cascade(face, "this draft is far too long").astream("?")) as stream:
            await anext(stream)
        assert [entry.status for entry in costs.entries()] == ["ok", "cancelled"]


def test_tokens_of_drafts_are_hidden_from_langgraph() -> None:
    """LangGraph shows the tokens of every model run in a node, unless they say otherwise."""
    from langgraph.graph import START, MessagesState, StateGraph

    model = cascade(Cascade, "this draft is far too long")
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "ask")
    shown = [piece.text for piece, _ in graph.compile().stream({"messages": ["?"]}, stream_mode="messages")]
    assert "this draft is far too long" not in "".join(shown)
    assert "the large model answers" in "".join(shown)


DRAFT = "this draft is far too long"


def tiers_of(kind: str) -> list[Any]:
    """Two tiers, written in different ways."""
    models = [ScriptedChatModel(responses=said) for said in (DRAFT, "the large model answers")]
    if kind == "parsed":
        return [one | StrOutputParser() for one in models]
    if kind == "retried":
        return [one.with_retry().with_config(tags=["x"]) for one in models]
    if kind == "with fallbacks":
        return [one.with_fallbacks([one]) for one in models]
    return models if kind == "models" else [RunnableLambda(one.invoke) for one in models]


@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["models", "parsed", "retried", "with fallbacks", "hidden in functions"])
async def test_events_do_not_stream_a_draft(version: Any, kind: str) -> None:
    """Whoever shows `on_chat_model_stream` to users would show them what was rejected."""
    model = Cascade(tiers_of(kind), is_short)
    streamed = [
        event["data"]["chunk"].content
        async for event in model.astream_events("?", version=version)
        if event["event"] == "on_chat_model_stream"
    ]
    assert "draft" not in "".join(streamed)
    assert "the large model answers" in "".join(streamed)


@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_events_do_not_stream_what_a_signal_is_told(version: Any) -> None:
    """A judge's "yes" is no part of the answer."""
    judge = ScriptedChatModel(responses="CORRECT it is, says the judge")
    tiers = [ScriptedChatModel(responses=DRAFT), ScriptedChatModel(responses="the large model answers")]
    streamed = [
        event["data"]["chunk"].content
        async for event in Cascade(tiers, JudgedBy(judge)).astream_events("?", version=version)
        if event["event"] == "on_chat_model_stream"
    ]
    assert "judge" not in "".join(streamed)
    assert judge.calls


async def test_the_users_models_stay_as_they_are() -> None:
    """They may be used elsewhere, where they are to stream."""
    tiers = tiers_of("models")
    assert Cascade(tiers).tiers[0] is tiers[0]
    assert tiers[0].disable_streaming is False
