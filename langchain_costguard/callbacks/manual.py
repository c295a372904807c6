"""Calls that LangChain does not report: what `record` and `reconcile` are told, as facts for the recorder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

from langchain_costguard._amounts import counted
from langchain_costguard.callbacks.afterwards import charge_unreserved
from langchain_costguard.callbacks.results import reported_cost
from langchain_costguard.cost import NANO_PER_USD, PICO_PER_USD, Cost, PriceSource, to_usd
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.pricing.amounts import nano_usd, quantity, usd
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.usage import TokenUsage, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.ledger import CallKind
    from langchain_costguard.pricing.quotes import Dollars
    from langchain_costguard.recorder import Recorder
    from langchain_costguard.stores.base import LedgerStore

_NS_PER_HOUR: Final = 3_600_000_000_000
_NS_PER_SECOND: Final = 1_000_000_000
_GIVEN: Final = PriceSource("given", "", "", "")
_MOST_USD: Final = 10_000_000
_MOST_CALLS: Final = 10**12
_MOST_SECONDS: Final = 10**9
_WRONG_COUNTS: Final = ("not a number", "was negative", "not a whole number")
_KINDS: Final = ("manual", "chat", "llm", "embedding", "tool", "batch")


def record_call(  # noqa: PLR0913 - the facts of a call, all named
    views: Sequence[CallView],
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
    run_id: UUID | str | None = None,
) -> LedgerEntry:
    """Book a call that LangChain did not report; the arguments are those of `CostCallbackHandler.record`.

    Without views (the package is disabled) the line is made by `recorder` and kept nowhere.
    """
    used = _what_was_used(usage, model, service_tier)
    tags = _check(
        used, cost=cost, gpu_hours=gpu_hours, usd_per_gpu_hour=usd_per_gpu_hour, calls=calls,
        usd_per_call=usd_per_call, kind=kind, provider=provider, tags=tags, metadata=metadata,
    )  # fmt: skip
    hours = None if gpu_hours is None else quantity(gpu_hours, "gpu_hours", "hours")
    call = StartedCall(_run_id(run_id), kind, None, str)
    call.request_model, call.provider, call.requested_tier = used.model, provider, used.service_tier
    call.tags = tags
    call.metadata = {**(metadata or {}), "costguard_batch": True} if batch else (metadata or {})
    if started_at is not None:
        call.started_at_us = _microseconds(started_at, "started_at")
    call.is_timed = latency_seconds is not None
    call.watch(views)
    is_known = run_id is not None and any(_is_booked(booking, call.run_id) for booking in call.recorders)
    given = _given_cost(cost, hours, usd_per_gpu_hour, calls, usd_per_call)
    outcome = Outcome("ok", used.tokens, calls=calls, cost=given, reported_usd=used.reported_usd)
    ended_ns = call.started_ns + _nanoseconds(latency_seconds)
    busy_ns = None if hours is None else round(Fraction(hours) * _NS_PER_HOUR)
    if not call.recorders:
        return recorder.lines.finished(call, outcome, ended_ns, busy_ns)
    entries = [booking.book(call, outcome, ended_ns, busy_ns) for booking in call.recorders]
    if not is_known:
        charge_unreserved(views, entries[0])
    return entries[0]


def adjustment(
    store: LedgerStore, since: datetime, until: datetime, billed: Dollars, reason: str, provider: str | None
) -> LedgerEntry | None:
    """The line that makes the ledger's sum over a period equal to the provider's bill; `None` if it is equal."""
    start, end = _microseconds(since, "since"), _microseconds(until, "until")
    if start >= end:
        msg = f"the period from {since} until {until} is empty: give an end after its beginning"
        raise ValueError(msg)
    if not isinstance(reason, str) or not reason.strip():
        msg = "reason is empty: say what the difference is, such as 'invoice 2026-10' or 'regional surcharge'"
        raise ValueError(msg)
    amount = nano_usd(billed, "billed")
    for moment in (since, until):
        _refuse_half_pruned_day(store, moment)
    booked = store.totals(LedgerQuery(since=since, until=until, provider=provider))[0]
    difference = amount - booked.billed_nano
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
            "billed_usd": f"{to_usd(amount, NANO_PER_USD):f}",
            "recorded_usd": f"{to_usd(booked.billed_nano, NANO_PER_USD):f}",
            "unpriced_calls": booked.unpriced_calls,
        },
    )


class _Used(NamedTuple):
    """What the caller handed in as usage, read."""

    tokens: TokenUsage | None
    model: str | None
    service_tier: str | None
    reported_usd: Decimal | None = None


def _what_was_used(usage: object, model: str | None, service_tier: str | None) -> _Used:
    """Usage in whatever form: a mapping, a `TokenUsage`, or a response of a provider's SDK that carries it."""
    if usage is None or isinstance(usage, TokenUsage):
        return _Used(usage, model, service_tier)
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
    wrong = [flag for flag in tokens.flags if any(sign in flag for sign in _WRONG_COUNTS)]
    if wrong:
        msg = f"usage is impossible ({'; '.join(wrong)}): give whole numbers of tokens, zero or more"
        raise ValueError(msg)
    reported = reported_cost(usage) if usage.get("cost") is not None else None
    return _Used(tokens, model, service_tier or tier, reported)


