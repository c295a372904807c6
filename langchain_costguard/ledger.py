"""What one line of the ledger says, and how to ask for lines and for sums of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from langchain_costguard.cost import NANO_PER_USD, PriceSource, to_usd
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal
    from uuid import UUID

    from langchain_costguard.usage import TokenUsage

CallKind = Literal["chat", "llm", "embedding", "tool", "batch", "manual", "adjustment"]
"""What kind of call a line is: a chat model, a text model, an embedding model, or what `record()` was told.

An `adjustment` is no call: it is the difference to the provider's own bill that `reconcile()` booked.
"""

CallStatus = Literal["open", "ok", "cached", "error", "cancelled", "lost"]
"""How a call ended.

`open`: it has begun and its end is not known yet (durable stores only). `ok`: it answered. `cached`: LangChain's cache
answered, nothing is owed. `error`: it raised. `cancelled`: its task was cancelled or its stream was closed early.
`lost`: its process died, or nothing was heard of it for so long that it is counted as gone. A late end corrects
`open`, `cancelled` and `lost`; the other three are final.
"""

FINAL_STATUSES: Final = frozenset({"ok", "cached", "error"})
"""The statuses that no later report changes."""

_US_PER_SECOND: Final = 1_000_000


@dataclass(slots=True, kw_only=True)
class LedgerEntry:
    """One model call: who made it, what it used, what it cost and how that is known.

    Money is nano-USD (1e-9 US dollars) in the `*_nano` fields and `Decimal` US dollars in the properties; `None` means
    unknown, zero means free. Treat an entry as immutable.
    """

    run_id: UUID
    """LangChain's id of the run; a run is booked once, however many handlers saw it."""
    started_at_us: int
    """When the call began: microseconds since 1970-01-01 UTC."""
    kind: CallKind = "chat"
    """What kind of call it was."""
    status: CallStatus = "ok"
    """How it ended."""
    parent_run_id: UUID | None = None
    """The run that made the call, `None` for a bare model."""
    root_run_id: UUID | None = None
    """The outermost run the call belongs to; the call's own id for a bare model."""
    chain: str = ""
    """The names of the runs around the call, outermost first, joined by `" > "`; empty for a bare model."""

    provider: str | None = None
    """Who served it, in LangChain's words (`ls_provider`), or as the endpoint tells."""
    request_model: str | None = None
    """The model that was asked for."""
    response_model: str | None = None
    """The model that answered, as the provider names it."""
    service_tier: str | None = None
    """The provider's service tier (`"flex"`, `"priority"`, `"default"` ...)."""
    batch: bool = False
    """Whether it went through a provider's Batch API."""
    calls: int = 1
    """How many calls the line stands for: 1, more where `record()` was told so, 0 for an adjustment."""
    busy_ns: int | None = None
    """Its share of the busy time of a machine paid by the hour, in nanoseconds; `None` where nothing was metered."""

    usage: TokenUsage | None = None
    """The tokens, `None` when nothing is known of them."""
    estimate_method: str | None = None
    """How the tokens were counted when the provider did not report them; `None` for reported usage."""
    billed_nano: int | None = None
    """What is owed for the call, in nano-USD."""
    list_nano: int | None = None
    """The same at list price, before the user's own discount, in nano-USD."""
    reported_nano: int | None = None
    """The cost the provider itself reported (OpenRouter), in nano-USD; where there is one, `billed_nano` follows it."""
    avoided_nano: int | None = None
    """What a cached answer would have cost, in nano-USD; `None` where nothing was avoided or the price is unknown."""
    baseline_model: str | None = None
    """The model the user would have called without a saving technique; empty where nobody would have called one."""
    baseline_nano: int | None = None
    """What the same usage costs on `baseline_model`, in nano-USD."""
    saved_input_tokens: int | None = None
    """How many input tokens a technique left out of the call, as it said (`tags.SAVED_INPUT_TOKENS`)."""
    savings: Savings | None = None
    """What each technique saved, in nano-USD; `None` where nothing was saved or it is not known."""
    price: PriceSource | None = None
    """The price that was applied."""
    unpriced_reason: str | None = None
    """Why there is no cost, in a few words; `None` for a priced call."""

    latency_us: int | None = None
    """From start to end, in microseconds."""
    first_token_us: int | None = None
    """From start to the first streamed token, in microseconds."""
    tags: tuple[str, ...] = ()
    """The run's tags, sorted."""
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """The user's own metadata: short plain values only."""
    user: str | None = None
    """The user the call was made for (`metadata["user"]` or `"user_id"`)."""
    session: str | None = None
    """The session (`metadata["session"]` or `"session_id"`)."""
    thread: str | None = None
    """The conversation (`metadata["thread_id"]`)."""
    techniques: tuple[str, ...] = ()
    """What made the call cheaper, as the techniques said (`tags.TECHNIQUE`)."""
    error: str | None = None
    """The class of the exception, never its text."""

    input_bytes: int | None = None
    """Length of the prompt in UTF-8 bytes, where it was needed to estimate."""
    prompt_digest: bytes | None = None
    """Keyed digest of the prompt: equal for equal prompts in one store, meaningless outside it."""
    prefix_digests: tuple[bytes, ...] = ()
    """Keyed digests of the prompt's beginnings, one per full block, for finding shared prefixes."""

    @property
    def started_at_utc(self) -> datetime:
        """When the call began."""
        return datetime.fromtimestamp(self.started_at_us / _US_PER_SECOND, tz=UTC)

    @property
    def latency_ms(self) -> float | None:
        """From start to end, in milliseconds."""
        return None if self.latency_us is None else self.latency_us / 1000

    @property
    def time_to_first_token_ms(self) -> float | None:
        """From start to the first streamed token, in milliseconds."""
        return None if self.first_token_us is None else self.first_token_us / 1000

    @property
    def model(self) -> str | None:
        """The model a reader looks for: the one asked for, else the one that answered."""
        return self.request_model or self.response_model

    @property
    def billed_cost(self) -> Decimal | None:
        """What is owed, in US dollars; `None` when unknown."""
        return _usd(self.billed_nano)

    @property
    def list_cost(self) -> Decimal | None:
        """The list price, in US dollars; `None` when unknown."""
        return _usd(self.list_nano)

    @property
    def avoided_cost(self) -> Decimal | None:
        """What the cached answer would have cost, in US dollars."""
        return _usd(self.avoided_nano)

    @property
    def baseline_cost(self) -> Decimal | None:
        """What the same usage costs on the baseline model, in US dollars."""
        return _usd(self.baseline_nano)

    @property
    def is_priced(self) -> bool:
        """Whether what is owed is known."""
        return self.billed_nano is not None

    @property
    def is_estimated(self) -> bool:
        """Whether the tokens were counted by us because the provider did not report them."""
        return self.estimate_method is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerQuery:
    """Which lines are meant; every given condition must hold.

    Args:
        since: lines that began at this moment or later; must know its time zone.
        until: lines that began before this moment; must know its time zone.
        model: the requested or the answering model.
        provider: who served the call.
        tag: one of the run's tags.
        user: the user the call was made for.
        session: the session of the call.
        thread: the conversation of the call.
        chain: a name on the chain's path.
        technique: one of the techniques of the call.
        status: how the call ended.
        metadata: values of the user's own metadata.
        root_run_id: all calls below one outermost run.
        run_id: one call.
        limit: at most so many lines, newest first.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    provider: str | None = None
    tag: str | None = None
    user: str | None = None
    session: str | None = None
    thread: str | None = None
    chain: str | None = None
    technique: str | None = None
    status: CallStatus | None = None
    metadata: Mapping[str, str | int | float | bool] | None = None
    root_run_id: UUID | None = None
    run_id: UUID | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse moments without a time zone and limits below one."""
        for name in ("since", "until"):
            moment: datetime | None = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                msg = f"{name}={moment!r} has no time zone: give one, such as {name}.replace(tzinfo=timezone.utc)"
                raise ValueError(msg)
        if self.limit is not None and self.limit < 1:
            msg = f"limit={self.limit} asks for no lines: give 1 or more, or None for all"
            raise ValueError(msg)


