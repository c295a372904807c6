"""What the tests of batch jobs ask for: a chain, inputs, and waiting that does not take long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_costguard.testing.loopback.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import Runnable

    from langchain_costguard.batching import BatchJob, BatchStatus
    from langchain_costguard.testing import LoopbackProvider

PROMPT: Final = ChatPromptTemplate.from_template("Say {x}.")


def chain_of(provider: LoopbackProvider, **model: Any) -> Runnable[Any, Any]:
    """A prompt, a model and a parser."""
    return PROMPT | provider.chat_model(**{"model": "gpt-4o", "max_tokens": 50, **model}) | StrOutputParser()


def inputs_of(count: int) -> list[dict[str, int]]:
    """So many inputs, all different."""
    return [{"x": number} for number in range(count)]


def echo(custom_id: str, body: Mapping[str, Any]) -> Behaviour:
    """The last message, as the answer."""
    message = body["messages"][-1]["content"]
    return Behaviour(text=message if isinstance(message, str) else message[0]["text"])


def wait(job: BatchJob) -> BatchStatus:
    """Wait for a provider that goes a step further with each question."""
    return job.wait(20, first_pause_seconds=0.01, longest_pause_seconds=0.01)
