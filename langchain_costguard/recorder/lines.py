"""What a line of the ledger says: a call and its outcome in, an entry out; pure but for counting missing tokens."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard import tags as keys
from langchain_costguard.cost import NANO_PER_USD, nano_half_even
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.recorder.savings import given_back, savings_of
from langchain_costguard.tokens import TokenCount, count_tokens
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from langchain_costguard.cost import Cost
    from langchain_costguard.ledger import CallStatus
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.recorder.calls import Outcome, StartedCall

PREFIX_BLOCK_BYTES: Final = 4096
"""Length of the prompt blocks whose running digests are kept: about 1,024 tokens, the providers' cache minimum."""

MAX_PREFIX_DIGESTS: Final = 64
"""So many blocks of one prompt are digested; later ones are not."""

MEMORY_KEY: Final = secrets.token_bytes(32)
"""The key of digests that are kept in no store."""

_MAX_METADATA_LENGTH: Final = 256
_DIGEST_BYTES: Final = 16
_US_PER_SECOND: Final = 1_000_000
_BYTES_PER_TOKEN: Final = 4
_NOTHING_USED: Final = TokenUsage()
_NOTHING_SERVED: Final[Mapping[str, int]] = {}
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

_FRAMEWORK_TAGS: Final = ("seq:step:", "map:key:", "branch:", "condition:", "graph:step:", "langsmith:", "nostream")


