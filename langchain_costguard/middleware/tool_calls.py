"""One call of a tool: each time the tool runs for it is reserved before it runs, and booked when the call has ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from langchain_costguard.exceptions import BudgetExceededError
from langchain_costguard.middleware.agents import GraphInterrupt, get_config
from langchain_costguard.middleware.watching import AGENTS, graph_run
from langchain_costguard.middleware.wording import not_called

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from langchain_core.messages import ToolMessage

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.middleware.agents import ToolCallRequest
    from langchain_costguard.middleware.tool_prices import ToolPrices
    from langchain_costguard.middleware.watching import AgentRun
    from langchain_costguard.recorder import StartedCall


class PaidToolCall:
    """A call of a tool that has a price; other middleware may run it again, or answer it without the tool.

    Attributes:
        id: the id of the model's tool call.
        name: the tool's name.
        parent_run_id: the run of the node that calls it.
        refusal: the refusal of a run of the tool, whoever has caught it.
    """

    def __init__(
        self,
        prices: ToolPrices,
        called: tuple[str | None, str],
        runs: Sequence[AgentRun],
        metadata: Mapping[str, Any],
        parent_run_id: UUID | None,
        others: Sequence[CallView],
        *,
        is_told: bool,
    ) -> None:
        """Note a call that nothing is reserved for yet.

        Args:
            prices: what tools cost.
            called: the id of the tool's call, and the name of the tool.
            runs: the agents with an allowance around it.
            metadata: whose call it is.
            parent_run_id: the run of the node that calls it.
            others: who else watches it.
            is_told: whether it will be told of each run of the tool; if not, one is taken to have been.
        """
        self.id: str | None
        self.name: str
        self.id, self.name = called
        self.parent_run_id: UUID | None = parent_run_id
        self.refusal: BudgetExceededError | None = None
        self._prices = prices
        self._runs = runs
        self._metadata = metadata
        self._others = others
        self._is_told = is_told
        self._reserved: list[StartedCall] = []
        self._times = 0
        self._is_over = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Reserve the first run of the tool, before anything is called.

        Raises:
            BudgetExceededError: it does not fit; the tool must not be called.
            BudgetStoreError: a hard budget cannot be checked.
        """
        try:
            call = self._prices.reserve(self.name, self._runs, self._metadata, self.parent_run_id, self._others)
        except BudgetExceededError as error:
            self.refusal = error
            raise
        with self._lock:
            if not self._is_over:
                self._reserved.append(call)
                return
        self._prices.give_back(call)  # who waited for the reservation was cancelled meanwhile

    def runs_again(self) -> None:
        """The tool begins to run; any run after the first has to be reserved, too.

        Raises:
            BudgetExceededError: it does not fit; the tool must not run again.
            BudgetStoreError: a hard budget cannot be checked.
        """
        if self._times:
            self.begin()
        self._times += 1

    def end(self, error: BaseException | None) -> None:
        """Book the runs of the tool, whatever came of them, and give back what was reserved for others.

        Args:
            error: what the call ended with; an interrupted run is made again when the agent goes on.
        """
        with self._lock:
            self._is_over = True
        times = (self._times if self._is_told else len(self._reserved)) - isinstance(error, GraphInterrupt)
        for number, call in enumerate(self._reserved):
            if number < times:
                self._prices.book(self.name, call, self._runs, self._others)
            else:
                self._prices.give_back(call)


def refused_tool(error: BudgetExceededError, request: ToolCallRequest) -> ToolMessage:
    """The answer to a tool's call that was refused, or inside of which a call was; the agent ends with it.

    Raises:
        BudgetExceededError: no allowance of this agent answers for the refusal.
    """
    for run in AGENTS.runs_of(graph_run(get_config())):
        facts = run.answer(error)
        if facts is not None:
            run.stopped = facts
            return not_called(facts, request.tool_call)
    raise error
