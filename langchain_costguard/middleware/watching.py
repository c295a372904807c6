"""Which calls are an agent's: every model call below a run of its graph, whoever makes it, is labelled and held.

LangChain asks a hook for a handler whenever a run is configured. The one here is told of all runs below an agent: those
of its own model, of its tools and their agents, and of the models that other middleware asks. A middleware says which
graph's run it belongs to as soon as one of its own hooks runs in it.
"""

# ruff: noqa: ANN401 - the signatures are LangChain's

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID
from weakref import WeakSet

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables.config import var_child_runnable_config

from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.runs import RUNS_TO_READ
from langchain_costguard.callbacks.scopes import SCOPE, Scope, may_run_inline
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.middleware.labels import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextvars import ContextVar

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.callbacks.handler import CostCallbackHandler
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.exceptions import BudgetExceededError
    from langchain_costguard.middleware.tool_calls import PaidToolCall

_MAX_RUNS: Final = 10_000
"""So many runs of graphs, and of tools, are known at once; the oldest whose end nobody reported is forgotten."""

_MAX_DEPTH: Final = 1_000
"""Runs are within one another no deeper than Python's calls are."""

_NO_RUN: Final = UUID(int=0)
"""Stands for a graph that runs without callbacks."""


def _nothing(error: BudgetExceededError) -> None:
    """Answer for no refusal."""
    del error


@dataclass(slots=True, eq=False)
class AgentRun:
    """One invocation of an agent that has an allowance.

    Attributes:
        costs: who records its calls and holds them to its budgets.
        key: the metadata key under which its calls carry `allowance`.
        allowance: which allowance per run it spends; the same before and after an interrupt.
        stopped: the refusal it ends with, as texts; `None` while it goes on.
        is_downgraded: whether it goes on with the cheaper model.
        answer: what is to be said of a refusal, as texts; `None` where it is to be raised.
        forget: lets go of its counters, where it can; they are kept a while after its end, to be read.
    """

    costs: CostCallbackHandler
    key: str
    allowance: str
    stopped: Mapping[str, Any] | None = None
    is_downgraded: bool = False
    answer: Callable[[BudgetExceededError], Mapping[str, Any] | None] = _nothing
    forget: Callable[[], bool] = bool


