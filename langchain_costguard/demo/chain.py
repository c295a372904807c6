"""The chain of the demo, and the four ways in which it is called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import openai
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.demo.endpoints import Endpoint

MAX_OUTPUT_TOKENS: Final = 48
"""An answer ends here at the latest."""

_Inputs = list[dict[str, str]]

_SYSTEM: Final = "Answer in one short sentence."
_TIMEOUT_SECONDS: Final = 120


class Answer(NamedTuple):
    """One answer of the chain."""

    way: str
    """How the chain was called: `"invoke"`, `"stream"`, `"batch"` or `"async"`."""
    question: str
    """What was asked."""
    text: str
    """What came back."""


QUESTIONS: Final[dict[str, tuple[str, ...]]] = {
    "invoke": ("What is the capital of France?",),
    "stream": ("What is photosynthesis?",),
    "batch": ("What does HTTP stand for?", "Name three primary colours.", "How many legs does a spider have?"),
    "async": ("Why is the sky blue?", "What is a prime number?", "What is the largest ocean?"),
}
"""What is asked, by the way of asking."""


def build_chain(
    endpoint: Endpoint, *, async_client: openai.DefaultAsyncHttpxClient | None = None
) -> Runnable[dict[str, str], str]:
    """A prompt, a chat model and a parser in LCEL, as an application would write them.

    Args:
        endpoint: who answers.
        async_client: what carries its asynchronous requests; `None` for LangChain's own.
    """
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key=SecretStr(endpoint.api_key),
        http_async_client=async_client,
        max_completion_tokens=MAX_OUTPUT_TOKENS,
        temperature=0,
        timeout=_TIMEOUT_SECONDS,
        max_retries=1,
        stream_usage=True,  # behind a base_url LangChain does not ask for the usage of a stream by itself
    )
    prompt = ChatPromptTemplate.from_messages([("system", _SYSTEM), ("human", "{question}")])
    return prompt | model | StrOutputParser()


def ask_all(endpoint: Endpoint) -> Iterator[Answer]:
    """Ask every question its way: one after the other, streamed, in a batch, and at once from one event loop.

    The way is a tag of the run, so that the report can be read by it.
    """
    ways = {"invoke": _invoke, "stream": _stream, "batch": _batch, "async": _gather}
    for way, questions in QUESTIONS.items():
        config: RunnableConfig = {"tags": [way], "run_name": "demo"}
        texts = ways[way](endpoint, [{"question": question} for question in questions], config)
        for question, text in zip(questions, texts, strict=True):
            yield Answer(way, question, text.strip())


def _invoke(endpoint: Endpoint, inputs: _Inputs, config: RunnableConfig) -> Sequence[str]:
    chain = build_chain(endpoint)
    return [chain.invoke(one, config) for one in inputs]


def _stream(endpoint: Endpoint, inputs: _Inputs, config: RunnableConfig) -> Sequence[str]:
    chain = build_chain(endpoint)
    return ["".join(chain.stream(one, config)) for one in inputs]


def _batch(endpoint: Endpoint, inputs: _Inputs, config: RunnableConfig) -> Sequence[str]:
    return build_chain(endpoint).batch(inputs, config)


def _gather(endpoint: Endpoint, inputs: _Inputs, config: RunnableConfig) -> Sequence[str]:
    return asyncio.run(_ask_at_once(endpoint, inputs, config))


async def _ask_at_once(endpoint: Endpoint, inputs: _Inputs, config: RunnableConfig) -> list[str]:
    """All questions at once; the connections are closed while their event loop still runs."""
    import openai

    async with openai.DefaultAsyncHttpxClient() as client:
        chain = build_chain(endpoint, async_client=client)
        return await asyncio.gather(*(chain.ainvoke(one, config) for one in inputs))
