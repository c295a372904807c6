"""cached(): a chat model whose streams are cached as well, and which is asked once by all who ask the same at once."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, ensure_config

from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.wrapping import ModelWrapper, where_else
from langchain_costguard.semantic_cache.flights import ticketed
from langchain_costguard.semantic_cache.pieces import PieceHandler, pieces_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from langchain_core.caches import BaseCache
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableConfig

WAIT_SECONDS: Final = 60.0
"""So long a call waits for another one that asks the same, before it asks by itself."""


def cached(
    model: Runnable[LanguageModelInput, AIMessage],
    cache: BaseCache | None = None,
    *,
    wait_seconds: float = WAIT_SECONDS,
) -> CachedChatModel:
    """A chat model whose streams are cached too, and of which concurrent calls with the same prompt make one.

    LangChain asks its cache in `invoke`, `ainvoke`, `batch` and `abatch` only. Here a stream is looked up and stored
    like them; an answer from the cache arrives in pieces, with its usage once. Of calls that ask the same at once, in
    threads and tasks of this process, the first asks the model; the others wait and are served from the cache. If the
    first fails, another one asks.

    Args:
        model: a chat model, also with tools or other arguments bound.
        cache: where answers are kept, in place of LangChain's global cache.
        wait_seconds: how long a call waits for another one before it asks by itself.

    Returns:
        A Runnable with `bind_tools`, `bind` and `with_structured_output`; anything else is the model's own.

    Raises:
        TypeError: it is no chat model.

    Example:
        ```python
        model = cached(ChatOpenAI(model="gpt-4o-mini"), SemanticCache())
        for chunk in model.stream("How do I reset my password?"):
            print(chunk.text, end="")
        ```
    """
    return CachedChatModel(_with_cache(model, cache), wait_seconds)


class CachedChatModel(ModelWrapper):
    """A chat model whose streams are cached as well; made by `cached`."""

    def __init__(self, model: Runnable[Any, AIMessage], wait_seconds: float = WAIT_SECONDS) -> None:
        """Wrap a model that has its cache already."""
        self.model: Runnable[Any, Any] = model
        self.wait_seconds: float = wait_seconds

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> AIMessage:
        """Ask the model, or wait for somebody who asks it the same."""
        with ticketed(self.wait_seconds):
            return cast("AIMessage", self.model.invoke(input, config, **kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> AIMessage:
        """The same as `invoke`."""
        with ticketed(self.wait_seconds):
            return cast("AIMessage", await self.model.ainvoke(input, config, **kwargs))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> Iterator[AIMessage]:
        """Stream the answer, from the cache or from the model.

        The model is asked on a thread of its own; leaving the stream early ends the call with its next piece.
        """
        pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
        handler = PieceHandler(pieces.put, ends_call=True)
        given = _watched(config, handler)

        def ask() -> None:
            try:
                message = self.invoke(input, given, **kwargs)
                for piece in () if handler.has_pieces else pieces_of(message):
                    pieces.put(piece)
                pieces.put(_END)
            except BaseException as error:  # noqa: BLE001 - raised where the stream is read
                pieces.put(_Failed(error))

        threading.Thread(target=copy_context().run, args=(ask,), name="costguard-stream", daemon=True).start()
        try:
            while (piece := pieces.get()) is not _END:
                if isinstance(piece, _Failed):
                    raise piece.error
                yield piece
        finally:
            handler.close()

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> AsyncIterator[AIMessage]:
        """The same as `stream`; the model is asked in a task of its own, which ends with the stream."""
        pieces: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        handler = PieceHandler(_putter(pieces, loop), ends_call=False)

        async def ask() -> None:
            try:
                message = await self.ainvoke(input, _watched(config, handler), **kwargs)
                for piece in () if handler.has_pieces else pieces_of(message):
                    pieces.put_nowait(piece)
                loop.call_soon(pieces.put_nowait, _END)
            except Exception as error:  # noqa: BLE001 - raised where the stream is read
                loop.call_soon(pieces.put_nowait, _Failed(error))

        task = asyncio.create_task(ask())
        try:
            while (piece := await pieces.get()) is not _END:
                if isinstance(piece, _Failed):
                    raise piece.error
                yield piece
        finally:
            handler.close()
            if not task.done():
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if task.cancelled() and handler.run_id is not None:
                CALLS.cancel(handler.run_id)

    def _around(self, model: Runnable[Any, Any]) -> CachedChatModel:
        return CachedChatModel(model, self.wait_seconds)


class _Failed:
    """An error on its way from where a model was asked to where its stream is read."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


_END: Final = object()


def _with_cache(model: object, cache: BaseCache | None) -> Runnable[Any, AIMessage]:
    """A chat model with its cache set, below whatever is bound to it."""
    if isinstance(model, CachedChatModel):
        model = model.model
    if isinstance(model, RunnableBinding):
        return cast("Runnable[Any, AIMessage]", model.model_copy(update={"bound": _with_cache(model.bound, cache)}))
    if isinstance(model, BaseChatModel):
        return model if cache is None else model.model_copy(update={"cache": cache})
    msg = f"{type(model).__name__} is no chat model, whose answers alone can be kept: {where_else(model, 'cached')}"
    raise TypeError(msg)


def _watched(config: RunnableConfig | None, handler: PieceHandler) -> RunnableConfig:
    """A config with one handler more."""
    given = ensure_config(config)
    callbacks = given.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        given["callbacks"] = [*(callbacks or ()), handler]
    else:
        manager = callbacks.copy()
        manager.add_handler(handler, inherit=False)
        given["callbacks"] = manager
    return given


def _putter(pieces: asyncio.Queue[Any], loop: asyncio.AbstractEventLoop) -> Callable[[Any], None]:
    """Puts into a queue, from the loop's own thread as from any other, in the order of the calls."""

    def put(piece: Any) -> None:  # noqa: ANN401 - a chunk of a message
        loop.call_soon_threadsafe(pieces.put_nowait, piece)

    return put
