"""How the answers of a job are booked: once each, at the batch price, whoever collects them and however often.

The run id of a request follows from the job and the item, so that a ledger which has its line already leaves it as it
is; and what is booked is noted beside the answer. Where nobody watches, an answer is priced and not booked: the first
collection that is watched books it.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

from langchain_core.callbacks import CallbackManager
from langchain_core.outputs import LLMResult

from langchain_costguard.batching.jobs.calls import messages_in, run_id_of
from langchain_costguard.batching.jobs.collecting import unpacked
from langchain_costguard.batching.jobs.contracts import finish_result
from langchain_costguard.batching.jobs.places import place_of
from langchain_costguard.batching.jobs.state_schema import BOOK
from langchain_costguard.callbacks.afterwards import charge_unreserved
from langchain_costguard.callbacks.results import read_answer
from langchain_costguard.cost import nano_half_even
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.recorder import Outcome
from langchain_costguard.stores.rows import LARGEST_INTEGER
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatResult

    from langchain_costguard.batching.jobs.calls import StepCalls
    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.rows import ItemRow, PartRow
    from langchain_costguard.batching.jobs.watching import Watchers
    from langchain_costguard.budgets import Budget
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.ledger import LedgerEntry

_ITEMS_AT_ONCE: Final = 500
_US_PER_SECOND: Final = 1_000_000
_UNBILLED: Final = frozenset({"failed", "expired", "cancelled", "refused"})
"""Causes for which nothing is owed; of what is missing or malformed that is not known."""


class BatchItemFailedError(Exception):
    """What tracers are told of an item that ended without an answer."""


class _Booked(NamedTuple):
    item: ItemRow
    entry: LedgerEntry
    run_id: UUID
    messages: Sequence[BaseMessage]
    result: LLMResult | None


def book_answers(context: JobContext) -> None:
    """Price every answer that is not booked, and book it where anybody watches."""
    wanted = "job = ? AND state != 'sent' AND NOT is_booked AND part IS NOT NULL ORDER BY step, part, position"
    parts = {part.number: part for part in context.parts()}
    for (step, number), items in groupby(context.file.items(wanted, (context.job.id,)), key=attrgetter("step", "part")):
        if number in parts:
            _Booking(context, step, parts[number]).book(items)


class _Booking:
    """Books the answers of one part."""

    def __init__(self, context: JobContext, step: int, part: PartRow) -> None:
        self._context = context
        self._step = step
        self._part = part
        self._model = context.chain.step(step).model
        self._calls: StepCalls = context.chain.calls(context.job.id, step)
        self._watchers: Watchers = context.chain.watchers(step)
        if any(recorder.lines.baseline_model is not None for recorder in self._watchers.recorders):
            self._calls.leave_baseline()

    def book(self, items: Iterator[ItemRow]) -> None:
        """Book items, a few hundred at a time; a process that dies between books them again under the same ids."""
        is_booked = bool(self._watchers.views)
        path = self._context.path(self._part)
        with path.open("rb") if path.is_file() else nullcontext() as requests:
            while chunk := list(islice(items, _ITEMS_AT_ONCE)):
                booked = [self._book(item, requests) for item in chunk]
                if is_booked:
                    self._charge(booked)
                    for recorder in self._watchers.recorders:
                        recorder.flush()
                rows = [self._row(one, is_booked=is_booked) for one in booked]
                self._context.file.write(BOOK, rows)
                for one in booked:  # when the money is noted: a tracer may raise
                    if self._watchers.others and not _is_known(one.item):
                        self._tell(one.run_id, one.messages, one.result, one.item)

    def _asked(self, item: ItemRow, requests: BinaryIO | None) -> list[BaseMessage]:
        """The messages of an item's request; none if its file was deleted: the answer is booked all the same."""
        if requests is None:
            return []
        requests.seek(item.offset)
        return messages_in(self._context.provider(self._part).body_in(requests.read(item.length)))

    def _book(self, item: ItemRow, requests: BinaryIO | None) -> _Booked:
        run_id = run_id_of(item.job, item.step, item.position, item.attempt)
        messages = self._asked(item, requests)
        call = self._calls.call(run_id, messages, self._part.submitted_us)
        result, fault = self._result(item, run_id)
        if result is not None:
            outcome = read_answer(call, result)
        elif fault is not None:
            outcome = Outcome("ok", _usage_in(item), error=type(fault).__name__)
        else:
            outcome = failed_outcome(item)
        call.watch(self._watchers.views)
        if call.recorders:
            entries = [recorder.book(call, outcome, call.started_ns) for recorder in call.recorders]
            entry = entries[0]
        else:
            entry = self._watchers.recorder.lines.finished(call, outcome, call.started_ns)
        return _Booked(item, entry, run_id, messages, result)

    def _result(self, item: ItemRow, run_id: UUID) -> tuple[LLMResult | None, Exception | None]:
        """What the model makes of an answer, or what it says is wrong with it; neither for an item without one."""
        if item.answer is None:
            return None, None
        try:
            wire, body = self._context.chain.wires[self._step], unpacked(item.answer)
            result: ChatResult = wire.result(body) if self._watchers.others else wire.brief(body)
        except Exception as error:  # noqa: BLE001 - an answer that was paid is booked, whatever is wrong with it
            return None, error
        finish_result(result, self._model, run_id)
        return LLMResult(generations=[list(result.generations)], llm_output=result.llm_output), None

    def _tell(self, run_id: UUID, messages: Sequence[BaseMessage], result: LLMResult | None, item: ItemRow) -> None:
        """Tell tracers of a call, as if it had been made now."""
        manager = CallbackManager(
            handlers=list(self._watchers.others),
            tags=self._calls.tags,
            inheritable_tags=[],
            metadata={key: value for key, value in self._calls.metadata.items() if not key.startswith("costguard_")},
        )
        (run,) = manager.on_chat_model_start(
            self._calls.serialized, [list(messages)], run_id=run_id, invocation_params=self._calls.params
        )
        if result is not None:
            run.on_llm_end(result)
        else:
            run.on_llm_error(BatchItemFailedError(f"{item.cause}: {item.message}"))

    def _row(self, booked: _Booked, *, is_booked: bool) -> tuple[object, ...]:
        """The values of `BOOK`."""
        item, entry = booked.item, booked.entry
        usage = entry.usage or TokenUsage()
        figures = (entry.billed_nano, self._synchronous_nano(entry), usage.input_tokens, usage.output_tokens)
        kept = [None if one is None else min(one, LARGEST_INTEGER) for one in figures]  # a database has 64 bits
        return (int(is_booked), *kept, item.job, item.step, item.position, item.attempt)

    def _synchronous_nano(self, entry: LedgerEntry) -> int | None:
        """What the same answer would have cost without the Batch API; `None` if it is not known."""
        model = entry.response_model or entry.request_model
        if not entry.billed_nano or model is None:
            return entry.billed_nano
        try:
            cost = self._watchers.recorder.prices.price(
                entry.usage,
                model=model,
                provider=entry.provider,
                service_tier=entry.service_tier,
                at=entry.started_at_us / _US_PER_SECOND,
                fallback_model=entry.request_model,
            )
        except UnknownPriceError:  # the price book was told to raise; here it is one more thing that is not known
            return None
        return None if cost is None else nano_half_even(cost.pico_usd)

    def _charge(self, booked: Sequence[_Booked]) -> None:
        """Charge budgets that have not reserved for the part: they were not in force when it was submitted."""
        holds = self._part.holds if self._part.is_held else ()
        held = {(hold["store"], claim[0]) for hold in holds for claim in hold["claims"]}
        unreserved = [
            _Unreserved(view, view.guard, [one for one in view.guard.budgets if not _is_held(one, view.guard, held)])
            for view in self._watchers.views
            if view.guard is not None
        ]
        charge_unreserved(cast("list[CallView]", unreserved), _summed([one.entry for one in booked]))


