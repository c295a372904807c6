"""Compression, slimming, caching and budgets around one model: each does its part, and each saving counts once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard import Budget, guarded, slim_prompt, track_costs
from langchain_costguard.callbacks.wrapping import inner_models, is_model
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.prompt_caching import CachePlan
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel
from langchain_costguard.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = " ".join(f"Line {number} speaks of the weather and of tea." for number in range(200))
RULES = "\n".join(f"Rule {number}: refunds of kind {number * 7} take {number % 9} days." for number in range(150))


class Year(BaseModel):
    """A year."""

    year: int


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that knows its own bill."""
    with LoopbackProvider(reply="word " * 24, keep_bodies=True) as served:
        yield served


def caps(provider: LoopbackProvider) -> list[Any]:
    """The limits on the answer that the provider was asked with."""
    return [(request.body or {}).get("max_completion_tokens") for request in provider.requests]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
def test_a_compressing_model_fits_into_a_budget(provider: LoopbackProvider, way: str) -> None:
    """Shorter prompts and bounded answers are wanted by the same user."""
    short = ContextCompressor(max_tokens=50).before(provider.chat_model(model="gpt-4o-mini", stream_usage=True))
    model = guarded(short, max_output_tokens=30)
    with track_costs(budgets=[Budget("0.01")], on_alert=lambda _: None) as costs:
        if way == "ainvoke":
            asyncio.run(model.ainvoke(TEXT))
        elif way == "stream":
            list(model.stream(TEXT))
        else:
            model.invoke(TEXT)
    assert caps(provider) == [30]
    assert provider.requests[0].tokens.input_tokens < 100
    assert [line.techniques for line in costs.entries()] == [("compression",)]
    assert costs.total_cost == provider.billed


def test_a_planned_model_fits_into_a_budget_and_keeps_its_key(provider: LoopbackProvider) -> None:
    """A wrapper that hides the model would have the user choose between a budget and a cache."""
    requests = [[SystemMessage(RULES), HumanMessage(f"Order {number}?")] for number in range(2)]
    plan = CachePlan.from_examples(
        "gpt-4o-mini", requests, reuse=50, within=timedelta(hours=1), at=datetime(2026, 11, 22, tzinfo=UTC)
    )
    model = guarded(plan.apply(provider.chat_model(model="gpt-4o-mini")), max_output_tokens=30)
    with track_costs(budgets=[Budget("0.01")], on_alert=lambda _: None):
        model.invoke(requests[0])
    assert caps(provider) == [30]
    assert (provider.requests[0].body or {})["prompt_cache_key"].startswith("costguard-")


def test_a_guarded_compressing_model_still_gives_structures(provider: LoopbackProvider) -> None:
    """`with_structured_output` reaches through both wrappers."""
    provider.next(text='{"year": 1932}')
    model = guarded(ContextCompressor(max_tokens=50).before(provider.chat_model(model="gpt-4o-mini")))
    assert model.with_structured_output(Year, method="json_schema").invoke(TEXT) == Year(year=1932)
    assert provider.requests[0].tokens.input_tokens < 200


def test_what_two_techniques_leave_out_of_a_prompt_adds_up() -> None:
    """The inner technique used to write over what the outer one had said."""
    model = ScriptedChatModel(responses=["yes"] * 3)
    given = "Read this:   \n\n\n\n" + TEXT
    both = slim_prompt(ContextCompressor(max_tokens=50).before(model))
    with track_costs() as costs:
        both.invoke(given)
    (line,) = costs.entries()
    sent = count_tokens(model.calls[-1].input[0].text).tokens
    assert line.techniques == ("prompt_slimming", "compression")
    assert line.saved_input_tokens == count_tokens(given).tokens - sent


def test_what_a_compressor_in_the_chain_left_out_is_added_to_what_the_model_says() -> None:
    """A chain may compress its documents and slim its prompt."""
    model = ScriptedChatModel(responses=["yes"])
    compressor = ContextCompressor(max_tokens=50)
    frame = RunnableLambda(lambda text: f"Answer:   \n\n\n\n\n   \n\n{text}")
    with track_costs() as costs:
        (compressor | frame | slim_prompt(model)).invoke(TEXT)
    (line,) = costs.entries()
    result = compressor.compress(TEXT)
    by_slimming = count_tokens(frame.invoke(result.text)).tokens - count_tokens(model.calls[-1].input[0].text).tokens
    assert by_slimming > 0
    assert line.saved_input_tokens == result.saved_tokens + by_slimming
    assert sorted(line.techniques) == ["compression", "prompt_slimming"]


def test_the_call_that_writes_a_summary_claims_nobody_elses_saving() -> None:
    """What was left out before it belongs to the call that answers."""
    mini = ScriptedChatModel(responses="Tea.", model="gpt-4o-mini", provider="openai")
    full = ScriptedChatModel(responses="Yes.", model="gpt-4o", provider="openai")
    chain = ContextCompressor(max_tokens=300) | ContextCompressor(60, "abstractive", mini) | full
    with track_costs() as costs:
        chain.invoke(TEXT)
    written, answered = costs.entries()
    assert (written.model, written.saved_input_tokens, written.baseline_nano) == ("gpt-4o-mini", 0, 0)
    assert (answered.model, answered.saved_input_tokens) == (
        "gpt-4o",
        count_tokens(TEXT).tokens - count_tokens("Tea.").tokens,
    )


def test_the_model_that_writes_summaries_is_not_the_model_of_the_chain() -> None:
    """Techniques that look for the chat model of a chain would wrap, or plan for, the small one."""
    mini = ScriptedChatModel(responses="Tea.", model="gpt-4o-mini", provider="openai")
    full = ScriptedChatModel(responses="Yes.", model="gpt-4o", provider="openai")
    compressor = ContextCompressor(60, "abstractive", mini)
    assert not is_model(compressor)
    assert [inner.chat for inner in inner_models(compressor | full)] == [full]
    assert compressor.model is mini


@pytest.mark.parametrize("answer", ["Tea.", ""])
def test_what_a_summary_cost_is_in_the_result_and_once_in_the_ledger(answer: str) -> None:
    """A summary that was paid for and thrown away was paid for."""
    mini = ScriptedChatModel(responses=answer, model="gpt-4o-mini", provider="openai")
    compressor = ContextCompressor(60, "abstractive", mini, for_model="gpt-4-turbo")
    with track_costs() as costs:
        result = compressor.compress(TEXT)
    (line,) = costs.entries()
    assert result.net is not None
    assert result.net.compression_cost == costs.total_cost != 0
    assert result.net.before == Decimal("0.00001") * result.original_tokens
    assert result.net.after == Decimal("0.00001") * result.tokens
    assert (line.techniques, line.baseline_nano) == (("compression",), 0)


def test_a_summary_may_be_written_by_a_model_with_a_technique_around_it() -> None:
    """A small model with a cache or a limit is a chat model too."""
    mini = ScriptedChatModel(responses="Tea.", model="gpt-4o-mini", provider="openai")
    assert ContextCompressor(60, "abstractive", slim_prompt(mini)).compress(TEXT).text == "Tea."
