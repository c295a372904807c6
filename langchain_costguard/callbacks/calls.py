"""The process's open calls: which runs have begun, who watches them, and which of them will never report their end.

LangChain starts a run and usually ends it. It does not when an `ainvoke` is cancelled, and when one prompt of a
synchronous `generate` fails it says nothing of the others. Such calls are found here and closed as `cancelled` or
`lost`; should their end be reported after all, it corrects the line. Streams do report their end, however they end, and
each of their pieces may be asked for in a task of its own: once something has arrived, only silence ends them here.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from langchain_costguard.callbacks.runs import RUNS
from langchain_costguard.callbacks.whereabouts import (
    failed_at_start,
    has_ended,
    here,
    is_inside_model_call,
    models_at_work,
    place_of,
)
from langchain_costguard.recorder import Outcome

if TYPE_CHECKING:
    from uuid import UUID

    from langchain_costguard.exceptions import CostGuardError
    from langchain_costguard.recorder import StartedCall

LOST_AFTER_SECONDS: Final = 3600
"""A call that has not ended after so long is counted as lost."""

_SWEEP_EVERY: Final = 256
_MAX_PRESUMED: Final = 256
_MAX_REFUSED: Final = 64
_MAX_FINISHED: Final = 10_000
_MAX_CHAIN_RUNS: Final = 20_000
_MAX_CHAIN_PATH: Final = 500
_MAX_DEPTH: Final = 32
_CANCELLED: Final = Outcome("cancelled", error="CancelledError")

NEVER_SENT: Final = Outcome("cancelled", error="never sent", is_unbilled=True)
"""What becomes of a call that was announced, and kept from being sent by somebody else."""


class OpenCalls:
    """All model calls of this process that have begun and not ended, by run id."""

    def __init__(self) -> None:
        """Start with none."""
        self._open: dict[int, StartedCall] = {}  # by `UUID.int`: a UUID hashes itself in Python
        self._presumed: OrderedDict[int, StartedCall] = OrderedDict()
        self._chains: dict[UUID, tuple[UUID | None, str]] = {}
        self._finished: OrderedDict[int, None] = OrderedDict()
        self._reused: dict[int, list[StartedCall]] = {}
        self._refused: OrderedDict[int, tuple[object, CostGuardError]] = OrderedDict()
        self._lock = threading.Lock()
        self._starts = count(1)

    def __len__(self) -> int:
        """How many calls are open."""
        return len(self._open)

    def get(self, run_id: UUID) -> StartedCall | None:
        """An open call; also one that was given up, of which something is heard after all."""
        call = self._open.get(run_id.int)
        if call is None and self._presumed:
            call = self._presumed.get(run_id.int)
        return call

    def known(self, run_id: UUID, prompt: object, params: object) -> StartedCall | None:
        """The open call of which another handler has seen the same start.

        Args:
            run_id: the run's id, which a caller may use again while the run goes on.
            prompt: the very object that was sent, which all handlers are given; it may be the caller's own.
            params: what goes with the prompt, which LangChain puts together anew for each run.
        """
        calls = [self._open.get(run_id.int)]
        if self._reused:
            calls += self._reused.get(run_id.int, ())
        for call in calls:
            if call is not None and call.sent is prompt and (not params or call.params is params):
                return call
        return None

    def add(self, call: StartedCall) -> None:
        """Note a call that begins; every so often this also looks for calls that are gone.

        A caller may use a run id again, in turn or at once. Each use is a call that is paid, so a later one is booked
        under an id of its own.
        """
        key = call.run_id.int
        if key in self._finished:
            call.run_id = uuid4()
        if self._open.setdefault(key, call) is not call:
            call.run_id = uuid4()
            with self._lock:
                self._reused.setdefault(key, []).append(call)
        if not next(self._starts) % _SWEEP_EVERY:
            self.sweep(own=False)

    def take(self, run_id: UUID) -> StartedCall | None:
        """Remove and return a call that ends; also one that had been given up, so that its line is corrected."""
        key = run_id.int
        if self._reused and key in self._reused:
            with self._lock:
                calls = self._reused.get(key)
                if calls:
                    call = calls.pop()
                    if not calls:
                        del self._reused[key]
                    return call
        taken = self._open.pop(key, None)
        if taken is None:
            if self._presumed:
                with self._lock:
                    taken = self._presumed.pop(key, None)
            return taken
        finished = self._finished
        finished[key] = None
        if len(finished) > _MAX_FINISHED:
            finished.popitem(last=False)
        return taken

    def batch_siblings(self, call: StartedCall) -> list[StartedCall]:
        """The other open calls of one synchronous `generate`, in the order they began."""
        if call.batch_group is None or call.thread == 0:
            return []
        return self.of_group(call.batch_group)

    def of_group(self, group: object) -> list[StartedCall]:
        """The open calls of one `generate`, in the order they began."""
        return [other for other in list(self._open.values()) if other.batch_group is group]

    # -- prompts that are sent together --------------------------------------------------------------------------

    def refuse_group(self, group: object, error: CostGuardError) -> list[StartedCall]:
        """Note that one of the prompts of a `generate` was refused: none of them is sent.

        Args:
            group: what the prompts have in common.
            error: the refusal.

        Returns:
            Those that have begun.
        """
        with self._lock:
            self._refused[id(group)] = (group, error)
            if len(self._refused) > _MAX_REFUSED:
                self._refused.popitem(last=False)
        return self.of_group(group)

    def is_refused(self, group: object) -> bool:
        """Whether another prompt of the same `generate` was refused."""
        known = self._refused.get(id(group))
        return known is not None and known[0] is group

    def refusal_of(self, group: object) -> CostGuardError:
        """The error with which it was refused."""
        return self._refused[id(group)][1]

    # -- calls that will not report -------------------------------------------------------------------------------

    def sweep(self, *, own: bool = True) -> None:
        """Close the calls that will not report their end.

        Args:
            own: whether calls begun by this very thread or task count as gone too. They do when somebody reads the
                figures: a caller that reads is not inside a model call. A stream that has begun is left alone.
        """
        if not self._open:
            return
        now = time.perf_counter_ns()
        place = here() if own and not is_inside_model_call() else None
        for call in list(self._open.values()):
            outcome = _presumed_outcome(call, now, place)
            if outcome is not None:
                self.give_up(call, outcome)

    def sweep_before(self, call: StartedCall) -> bool:
        """Close calls that will not report, as the start of another one shows; whether there were any.

        A thread or task that begins a call is not inside one it began before, unless a model calls a model.

        Args:
            call: the call that begins.
        """
        before = len(self._open)
        now = time.perf_counter_ns()
        place = None if models_at_work() > 1 else place_of(call)
        for other in list(self._open.values()):
            if other is call or (call.batch_group is not None and other.batch_group is call.batch_group):
                continue  # the call itself, of which another handler was told before, or one that is sent with it
            outcome = _presumed_outcome(other, now, place)
            if outcome is not None:
                self.give_up(other, outcome)
        return len(self._open) < before

    def give_up(self, call: StartedCall, outcome: Outcome) -> None:
        """Close a call that will not report; a late report still finds it."""
        key = self._remove(call)
        if key is None:
            return
        close_call(call, outcome)
        with self._lock:
            self._presumed[key] = call
            if len(self._presumed) > _MAX_PRESUMED:
                self._presumed.popitem(last=False)

    def withdraw(self, call: StartedCall, outcome: Outcome) -> None:
        """Take back a call that was announced and refused before it was sent; nobody will report its end."""
        self._remove(call)
        withdraw_call(call, outcome)

    def _remove(self, call: StartedCall) -> int | None:
        """Take a call out of those that are open; the key it had, `None` if it was not open."""
        key = next((key for key, other in list(self._open.items()) if other is call), None)
        return None if key is None or self._open.pop(key, None) is None else key

    # -- the runs around calls ------------------------------------------------------------------------------------

    def enter_chain(self, run_id: UUID, parent_run_id: UUID | None, name: str) -> None:
        """Note that a chain, tool or retriever has begun."""
        chains = self._chains
        chains[run_id] = (parent_run_id, name)
        if len(chains) > _MAX_CHAIN_RUNS:
            with self._lock:
                for stale in list(chains)[: _MAX_CHAIN_RUNS // 10]:
                    chains.pop(stale, None)

    def leave_chain(self, run_id: UUID) -> None:
        """Note that a chain, tool or retriever has ended."""
        self._chains.pop(run_id, None)
        RUNS.end(run_id)

    def cancel(self, run_id: UUID) -> None:
        """Close a call that was cancelled after pieces had arrived, and those below it: nobody reports their end."""
        call = self._open.get(run_id.int)
        if call is not None:
            self.give_up(call, _CANCELLED)
        self.cancel_below(run_id)

    def cancel_below(self, run_id: UUID) -> None:
        """Close the calls under a run that was cancelled: LangChain does not report their end."""
        for call in list(self._open.values()):
            if run_id in self.ancestors(call.parent_run_id):
                self.give_up(call, _CANCELLED)

    def drop_unsent_below(self, run_id: UUID, error: BaseException) -> None:
        """Close the calls under a run that failed which the error kept from being sent: nobody reports their end."""
        for call in list(self._open.values()):
            if run_id in self.ancestors(call.parent_run_id) and failed_at_start(call, error):
                self.give_up(call, NEVER_SENT)

    def place(self, call: StartedCall) -> None:
        """Fill in the path of names around a call, and its outermost run."""
        root, names = call.run_id, []
        for ancestor in self.ancestors(call.parent_run_id):
            root = ancestor
            known = self._chains.get(ancestor)
            call.is_root_known = known is not None
            if known is not None:
                names.append(known[1])
        call.root_run_id = root
        call.chain = " > ".join(reversed(names))[:_MAX_CHAIN_PATH]

    def root_of(self, run_id: UUID) -> UUID:
        """The outermost run that is known around a run."""
        return (self.ancestors(run_id) or [run_id])[-1]

    def ancestors(self, run_id: UUID | None, most: int = _MAX_DEPTH) -> list[UUID]:
        """A run and those around it, the nearest first, as far as they are known.

        Args:
            run_id: the run.
            most: how many are looked for.
        """
        found: list[UUID] = []
        while run_id is not None and len(found) < most:
            found.append(run_id)
            known = self._chains.get(run_id)
            run_id = None if known is None else known[0]
        return found

    def forget(self) -> None:
        """Begin anew, in a forked child: what was open belongs to the parent."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place