def _is_held(budget: Budget, guard: BudgetGuard, held: AbstractSet[tuple[str, str]]) -> bool:
    """Whether a budget has reserved, in the very store in which it is kept now."""
    place = place_of(guard.store_of(budget))
    return any((place, key) in held for key in budget.keys)


class _Unreserved:
    """What is charged of a view: those of its budgets alone that have reserved nothing."""

    def __init__(self, view: CallView, guard: BudgetGuard, budgets: Sequence[Budget]) -> None:
        self.guard = _SomeBudgets(guard, budgets)
        self.recorder = view.recorder


class _SomeBudgets:
    def __init__(self, guard: BudgetGuard, budgets: Sequence[Budget]) -> None:
        self.budgets = budgets
        self.store_of = guard.store_of
        self.tell = guard.tell


def _is_known(item: ItemRow) -> bool:
    """Whether an item was priced by an earlier collection that nobody of ours watched; tracers know it since then."""
    return item.billed_nano is not None or item.input_tokens > 0


def failed_outcome(item: ItemRow) -> Outcome:
    """What became of a call without an answer, as the ledger knows it."""
    error = item.code or item.cause
    if item.cause in _UNBILLED:
        return Outcome("cancelled" if item.cause == "cancelled" else "error", error=error, is_unbilled=True)
    return Outcome("lost", error=error)


def _usage_in(item: ItemRow) -> TokenUsage | None:
    """The usage of an answer that the model could not read."""
    return TokenUsage.from_provider(unpacked(item.answer or b"").get("usage") or {})


def _summed(entries: Sequence[LedgerEntry]) -> LedgerEntry:
    """One line that stands for several, to be charged at once."""
    from dataclasses import replace

    usages = [entry.usage for entry in entries if entry.usage is not None]
    whole = TokenUsage()
    for usage in usages:
        whole = whole.combined(usage)
    return replace(
        entries[0],
        billed_nano=sum(entry.billed_nano or 0 for entry in entries),
        calls=sum(entry.calls for entry in entries if entry.status == "ok"),
        usage=whole,
    )
