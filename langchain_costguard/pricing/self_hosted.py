"""What a machine of your own costs: GPU-hours times their price, its busy time and its idle time apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard._amounts import money
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.amounts import decimal_of, half_even, quantity, sum_of_products, usd, whole
from langchain_costguard.pricing.plans.layout import as_html, as_text
from langchain_costguard.pricing.rates import NS_PER_HOUR
from langchain_costguard.pricing.shares import ShareRule, share_cost

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.pricing.quotes import Dollars

CallTimes = Iterable[Any]
"""Calls as `(start_ns, end_ns)`, or as ledger lines (anything with `started_at_us` and `latency_us`)."""

_PER_MILLION: Final = 1_000_000
_RATIO_DIGITS: Final = 6
_NS_PER_US: Final = 1000
_HEADERS: Final = ("Machine", "Hours", "Share", "Cost")


def gpu_cost(gpu_hours: Dollars, usd_per_gpu_hour: Dollars, calls: int = 0, usd_per_call: Dollars = 0) -> Decimal:
    """GPU-hours x GPU price + calls x call price, exactly.

    Args:
        gpu_hours: hours of GPU time.
        usd_per_gpu_hour: the price of one of them in US dollars.
        calls: how many calls.
        usd_per_call: the price of one of them in US dollars.

    Returns:
        US dollars, unrounded.

    Raises:
        PriceFormatError: an amount is negative, no number, or carries a currency sign.

    Example:
        >>> gpu_cost(10, "0.1", 1_000, "0.01")
        Decimal('11')
    """
    return sum_of_products(
        (quantity(gpu_hours, "gpu_hours", "GPU-hours"), usd(usd_per_gpu_hour, "usd_per_gpu_hour")),
        (quantity(whole(calls, "calls", "calls"), "calls", "calls"), usd(usd_per_call, "usd_per_call")),
    )


def busy_time(calls: CallTimes) -> int:
    """How long at least one call was running, in nanoseconds: overlapping calls keep a machine busy once.

    Args:
        calls: `(start_ns, end_ns)` of each, in any order, or ledger lines.

    Raises:
        ValueError: a call ends before it starts, or its times are not known.

    Example:
        >>> busy_time([(0, 200), (100, 250), (400, 500)])
        350
    """
    return _union(_spans(calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCost:
    """What a machine cost over the time it was paid for. Money is nano-USD in the `*_nano` fields."""

    paid_ns: int
    """How long it was paid for, in nanoseconds."""
    busy_ns: int
    """How long at least one call was running, in nanoseconds."""
    busy_nano: int
    """The cost of the busy time."""
    idle_nano: int
    """The cost of the time in which nothing ran."""
    calls_nano: int = 0
    """What was paid for the calls on top."""
    calls: int | None = None
    """How many calls it served; `None` when unknown."""
    tokens: int | None = None
    """How many tokens, input and output together; `None` when unknown."""

    @property
    def total_cost(self) -> Decimal:
        """Busy time, idle time and calls, in US dollars."""
        return _usd(self.busy_nano + self.idle_nano + self.calls_nano)

    @property
    def busy_cost(self) -> Decimal:
        """The cost of the time in which calls ran, in US dollars."""
        return _usd(self.busy_nano)

    @property
    def idle_cost(self) -> Decimal:
        """The cost of the time in which nothing ran, in US dollars."""
        return _usd(self.idle_nano)

    @property
    def calls_cost(self) -> Decimal:
        """What was paid for the calls on top, in US dollars."""
        return _usd(self.calls_nano)

    @property
    def utilisation(self) -> Decimal:
        """The share of the paid time in which calls ran, 0 to 1, rounded to six decimals."""
        return decimal_of(Fraction(self.busy_ns, self.paid_ns), _RATIO_DIGITS)

    @property
    def idle_share(self) -> Decimal:
        """The share of the paid time in which nothing ran, 0 to 1, rounded to six decimals."""
        return decimal_of(Fraction(self.paid_ns - self.busy_ns, self.paid_ns), _RATIO_DIGITS)

    @property
    def effective_usd_per_mtok(self) -> Decimal | None:
        """What a million tokens really cost, idle time included, rounded to nano-USD; `None` without known tokens."""
        total = self.busy_nano + self.idle_nano + self.calls_nano
        return None if not self.tokens else _usd(half_even(Fraction(total * _PER_MILLION, self.tokens)))

    @property
    def effective_usd_per_call(self) -> Decimal | None:
        """What a call really cost, idle time included, rounded to nano-USD; `None` without known calls."""
        total = self.busy_nano + self.idle_nano + self.calls_nano
        return None if not self.calls else _usd(half_even(Fraction(total, self.calls)))

    def share(
        self,
        among: Any,  # noqa: ANN401 - what `share_cost` takes
        *,
        busy: ShareRule = "usage",
        idle: ShareRule = "equal",
        by: Literal["user", "tag"] = "user",
        measure: Literal["usd", "tokens", "calls", "gpu_hours"] = "gpu_hours",
        spread_unknown: bool = False,
    ) -> dict[str | None, Decimal]:
        """Share the machine among those it was there for; the shares add up to `total_cost` exactly.

        Args:
            among: see `share_cost`.
            busy: how the busy time and the calls are shared; by default by usage.
            idle: how the idle time is shared; by default equally, for it was there for all.
            by: see `share_cost`.
            measure: see `share_cost`.
            spread_unknown: see `share_cost`.

        Raises:
            ValueError: see `share_cost`.
        """
        if isinstance(among, Iterator):
            among = list(among)

        def shared(cost: Decimal, rule: ShareRule) -> dict[str | None, Decimal]:
            return share_cost(cost, among, rule, by=by, measure=measure, spread_unknown=spread_unknown)

        of_busy, of_idle = shared(self.busy_cost + self.calls_cost, busy), shared(self.idle_cost, idle)
        return {name: of_busy[name] + of_idle[name] for name in of_busy}

    def to_dict(self) -> dict[str, Any]:
        """Everything it says, as plain values; money as text, so that no digit is lost."""
        rate = self.effective_usd_per_mtok
        return {
            "paid_ns": self.paid_ns,
            "busy_ns": self.busy_ns,
            "utilisation": str(self.utilisation),
            "total_cost": str(self.total_cost),
            "busy_cost": str(self.busy_cost),
            "idle_cost": str(self.idle_cost),
            "calls_cost": str(self.calls_cost),
            "calls": self.calls,
            "tokens": self.tokens,
            "effective_usd_per_mtok": None if rate is None else str(rate),
        }

    def __str__(self) -> str:
        """The machine's time as a table."""
        return as_text(_HEADERS, self._rows(), words=1, notes=self._notes())

    def _repr_html_(self) -> str:
        """The same as a notebook shows it."""
        return as_html(_HEADERS, self._rows(), words=1, notes=self._notes())

    def _rows(self) -> list[tuple[str, ...]]:
        idle_ns = self.paid_ns - self.busy_ns
        rows = [
            ("busy", _hours(self.busy_ns), _percent(self.busy_ns, self.paid_ns), money(self.busy_cost)),
            ("idle", _hours(idle_ns), _percent(idle_ns, self.paid_ns), money(self.idle_cost)),
        ]
        if self.calls_nano:
            rows.append(("calls", "", "", money(self.calls_cost)))
        return [*rows, ("Total", _hours(self.paid_ns), "", money(self.total_cost))]

    def _notes(self) -> list[str]:
        rate = self.effective_usd_per_mtok
        return [] if rate is None else [f"A million tokens cost {money(rate)}, idle time included."]


