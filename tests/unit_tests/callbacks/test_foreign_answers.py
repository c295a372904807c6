"""What integrations and users hand on in odd shapes costs no call its line, and no line its price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult

from langchain_costguard import CostCallbackHandler

USAGE: Any = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
COST = Decimal("0.0075")
"""What USAGE costs on gpt-4o: 1,000 x $2.50/M + 500 x $10/M."""
WHO = {"ls_provider": "openai", "ls_model_name": "gpt-4o"}


def nested(depth: int) -> Any:
    """A value deeper than Python's own readers go."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def recorded(
    prompt: Any = "q",
    *,
    answer: AIMessage | None = None,
    metadata: Any = None,
    tags: Any = None,
    serialized: Any = None,
) -> CostCallbackHandler:
    """A handler that has seen one call."""
    costs, run_id = CostCallbackHandler(), uuid4()
    message = HumanMessage("q")
    object.__setattr__(message, "content", prompt)
    told = {**WHO, **(metadata or {})}
    costs.on_chat_model_start(serialized or {}, [[message]], run_id=run_id, metadata=told, tags=tags)
    generation = ChatGeneration(message=answer or AIMessage("a", usage_metadata=USAGE))
    costs.on_llm_end(LLMResult(generations=[[generation]]), run_id=run_id)
    return costs


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "input": nested(3000)},
        {"type": "custom", "input": nested(3000)},
        {"type": ["no", "name"], 7: "a key that cannot be sorted", "a": 1},
        {"type": "tool_use", ("no", "key"): 1},
    ],
    ids=["deep", "deep and unknown", "unsortable", "no JSON"],
)
def test_a_prompt_that_cannot_be_read_has_its_price_all_the_same(block: Any) -> None:
    """The provider has said what was used; only a digest of the prompt was to be made."""
    costs = recorded([block])
    assert (costs.total_cost, costs._recorder.faults) == (COST, 0)


@pytest.mark.parametrize(
    "metadata",
    [{"costguard_technique": 5}, {"ls_provider": ["openai"]}, {"ls_model_name": {"a": 1}}],
)
def test_odd_metadata_loses_no_line(metadata: dict[str, Any]) -> None:
    """Metadata is the user's own, and a wrong value in it is no reason to forget what was spent."""
    costs = recorded(metadata=metadata)
    assert (costs.calls, costs._recorder.faults) == (1, 0)


def test_tags_that_are_no_texts_are_kept_as_texts() -> None:
    """`config={"tags": [7]}` runs in LangChain, and so it must be recorded."""
    costs = recorded(tags=[7, "checkout"])
    (line,) = costs.entries()
    assert (line.tags, costs.total_cost) == (("7", "checkout"), COST)


@pytest.mark.parametrize("serialized", [{"kwargs": {"base_url": "http://[::1"}}, {"kwargs": ["no mapping"]}])
def test_an_endpoint_that_cannot_be_read_is_none(serialized: dict[str, Any]) -> None:
    """A call to an address with a slip in it would have been lost before it began."""
    assert recorded(serialized=serialized).total_cost == COST


def test_a_model_that_is_no_text_leaves_the_one_that_was_asked_for() -> None:
    """A line with a list for a name could not be written into any database."""
    answer = AIMessage("a", usage_metadata=USAGE, response_metadata={"model_name": ["gpt-4o"], "service_tier": {}})
    costs = recorded(answer=answer)
    (line,) = costs.entries()
    assert (line.response_model, line.service_tier, costs.total_cost) == (None, None, COST)


def test_pieces_of_a_stream_with_odd_totals_do_not_end_it() -> None:
    """A hook that raises would end the user's stream in the middle of an answer."""
    costs, run_id = CostCallbackHandler(), uuid4()
    costs.on_chat_model_start({}, [[HumanMessage("q")]], run_id=run_id, metadata=WHO)
    for total in ("10", [10], 10):
        piece = AIMessageChunk("a")
        object.__setattr__(piece, "usage_metadata", {"input_tokens": total, "output_tokens": total})
        costs.on_llm_new_token("a", chunk=ChatGenerationChunk(message=piece), run_id=run_id)
    generation = ChatGeneration(message=AIMessage("a", usage_metadata=USAGE))
    costs.on_llm_end(LLMResult(generations=[[generation]]), run_id=run_id)
    assert costs.total_cost == COST