GroupKey = str
"""What sums are grouped by: one of `GROUP_KEYS`, or `"metadata:<key>"`."""

GROUP_KEYS: Final = (
    "day",
    "hour",
    "model",
    "response_model",
    "provider",
    "service_tier",
    "tag",
    "technique",
    "user",
    "session",
    "thread",
    "chain",
    "status",
    "kind",
)
"""The names `totals(by=...)` knows. A call with two tags counts under both; a call without any counts under `None`."""


class LedgerTotals(NamedTuple):
    """Sums over lines. Money is nano-USD; a sum covers what is known, and `unpriced_calls` says what is missing."""

    group: tuple[str | None, ...] = ()
    """The values of the group keys, in the order asked for."""
    calls: int = 0
    """All calls, cached and failed ones included."""
    unpriced_calls: int = 0
    """Calls whose cost is not known."""
    estimated_calls: int = 0
    """Calls whose tokens were counted by us."""
    cached_calls: int = 0
    """Calls LangChain's cache answered."""
    failed_calls: int = 0
    """Calls that ended as `error`, `cancelled` or `lost`."""
    open_calls: int = 0
    """Calls that have not ended."""
    input_tokens: int = 0
    """Input tokens billed by a provider (a cached answer bills none)."""
    output_tokens: int = 0
    """Output tokens billed by a provider."""
    cache_read: int = 0
    """Input tokens read from a provider's prompt cache."""
    cache_creation: int = 0
    """Input tokens written to a provider's prompt cache."""
    reasoning: int = 0
    """Output tokens spent on thinking."""
    billed_nano: int = 0
    """What is owed, over the priced calls."""
    list_nano: int = 0
    """The same at list price."""
    avoided_nano: int = 0
    """What cached answers would have cost."""
    baseline_nano: int = 0
    """What the calls that name a baseline model would have cost on it."""
    baseline_billed_nano: int = 0
    """What is owed for those same calls; `baseline_nano - baseline_billed_nano` is their saving."""
    latency_us: int = 0
    """Sum of the known latencies."""
    timed_calls: int = 0
    """Calls whose latency is known."""
    busy_ns: int = 0
    """Busy time of machines paid by the hour, in nanoseconds."""
    unmeasured_calls: int = 0
    """Calls that name a technique, were answered from a cache or in a batch, and whose saving is not known."""
    saved_model_choice_nano: int = 0
    """The steps of `Savings`, each summed over the calls that know theirs."""
    saved_routing_nano: int = 0
    saved_local_model_nano: int = 0
    saved_cascade_nano: int = 0
    saved_exact_cache_nano: int = 0
    saved_semantic_cache_nano: int = 0
    saved_compression_nano: int = 0
    saved_prompt_slimming_nano: int = 0
    saved_output_limit_nano: int = 0
    saved_prompt_caching_nano: int = 0
    saved_batch_nano: int = 0

    @property
    def savings(self) -> Savings:
        """What each technique saved, in nano-USD."""
        return Savings._make(self[-len(Savings._fields) :])

    @property
    def billed_cost(self) -> Decimal | None:
        """What is owed in US dollars; `None` when calls were made and none of them could be priced."""
        if self.unpriced_calls and self.unpriced_calls == self.calls - self.open_calls:
            return None
        return to_usd(self.billed_nano, NANO_PER_USD)

    @property
    def avoided_cost(self) -> Decimal:
        """What cached answers would have cost, in US dollars."""
        return to_usd(self.avoided_nano, NANO_PER_USD)

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def plus(self, other: LedgerTotals) -> LedgerTotals:
        """The sums of both; the group is this one's."""
        return LedgerTotals(self.group, *(a + b for a, b in zip(self[1:], other[1:], strict=True)))


def _usd(nano: int | None) -> Decimal | None:
    return None if nano is None else to_usd(nano, NANO_PER_USD)