class AgentWatcher(CallWatcher):
    """The handler of all agents of this process that have middleware of this package."""

    def __init__(self) -> None:
        """Know of no agent yet."""
        super().__init__()
        self.is_inline: bool = True
        self._handlers: WeakSet[CostCallbackHandler] = WeakSet()
        self._runs: OrderedDict[UUID, list[AgentRun]] = OrderedDict()
        self._tools: dict[UUID, str] = {}
        self._paid: dict[UUID | None, list[PaidToolCall]] = {}
        self._ended: deque[AgentRun] = deque()
        self._lock = threading.Lock()
        self._is_registered = False

    # -- what middleware asks ----------------------------------------------------------------------------------------

    def register(self, costs: CostCallbackHandler | None = None) -> None:
        """Have LangChain tell of runs from here on, and of an allowance that agents will have."""
        with self._lock:
            if costs is not None:
                self._handlers.add(costs)
                self.is_inline = may_run_inline(list(self._handlers))
            if self._is_registered:
                return
            from langchain_core.tracers.context import register_configure_hook

            register_configure_hook(cast("ContextVar[Any]", self), inheritable=True)
            self._is_registered = True

    def enter(self, run: AgentRun, graph_run: UUID, begin: Callable[[], None]) -> AgentRun:
        """Note that an agent's graph runs; the note that was made before, where there is one.

        Args:
            run: the agent's run.
            graph_run: the run of its graph.
            begin: done once, before any call can be held to the run's allowance; tools go on at once after a resume.
        """
        with self._lock:
            known = self._runs.setdefault(graph_run, [])
            found = next((one for one in known if one.costs is run.costs), None)
            if found is not None:
                return found
            begin()
            known.append(run)
            if len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)
            return run

    def runs_of(self, graph_run: UUID) -> list[AgentRun]:
        """The runs of one graph, one for each allowance the agent has."""
        return list(self._runs.get(graph_run, ()))

    def run_of(self, costs: CostCallbackHandler, graph_run: UUID) -> AgentRun | None:
        """The run of one agent's graph, if it was noted."""
        return next((one for one in self.runs_of(graph_run) if one.costs is costs), None)

    def around(self, parent_run_id: UUID | None) -> list[AgentRun]:
        """The agents with an allowance around a run, the nearest first."""
        if not self._runs:
            return []
        return [one for ancestor in ancestors(parent_run_id) for one in self._runs.get(ancestor, ())]

    def allowance_here(self, key: str) -> str | None:
        """Which allowance the running code spends of the agent with this key; of one within itself, the outermost."""
        return identities(self.around(running_below())).get(key)

    def is_paid(self, parent_run_id: UUID | None, called: tuple[str | None, str]) -> bool:
        """Whether another allowance of the same agent pays a call of a tool: it is charged to all of them."""
        return any((call.id, call.name) == called for call in list(self._paid.get(parent_run_id, ())))

    @contextmanager
    def paying(self, call: PaidToolCall | None) -> Iterator[None]:
        """Tell a call of a tool, within this context, of each time the tool runs for it, and of its end."""
        if call is None:
            yield
            return
        with self._lock:
            self._paid.setdefault(call.parent_run_id, []).append(call)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:  # whatever it ends with, what was reserved is booked or free; raised again
            error = raised
            raise
        finally:
            call.end(error)
            with self._lock:
                here = self._paid[call.parent_run_id]
                here.remove(call)
                if not here:
                    del self._paid[call.parent_run_id]

    def tool_around(self, parent_run_id: UUID | None) -> str | None:
        """The nearest tool around a run."""
        if not self._tools:
            return None
        return next((self._tools[one] for one in ancestors(parent_run_id) if one in self._tools), None)

    # -- what LangChain asks and tells -------------------------------------------------------------------------------

    def get(self) -> AgentWatcher | None:
        """What LangChain's configure loop asks for; shaped like `ContextVar.get`."""
        scope = SCOPE.get()
        return None if scope is not None and scope.stands_for_all else self

    @property
    def views(self) -> Sequence[CallView]:
        """Those with an allowance around the running code."""
        return [one.costs for one in self.around(running_below())]

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model run begins: it is labelled, and held to the allowances around it."""
        watcher = self._watcher_of(parent_run_id, metadata)
        if watcher is not None:
            watcher.on_chat_model_start(
                serialized,
                messages,
                run_id=run_id,
                parent_run_id=parent_run_id,
                tags=tags,
                metadata=metadata,
                **kwargs,
            )

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A text model run begins: it is labelled, and held to the allowances around it."""
        watcher = self._watcher_of(parent_run_id, metadata)
        if watcher is not None:
            watcher.on_llm_start(
                serialized, prompts, run_id=run_id, parent_run_id=parent_run_id, tags=tags, metadata=metadata, **kwargs
            )

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool begins: calls below it are labelled with its name, and each of its runs is paid."""
        name = str(kwargs.get("name") or (serialized or {}).get("name") or "tool")
        called = kwargs.get("tool_call_id")
        for call in list(self._paid.get(parent_run_id, ())):
            if called == call.id if called is not None else name == call.name:
                call.runs_again()
        super().on_tool_start(serialized, input_str, run_id=run_id, parent_run_id=parent_run_id, **kwargs)
        self._tools[run_id] = name
        if len(self._tools) > _MAX_RUNS:
            with self._lock:
                self._tools.pop(next(iter(self._tools)), None)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has ended."""
        super().on_tool_end(output, run_id=run_id, **kwargs)
        self._tools.pop(run_id, None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        super().on_tool_error(error, run_id=run_id, **kwargs)
        self._tools.pop(run_id, None)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, or something in it, has ended."""
        super().on_chain_end(outputs, run_id=run_id, **kwargs)
        self._leave(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, or something in it, has failed."""
        super().on_chain_error(error, run_id=run_id, **kwargs)
        self._leave(run_id)

    def _leave(self, run_id: UUID) -> None:
        """Note that a graph has ended, and let go of what the one that ended so many runs ago has spent.

        One that has begun again after an interrupt keeps its counters; one that does so later has them restored.
        """
        if run_id not in self._runs:
            return
        with self._lock:  # others look through the runs, and through what has ended
            ended = self._runs.pop(run_id, None)
            if ended is None:
                return
            self._ended.extend(ended)
            if len(self._ended) <= RUNS_TO_READ:
                return
            oldest = self._ended.popleft()
            again = [*self._ended, *(one for runs in self._runs.values() for one in runs)]
            if not any(one.allowance == oldest.allowance for one in again) and not oldest.forget():
                self._ended.append(oldest)  # a call of it has not ended

    def _watcher_of(self, parent_run_id: UUID | None, metadata: dict[str, Any] | None) -> Scope | None:
        """Who watches a call below this run; its metadata, which all handlers are given, says whose it is."""
        runs = self.around(parent_run_id)
        if metadata is not None:
            for key, value in labels(metadata, self.tool_around(parent_run_id)).items():
                metadata.setdefault(key, value)
            metadata.update(identities(runs))
        views = [one.costs for one in runs]
        if not views:
            return None
        watcher = Scope(tuple(dict.fromkeys(views)))
        watcher.is_inline = self.is_inline
        return watcher


def identities(runs: Sequence[AgentRun]) -> Mapping[str, str]:
    """The metadata by which budgets per run know whose call it is; of an agent within itself, the outermost."""
    return {one.key: one.allowance for one in runs}


def ancestors(run_id: UUID | None) -> list[UUID]:
    """A run and those around it, the nearest first; a call far below an agent is the agent's all the same."""
    return CALLS.ancestors(run_id, most=_MAX_DEPTH)


def running_below() -> UUID | None:
    """The run below which the running code calls models: LangChain keeps it in a context variable."""
    config = var_child_runnable_config.get()
    manager = None if config is None else config.get("callbacks")
    return manager.parent_run_id if isinstance(manager, BaseCallbackManager) else None


def run_below(config: RunnableConfig) -> UUID | None:
    """The run of the node that a hook runs in."""
    return getattr(config.get("callbacks"), "parent_run_id", None)


def handlers_of(config: RunnableConfig) -> Sequence[Any]:
    """The handlers of the node that a hook runs in."""
    found: Sequence[Any] = getattr(config.get("callbacks"), "handlers", ())
    return found


def graph_run(config: RunnableConfig) -> UUID:
    """The run of the graph that a hook runs in: the one around its node's."""
    around = ancestors(run_below(config))
    return around[1] if len(around) > 1 else around[0] if around else _NO_RUN


def label_agents() -> None:
    """Label every model call of every agent in this process: `agent`, `step` and `tool` stand in its metadata.

    `BudgetMiddleware` does this already; without it, call this once. Reports then say who spent what, and calls that
    other middleware makes (a summary, the selection of a tool) stand under the step they are made in.

    Example:
        ```python
        label_agents()
        with track_costs() as costs:
            agent.invoke({"messages": "What is the weather in Paris?"})
        costs.report().by("metadata:agent", "metadata:step", "metadata:tool")
        ```
    """
    AGENTS.register()


AGENTS: Final = AgentWatcher()
"""The handler of all agents in this process."""