def machine_cost(
    calls: CallTimes | None = None,
    *,
    usd_per_gpu_hour: Dollars,
    paid_hours: Dollars | None = None,
    window: tuple[int, int] | None = None,
    busy_hours: Dollars | None = None,
    gpus: int = 1,
    usd_per_call: Dollars = 0,
    call_count: int | None = None,
    tokens: int | None = None,
) -> MachineCost:
    """What a machine of your own cost, with the idle time shown apart.

    Args:
        calls: when its calls ran: `(start_ns, end_ns)` of each, or ledger lines; `None` if `busy_hours` is given.
        usd_per_gpu_hour: the price of an hour of one GPU in US dollars.
        paid_hours: how many hours the machine was paid for; not with `window`.
        window: the first and the last moment it was paid for, `(start_ns, end_ns)` on the clock of `calls`.
        busy_hours: how many hours of it calls ran, where that is known already.
        gpus: how many GPUs the machine has.
        usd_per_call: the price of each call on top, in US dollars.
        call_count: how many calls it served, where `calls` does not tell.
        tokens: how many tokens, where `calls` are no ledger lines that tell.

    Raises:
        PriceFormatError: an amount is negative or no number, or there is no GPU.
        ValueError: a call ends before it starts or ran outside the window; more time was busy than paid for; or the
            paid or the busy time is given twice or not at all.

    Example:
        >>> hour = 3600 * 10**9
        >>> calls = [(0, hour), (hour // 2, 2 * hour)]
        >>> cost = machine_cost(calls, usd_per_gpu_hour="0.5", paid_hours=8, tokens=4_000_000)
        >>> cost.busy_cost, cost.idle_cost, cost.utilisation, cost.effective_usd_per_mtok
        (Decimal('1'), Decimal('3'), Decimal('0.25'), Decimal('1'))
    """
    if (calls is None) == (busy_hours is None):
        msg = "give either calls= (when they ran) or busy_hours= (how long something ran), not both"
        raise ValueError(msg)
    given = None if calls is None else list(calls)
    spans = [] if given is None else _spans(given)
    paid_ns = _paid_ns(paid_hours, window, spans)
    busy_ns = _union(spans) if busy_hours is None else _ns(busy_hours, "busy_hours")
    if busy_ns > paid_ns:
        msg = (
            f"the machine was busy for {_hours(busy_ns)} h and paid for {_hours(paid_ns)} h: "
            "give all the hours it was paid for"
        )
        raise ValueError(msg)
    count = (None if given is None else len(given)) if call_count is None else whole(call_count, "call_count", "calls")
    nano_per_hour = Fraction(usd(usd_per_gpu_hour, "usd_per_gpu_hour")) * gpu_count(gpus) * NANO_PER_USD
    total = half_even(nano_per_hour * paid_ns / NS_PER_HOUR)
    busy = half_even(nano_per_hour * busy_ns / NS_PER_HOUR)
    return MachineCost(
        paid_ns=paid_ns,
        busy_ns=busy_ns,
        busy_nano=busy,
        idle_nano=total - busy,
        calls_nano=half_even(
            Fraction(usd(usd_per_call, "usd_per_call")) * NANO_PER_USD * _counted(count, usd_per_call)
        ),
        calls=count,
        tokens=_tokens(given or []) if tokens is None else whole(tokens, "tokens", "tokens"),
    )


