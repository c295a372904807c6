"""A model whose prompts are shortened before it reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import ensure_config, patch_config

from langchain_costguard import tags
from langchain_costguard.compression.abstracting import TECHNIQUE
from langchain_costguard.compression.inputs import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.compression.compressor import ContextCompressor
    from langchain_costguard.compression.turns import CompressedMessages


class CompressingModel(Runnable[Any, Any]):
    """A model whose prompts are shortened before it reads them; made by `ContextCompressor.before`.

    Its calls are tagged for the ledger: the technique `"compression"` and how many input tokens were left out.
    """

    def __init__(self, compressor: ContextCompressor, model: Runnable[Any, Any], cached_prefix_tokens: int = 0) -> None:
        """Wrap a model."""
        self.compressor: ContextCompressor = compressor
        self.model: Runnable[Any, Any] = model
        self.cached_prefix_tokens: int = cached_prefix_tokens

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - LangChain's signature
        """Shorten the prompt and ask the model."""
        return self.model.invoke(*self._shortened(input, config), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - LangChain's signature
        """Shorten the prompt and ask the model."""
        return await self.model.ainvoke(*await self._ashortened(input, config), **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002, ANN401 - LangChain's signature
        """Shorten the prompt and stream the model's answer."""
        yield from self.model.stream(*self._shortened(input, config), **kwargs)

    async def astream(  # noqa: D102 - see `stream`
        self,
        input: Any,  # noqa: A002, ANN401 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> AsyncIterator[Any]:
        async for piece in self.model.astream(*await self._ashortened(input, config), **kwargs):
            yield piece

    def bind(self, **kwargs: Any) -> CompressingModel:  # noqa: ANN401 - LangChain's signature
        """The model with more settings, its prompts still shortened."""
        return self._around(self.model.bind(**kwargs))

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> CompressingModel:  # noqa: ANN401 - LangChain's signature
        """The model with tools, its prompts still shortened."""
        return self._around(self.model.bind_tools(tools, **kwargs))  # type: ignore[attr-defined] # a chat model has it

    def with_structured_output(self, schema: Any, **kwargs: Any) -> CompressingModel:  # noqa: ANN401 - LangChain's signature
        """The model whose answers are parsed into a schema, its prompts still shortened."""
        return self._around(self.model.with_structured_output(schema, **kwargs))  # type: ignore[attr-defined] # the same

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the model has
        """Anything else is the model's."""
        if name.startswith("__") or name == "model":  # not there yet while an instance is being copied
            raise AttributeError(name)
        return getattr(self.model, name)

    def _around(self, model: Runnable[Any, Any]) -> CompressingModel:
        return CompressingModel(self.compressor, model, self.cached_prefix_tokens)

    def _shortened(self, prompt: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:  # noqa: ANN401 - a prompt
        found = self.compressor.compress_messages(_messages(prompt), cached_prefix_tokens=self.cached_prefix_tokens)
        return _told(prompt, found, config)

    async def _ashortened(self, prompt: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:  # noqa: ANN401 - a prompt
        found = await self.compressor.acompress_messages(
            _messages(prompt), cached_prefix_tokens=self.cached_prefix_tokens
        )
        return _told(prompt, found, config)


def _messages(prompt: Any) -> list[BaseMessage]:  # noqa: ANN401 - any form of a prompt
    given = opened(prompt)
    if given.kind == "messages":
        return given.messages
    if given.kind == "documents":
        msg = "documents are no prompt: put their texts into a message, or use the compressor before the prompt"
        raise TypeError(msg)
    return [HumanMessage(text) for text in given.texts]


def _told(prompt: Any, found: CompressedMessages, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:  # noqa: ANN401 - a prompt
    """The prompt to send and a configuration that says what was left out; both as they were where nothing was."""
    given = ensure_config(config)
    if not found.saved_tokens:
        return prompt, given
    metadata = given.get("metadata") or {}
    named = metadata.get(tags.TECHNIQUE) or ()
    techniques = [named] if isinstance(named, str) else list(named)
    told = {
        **metadata,
        tags.TECHNIQUE: [*techniques, TECHNIQUE] if TECHNIQUE not in techniques else techniques,
        tags.SAVED_INPUT_TOKENS: found.saved_tokens,
    }
    shortened = patch_config(given)
    shortened["metadata"] = told
    return found.messages, shortened
