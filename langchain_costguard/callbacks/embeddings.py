"""Embeddings that are recorded: LangChain has no callbacks for them, so they are wrapped."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import var_child_runnable_config

from langchain_costguard.callbacks.calls import CALLS, close_call, withdraw_call
from langchain_costguard.callbacks.gate import admit_call
from langchain_costguard.callbacks.results import read_failure
from langchain_costguard.callbacks.scopes import current_views, may_run_inline
from langchain_costguard.callbacks.watcher import endpoint_provider_of
from langchain_costguard.callbacks.whereabouts import locate
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.callbacks.handler import CostCallbackHandler

_MODEL_FIELDS: Final = ("model", "model_name", "model_id", "deployment")
_PROVIDERS: Final = {"aws": "amazon_bedrock", "google_genai": "google_genai", "google_vertexai": "google_vertexai"}


def track_embeddings(embeddings: Embeddings, handler: CostCallbackHandler | None = None) -> TrackedEmbeddings:
    """Wrap an embedding model so that its calls are recorded like those of chat models.

    LangChain drops the usage that providers report for embeddings; their tokens are counted here and the lines are
    marked as estimated. For OpenAI's models the count is what OpenAI counts.

    Args:
        embeddings: any LangChain embedding model.
        handler: who records, besides the `track_costs` block around the call and what is installed.

    Returns:
        The same embeddings, with the same methods.

    Raises:
        TypeError: it is no embedding model.

    Example:
        ```python
        embeddings = track_embeddings(OpenAIEmbeddings(model="text-embedding-3-small"))
        with track_costs() as costs:
            embeddings.embed_query("What does this cost?")
        ```
    """
    given: object = embeddings
    if not isinstance(given, Embeddings):
        msg = f"{embeddings!r} is no embedding model of LangChain: give one, such as OpenAIEmbeddings()"
        raise TypeError(msg)
    if isinstance(embeddings, TrackedEmbeddings):  # wrapped before: each call is booked once all the same
        return TrackedEmbeddings(embeddings.embeddings, handler or embeddings.handler)
    return TrackedEmbeddings(embeddings, handler)


class TrackedEmbeddings(Embeddings):
    """An embedding model whose calls are recorded; made by `track_embeddings`."""

    def __init__(self, embeddings: Embeddings, handler: CostCallbackHandler | None = None) -> None:
        """Wrap a model."""
        self.embeddings = embeddings
        self.handler = handler

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; one line in the ledger for all of them."""
        call = self._begin(texts)
        try:
            vectors = self.embeddings.embed_documents(texts)
        except BaseException as error:  # a cancelled call is booked as well; raised again
            self._fail(call, error)
            raise
        self._end(call)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed one text."""
        call = self._begin([text])
        try:
            vector = self.embeddings.embed_query(text)
        except BaseException as error:  # a cancelled call is booked as well; raised again
            self._fail(call, error)
            raise
        self._end(call)
        return vector

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; one line in the ledger for all of them."""
        call = await self._abegin(texts)
        try:
            vectors = await self.embeddings.aembed_documents(texts)
        except BaseException as error:  # a cancelled call is booked as well; raised again
            self._fail(call, error)
            raise
        self._end(call)
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        """Embed one text."""
        call = await self._abegin([text])
        try:
            vector = await self.embeddings.aembed_query(text)
        except BaseException as error:  # a cancelled call is booked as well; raised again
            self._fail(call, error)
            raise
        self._end(call)
        return vector

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the wrapped model has
        """Anything else is the wrapped model's."""
        if name == "embeddings":  # not there yet while an instance is being copied
            raise AttributeError(name)
        return getattr(self.embeddings, name)

    def _begin(self, texts: Sequence[str]) -> StartedCall | None:
        views = current_views(*(() if self.handler is None else (self.handler,)))
        if not views:
            return None
        call = StartedCall(uuid4(), "embedding", tuple(texts), "\x1e".join)
        call.provider = _provider_of(self.embeddings)
        call.endpoint_provider = endpoint_provider_of(vars(self.embeddings))
        call.sent = call.prompt
        call.request_model = next(
            (str(value) for name in _MODEL_FIELDS if (value := getattr(self.embeddings, name, None))), None
        )
        _place(call)
        locate(call, is_inline=True)
        admit_call(call, views, _constructor_of(self.embeddings))
        for recorder in call.watch(views):
            recorder.begin(call)
        return call

    async def _abegin(self, texts: Sequence[str]) -> StartedCall | None:
        """Begin a call without holding up the event loop for a budget's store across a network."""
        views = current_views(*(() if self.handler is None else (self.handler,)))
        if may_run_inline(views):
            return self._begin(texts)
        handover = _Handover()
        try:
            return await asyncio.to_thread(lambda: handover.offer(self._begin(texts)))
        except asyncio.CancelledError:
            handover.decline()
            raise

    def _end(self, call: StartedCall | None) -> None:
        if call is not None:
            nothing = not any(call.prompt)
            close_call(call, Outcome("ok", TokenUsage() if nothing else None))

    def _fail(self, call: StartedCall | None, error: BaseException) -> None:
        if call is not None:
            close_call(call, read_failure(call, error, None))


class _Handover:
    """A call that a thread begins for a task, which may be cancelled before it gets it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._call: StartedCall | None = None
        self._is_declined = False

    def offer(self, call: StartedCall | None) -> StartedCall | None:
        """Hand a call over, or take it back if nobody wants it any more."""
        with self._lock:
            self._call = call
            is_declined = self._is_declined
        if is_declined and call is not None:
            withdraw_call(call)
        return call

    def decline(self) -> None:
        """Take the call back, now or when it has begun."""
        with self._lock:
            self._is_declined = True
            call = self._call
        if call is not None:
            withdraw_call(call)


def _place(call: StartedCall) -> None:
    """Note the run that embeds, if there is one: LangChain keeps it in a context variable."""
    config = var_child_runnable_config.get()
    manager = None if config is None else config.get("callbacks")
    if isinstance(manager, BaseCallbackManager) and manager.parent_run_id is not None:
        call.parent_run_id = manager.parent_run_id
        CALLS.place(call)


def _constructor_of(embeddings: Embeddings) -> dict[str, Any]:
    """The settings of the client, in the shape in which callbacks are given those of a model."""
    kind = type(embeddings)
    return {"id": [*kind.__module__.split("."), kind.__name__], "kwargs": vars(embeddings)}


def _provider_of(embeddings: Embeddings) -> str:
    """The provider, as the package of the integration names it."""
    if type(embeddings).__name__.startswith("Azure"):
        return "azure"
    package = type(embeddings).__module__.partition(".")[0].removeprefix("langchain_")
    return _PROVIDERS.get(package, package)
