"""A model whose prompts are shortened before it reads them."""

# ruff: noqa: A002, ANN401 - LangChain's names; prompts and answers are of any kind

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables.config import ensure_config

from langchain_costguard import tags
from langchain_costguard.callbacks.streams import closed_with
from langchain_costguard.callbacks.wrapping import ModelWrapper
from langchain_costguard.compression.abstracting import TECHNIQUE
from langchain_costguard.compression.inputs import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.compression.compressor import ContextCompressor
    from langchain_costguard.compression.turns import CompressedMessages


class CompressingModel(ModelWrapper):
    """A model whose prompts are shortened before it reads them; made by `ContextCompressor.before`.

    Its calls are tagged for the ledger: the technique `"compression"` and how many input tokens were left out.
    """

    def __init__(self, compressor: ContextCompressor, model: Runnable[Any, Any], cached_prefix_tokens: int = 0) -> None:
        """Wrap a model."""
        self.compressor: ContextCompressor = compressor
        self.model: Runnable[Any, Any] = model
        self.cached_prefix_tokens: int = cached_prefix_tokens

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Shorten the prompt and ask the model."""
        return self.model.invoke(*self._shortened(input, config), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Shorten the prompt and ask the model."""
        return await self.model.ainvoke(*await self._ashortened(input, config), **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Shorten the prompt and stream the model's answer."""
        yield from self.model.stream(*self._shortened(input, config), **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """The same as `stream`."""
        async with closed_with(self.model.astream(*await self._ashortened(input, config), **kwargs)) as pieces:
            async for piece in pieces:
                yield piece

    def _around(self, model: Runnable[Any, Any]) -> CompressingModel:
        return CompressingModel(self.compressor, model, self.cached_prefix_tokens)

    def _shortened(self, prompt: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:
        found = self.compressor.compress_messages(_messages(prompt), cached_prefix_tokens=self.cached_prefix_tokens)
        return _told(prompt, found, config)

    async def _ashortened(self, prompt: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:
        found = await self.compressor.acompress_messages(
            _messages(prompt), cached_prefix_tokens=self.cached_prefix_tokens
        )
        return _told(prompt, found, config)


def _messages(prompt: Any) -> list[BaseMessage]:
    if isinstance(prompt, Mapping):
        msg = (
            f"a dict with {sorted(map(str, prompt))} is no prompt: where it is for a router, put the compressor before "
            "the model of each route, TaskRouter({'easy': compressor.before(ChatOpenAI(...))})"
        )
        raise TypeError(msg)
    given = opened(prompt)
    if given.kind == "messages":
        return given.messages
    if given.kind == "documents":
        msg = "documents are no prompt: put their texts into a message, or use the compressor before the prompt"
        raise TypeError(msg)
    return [HumanMessage(text) for text in given.texts]


def _told(prompt: Any, found: CompressedMessages, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:
    """The prompt to send and a configuration that says what was left out; both as they were where nothing was."""
    given = ensure_config(config)
    if not found.saved_tokens:
        return prompt, given
    metadata = tags.with_technique(given.get("metadata"), TECHNIQUE, saved_input_tokens=found.saved_tokens)
    return found.messages, {**given, "metadata": metadata}
