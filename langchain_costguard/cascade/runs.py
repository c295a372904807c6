"""How a leg is run: as a child of the cascade's own run, or in isolation where the cascade is itself a model's run."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar, copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from langchain_core.callbacks import CallbackManager, adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables.config import patch_config, var_child_runnable_config
from langchain_core.tracers import context as context_of_tracers

from langchain_costguard._worker import COUNTER
from langchain_costguard.callbacks.scopes import SCOPE, current_views
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.cascade.legs import LegWatcher, recorder_of, views_of
from langchain_costguard.cascade.tiers import is_transparent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.cascade.legs import Leg
    from langchain_costguard.cascade.outer import OuterRun
    from langchain_costguard.pricing.book import PriceBook

DRAFT_EVENT: Final = "cascade_draft"
"""The custom event that shows a draft and what became of it."""

_COUNTING_SECONDS: Final = 5.0
"""So long an answer may wait for its tokens to be counted."""

_OURS: Final = "langchain_costguard_"
"""How our own context variables are called."""

Result = TypeVar("Result")


class Runs(Protocol):
    """Where the legs of one question are run."""

    @property
    def id(self) -> str:
        """The id of the run around the legs; empty where there is none."""

    @property
    def prices(self) -> PriceBook:
        """The prices of whoever watches; list prices where nobody does."""

    def config(self, leg: Leg) -> RunnableConfig:
        """The config of a leg that is about to begin; from here on its watcher sees it."""

    def invoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg."""

    async def ainvoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg without holding up the event loop."""

    def stream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Generator[Any]:
        """Run a leg, piece by piece."""

    def astream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> AsyncGenerator[Any]:
        """Run a leg, piece by piece, without holding up the event loop."""

    def tell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft."""

    async def atell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft without holding up the event loop."""


class ChildRuns:
    """Legs as children of a chain run, with its callbacks, tags and metadata."""

    def __init__(self, run_manager: Any, config: RunnableConfig) -> None:
        """Run the legs below this run."""
        self._run = run_manager
        self._config = config
        self._around = current_views(*views_of(run_manager.inheritable_handlers))

    @property
    def id(self) -> str:
        """The id of the run around the legs."""
        return str(self._run.run_id)

    @property
    def prices(self) -> PriceBook:
        """The prices of whoever watches; list prices where nobody does."""
        return recorder_of(self._around).prices

    def config(self, leg: Leg) -> RunnableConfig:
        """The config of a leg that is about to begin."""
        children = self._run.get_child()
        leg.watcher = LegWatcher(self._around)
        others = [handler for handler in children.handlers if not isinstance(handler, CallWatcher)]
        if leg.is_hidden and any(map(_is_streaming, others)) and not (leg.asked and is_transparent(leg.asked)):
            others = [handler for handler in others if not _is_streaming(handler)]
        children.set_handlers([*others, leg.watcher])
        config = patch_config(self._config, callbacks=children)
        config["metadata"] = leg.metadata(config.get("metadata"))
        config["tags"] = [*config.get("tags", []), *leg.tags()]
        return config

    def invoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg."""
        config = self.config(leg)
        token = SCOPE.set(leg.watcher)
        try:
            return runnable.invoke(given, config, **settings)
        finally:
            SCOPE.reset(token)

    async def ainvoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg without holding up the event loop."""
        config = self.config(leg)
        token = SCOPE.set(leg.watcher)
        try:
            answer = await runnable.ainvoke(given, config, **settings)
        finally:
            SCOPE.reset(token)
        await _counted(leg)
        return answer

    def stream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Generator[Any]:
        """Run a leg, piece by piece."""
        config, context = self.config(leg), copy_context()
        return _pieces(context, leg, partial(runnable.stream, given, config, **settings))

    def astream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> AsyncGenerator[Any]:
        """Run a leg, piece by piece, without holding up the event loop."""
        config, context = self.config(leg), copy_context()
        return _apieces(context, leg, partial(runnable.astream, given, config, **settings))

    def tell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft."""
        dispatch_custom_event(DRAFT_EVENT, dict(data), config={"callbacks": self._run.get_child()})

    async def atell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft without holding up the event loop."""
        await adispatch_custom_event(DRAFT_EVENT, dict(data), config={"callbacks": self._run.get_child()})


class IsolatedRuns:
    """Legs apart from a model's run, which LangChain counts as one call.

    They are run in a context of their own, where neither LangSmith nor a counter of usage sees them, and handed to
    everybody of ours who watches the model's run: its parent is known, its budgets hold, its lines are written.
    """

    def __init__(self, run_manager: OuterRun | None) -> None:
        """Run the legs below this run, of a chat model; `None` where it was called directly."""
        self._run = run_manager
        self._around = current_views(*views_of(() if run_manager is None else run_manager.handlers))

    @property
    def id(self) -> str:
        """The id of the run around the legs."""
        return "" if self._run is None else str(self._run.run_id)

    @property
    def prices(self) -> PriceBook:
        """The prices of whoever watches; list prices where nobody does."""
        return recorder_of(self._around).prices

    def config(self, leg: Leg) -> RunnableConfig:
        """The config of a leg that is about to begin."""
        leg.watcher = LegWatcher(self._around)
        if self._run is None:
            return {"callbacks": [leg.watcher], "tags": leg.tags(), "metadata": leg.metadata()}
        callbacks = CallbackManager([leg.watcher], [leg.watcher], parent_run_id=self._run.run_id)
        outer = {name: value for name, value in self._run.metadata.items() if not name.startswith("ls_")}
        return {
            "callbacks": callbacks,
            "tags": [*self._run.tags, *leg.tags()],
            "metadata": leg.metadata(outer),
        }

    def invoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg."""
        config, context = self.config(leg), _isolated()
        context.run(SCOPE.set, leg.watcher)
        return context.run(partial(runnable.invoke, given, config, **settings))

    async def ainvoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg without holding up the event loop."""
        config, context = self.config(leg), _isolated()
        context.run(SCOPE.set, leg.watcher)
        answer = await _in_context(context, partial(runnable.ainvoke, given, config, **settings))
        await _counted(leg)
        return answer

    def stream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Generator[Any]:
        """Run a leg, piece by piece."""
        return _pieces(_isolated(), leg, partial(runnable.stream, given, self.config(leg), **settings))

    def astream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> AsyncGenerator[Any]:
        """Run a leg, piece by piece, without holding up the event loop."""
        return _apieces(_isolated(), leg, partial(runnable.astream, given, self.config(leg), **settings))

    def tell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft."""
        if self._run is not None:
            dispatch_custom_event(DRAFT_EVENT, dict(data), config={"callbacks": self._children()})

    async def atell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft without holding up the event loop."""
        if self._run is not None:
            await adispatch_custom_event(DRAFT_EVENT, dict(data), config={"callbacks": self._children()})

    def _children(self) -> CallbackManager:
        assert self._run is not None  # noqa: S101 - `tell` asked
        return CallbackManager(self._run.handlers, parent_run_id=self._run.run_id)


def _pieces(context: Context, leg: Leg, begin: Callable[[], Any]) -> Generator[Any]:
    """The pieces of a leg that is streamed in a context of its own."""
    context.run(SCOPE.set, leg.watcher)
    pieces = context.run(begin)
    try:
        while True:
            try:
                piece = context.run(next, pieces)
            except StopIteration:
                return
            yield piece
    finally:
        context.run(pieces.close)


async def _apieces(context: Context, leg: Leg, begin: Callable[[], Any]) -> AsyncGenerator[Any]:
    """The same without holding up the event loop."""
    context.run(SCOPE.set, leg.watcher)
    pieces = context.run(begin)
    try:
        while True:
            try:
                piece = await _in_context(context, pieces.__anext__)
            except StopAsyncIteration:
                await _counted(leg)
                return
            yield piece
    finally:
        await _in_context(context, pieces.aclose)


async def _counted(leg: Leg) -> None:
    """Wait for the line of an answer without usage: its tokens are counted on a thread, and its cost is needed now."""
    if not leg.lines and not COUNTER.is_idle:
        await asyncio.to_thread(COUNTER.drain, _COUNTING_SECONDS)


async def _in_context(context: Context, call: Callable[[], Awaitable[Result]]) -> Result:
    """Await a call in a task of its own, in that context; cancelling the one who waits cancels it."""

    async def run() -> Result:
        return await call()

    return await asyncio.get_running_loop().create_task(run(), context=context)


def _is_streaming(handler: Any) -> bool:
    """Whether a handler makes models stream, as `astream_events` does."""
    return hasattr(handler, "tap_output_aiter")


def _isolated() -> Context:
    """A context with the user's own variables, and without anybody's callbacks."""
    untraced = _untraced()[0]
    context = untraced.copy()
    left_out = {*_configuring(), *untraced}
    for variable, value in copy_context().items():
        if variable not in left_out and not variable.name.startswith(_OURS):
            context.run(variable.set, value)
    return context


def _configuring() -> Iterator[ContextVar[Any]]:
    """The variables in which LangChain finds callbacks."""
    yield var_child_runnable_config
    yield context_of_tracers.tracing_v2_callback_var
    for hook in context_of_tracers._configure_hooks:  # noqa: SLF001 - there is no other way to know them
        if isinstance(hook[0], ContextVar):
            yield hook[0]


@cache
def _untraced() -> tuple[Context, object]:
    """A context in which LangSmith is switched off, and what switches it off, which must not be given up."""
    from langsmith.run_helpers import tracing_context

    context, off = Context(), tracing_context(enabled=False)
    context.run(off.__enter__)
    return context, off