class LineMaker:
    """Makes the lines of one store with one set of prices.

    Args:
        prices: the price book.
        baseline_model: the model against which savings are measured, where a run does not name its own.
        digest_key: asked once, for the key of the prompt digests (32 bytes).
    """

    def __init__(
        self, prices: PriceBook, baseline_model: str | None = None, digest_key: Callable[[], bytes] = lambda: MEMORY_KEY
    ) -> None:
        """Keep what lines are made with."""
        self.prices = prices
        # empty stands for a call of our own, and only a tag says that
        self.baseline_model: str | None = baseline_model or None
        self._digest_key = digest_key
        self._keyed: hashlib.blake2b | None = None

    def opening(self, call: StartedCall) -> LedgerEntry:
        """The line of a call that has begun, status `open`."""
        entry = self._frame(call, "open")
        entry.input_bytes = len(call.text_bytes())
        return entry

    def finished(self, call: StartedCall, outcome: Outcome, ended_ns: int, busy_ns: int | None = None) -> LedgerEntry:
        """The line a call and its outcome make; no I/O but a possible look into a vocabulary on disk.

        Args:
            call: what was known at the beginning.
            outcome: what became of it.
            ended_ns: `time.perf_counter_ns()` at its end.
            busy_ns: its share of the busy time of a GPU, in nanoseconds.
        """
        status, usage, response_model, service_tier, output_text, reported_usd, error, is_unbilled, calls, cost = (
            outcome[:10]
        )
        entry = self._frame(call, status)
        if call.is_timed:
            entry.latency_us = (ended_ns - call.started_ns) // 1000
        if call.first_token_ns is not None:
            entry.first_token_us = (call.first_token_ns - call.started_ns) // 1000
        entry.calls = calls
        entry.busy_ns = busy_ns
        entry.error = error
        entry.response_model = response_model
        if service_tier is not None:
            entry.service_tier = service_tier
        if usage is None and is_unbilled:
            usage = _NOTHING_USED
        if call.prompt is not None:
            if usage is None and status != "cached":
                usage = _estimate(entry, call, output_text)
            entry.prompt_digest, entry.prefix_digests = self._digests(call)
        entry.usage = usage
        if is_unbilled:
            entry.billed_nano = entry.list_nano = 0
        elif cost is not None:
            _book(entry, cost)
            self._compare(entry)
        else:
            self._price(entry, call.region)
        _follow_legs(entry, call, outcome)
        if reported_usd is not None and status != "cached":
            _follow_provider(entry, reported_usd)
        if outcome.technique is not None and outcome.technique not in entry.techniques:
            entry.techniques = (*entry.techniques, outcome.technique)
        served = call.metadata.get(keys.BASELINE_SERVED) or _NOTHING_SERVED
        entry.savings = given_back(savings_of(entry, self.prices, call.region), served)
        return entry

    def salvaged(self, call: StartedCall, outcome: Outcome, error: Exception) -> LedgerEntry:
        """The line of a call whose full line could not be made: as far as it is known, and unpriced."""
        return LedgerEntry(
            run_id=call.run_id,
            started_at_us=call.started_at_us,
            kind=call.kind,
            status=outcome.status,
            parent_run_id=call.parent_run_id,
            root_run_id=call.root_run_id or call.run_id,
            provider=call.served_by,
            request_model=call.request_model,
            usage=outcome.usage,
            unpriced_reason=f"tracking failed: {type(error).__name__}",
        )

    def lost(self, entry: LedgerEntry) -> LedgerEntry:
        """The line of a call whose process died: its input estimated from its length, its output unknown."""
        entry.status = "lost"
        entry.usage = TokenUsage(uncached_input=-(-(entry.input_bytes or 0) // _BYTES_PER_TOKEN))
        entry.estimate_method = f"bytes/{_BYTES_PER_TOKEN}, input only"
        self._price(entry)
        return entry

    def repriced(self, entry: LedgerEntry) -> LedgerEntry:
        """The same line, priced anew from the usage it holds at the moment it began.

        The provider's own figure still wins. The line has no price if none is known for it.
        """
        line = replace(
            entry,
            billed_nano=None,
            list_nano=None,
            avoided_nano=None,
            baseline_nano=None,
            price=None,
            unpriced_reason=None,
            savings=None,
        )
        region = None if entry.price is None else entry.price.region
        self._price(line, region)
        if entry.reported_nano is not None and entry.status != "cached":
            _let_provider_win(line, entry.reported_nano)
        line.savings = savings_of(line, self.prices, region)
        return line

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
            provider=call.served_by,
            request_model=call.request_model,
            service_tier=call.requested_tier,
            baseline_model=self.baseline_model,
        )
        if call.tags:
            entry.tags = tuple(sorted({tag for tag in map(str, call.tags) if not tag.startswith(_FRAMEWORK_TAGS)}))
        for key, value in call.metadata.items():
            if key in _FRAMEWORK_KEYS:
                continue
            name = str(key)
            if not name.startswith(keys.RESERVED_PREFIXES):
                _keep_metadata(entry, name, value)
            elif name.startswith("costguard_"):
                _read_technique_key(entry, name, value)
        return entry

    def _price(self, entry: LedgerEntry, region: str | None = None) -> None:
        """Fill in what the line's usage costs, or why that is not known."""
        usage = entry.usage
        if entry.status == "cached":
            entry.billed_nano = entry.list_nano = 0
            avoided = None if usage is None else self._cost(entry, region)
            entry.avoided_nano = None if avoided is None else nano_half_even(avoided.pico_usd)
            return
        cost = self._cost(entry, region)
        if cost is not None:
            _book(entry, cost)
        self._compare(entry)

    def _compare(self, entry: LedgerEntry) -> None:
        """Fill in what the line's tokens cost on its baseline."""
        if entry.baseline_model and entry.usage is not None and any(entry.usage.counts):
            at = entry.started_at_us / _US_PER_SECOND
            entry.baseline_nano = self._baseline(entry.baseline_model, entry.usage, at)

    def _baseline(self, model: str, usage: TokenUsage, at: float) -> int | None:
        try:
            cost = self.prices.price(usage, model=model, at=at)
        except UnknownPriceError:  # a baseline without a price must not cost the line its own
            return None
        return None if cost is None else nano_half_even(cost.pico_usd)

    def _cost(self, entry: LedgerEntry, region: str | None) -> Cost | None:
        usage, model = entry.usage, entry.response_model or entry.request_model
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
                busy_ns=entry.busy_ns,
                calls=entry.calls,
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
            self._keyed = hashlib.blake2b(key=self._digest_key(), digest_size=_DIGEST_BYTES)
        running = self._keyed.copy()
        data = call.text_bytes()
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


def _book(entry: LedgerEntry, cost: Cost) -> None:
    """Put a cost on a line, rounded once."""
    entry.billed_nano = entry.list_nano = nano_half_even(cost.pico_usd)
    if cost.list_pico_usd != cost.pico_usd:
        entry.list_nano = nano_half_even(cost.list_pico_usd)
    entry.price = cost.source


def _follow_legs(entry: LedgerEntry, call: StartedCall, outcome: Outcome) -> None:
    """Take in what the legs of a cascade have booked before this one, or had cost when a cache kept their answer."""
    if outcome.avoided_nano is not None:
        entry.avoided_nano = outcome.avoided_nano
    booked, added = (call.metadata.get(key) for key in (keys.BASELINE_BOOKED, keys.BASELINE_ADDED))
    if isinstance(booked, int) or isinstance(added, int):
        _book_difference(entry, booked if isinstance(booked, int) else 0, added if isinstance(added, int) else 0)


def _book_difference(entry: LedgerEntry, booked: int, added: int) -> None:
    """Leave of a baseline what earlier calls for the same answer have not booked; no longer one model's price.

    An answer from a cache has no baseline beside what it avoided: there it is only what is taken back.

    Args:
        entry: the line.
        booked: what earlier calls have booked, in nano-USD.
        added: what the baseline holds for a technique's own part of the prompt, in nano-USD.
    """
    if entry.status == "cached" and entry.avoided_nano is not None:
        entry.baseline_nano, added = 0, 0
    if entry.baseline_nano is not None:
        entry.baseline_nano -= booked + added
        entry.baseline_model = None


def _estimate(entry: LedgerEntry, call: StartedCall, output_text: str) -> TokenUsage:
    """Count what the provider did not report; the line says how."""
    model = entry.response_model or entry.request_model
    if call.prompt_tokens is not None:
        given = call.prompt_tokens(call.prompt, model)
    else:
        counts = [count_tokens(part, model) for part in call.parts()]
        given = TokenCount(sum(count.tokens for count in counts), counts[0].method if counts else "nothing")
    answered = count_tokens(output_text, model)
    entry.estimate_method = given.method
    return TokenUsage(uncached_input=given.tokens, output_text=answered.tokens)


def _follow_provider(entry: LedgerEntry, reported_usd: Decimal) -> None:
    """Let the provider's own figure win; ours stays beside it as the list cost."""
    _let_provider_win(entry, int((reported_usd * NANO_PER_USD).to_integral_value()))


def _let_provider_win(entry: LedgerEntry, reported_nano: int) -> None:
    entry.reported_nano = reported_nano
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
        entry.techniques = tuple(map(str, value if isinstance(value, list | tuple | set | frozenset) else [value]))
    elif name == keys.BASELINE_MODEL:
        entry.baseline_model = str(value)
        entry.baseline_nano = None if value else 0
    elif name == keys.SAVED_INPUT_TOKENS and isinstance(value, int):
        entry.saved_input_tokens = value
    elif name == keys.BATCH:
        entry.batch = bool(value)
    elif name == keys.SERVICE_TIER:
        entry.service_tier = str(value)
