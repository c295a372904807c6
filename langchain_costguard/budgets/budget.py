"""Budget: what may be spent on which calls in which window, as the claims a store is asked to admit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, get_args

from langchain_costguard.budgets.arguments import choice_of, limit_of, name_of, text_argument
from langchain_costguard.budgets.claims import Claim, Unit
from langchain_costguard.budgets.identity import MissingIdentityError, escaped, identity
from langchain_costguard.budgets.limits import Number, alerts_of, outside
from langchain_costguard.budgets.pools import Pools, pools_of, shares_of
from langchain_costguard.budgets.scopes import Scope, scope_of
from langchain_costguard.budgets.windows import Place, Window, WindowName, window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal

    from langchain_costguard.budgets.facts import CallFacts
    from langchain_costguard.pricing.plans import Plan

Mode = Literal["hard", "soft", "observe"]
OnMissing = Literal["refuse", "shared"]
OnUnknown = Literal["reserved", "estimate"]

_ALERTS_AT: Final = (0.5, 0.8, 1.0)


class Budget:
    """What may be spent, on which calls, in which window. It does not change; equal arguments make equal budgets.

    `per` is `"run"` (one outermost run), `"minute"`, `"hour"`, `"day"`, `"week"` (from Monday) or `"month"` by the
    clocks of `tz`, `"total"`, or the length of a rolling window: `"24h"`, `"15min"`, `"7d"` or a `timedelta`. A rolling
    window is counted in sixtieths of its length and covers at most one of them more.

    Where `each` names a metadata key, every value has a counter of its own: a `str`, an `int` or a `UUID`, by its text,
    so that `1` and `"1"` are one user. Take the value from your server, never from the request.

    Args:
        limit: US dollars as an int, a str or a Decimal; a float is read by its shortest decimal form.
        tokens: input and output tokens together, instead of dollars.
        calls: calls, instead of dollars.
        per: the window.
        scope: the calls it is for: `Scope.tag("checkout")` and the like, or `{"tenant": "acme"}` for metadata; `None`
            for every call.
        each: the metadata key whose values have a counter each; `None` for one counter.
        on_missing: what becomes of a call without that key, or with a blank value: `"refuse"`, or `"shared"`, one
            counter for all of them.
        mode: `"hard"` refuses what does not fit, `"soft"` only alerts, `"observe"` counts what would be refused.
        alerts_at: the shares of the limit at which spending is reported, in any order: half, four fifths and all of it
            if not given; `()` for none.
        tz: the IANA time zone of calendar windows.
        name: what it is called and kept under, instead of a key made of the other arguments; two budgets with the same
            window and scope need one.
        shares: fractions of the limit that are guaranteed to values of `each`, such as `{"alice": "0.3"}`; all values
            then spend one limit together. Only for hard budgets.
        on_unknown: what is charged for a call whose usage never became known: what was `"reserved"` (the default of
            hard budgets), or the `"estimate"`.

    Raises:
        ValueError: an amount, a window, a time zone, a mode or a scope is out of bounds, or arguments contradict.
        TypeError: an argument is of the wrong kind.

    Example:
        >>> Budget(2, per="day").key
        'usd/day'
        >>> Budget(tokens=100_000, per="run", each="user")
        Budget(tokens=100000, per='run', each='user')
    """

    __slots__ = (
        "_charges_lost",
        "_counter",
        "_pools",
        "_window",
        "alerts_ppm",
        "each",
        "key",
        "limit_amount",
        "mode",
        "name",
        "on_missing",
        "on_unknown",
        "outlives_process",
        "per",
        "refuses",
        "scope",
        "shares",
        "tz",
        "unit",
    )

    key: str
    """What its counters and an operator's changes are kept under; limit, mode and alerts are not in it."""
    unit: Unit
    limit_amount: int
    """The limit in nano-USD, tokens or calls."""
    per: str
    """The window's name, or the length of a rolling one, such as `"24h"`."""
    scope: Scope | None
    each: str | None
    on_missing: OnMissing
    mode: Mode
    alerts_ppm: tuple[int, ...]
    """The shares at which spending is reported, in parts per million, ascending."""
    tz: str
    name: str | None
    shares: tuple[tuple[str, Decimal], ...]
    """The guaranteed shares by value of `each`."""
    on_unknown: OnUnknown
    refuses: bool
    """Whether it refuses what does not fit."""
    outlives_process: bool
    """Whether its counters mean anything to other processes: not where each run has its own."""
    _window: Window
    _pools: Pools | None
    _counter: str | None
    _charges_lost: bool

    def __init__(  # noqa: PLR0913 - all but the limit are named
        self,
        limit: Number | None = None,
        *,
        tokens: Number | None = None,
        calls: Number | None = None,
        per: WindowName | str | timedelta = "total",
        scope: Scope | Mapping[str, Any] | None = None,
        each: str | None = None,
        on_missing: OnMissing = "refuse",
        mode: Mode = "hard",
        alerts_at: Iterable[Number] = _ALERTS_AT,
        tz: str = "UTC",
        name: str | None = None,
        shares: Mapping[Any, Number] | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> None:
        """Read the arguments."""
        keep = super().__setattr__
        unit, amount = limit_of(limit, tokens, calls)
        kept = window(per, tz)
        keep("unit", unit)
        keep("limit_amount", amount)
        keep("_window", kept)
        keep("per", kept.text)
        keep("tz", tz)
        keep("outlives_process", kept.outlives_process)
        keep("scope", scope_of(scope))
        keep("each", None if each is None else text_argument(each, "each", "a metadata key, such as each='user'"))
        keep("on_missing", choice_of(on_missing, "on_missing", get_args(OnMissing)))
        keep("mode", choice_of(mode, "mode", get_args(Mode)))
        keep("refuses", mode == "hard")
        keep("_charges_lost", mode == "hard")
        keep("alerts_ppm", alerts_of(alerts_at))
        keep("name", None if name is None else name_of(name))
        keep("shares", shares_of(shares))
        usual: OnUnknown = "reserved" if mode == "hard" else "estimate"
        keep("on_unknown", choice_of(usual if on_unknown is None else on_unknown, "on_unknown", get_args(OnUnknown)))
        keep("_pools", self._pools_of())
        keep("key", name or self._key())
        keep("_counter", None if each is not None or kept.text == "run" else self.key)

    @classmethod
    def from_plan(cls, plan: Plan, *, at: datetime | None = None, **options: Any) -> Budget:  # noqa: ANN401 - see Budget
        """The budget that a plan is: prepaid credit that is spent once, or an allowance that resets with its period.

        Args:
            plan: a `Prepaid` without credit that expires, or a `Subscription` with an allowance of dollars, tokens or
                calls for each calendar day, week or month.
            at: credit that is bought later is not in the limit yet; now by default.
            options: further arguments of `Budget`: `scope`, `mode`, `tz`, ...; the plan's name is its `name`.

        Raises:
            ValueError: a budget cannot say what the plan says; the message says why.
            TypeError: it is no such plan.
        """
        from langchain_costguard.budgets.plans import arguments_of

        return cls(**{**arguments_of(plan, at), **options})

    @property
    def limit(self) -> Decimal | int:
        """The limit in US dollars, or how many tokens or calls."""
        return outside(self.limit_amount, self.unit)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that its claims name as their budget: its own, and one for each guaranteed share."""
        own = self._pools.own if self._pools else ()
        return (self.key, *(self._pool_key(user) for user in own))

    @property
    def covers(self) -> str:
        """The calls it is for, in words."""
        calls = "every call" if self.scope is None else f"calls {self.scope.words}"
        whose = [f"for each {self.each}"] if self.each and not self.shares else []
        return ", ".join([calls, *whose])

    def matches(self, facts: CallFacts) -> bool:
        """Whether a call is meant."""
        return self.scope is None or self.scope.matches(facts)

    def claims(self, facts: CallFacts, amount: int, now_us: int) -> tuple[Claim, ...]:
        """What to ask of the store for a call: claims to try in order, of which the first that is admitted counts.

        There is one, except where the call's user is guaranteed a share: then the user's pool comes before the common.

        Args:
            facts: the call.
            amount: what it may use at most, in nano-USD, tokens or calls.
            now_us: the store's time, in microseconds since 1970-01-01 UTC.

        Raises:
            MissingIdentityError: the call does not say whose counter is meant.
        """
        place = self._window.at(now_us)
        if self._pools is not None:
            return self._pool_claims(self._pools, facts, amount, place)
        counter = self._counter or self._counter_of(facts)
        return (self._claim(self.key, counter, place.slot_us, place.since_us, amount, self.limit_amount),)

    def window_of(self, now_us: int) -> tuple[int, int, int | None]:
        """The slot that is charged at a moment, the first slot that counts, and when the window ends.

        All are microseconds since 1970-01-01 UTC; the last is `None` for runs, totals and rolling windows.
        """
        place = self._window.at(now_us)
        return place.slot_us, place.since_us, place.resets_at_us

    def limit_under(self, key: str) -> int:
        """The limit in the code of one of its `keys`: its own, or what is left of it for a share or for all."""
        if self._pools is None:
            return self.limit_amount
        own = {self._pool_key(user): amount for user, amount in self._pools.own.items()}
        return own.get(key, self._pools.common)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a budget is a value."""
        msg = f"a Budget does not change: make another one with {name}={value!r}"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a budget is a value."""
        msg = f"a Budget does not change: make another one without {name}"
        raise AttributeError(msg)

    def __eq__(self, other: object) -> bool:
        """Whether both allow the same under the same name."""
        return self._value() == other._value() if isinstance(other, Budget) else NotImplemented

    def __hash__(self) -> int:
        """Hash of what it allows."""
        return hash(self._value())

    def __repr__(self) -> str:
        """The call that makes it."""
        given = self._arguments()
        first = [f"{self.limit}"] if self.unit == "usd" and self.limit == int(self.limit) else []
        if self.unit == "usd" and not first:
            first = [repr(str(self.limit))]
        return f"Budget({', '.join([*first, *(f'{name}={value!r}' for name, value in given.items())])})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by its arguments."""
        limit = self.limit if self.unit == "usd" else None
        return _made, (limit, self._arguments())

    def _value(self) -> tuple[object, ...]:
        return (
            *(self.key, self.unit, self.limit_amount, self.per, self.tz, self.scope, self.each, self.on_missing),
            *(self.mode, self.alerts_ppm, self.name, self.shares, self.on_unknown),
        )

    def _arguments(self) -> dict[str, Any]:
        """The arguments that are not the default's, except a limit in dollars."""
        usual = "reserved" if self.refuses else "estimate"
        alerts = self.alerts_ppm != alerts_of(_ALERTS_AT)
        given = {
            "tokens": (self.limit_amount, self.unit == "tokens"),
            "calls": (self.limit_amount, self.unit == "calls"),
            "per": (self.per, self.per != "total"),
            "scope": (self.scope, self.scope is not None),
            "each": (self.each, self.each is not None),
            "on_missing": (self.on_missing, self.on_missing != "refuse"),
            "mode": (self.mode, self.mode != "hard"),
            "alerts_at": (tuple(float(f"{ppm}e-6") for ppm in self.alerts_ppm) if alerts else (), alerts),
            "tz": (self.tz, self.tz != "UTC"),
            "name": (self.name, self.name is not None),
            "shares": ({user: str(share) for user, share in self.shares}, bool(self.shares)),
            "on_unknown": (self.on_unknown, self.on_unknown != usual),
        }
        return {name: value for name, (value, is_given) in given.items() if is_given}

    def _key(self) -> str:
        zone = "" if self.tz == "UTC" or self._window_is_anywhere() else f"@{self.tz}"
        parts = [f"{self.unit}/{self.per}{zone}"]
        if self.scope is not None:
            parts.append(self.scope.key)
        if self.each is not None:
            parts.append(f"{'shares' if self.shares else 'each'}={escaped(self.each)}")
        return "/".join(parts)

    def _window_is_anywhere(self) -> bool:
        """Whether the window is the same in every time zone."""
        return self.per not in {"minute", "hour", "day", "week", "month"}

    def _pools_of(self) -> Pools | None:
        if not self.shares:
            return None
        if self.each is None:
            msg = "shares= are guaranteed to values of a metadata key: say which, such as each='user'"
            raise ValueError(msg)
        if not self.refuses:
            msg = f"shares= cannot be guaranteed by a budget that refuses nothing: leave mode={self.mode!r} out"
            raise ValueError(msg)
        return pools_of(self.limit_amount, self.shares)

    def _claim(self, key: str, counter: str, slot_us: int, since_us: int, amount: int, limit: int) -> Claim:
        lost = self._charges_lost
        return Claim(key, counter, slot_us, since_us, self.unit, amount, limit, self.refuses, lost, self.alerts_ppm)

    def _counter_of(self, facts: CallFacts) -> str:
        """The counter of a call, where there are several."""
        counter = self.key
        if self.each is not None and not self.shares:
            whose = self._whose(facts, self.each)
            counter += f"|{escaped(self.each)}" if whose is None else f"|{escaped(self.each)}={whose}"
        if self.per == "run":
            counter += f"|run={self._run(facts)}"
        return counter

    def _pool_claims(self, pools: Pools, facts: CallFacts, amount: int, place: Place) -> tuple[Claim, ...]:
        whose = None if self.each is None else self._whose(facts, self.each)
        run = f"|run={self._run(facts)}" if self.per == "run" else ""
        common = self._claim(self.key, self.key + run, place.slot_us, place.since_us, amount, pools.common)
        if whose is None or whose not in pools.own:
            return (common,)
        key, limit = self._pool_key(whose), pools.own[whose]
        own = self._claim(key, key + run, place.slot_us, place.since_us, amount, limit)
        return (own, common) if pools.common else (own,)

    def _pool_key(self, whose: str) -> str:
        return f"{self.key}|pool={whose}"

    def _whose(self, facts: CallFacts, each: str) -> str | None:
        """The value that has a counter, ready to stand in it; `None` for the counter of those without."""
        whose = identity(facts.metadata, each)
        if whose is None and self.on_missing == "refuse":
            raise MissingIdentityError(self.key, each)
        return whose

    def _run(self, facts: CallFacts) -> str:
        if not facts.root_run_id:
            raise MissingIdentityError(self.key, None)
        return escaped(facts.root_run_id)


def _made(limit: Decimal | None, arguments: dict[str, Any]) -> Budget:
    """The budget of its arguments, for copy and pickle."""
    return Budget(limit, **arguments)
