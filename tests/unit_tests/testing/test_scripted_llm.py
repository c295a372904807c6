"""The scripted text model: usage for the first prompt of a batch only, as OpenAI's text models report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from langchain_costguard.testing import Reply, ScriptedLLM

if TYPE_CHECKING:
    from langchain_core.outputs import LLMResult


class Ends(BaseCallbackHandler):
    """Keeps the token usage of every run that ended."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.usages: list[Any] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Keep the usage in llm_output."""
        self.usages.append((response.llm_output or {}).get("token_usage"))


def test_the_usage_of_a_batch_stands_with_its_first_prompt() -> None:
    """A recorder that reads each run alone must not take the empty ones for free calls."""
    ends = Ends()
    model = ScriptedLLM(responses=["Paris", "Rome it is"])
    result = model.generate(["France?", "Italy?"], callbacks=[ends])
    assert [generation[0].text for generation in result.generations] == ["Paris", "Rome it is"]
    first, second = ends.usages
    assert (first["prompt_tokens"], first["completion_tokens"], first["total_tokens"]) == (6, 5, 11)
    assert second == {}


async def test_it_answers_async_and_streams() -> None:
    """Text models take other paths through LangChain than chat models."""
    model = ScriptedLLM(responses=Reply("one two", chunks=["one", " two"]))
    assert await model.ainvoke("q") == "one two"
    assert list(model.stream("q")) == ["one", " two"]
    assert [piece async for piece in model.astream("q")] == ["one", " two"]
    assert [call.method for call in model.calls] == ["agenerate", "stream", "astream"]


def test_it_fails_as_told() -> None:
    """A text model's errors must end its run too."""
    with pytest.raises(TimeoutError):
        ScriptedLLM(responses=TimeoutError()).invoke("q")
    with pytest.raises(ConnectionError):
        list(ScriptedLLM(responses=Reply("a b", fail_after_chunks=1)).stream("q"))
