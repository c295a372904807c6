"""BudgetMiddleware: an agent with an allowance, which ends well, fails, or goes on more cheaply when it is spent."""

# ruff: noqa: ANN401 - requests and states are of any kind

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, get_args
from uuid import uuid4

from langchain_costguard.callbacks.handler import CostCallbackHandler
from langchain_costguard.callbacks.runs import RUNS
from langchain_costguard.cascade.legs import views_of
from langchain_costguard.exceptions import BudgetExceededError
from langchain_costguard.middleware.agents import (
    AgentMiddleware,
    AgentState,
    Command,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
    get_config,
    hook_config,
)
from langchain_costguard.middleware.allowance import (
    KEY,
    checked_budgets,
    forget,
    of_agent,
    restore,
    spent_by,
    thread_key,
)
from langchain_costguard.middleware.keeping import merged
from langchain_costguard.middleware.labels import STEP, TOOL, labels
from langchain_costguard.middleware.models import as_model
from langchain_costguard.middleware.request_runs import deferred, is_escalation
from langchain_costguard.middleware.shortening import shortened
from langchain_costguard.middleware.stand_ins import instead
from langchain_costguard.middleware.tool_calls import PaidToolCall, refused_tool
from langchain_costguard.middleware.tool_prices import ToolPrices
from langchain_costguard.middleware.watching import AGENTS, AgentRun, graph_run, handlers_of, identities, run_below
from langchain_costguard.middleware.wording import (
    allowance_words,
    facts_of,
    farewell,
    is_farewell,
    refused_in,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import ToolMessage
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    from langchain_costguard.budgets import Budget
    from langchain_costguard.guard.alerts import OnAlert
    from langchain_costguard.guard.guard import OnStoreError
    from langchain_costguard.middleware.agents import ModelCallResult, ToolCallRequest
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.pricing.quotes import Dollars
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore

OnExceeded = Literal["end", "raise", "downgrade"]

_numbers: Final = count(1)
_CHECKPOINTER: Final = "__pregel_checkpointer"
"""Where LangGraph's config names the checkpointer of the running graph."""
_HANDLED: Final = ("limit", "frozen")
"""Refusals that end an agent well; any other is a fault of its configuration, and raised."""


class AllowanceState(AgentState[Any]):
    """What a thread's checkpoints keep of each allowance, by its middleware's name; of no concern to anybody else."""

    costguard_allowance: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merged]]


