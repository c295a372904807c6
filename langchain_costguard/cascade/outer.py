"""Which run a chat model's stream belongs to: LangChain tells `_generate`, and leaves `_stream` to find out."""

# ruff: noqa: ANN401 - the signatures are LangChain's

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from langchain_core.callbacks import CallbackManager
from langchain_core.runnables.config import ensure_config

from langchain_costguard.callbacks.inline import PlacedHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from uuid import UUID

    from langchain_core.callbacks import BaseCallbackHandler, Callbacks
    from langchain_core.runnables import RunnableConfig


class OuterRun(Protocol):
    """What is asked of a run around legs; LangChain's run managers are such."""

    run_id: UUID
    handlers: list[BaseCallbackHandler]
    tags: list[str]
    metadata: dict[str, Any]


OUTER: Final[ContextVar[OuterRun | None]] = ContextVar("langchain_costguard_cascade_run", default=None)
"""The run whose stream is about to begin in this context."""


class RunNoted(PlacedHandler):
    """A handler of one streamed run that notes which run it is."""

    def __init__(self, handlers: list[BaseCallbackHandler]) -> None:
        """Wait for the run to begin.

        Args:
            handlers: who else is told of it.
        """
        super().__init__()
        self.handlers = handlers
        self.run_id: UUID | None = None
        self.tags: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.chunks: AsyncGenerator[Any] | None = None

    async def aclose(self) -> None:
        """Close what it streams: LangChain leaves that open where its own stream is closed early."""
        if self.chunks is not None:
            await self.chunks.aclose()

    def on_chat_model_start(
        self,
        serialized: Mapping[str, Any],
        messages: Sequence[Any],
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The run begins."""
        del serialized, messages, kwargs
        self.run_id, self.tags, self.metadata = run_id, tags or [], metadata or {}


def noted(config: RunnableConfig | None, own: Callbacks) -> tuple[RunnableConfig, RunNoted]:
    """The config of a streamed run with a handler that notes it.

    Args:
        config: the config as it was given.
        own: the callbacks of the model itself.
    """
    config = ensure_config(config)
    manager = CallbackManager.configure(config.get("callbacks"), own)
    run = RunNoted(manager.handlers)
    callbacks = config.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        return {**config, "callbacks": [*(callbacks or ()), run]}, run
    copied = callbacks.copy()
    copied.add_handler(run)
    return {**config, "callbacks": copied}, run