def _check(
    used: _Used,
    *,
    cost: Dollars | None,
    gpu_hours: Dollars | None,
    usd_per_gpu_hour: Dollars | None,
    calls: int,
    usd_per_call: Dollars | None,
    kind: str,
    provider: object,
    tags: Iterable[str],
    metadata: object,
) -> tuple[str, ...]:
    """Refuse what cannot be booked; the tags as they are kept."""
    if isinstance(calls, bool) or not isinstance(calls, int) or not 0 <= calls <= _MOST_CALLS:
        msg = f"calls={calls!r} is no number of calls: give a whole number, zero or more"
        raise ValueError(msg)
    if kind not in _KINDS:
        msg = f"kind={kind!r} is not known: choose one of {', '.join(_KINDS)}"
        raise ValueError(msg)
    for name, value in (("model", used.model), ("provider", provider)):
        if value is not None and not isinstance(value, str):
            msg = f"{name}={value!r} is no name: give a text such as 'gpt-4o'"
            raise ValueError(msg)
    kept = (tags,) if isinstance(tags, str) else tuple(tags)
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in kept):
        msg = f"tags={tags!r} is no list of texts: give one, such as tags=['checkout']"
        raise ValueError(msg)
    if metadata is not None and not isinstance(metadata, Mapping):
        msg = f"metadata={metadata!r} is no mapping: give one, such as metadata={{'user': 'u1'}}"
        raise ValueError(msg)
    nothing = (used.tokens, cost, gpu_hours, usd_per_call, used.model) == (None,) * 5
    if nothing and usd_per_gpu_hour is None:
        msg = "nothing to record: give usage=... and model=..., or cost=..., or gpu_hours=..., or usd_per_call=..."
        raise ValueError(msg)
    if used.tokens is not None and cost is None and used.model is None and usd_per_gpu_hour is None:
        msg = "usage alone has no price: give model=... too, or cost=..."
        raise ValueError(msg)
    if used.tokens is not None and usd_per_call is not None and usd_per_gpu_hour is None:
        msg = (
            "usage is priced by its model, and usd_per_call would replace that price: give a price of your own that "
            "has both (prices={'my-model': per_token(..., usd_per_call=...)}), or cost=..."
        )
        raise ValueError(msg)
    if usd_per_gpu_hour is not None and gpu_hours is None:
        msg = "usd_per_gpu_hour needs the hours: give gpu_hours=..."
        raise ValueError(msg)
    has_hourly_price = usd_per_gpu_hour is not None or (used.model is not None and usd_per_call is None)
    if gpu_hours is not None and cost is None and not has_hourly_price:
        msg = "gpu_hours have no price: give usd_per_gpu_hour=..., or the model=... of a gpu_hour() price alone"
        raise ValueError(msg)
    return kept


def _given_cost(
    cost: Dollars | None,
    hours: Decimal | None,
    usd_per_gpu_hour: Dollars | None,
    calls: int,
    usd_per_call: Dollars | None,
) -> Cost | None:
    """The cost the caller stated, in dollars or by prices; `None` has the price book say it."""
    if cost is not None:
        return Cost(_pico(Fraction(usd(cost, "cost"))), source=_GIVEN)
    if usd_per_gpu_hour is None and usd_per_call is None:
        return None
    total, factors = Fraction(0), []
    if usd_per_gpu_hour is not None and hours is not None:
        price = usd(usd_per_gpu_hour, "usd_per_gpu_hour")
        total += Fraction(hours) * Fraction(price)
        factors.append(f"{hours:f} GPU-hours x ${price:f}")
    if usd_per_call is not None:
        price = usd(usd_per_call, "usd_per_call")
        total += calls * Fraction(price)
        factors.append(f"{counted(calls, 'call')} x ${price:f}")
    return Cost(_pico(total), source=_GIVEN._replace(context=" + ".join(factors)))


def _pico(amount: Fraction) -> int:
    if amount > _MOST_USD:
        msg = f"more than ${_MOST_USD:,} on one line is not kept: record it in several"
        raise ValueError(msg)
    return round(amount * PICO_PER_USD)


def _is_booked(recorder: Recorder, run_id: UUID) -> bool:
    """Whether a run is in the ledger already."""
    return recorder.store is not None and any(recorder.store.entries(LedgerQuery(run_id=run_id)))


def _run_id(run_id: object) -> UUID:
    if run_id is None:
        return uuid4()
    try:
        return run_id if isinstance(run_id, UUID) else UUID(str(run_id))
    except ValueError as error:
        msg = f"run_id={run_id!r} is no UUID: give one, such as uuid.uuid4()"
        raise ValueError(msg) from error


def _nanoseconds(latency_seconds: object) -> int:
    if latency_seconds is None:
        return 0
    is_number = isinstance(latency_seconds, int | float) and not isinstance(latency_seconds, bool)
    if is_number and 0 <= latency_seconds < _MOST_SECONDS:  # type: ignore[operator] # it is a number
        return int(latency_seconds * _NS_PER_SECOND)  # type: ignore[operator] # it is a number
    msg = f"latency_seconds={latency_seconds!r} is no duration: give seconds, zero or more"
    raise ValueError(msg)


def _refuse_half_pruned_day(store: LedgerStore, moment: datetime) -> None:
    """A pruned day is one sum: what of it lies before a moment within the day is not known any more."""
    start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if start == moment:
        return
    day = LedgerQuery(since=start, until=start + timedelta(days=1))
    if store.totals(day)[0].calls != sum(entry.calls for entry in store.entries(day)):
        msg = (
            f"the lines of {start:%Y-%m-%d} (UTC) are pruned to a daily sum, so a period that begins or ends within "
            "that day cannot be reconciled: give whole days in UTC, or reconcile before you prune"
        )
        raise ValueError(msg)


def _microseconds(moment: object, name: str) -> int:
    if not isinstance(moment, datetime):
        msg = f"{name}={moment!r} is no moment: give a datetime with its time zone"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for everything a period may have wrong
    if moment.tzinfo is None:
        msg = f"{name}={moment!r} has no time zone: give one, such as {name}.replace(tzinfo=timezone.utc)"
        raise ValueError(msg)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
