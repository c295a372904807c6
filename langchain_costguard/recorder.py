"""The only writer of the ledger: takes a call that began and what became of it, prices it, and writes its line.

A recorder knows nothing of LangChain. Whoever watches calls (callbacks, embeddings, batch jobs) hands it a
`StartedCall` and later an `Outcome`; both are plain facts. What the line says is decided by `Recorder.line`, which does
no I/O; `Recorder.finish` then writes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import threading
import time
import warnings
from collections import deque
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from weakref import WeakValueDictionary

from langchain_costguard import tags as keys
from langchain_costguard._worker import WORKER
from langchain_costguard.cost import NANO_PER_USD, nano_half_even
from langchain_costguard.exceptions import StoreError, UnknownPriceError, UntrackedStoreWarning
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing.busy import BusyClock
from langchain_costguard.pricing.rates import GpuHourCard
from langchain_costguard.tokens import count_tokens
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal
    from uuid import UUID

    from langchain_costguard.cost import Cost
    from langchain_costguard.ledger import CallKind, CallStatus
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.stores.base import LedgerStore

_logger = logging.getLogger("langchain_costguard")

PREFIX_BLOCK_BYTES: Final = 4096
"""Length of the prompt blocks whose running digests are kept: about 1,024 tokens, the providers' cache minimum."""

MAX_PREFIX_DIGESTS: Final = 64
"""So many blocks of one prompt are digested; later ones are not."""

_MAX_METADATA_LENGTH: Final = 256
_DIGEST_BYTES: Final = 16
_US_PER_SECOND: Final = 1_000_000
_UNSAVED_LIMIT: Final = 100_000
_MEMORY_KEY: Final = secrets.token_bytes(32)
_NOTHING_USED: Final = TokenUsage()
_NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})
_FRAMEWORK_KEYS: Final = frozenset(
    {
        "ls_provider",
        "ls_model_name",
        "ls_model_type",
        "ls_temperature",
        "ls_max_tokens",
        "ls_integration",
        "lc_versions",
    }
)
"""The metadata LangChain itself adds to every run, so that the usual run is read without comparing beginnings."""

_FRAMEWORK_TAGS: Final = ("seq:step:", "map:key:", "branch:", "condition:", "graph:step:", "langsmith:")


class StartedCall:
    """A model call that has begun: the facts known before its answer.

    Attributes that are seldom set have their defaults on the class: a call is made for every run, and this is cheaper
    than setting each of them.
    """

    parent_run_id: UUID | None = None
    root_run_id: UUID | None = None
    chain = ""
    provider: str | None = None
    endpoint_provider: str | None = None
    """Who serves the endpoint the client was pointed at, where that is known to be somebody else."""
    request_model: str | None = None
    requested_tier: str | None = None
    region: str | None = None
    """Where the provider was told to process the call."""
    tags: Iterable[str] = ()
    metadata: Mapping[str, Any] = _NO_METADATA
    first_token_ns: int | None = None
    last_chunk: object = None
    """The last chunk that carried usage; several handlers are told of the same one."""
    stream_usage: StreamUsage | None = None
    busy: dict[int, Any] | None = None
    """For each recorder that meters it, the clock and its token; afterwards `None` and the share in nanoseconds."""
    task: Any = None
    """A weak reference to the task the call runs in, `None` outside an event loop."""
    thread = 0
    """The thread the call runs in, 0 in an event loop."""
    batch_group: object = None
    """The same object for all prompts of one `generate`."""

    def __init__(self, run_id: UUID, kind: CallKind, prompt: Any, prompt_text: Callable[[Any], str]) -> None:  # noqa: ANN401
        """Note that a call begins now.

        Args:
            run_id: the run's id.
            kind: what kind of call.
            prompt: whatever was sent; held by reference until the call ends and never stored.
            prompt_text: how to read the prompt as text, asked only when it is needed.
        """
        self.run_id = run_id
        self.kind = kind
        self.prompt = prompt
        self.prompt_text = prompt_text
        self.started_ns = time.perf_counter_ns()
        self.started_at_us = time.time_ns() // 1000
        self.views: list[View] = []
        self.recorders: list[Recorder] = []


