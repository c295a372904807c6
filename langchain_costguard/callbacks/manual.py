"""Calls that LangChain does not report: what `record` and `reconcile` are told, as facts for the recorder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from langchain_costguard.cost import NANO_PER_USD, PICO_PER_USD, Cost, PriceSource, to_usd
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.pricing.quotes import dollars, gpu_hour
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.usage import TokenUsage, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.ledger import CallKind
    from langchain_costguard.pricing.quotes import Dollars
    from langchain_costguard.recorder import Recorder, View
    from langchain_costguard.stores.base import LedgerStore

_NS_PER_HOUR: Final = 3_600_000_000_000
_NS_PER_SECOND: Final = 1_000_000_000
_GIVEN: Final = PriceSource("given", "", "", "")
_KINDS: Final = ("manual", "chat", "llm", "embedding", "tool", "batch")


def record_call(  # noqa: PLR0913 - the facts of a call, all named
    views: Iterable[View],
    recorder: Recorder,
    *,
    usage: object = None,
    model: str | None = None,
    provider: str | None = None,
    cost: Dollars | None = None,
    gpu_hours: Dollars | None = None,
    usd_per_gpu_hour: Dollars | None = None,
    calls: int = 1,
    usd_per_call: Dollars | None = None,
    service_tier: str | None = None,
    batch: bool = False,
    kind: CallKind = "manual",
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    started_at: datetime | None = None,
    latency_seconds: float | None = None,
    run_id: UUID | None = None,
) -> LedgerEntry:
    """Book a call that LangChain did not report; the arguments are those of `CostCallbackHandler.record`.

    Without views (the package is disabled) the line is made by `recorder` and kept nowhere.
    """
    tokens, model, service_tier = _what_was_used(usage, model, service_tier)
    _check(tokens, model=model, cost=cost, gpu_hours=gpu_hours, calls=calls, usd_per_call=usd_per_call, kind=kind)
    busy_ns = None if gpu_hours is None else int(dollars(gpu_hours, "gpu_hours") * _NS_PER_HOUR)
    given = _given_cost(cost, busy_ns, usd_per_gpu_hour, calls, usd_per_call)
    call = StartedCall(run_id or uuid4(), kind, None, str)
    call.request_model, call.provider, call.requested_tier = model, provider, service_tier
    call.tags = tuple(tags)
    call.metadata = {**(metadata or {}), "costguard_batch": True} if batch else (metadata or {})
    if started_at is not None:
        call.started_at_us = _microseconds(started_at, "started_at")
    call.is_timed = latency_seconds is not None
    call.watch(views)
    outcome = Outcome("ok", tokens, calls=calls, cost=given)
    ended_ns = call.started_ns + int((latency_seconds or 0) * _NS_PER_SECOND)
    if not call.recorders:
        return recorder.lines.finished(call, outcome, ended_ns, busy_ns)
    entries = [booking.book(call, outcome, ended_ns, busy_ns) for booking in call.recorders]
    return entries[0]


def adjustment(
    store: LedgerStore, since: datetime, until: datetime, billed: Dollars, reason: str, provider: str | None
) -> LedgerEntry | None:
    """The line that makes the ledger's sum over a period equal to the provider's bill; `None` if it is equal."""
    start, end = _microseconds(since, "since"), _microseconds(until, "until")
    if start >= end:
        msg = f"the period from {since} until {until} is empty: give an end after its beginning"
        raise ValueError(msg)
    if not reason.strip():
        msg = "reason is empty: say what the difference is, such as 'invoice 2026-10' or 'regional surcharge'"
        raise ValueError(msg)
    amount = dollars(billed, "billed") * NANO_PER_USD
    if amount != amount.to_integral_value():
        msg = f"billed={billed} is finer than a billionth of a dollar: round it"
        raise ValueError(msg)
    booked = store.totals(LedgerQuery(since=since, until=until, provider=provider))[0]
    difference = int(amount) - booked.billed_nano
    if not difference:
        return None
    return LedgerEntry(
        run_id=uuid4(),
        started_at_us=end - 1,
        kind="adjustment",
        calls=0,
        provider=provider,
        billed_nano=difference,
        list_nano=0,
        price=_GIVEN,
        metadata={
            "reason": reason,
            "billed_usd": str(dollars(billed, "billed")),
            "recorded_usd": str(to_usd(booked.billed_nano, NANO_PER_USD)),
            "unpriced_calls": booked.unpriced_calls,
        },
    )


def _what_was_used(
    usage: object, model: str | None, service_tier: str | None
) -> tuple[TokenUsage | None, str | None, str | None]:
    """Usage in whatever form: a mapping, a `TokenUsage`, or a response of a provider's SDK that carries it."""
    if usage is None or isinstance(usage, TokenUsage):
        return usage, model, service_tier
    carried = getattr(usage, "usage_metadata", None) or getattr(usage, "usage", None)
    if carried is not None:
        model = model or getattr(usage, "model", None)
        service_tier = service_tier or getattr(usage, "service_tier", None)
        usage = carried
    if not isinstance(usage, Mapping) and hasattr(usage, "model_dump"):
        usage = usage.model_dump()
    if not isinstance(usage, Mapping):
        msg = (
            f"usage of type {type(usage).__name__} is not understood: give LangChain's usage_metadata, the provider's "
            "usage object, a response that carries one, or a TokenUsage"
        )
        raise TypeError(msg)
    tokens, tier = read_usage(usage)
    if tokens is None:
        msg = f"usage has no token counts (its keys are {', '.join(map(str, usage)) or 'none'}): give input_tokens ..."
        raise ValueError(msg)
    return tokens, model, service_tier or tier


