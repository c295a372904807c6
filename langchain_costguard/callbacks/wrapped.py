"""Answers from a cache around a model that only asks other models: its run is nobody's call, but one was avoided."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks.calls import close_call
from langchain_costguard.callbacks.results import read_answer
from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.tags import CASCADE_RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from langchain_core.outputs import Generation, LLMResult

    from langchain_costguard.recorder import StartedCall, View

_MAX_RUNS: Final = 10_000
"""So many runs are waited for; a cancelled `ainvoke` never reports its end."""


class WrapperRuns:
    """The runs of models that only ask other models, until they ask one or end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: OrderedDict[UUID, StartedCall] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are waited for."""
        return len(self._open)

    def note(self, run: StartedCall, views: Sequence[View]) -> None:
        """Note a run that begins, and for whom; another handler may have been told of it before."""
        with self._lock:
            self._open.setdefault(run.run_id, run).watch(views)
            if len(self._open) > _MAX_RUNS:
                self._open.popitem(last=False)

    def asks(self, run_id: UUID | None) -> None:
        """Note that something is run below a run: its answer is its legs', even where these came from a cache."""
        if run_id is not None and run_id in self._open:
            with self._lock:
                self._open.pop(run_id, None)

    def end(self, run_id: UUID, response: LLMResult | None = None) -> None:
        """Forget a run that has ended; an answer that came from a cache is booked, with what its legs had cost."""
        if not self._open:
            return
        with self._lock:
            run = self._open.pop(run_id, None)
        if run is None or response is None:
            return
        outcome = read_answer(run, response)
        if outcome.status == "cached":
            avoided = recorded_nano(response.generations[0])
            close_call(run, outcome._replace(usage=None, response_model=None, avoided_nano=avoided))

    def reset(self) -> None:
        """Begin anew, in a forked child: its parent may have held the lock."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place


def recorded_nano(generations: Sequence[Generation]) -> int | None:
    """What a cascade's answer cost when it was made, in nano-USD, but no more than its last model alone.

    Its usage is that of all its legs, and no one model's.

    Args:
        generations: the answer.

    Returns:
        Nano-USD; `None` if not known, as of an answer that is no cascade's.
    """
    message: Any = getattr(next(iter(generations), None), "message", None)
    record = message.response_metadata.get(CASCADE_RECORD) if message is not None else None
    if not isinstance(record, dict) or record.get("cost_usd") is None:
        return None
    amounts = [record[name] for name in ("cost_usd", "baseline_usd") if record.get(name) is not None]
    try:
        return min(int(Decimal(str(amount)) * NANO_PER_USD) for amount in amounts)
    except (InvalidOperation, OverflowError, ValueError):  # an entry of a store that others write as well
        return None


WRAPPED: Final = WrapperRuns()
"""The open ones of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WRAPPED.reset)