class BudgetMiddleware(AgentMiddleware[AllowanceState, Any, Any]):
    """Gives an agent an allowance that holds: for its model, its tools and their agents, and other middleware.

    Before each model call the most it can cost is reserved, and a call that does not fit is not made. Calls that are
    held are all those made below the agent's graph: by its own model and its fallbacks, by agents inside of tools, and
    by other middleware, such as `SummarizationMiddleware`. What the middleware has seen is in `costs`.

    A budget `per="run"` is for one invocation of the agent, which an interrupt does not end. A budget with
    `each="thread_id"` is for one thread, and needs a checkpointer; `each="user"` is for one user, by the metadata.

    Put it first in the list of middleware: then what the others do is inside of it, and when the allowance is spent
    nothing of them runs any more. Elsewhere the limit holds as well.

    Attributes:
        costs: who records the agent's calls; `costs.total_cost`, `costs.budgets()` and `costs.report()` answer.
        budgets: the budgets in force.
        on_exceeded: what happens when a call does not fit.

    Example:
        ```python
        allowance = BudgetMiddleware(Budget("0.05", per="run"), tool_prices={"search": "0.005"})
        agent = create_agent("openai:gpt-4o-mini", [search], middleware=[allowance])
        ```
    """

    state_schema = AllowanceState

    def __init__(
        self,
        budgets: Budget | Iterable[Budget],
        on_exceeded: OnExceeded = "end",
        cheaper: BaseChatModel | str | None = None,
        tool_prices: Mapping[str, Dollars] | None = None,
        *,
        store: LedgerStore | str | os.PathLike[str] | None = None,
        prices: PriceBook | Mapping[str, Any] | None = None,
        budget_store: BudgetStore | str | os.PathLike[str] | None = None,
        on_store_error: OnStoreError = "block",
        on_alert: OnAlert | None = None,
    ) -> None:
        """Make an allowance.

        Args:
            budgets: one budget or several; all of them hold.
            on_exceeded: `"end"` ends the agent with a message that says what was spent and what remains undone;
                `"raise"` raises the refusal; `"downgrade"` goes on with the cheaper model, then with the newest turns
                only, and ends when these do not fit either.
            cheaper: the model of `"downgrade"`, or its name; `None` only shortens the context.
            tool_prices: US dollars per call of a tool, by its name; other tools are free.
            store: where lines, and the counters of budgets that outlive a run, are kept; see `CostCallbackHandler` for
                this and the next four.
            prices: a `PriceBook`, or just its overrides.
            budget_store: where the counters are kept, if not in `store`.
            on_store_error: `"block"` or `"allow"` calls when a hard budget's store does not answer.
            on_alert: who is told of thresholds, refusals and overruns.

        Raises:
            ValueError: there is no budget, budgets contradict each other, `on_exceeded` is not known, or `cheaper` is
                given without `"downgrade"`, or names no model.
            TypeError: something is no budget or no model.
            PriceFormatError: the price of a tool is negative or no number.
            StoreError: a store cannot be opened.
        """
        super().__init__()
        if on_exceeded not in get_args(OnExceeded):
            msg = f"on_exceeded={on_exceeded!r} is not known: give 'end', 'raise' or 'downgrade'"
            raise ValueError(msg)
        if cheaper is not None and on_exceeded != "downgrade":
            msg = f"cheaper= is never asked with on_exceeded={on_exceeded!r}: give on_exceeded='downgrade' as well"
            raise ValueError(msg)
        number = next(_numbers)
        self._key = f"{KEY}_{number}"
        self.budgets: tuple[Budget, ...] = of_agent(checked_budgets(budgets), self._key, number)
        self.on_exceeded: OnExceeded = on_exceeded
        self.cheaper: BaseChatModel | None = None if cheaper is None else as_model(cheaper, "cheaper")
        self._tool_prices = ToolPrices(tool_prices or {})
        self._thread_key = thread_key(self.budgets)
        self._is_per_run = any(not budget.outlives_process for budget in self.budgets)
        self.costs: CostCallbackHandler = CostCallbackHandler(
            store,
            prices,
            budgets=self.budgets,
            budget_store=budget_store,
            on_store_error=on_store_error,
            on_alert=on_alert,
        )
        AGENTS.register(self.costs)

    # -- around the agent and its steps ------------------------------------------------------------------------------

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """A new allowance per run begins.

        Raises:
            ValueError: a budget counts threads, and there is no checkpointer or no thread.
        """
        del state, runtime
        config = get_config()
        self._check_thread(config)
        return self._kept(self._enter(config, {"id": str(uuid4()), "spent": {}}), config)

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same as `before_agent`."""
        return self.before_agent(state, runtime)

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """End where a tool's call was refused, as `after_agent` says; else keep what has been spent."""
        del runtime
        config = get_config()
        run = self._entered(config, state)
        if run.stopped is None:
            run.stopped = refused_in(state["messages"])  # before an interrupt, in another process
        if run.stopped is not None:
            return {"jump_to": "end"}
        known, kept = state.get("costguard_allowance") or {}, self._kept(run, config)
        return (
            kept if any(known.get(name) != one for name, one in kept.get("costguard_allowance", {}).items()) else None
        )

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same as `before_model`."""
        return self.before_model(state, runtime)

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Say why the agent ended, where that has not been said."""
        del runtime
        config = get_config()
        run = self._entered(config, state)
        facts = run.stopped or refused_in(state["messages"])
        if facts is None or is_farewell(state["messages"][-1]):
            return None
        return {"messages": [farewell(facts, state["messages"], state.get("todos") or ())], **self._kept(run, config)}

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same as `after_agent`."""
        return self.after_agent(state, runtime)

    # -- around a model call -----------------------------------------------------------------------------------------

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Ask the model, or do what is to be done when its call is refused."""
        run = self._entered(get_config(), request.state)
        refusal: BudgetExceededError | None = None
        for attempt in self._attempts(request, run):
            try:
                return self._noted(handler(attempt), run)
            except BudgetExceededError as error:
                if self._answer(error) is None:
                    raise
                refusal = error
        return self._stop(request, run, refusal)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """The same as `wrap_model_call`."""
        run = self._entered(get_config(), request.state)
        refusal: BudgetExceededError | None = None
        for attempt in self._attempts(request, run):
            try:
                return self._noted(await handler(attempt), run)
            except BudgetExceededError as error:
                if self._answer(error) is None:
                    raise
                refusal = error
        return self._stop(request, run, refusal)

    def _attempts(self, request: ModelRequest[Any], run: AgentRun) -> Iterator[ModelRequest[Any]]:
        """The requests to try, until one is admitted."""
        if self.on_exceeded != "downgrade":
            yield request
            return
        if not run.is_downgraded:
            yield request
        cheap = request if self.cheaper is None else request.override(model=instead(self.cheaper))
        fewer = shortened(request.messages)
        is_shorter = len(fewer) < len(request.messages)
        if self.cheaper is not None or (run.is_downgraded and not is_shorter):
            yield cheap
        run.is_downgraded = True
        if is_shorter:
            yield cheap.override(messages=fewer)

    def _answer(self, error: BudgetExceededError) -> dict[str, Any] | None:
        """What is to be said of a refusal; `None` where it is to be raised, or is of somebody else's budget."""
        asked = (error.budget, error.unit, error.limit)  # others' may go by the same name
        budget = next((one for one in self.budgets if (one.name or one.key, one.unit, one.limit) == asked), None)
        if budget is None or self.on_exceeded == "raise" or error.reason not in _HANDLED:
            return None
        return facts_of(error, allowance_words(budget))

    def _stop(
        self, request: ModelRequest[Any], run: AgentRun, refusal: BudgetExceededError | None
    ) -> ExtendedModelResponse[Any]:
        """The agent's last message; a cascade around this decides by itself what becomes of its turn."""
        assert refusal is not None  # noqa: S101 - there was an attempt, and it did not return
        if is_escalation(request.model):
            raise deferred(refusal)
        facts = run.stopped = self._answer(refusal) or {}
        todos: Any = request.state.get("todos") or ()
        response = ModelResponse(result=[farewell(facts, request.messages, todos)])
        return ExtendedModelResponse(response, Command(update={"jump_to": "end", **self._kept(run, get_config())}))

    def _noted(self, response: ModelResponse[Any], run: AgentRun) -> ModelCallResult[Any]:
        """The model's response, and what has been spent: the next node may wait for a human, in another process."""
        kept = self._kept(run, get_config())
        return ExtendedModelResponse(response, Command(update=kept)) if kept else response

    # -- around a tool's call ----------------------------------------------------------------------------------------

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Call a tool that the allowance pays; one that it does not is answered for."""
        call = self._tool_call(request)
        try:
            with AGENTS.paying(call):
                if call is not None:
                    call.begin()
                result = handler(request)
        except BudgetExceededError as error:
            return refused_tool(error, request)
        return result if call is None or call.refusal is None else refused_tool(call.refusal, request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        """The same as `wrap_tool_call`."""
        call = self._tool_call(request)
        try:
            with AGENTS.paying(call):
                if call is not None and self.costs.guard is not None and self.costs.guard.is_remote:
                    await asyncio.to_thread(call.begin)
                elif call is not None:
                    call.begin()
                result = await handler(request)
        except BudgetExceededError as error:
            return refused_tool(error, request)
        return result if call is None or call.refusal is None else refused_tool(call.refusal, request)

    def _tool_call(self, request: ToolCallRequest) -> PaidToolCall | None:
        """What a call of a tool is paid by, if it has a price, and nobody around this middleware pays it."""
        config = get_config()
        self._entered(config, request.state)
        name, parent = request.tool_call["name"], run_below(config)
        called = (request.tool_call["id"], name)
        if name not in self._tool_prices.names or self.costs.is_disabled or AGENTS.is_paid(parent, called):
            return None
        runs = AGENTS.around(parent)
        metadata = {**self._metadata(config), **identities(runs), STEP: "tools", TOOL: name}
        handlers = handlers_of(config)
        others, is_told = views_of(handlers), AGENTS in handlers
        return PaidToolCall(self._tool_prices, called, runs, metadata, parent, others, is_told=is_told)

    # -- the agent's run ---------------------------------------------------------------------------------------------

    def _entered(self, config: RunnableConfig, state: Any) -> AgentRun:
        """The run of the agent that these hooks run in; after an interrupt it begins here, with its old allowance."""
        known = AGENTS.run_of(self.costs, graph_run(config))
        if known is not None:
            return known
        self._check_thread(config)
        kept = (state.get("costguard_allowance") or {}).get(self.name) if isinstance(state, dict) else None
        return self._enter(config, kept or {"id": str(uuid4()), "spent": {}})

    def _enter(self, config: RunnableConfig, kept: Mapping[str, Any]) -> AgentRun:
        run = AgentRun(self.costs, self._key, str(kept["id"]))
        metadata = {**self._metadata(config), self._key: run.allowance}
        run.forget, run.answer = partial(forget, self.budgets, metadata), self._answer
        run = AGENTS.enter(run, graph_run(config), partial(restore, self.budgets, metadata, kept["spent"]))
        if self.costs.guard is not None:
            RUNS.see(run.allowance, [self.costs.guard])
        return run

    def _kept(self, run: AgentRun, config: RunnableConfig) -> dict[str, Any]:
        """What checkpoints keep of the allowance; nothing where no budget is per run."""
        if not self._is_per_run:
            return {}
        metadata = {**self._metadata(config), self._key: run.allowance}
        kept = {"id": run.allowance, "spent": spent_by(self.budgets, metadata)}
        return {"costguard_allowance": {self.name: kept}}

    @staticmethod
    def _metadata(config: RunnableConfig) -> dict[str, Any]:
        """What a call in the running step would be told of whose it is."""
        metadata = dict(config.get("metadata") or {})
        return {**labels(metadata, None), **metadata}

    def _check_thread(self, config: RunnableConfig) -> None:
        if self._thread_key is None:
            return
        settings = config.get("configurable") or {}
        if "thread_id" not in settings or not settings.get(_CHECKPOINTER, True):
            msg = (
                f"a budget counts each {self._thread_key!r}, and this agent keeps no threads: give "
                "create_agent(..., checkpointer=InMemorySaver()), or the budget another each="
            )
            raise ValueError(msg)
