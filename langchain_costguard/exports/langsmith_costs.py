"""LangSmithCosts: our costs in the runs that LangSmith is sent."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.cost import NANO_PER_USD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.ledger import LedgerEntry

_MAX_WAITING: Final = 10_000
_PATIENCE_SECONDS: Final = 1.0


class LangSmithCosts:
    """Writes what each call cost into the run that LangSmith is sent of it, as `usage_metadata.total_cost`.

    LangSmith reckons a fixed price per token; discounts, tiers, long contexts and batches are in ours. It is told our
    total where we know one, and nothing where we do not. A handler tells this object the costs, and the client asks it
    before runs leave the process, on a thread of the client's own.

    Example:
        ```python
        costs = LangSmithCosts()
        handler = CostCallbackHandler().subscribe(costs)
        client = Client(process_buffered_run_ops=costs.fill, run_ops_buffer_size=100)
        chain.invoke(x, config={"callbacks": [handler, LangChainTracer(client=client)]})
        client.flush()
        ```
    """

    def __init__(self) -> None:
        """Know no cost yet."""
        self._nano: dict[str, int | None] = {}
        self._news = threading.Condition()

    def __call__(self, entry: LedgerEntry) -> None:
        """Take note of a call that has ended; what `CostCallbackHandler.subscribe` calls.

        Args:
            entry: its line.
        """
        with self._news:
            self._nano[str(entry.run_id)] = entry.billed_nano
            if len(self._nano) > _MAX_WAITING:
                del self._nano[next(iter(self._nano))]
            self._news.notify_all()

    def fill(self, runs: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """The same runs, those of calls whose cost is known with it; for `Client(process_buffered_run_ops=...)`.

        A model run that has just ended may be here before its cost: that is waited for, at most a second for all runs.

        Args:
            runs: what the client is about to send.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        return [self._filled(run, deadline) for run in runs]

    def _filled(self, run: dict[str, Any], deadline: float) -> dict[str, Any]:
        if run.get("end_time") is None or run.get("run_type") != "llm":
            return run
        nano = self._cost_of(str(run["id"]), deadline)
        return run if nano is None else {**run, "extra": _with_cost(run.get("extra"), nano)}

    def _cost_of(self, run_id: str, deadline: float) -> int | None:
        with self._news:
            self._news.wait_for(lambda: run_id in self._nano, timeout=max(0.0, deadline - time.monotonic()))
            return self._nano.pop(run_id, None)


def _with_cost(extra: dict[str, Any] | None, nano: int) -> dict[str, Any]:
    """The extras of a run with its cost, which LangSmith wants as a JSON number of US dollars."""
    metadata = dict((extra or {}).get("metadata") or {})
    metadata["usage_metadata"] = {**(metadata.get("usage_metadata") or {}), "total_cost": nano / NANO_PER_USD}
    return {**(extra or {}), "metadata": metadata}