def _spans(calls: CallTimes) -> list[tuple[int, int]]:
    spans = []
    for number, call in enumerate(calls):
        start, end = _span(call, number)
        if end < start:
            msg = f"calls[{number}] ends at {end}, before it starts at {start}: give (start_ns, end_ns) of one clock"
            raise ValueError(msg)
        spans.append((start, end))
    return spans


def _span(call: Any, number: int) -> tuple[int, int]:  # noqa: ANN401 - a pair or a ledger's line
    if hasattr(call, "started_at_us"):
        if call.latency_us is None:
            msg = f"calls[{number}] has no known end: leave it out, or give busy_hours= instead of calls="
            raise ValueError(msg)
        return call.started_at_us * _NS_PER_US, (call.started_at_us + call.latency_us) * _NS_PER_US
    if _is_pair(call):
        return call[0], call[1]
    msg = f"calls[{number}]={call!r} is no call: give (start_ns, end_ns) in whole nanoseconds, or a ledger line"
    raise ValueError(msg)


def _is_pair(value: object) -> bool:
    """Whether it is `(start_ns, end_ns)` in whole nanoseconds."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(type(edge) is int for edge in value)  # noqa: PLR2004 - a pair


def _union(spans: list[tuple[int, int]]) -> int:
    busy, reached = 0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        busy += max(0, end - begin)
        reached = end if reached is None else max(reached, end)
    return busy


def _paid_ns(paid_hours: Dollars | None, window: tuple[int, int] | None, spans: list[tuple[int, int]]) -> int:
    if (paid_hours is None) == (window is None):
        msg = "give the time the machine was paid for once: paid_hours= or window=(start_ns, end_ns)"
        raise ValueError(msg)
    if window is not None and not _is_pair(window):
        msg = f"window={window!r} is no stretch of time: give window=(start_ns, end_ns) in whole nanoseconds"
        raise ValueError(msg)
    paid_ns = _ns(paid_hours or 0, "paid_hours") if window is None else window[1] - window[0]
    if paid_ns <= 0:
        msg = "the machine was paid for no time at all: give paid_hours above 0, or a window that ends after it starts"
        raise ValueError(msg)
    if window is not None and any(start < window[0] or end > window[1] for start, end in spans):
        msg = f"calls ran outside window={window}: give all the time the machine was paid for, or leave those calls out"
        raise ValueError(msg)
    return paid_ns


def _ns(hours: Dollars, name: str) -> int:
    return half_even(Fraction(quantity(hours, name, "hours")) * NS_PER_HOUR)


def gpu_count(gpus: int) -> int:
    """How many GPUs a machine has.

    Raises:
        PriceFormatError: it has none.
    """
    if type(gpus) is not int or gpus < 1:
        msg = f"gpus={gpus!r} serve nothing: give the number of GPUs of the machine, 1 or more"
        raise PriceFormatError(msg, path="gpus")
    return gpus


def _counted(calls: int | None, usd_per_call: Dollars) -> int:
    if calls is None and usd(usd_per_call, "usd_per_call"):
        msg = "usd_per_call= needs the number of calls: give call_count="
        raise ValueError(msg)
    return calls or 0


def _tokens(calls: list[Any]) -> int | None:
    """The tokens of ledger lines; `None` where one of them does not know its own."""
    used = [getattr(call, "usage", None) for call in calls]
    return sum(each.total_tokens for each in used if each) if used and all(used) else None


def _percent(part: int, whole_: int) -> str:
    return f"{decimal_of(Fraction(100 * part, whole_), 1):.1f} %"


def _hours(ns: int) -> str:
    return f"{decimal_of(Fraction(ns, NS_PER_HOUR), 2):.2f}"


def _usd(nano: int) -> Decimal:
    return to_usd(nano, NANO_PER_USD)