def _check(
    tokens: TokenUsage | None,
    *,
    model: str | None,
    cost: Dollars | None,
    gpu_hours: Dollars | None,
    calls: int,
    usd_per_call: Dollars | None,
    kind: str,
) -> None:
    if isinstance(calls, bool) or not isinstance(calls, int) or calls < 0:
        msg = f"calls={calls!r} is no number of calls: give a whole number, zero or more"
        raise ValueError(msg)
    if kind not in _KINDS:
        msg = f"kind={kind!r} is not known: choose one of {', '.join(_KINDS)}"
        raise ValueError(msg)
    if tokens is None and cost is None and gpu_hours is None and usd_per_call is None and model is None:
        msg = "nothing to record: give usage=... and model=..., or cost=..., or gpu_hours=..., or usd_per_call=..."
        raise ValueError(msg)
    if tokens is not None and cost is None and model is None:
        msg = "usage alone has no price: give model=... too, or cost=..."
        raise ValueError(msg)


def _given_cost(
    cost: Dollars | None,
    busy_ns: int | None,
    usd_per_gpu_hour: Dollars | None,
    calls: int,
    usd_per_call: Dollars | None,
) -> Cost | None:
    """The cost the caller stated, in dollars or by prices; `None` has the price book say it."""
    if cost is not None:
        return Cost(int((dollars(cost, "cost") * PICO_PER_USD).to_integral_value()), source=_GIVEN)
    if usd_per_gpu_hour is None and usd_per_call is None:
        return None
    price = gpu_hour(usd_per_gpu_hour or 0, usd_per_call=usd_per_call or 0)
    if usd_per_gpu_hour is not None and busy_ns is None:
        msg = "usd_per_gpu_hour needs the hours: give gpu_hours=..."
        raise ValueError(msg)
    amount = price.cost(None, calls, busy_ns or 0)
    return None if amount is None else Cost(amount.pico_usd, source=_GIVEN)


def _microseconds(moment: datetime, name: str) -> int:
    if moment.tzinfo is None:
        msg = f"{name}={moment!r} has no time zone: give one, such as {name}.replace(tzinfo=timezone.utc)"
        raise ValueError(msg)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