class StreamUsage:
    """Usage as the chunks of one stream reported it, to tell cumulative reports from partial ones."""

    __slots__ = ("chunks", "is_cumulative", "last")

    def __init__(self, usage: Mapping[str, Any]) -> None:
        """Begin with the first chunk that carries usage."""
        self.last = usage
        self.chunks = 1
        self.is_cumulative = False

    def add(self, usage: Mapping[str, Any]) -> None:
        """Note the next chunk's usage.

        vLLM, Ollama and some gateways repeat the running total in every chunk: the input stands there again, and the
        output only grows. Adding those up, as merged chunks do, bills the input once per chunk.
        """
        repeated = 0 < (self.last.get("input_tokens") or 0) <= (usage.get("input_tokens") or 0)
        growing = (self.last.get("output_tokens") or 0) <= (usage.get("output_tokens") or 0)
        self.is_cumulative = repeated and growing and (self.is_cumulative or self.chunks == 1)
        self.last = usage
        self.chunks += 1


class View(Protocol):
    """Somebody who wants to see the lines of the calls it watches."""

    @property
    def recorder(self) -> Recorder:
        """Who prices and writes for it."""

    def see(self, entry: LedgerEntry) -> None:
        """Take note of a finished call."""


class Outcome(NamedTuple):
    """What became of a call: the facts known from its answer, or from its failing."""

    status: CallStatus
    """How it ended."""
    usage: TokenUsage | None = None
    """What the provider reported; `None` if it reported nothing."""
    response_model: str | None = None
    """The model that answered."""
    service_tier: str | None = None
    """The tier the provider used, where it says so."""
    output_text: str = ""
    """The answer as text, only to be counted when usage is missing."""
    reported_usd: Decimal | None = None
    """The cost the provider itself reported, in US dollars."""
    error: str | None = None
    """The class of the exception."""
    is_unbilled: bool = False
    """Whether it is certain that the provider owes nothing for it (refused, never sent)."""