def close_call(call: StartedCall, outcome: Outcome) -> None:
    """Have every recorder of a call book it."""
    for recorder in call.recorders:
        recorder.finish(call, outcome)
    if call.parent_run_id is None:
        RUNS.end(call.run_id)


def _presumed_outcome(call: StartedCall, now: int, place: tuple[object, int] | None) -> Outcome | None:
    """How a call ended that did not say so; `None` while it may still be at work."""
    if now - max(call.started_ns, call.last_sign_ns) > LOST_AFTER_SECONDS * 10**9:
        return Outcome("lost")
    if call.task is not None:
        return _presumed_of_task(call, place)
    if call.first_token_ns is not None:
        return None
    is_here = place is not None and call.thread == place[1] and place[0] is None
    if is_here or has_ended(call):
        # Without an event loop every call that was sent reports its end, but for the prompts of one `generate`.
        return NEVER_SENT if call.batch_group is None else Outcome("lost")
    return None


def _presumed_of_task(call: StartedCall, place: tuple[object, int] | None) -> Outcome | None:
    """The same of a call in an event loop; one that was cancelled may have been sent, and is taken to be."""
    task = call.task()
    if task is not None and task.done() and task.cancelled():
        return _CANCELLED
    if call.first_token_ns is not None:
        return None
    if call.task.never_sent(call):
        return NEVER_SENT
    if task is None or task.done() or (place is not None and task is place[0]):
        return _CANCELLED
    return None


def withdraw_call(call: StartedCall, outcome: Outcome = NEVER_SENT) -> None:
    """Have every recorder of a call take it back."""
    for recorder in call.recorders:
        recorder.withdraw(call, outcome)


CALLS: Final = OpenCalls()
"""The process's open calls."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CALLS.forget)