class Recorder:
    """Prices finished calls and writes their lines into one store.

    Attributes:
        store: where lines go; `None` if only views in memory want them.
        prices: the price book.
        baseline_model: the model against which savings are measured, where a run does not name its own.
        faults: how many times tracking itself failed; the chain was never disturbed by it.
    """

    def __init__(self, store: LedgerStore | None, prices: PriceBook, baseline_model: str | None = None) -> None:
        """Write into a store with these prices; see `of` for sharing one recorder among handlers."""
        self.store = store
        self.prices = prices
        self.baseline_model = baseline_model
        self.faults = 0
        self._keyed: hashlib.blake2b | None = None
        self._clocks: dict[GpuHourCard, BusyClock] = {}
        self._unsaved: deque[LedgerEntry] = deque(maxlen=_UNSAVED_LIMIT)
        self._unsaved_lock = threading.RLock()
        self._warned = False

    @classmethod
    def of(cls, store: LedgerStore | None, prices: PriceBook, baseline_model: str | None = None) -> Recorder:
        """The recorder of this store and these prices; all handlers that use both share it."""
        key = (id(store), id(prices), baseline_model)
        with _known_lock:
            recorder = _known.get(key)
            if recorder is None:
                recorder = _known[key] = cls(store, prices, baseline_model)
                if store is not None and store.is_durable:
                    WORKER.submit(recorder.recover)
            return recorder

    @property
    def unsaved_lines(self) -> int:
        """Lines that wait in memory because the store could not be written."""
        return len(self._unsaved)

    # -- calls -------------------------------------------------------------------------------------------------------

    def begin(self, call: StartedCall) -> None:
        """Note that a call has begun: starts the meter of a GPU, and tells a durable store."""
        if self.prices.has_hourly_prices:
            self._begin_busy(call)
        if self.store is not None and self.store.is_durable:
            entry = self._frame(call, "open")
            entry.input_bytes = len(_prompt_bytes(call))
            self._send(partial(self._open, entry))

    def finish(self, call: StartedCall, outcome: Outcome) -> None:
        """Write the line of a call that has ended, and show it to the call's views.

        A line whose tokens have to be counted is made on the worker thread when an event loop is running here, because
        the first count loads a vocabulary; everything else is done at once.
        """
        ended_ns = time.perf_counter_ns()
        busy_ns = None if call.busy is None else self._end_busy(call, ended_ns)
        if outcome.usage is None and not outcome.is_unbilled and _on_event_loop():
            WORKER.submit(partial(self._finish, call, outcome, ended_ns, busy_ns))
        else:
            self._finish(call, outcome, ended_ns, busy_ns)

    def write(self, entry: LedgerEntry) -> None:
        """Write a finished line; a store that cannot be reached gets it later."""
        if self.store is None:
            return
        if self.store.may_block:
            self._send(partial(self._append, entry))
        else:
            self.store.append(entry)

    def flush(self, timeout_seconds: float | None = 30.0) -> bool:
        """Wait until everything handed in so far is written.

        Returns:
            Whether nothing waits any more; `False` when the store still cannot be written.
        """
        done = WORKER.drain(timeout_seconds)
        self._retry_unsaved()
        return done and not self._unsaved

    def recover(self) -> list[LedgerEntry]:
        """Close the lines of processes that died in the middle of a call.

        What such a call used is not known: its input is counted from the length noted at its beginning, its output is
        not counted, and the line says so.

        Returns:
            The lines as they are now, status `lost`.
        """
        if self.store is None:
            return []
        lost = []
        for entry in self.store.orphans():
            entry.status = "lost"
            entry.usage = TokenUsage(uncached_input=-(-(entry.input_bytes or 0) // 4))
            entry.estimate_method = "bytes/4, input only"
            self._price(entry, entry.usage)
            self._append(entry)
            lost.append(entry)
        return lost

    # -- deciding ----------------------------------------------------------------------------------------------------

    def line(self, call: StartedCall, outcome: Outcome, ended_ns: int, busy_ns: int | None = None) -> LedgerEntry:
        """The line a call and its outcome make; no I/O but a possible look into a vocabulary on disk.

        Args:
            call: what was known at the beginning.
            outcome: what became of it.
            ended_ns: `time.perf_counter_ns()` at its end.
            busy_ns: its share of the busy time of a GPU, in nanoseconds.
        """
        status, usage, response_model, service_tier, output_text, reported_usd, error, is_unbilled = outcome
        entry = self._frame(call, status)
        entry.latency_us = (ended_ns - call.started_ns) // 1000
        if call.first_token_ns is not None:
            entry.first_token_us = (call.first_token_ns - call.started_ns) // 1000
        entry.error = error
        entry.response_model = response_model
        if service_tier is not None:
            entry.service_tier = service_tier
        if usage is None and is_unbilled:
            usage = _NOTHING_USED
        if usage is None and status != "cached":
            usage = _estimate(entry, call, output_text)
        entry.usage = usage
        entry.prompt_digest, entry.prefix_digests = self._digests(call)
        if is_unbilled:
            entry.billed_nano = entry.list_nano = 0
        else:
            self._price(entry, usage, call.region, busy_ns)
        if reported_usd is not None and status != "cached":
            _follow_provider(entry, reported_usd)
        return entry

    def _frame(self, call: StartedCall, status: CallStatus) -> LedgerEntry:
        """A line with what is known at the beginning of the call."""
        entry = LedgerEntry(
            run_id=call.run_id,
            started_at_us=call.started_at_us,
            kind=call.kind,
            status=status,
            parent_run_id=call.parent_run_id,
            root_run_id=call.root_run_id or call.run_id,
            chain=call.chain,
            provider=_provider(call),
            request_model=call.request_model,
            service_tier=call.requested_tier,
            baseline_model=self.baseline_model,
        )
        if call.tags:
            entry.tags = tuple(sorted({tag for tag in call.tags if not tag.startswith(_FRAMEWORK_TAGS)}))
        for name, value in call.metadata.items():
            if name in _FRAMEWORK_KEYS:
                continue
            if not name.startswith(keys.RESERVED_PREFIXES):
                _keep_metadata(entry, name, value)
            elif name.startswith("costguard_"):
                _read_technique_key(entry, name, value)
        return entry

    def _price(
        self, entry: LedgerEntry, usage: TokenUsage | None, region: str | None = None, busy_ns: int | None = None
    ) -> None:
        """Fill in what the line's usage costs, or why that is not known."""
        is_replay = entry.status == "cached"
        if is_replay:
            entry.billed_nano = entry.list_nano = 0
        if usage is None:
            if not is_replay:
                entry.unpriced_reason = "no usage was reported and none could be counted"
            return
        cost = self._cost(entry, usage, region, busy_ns)
        if is_replay:
            entry.avoided_nano = None if cost is None else nano_half_even(cost.pico_usd)
            return
        if cost is not None:
            entry.billed_nano = entry.list_nano = nano_half_even(cost.pico_usd)
            if cost.list_pico_usd != cost.pico_usd:
                entry.list_nano = nano_half_even(cost.list_pico_usd)
            entry.price = cost.source
        if entry.baseline_model is not None:
            baseline = self.prices.price(usage, model=entry.baseline_model, at=entry.started_at_us / _US_PER_SECOND)
            entry.baseline_nano = None if baseline is None else nano_half_even(baseline.pico_usd)

    def _cost(self, entry: LedgerEntry, usage: TokenUsage, region: str | None, busy_ns: int | None) -> Cost | None:
        model = entry.response_model or entry.request_model
        if model is None:
            entry.unpriced_reason = "the run named no model"
            return None
        at = entry.started_at_us / _US_PER_SECOND
        try:
            cost = self.prices.price(
                usage,
                model=model,
                provider=entry.provider,
                service_tier=entry.service_tier,
                batch=entry.batch,
                at=at,
                region=region,
                fallback_model=entry.request_model,
                busy_ns=busy_ns,
            )
        except UnknownPriceError as error:
            # `PriceBook(unknown="raise")` speaks to callers of `price`; a run that was paid is still recorded.
            entry.unpriced_reason = str(error)
            return None
        if cost is None and entry.status != "cached":
            entry.unpriced_reason = self.prices.why_unpriced(
                model,
                entry.provider,
                service_tier=entry.service_tier,
                batch=entry.batch,
                at=at,
                region=region,
                fallback_model=entry.request_model,
                usage=usage,
            )
        return cost

    def _digests(self, call: StartedCall) -> tuple[bytes, tuple[bytes, ...]]:
        """Keyed digests of the prompt and of its beginnings."""
        if self._keyed is None:
            key = _MEMORY_KEY if self.store is None else self.store.digest_key
            self._keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)
        running = self._keyed.copy()
        data = _prompt_bytes(call)
        if len(data) <= PREFIX_BLOCK_BYTES:
            running.update(data)
            return running.digest(), ()
        prefixes: list[bytes] = []
        whole_blocks = min(len(data) // PREFIX_BLOCK_BYTES, MAX_PREFIX_DIGESTS)
        for block in range(whole_blocks):
            running.update(data[block * PREFIX_BLOCK_BYTES : (block + 1) * PREFIX_BLOCK_BYTES])
            prefixes.append(running.digest())
        running.update(data[whole_blocks * PREFIX_BLOCK_BYTES :])
        return running.digest(), tuple(prefixes)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _finish(self, call: StartedCall, outcome: Outcome, ended_ns: int, busy_ns: int | None) -> None:
        try:
            entry = self.line(call, outcome, ended_ns, busy_ns)
        except Exception as error:  # noqa: BLE001 - a call that was paid for is never lost, whatever is wrong with it
            entry = self._faulty_line(call, outcome, error)
        for view in call.views:
            if view.recorder is self:
                view.see(entry)
        if self.store is not None:
            self.write(entry)

    def _faulty_line(self, call: StartedCall, outcome: Outcome, error: Exception) -> LedgerEntry:
        self.note_fault(error)
        return LedgerEntry(
            run_id=call.run_id,
            started_at_us=call.started_at_us,
            kind=call.kind,
            status=outcome.status,
            parent_run_id=call.parent_run_id,
            root_run_id=call.root_run_id or call.run_id,
            provider=_provider(call),
            request_model=call.request_model,
            usage=outcome.usage,
            unpriced_reason=f"tracking failed: {type(error).__name__}",
        )

    def note_fault(self, error: BaseException) -> None:
        """Count a failure of tracking itself; its text is not logged, because it may quote a prompt."""
        self.faults += 1
        _logger.error("tracking a call failed: %s at %s", type(error).__name__, _place(error))

    def _begin_busy(self, call: StartedCall) -> None:
        """Start the meter of the machine that serves the model, if it is paid by the hour."""
        if call.request_model is None:
            return
        price = self.prices.resolve(call.request_model, _provider(call))
        if isinstance(price, GpuHourCard):
            clock = self._clocks.setdefault(price, BusyClock())
            call.busy = call.busy or {}
            call.busy[id(self)] = (clock, clock.begin(call.started_ns))

    def _end_busy(self, call: StartedCall, ended_ns: int) -> Any:  # noqa: ANN401 - whole nanoseconds, or None
        assert call.busy is not None  # noqa: S101 - `finish` asked
        if id(self) not in call.busy:
            return None
        clock, token = call.busy[id(self)]
        if clock is None:  # closed before, as a call given up for lost: the share stands
            return token
        share = clock.end(token, ended_ns)
        call.busy[id(self)] = (None, share)
        return share

    def _send(self, job: Callable[[], None]) -> None:
        """Do a write here and now, or on the worker where a loop must not wait."""
        if _on_event_loop():
            WORKER.submit(job)
        else:
            job()

    def _open(self, entry: LedgerEntry) -> None:
        assert self.store is not None  # noqa: S101 - `begin` asked
        try:
            self.store.open_call(entry)
        except StoreError as error:
            self._warn(error)

    def _append(self, entry: LedgerEntry) -> None:
        assert self.store is not None  # noqa: S101 - `write` asked
        try:
            self._retry_unsaved(raising=True)
            self.store.append(entry)
        except StoreError as error:
            with self._unsaved_lock:
                self._unsaved.append(entry)
            self._warn(error)

    def _retry_unsaved(self, *, raising: bool = False) -> None:
        if not self._unsaved or self.store is None:
            return
        with self._unsaved_lock:
            while self._unsaved:
                try:
                    self.store.append(self._unsaved[0])
                except StoreError:
                    if raising:
                        raise
                    return
                self._unsaved.popleft()
            self._warned = False

    def _warn(self, error: StoreError) -> None:
        _logger.error("the ledger cannot be written, its lines wait in memory: %s", error)
        if not self._warned:
            self._warned = True
            warnings.warn(f"{error} (lines wait in memory until it answers)", UntrackedStoreWarning, stacklevel=2)


_known: Final[WeakValueDictionary[tuple[int, int, str | None], Recorder]] = WeakValueDictionary()
_known_lock: Final = threading.Lock()


def _on_event_loop() -> bool:
    return asyncio._get_running_loop() is not None  # noqa: SLF001 - exported for this; the public twin raises instead


def _provider(call: StartedCall) -> str | None:
    return call.endpoint_provider or call.provider


def _prompt_bytes(call: StartedCall) -> bytes:
    return call.prompt_text(call.prompt).encode("utf-8", "surrogatepass")


def _estimate(entry: LedgerEntry, call: StartedCall, output_text: str) -> TokenUsage:
    """Count what the provider did not report; the line says how."""
    model = entry.response_model or entry.request_model
    given = count_tokens(call.prompt_text(call.prompt), model)
    answered = count_tokens(output_text, model)
    entry.estimate_method = given.method
    return TokenUsage(uncached_input=given.tokens, output_text=answered.tokens)


def _follow_provider(entry: LedgerEntry, reported_usd: Decimal) -> None:
    """Let the provider's own figure win; ours stays beside it as the list cost."""
    entry.reported_nano = int((reported_usd * NANO_PER_USD).to_integral_value())
    entry.list_nano = entry.billed_nano if entry.list_nano is None else entry.list_nano
    entry.billed_nano = entry.reported_nano
    entry.unpriced_reason = None


def _keep_metadata(entry: LedgerEntry, name: str, value: Any) -> None:  # noqa: ANN401 - whatever the user put there
    if isinstance(value, str):
        value = value[:_MAX_METADATA_LENGTH]
    elif not isinstance(value, int | float):
        return
    if name in keys.USER_KEYS:
        entry.user = str(value)
    elif name in keys.SESSION_KEYS:
        entry.session = str(value)
    elif name in keys.THREAD_KEYS:
        entry.thread = str(value)
    if not entry.metadata:
        entry.metadata = {}
    entry.metadata[name] = value  # type: ignore[index] # the line is being made; from here on it is a Mapping


def _read_technique_key(entry: LedgerEntry, name: str, value: Any) -> None:  # noqa: ANN401 - whatever was put there
    if name == keys.TECHNIQUE:
        entry.techniques = (value,) if isinstance(value, str) else tuple(str(item) for item in value)
    elif name == keys.BASELINE_MODEL:
        entry.baseline_model = str(value)
    elif name == keys.BATCH:
        entry.batch = bool(value)
    elif name == keys.SERVICE_TIER:
        entry.service_tier = str(value)


def _place(error: BaseException) -> str:
    """Where an exception was raised, as file and line, without what it says."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
