"""Exact money: integers inside, `Decimal` US dollars outside, `None` when unknown.

Prices are multiplied in pico-USD (1e-12), the ledger and the budgets keep nano-USD (1e-9). One gpt-4o-mini input token
costs 150,000 pico-USD, so nothing is rounded while a call is priced; a call is rounded once, half to even, when it is
booked, and up when it is reserved.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final, NamedTuple, Protocol

PICO_PER_USD: Final = 10**12
NANO_PER_USD: Final = 10**9
_PICO_PER_NANO: Final = 1000
_HALF_NANO: Final = 500
_EXACT: Final = Context(prec=60)
_EXACT_UP_TO: Final = 10**47
_BITS_PER_DIGIT: Final = 3
_DIGITS_TO_SPARE: Final = 13


class PriceSource(NamedTuple):
    """Which price list, and which entry of it, priced a call; kept on every line so that it can be explained later."""

    source: str
    """`"genai-prices"`, `"costguard"` (this package's own additions), `"override"`, or the name of a loaded list."""
    version: str
    """The version or the date of that list."""
    provider: str
    """The provider whose price it is, as the list names it."""
    model: str
    """The model the price belongs to, as the list names it."""
    context: str = ""
    """What chose this price among the model's: a tier, `"batch"`, a region, `"input>200000"`; comma separated."""
    effective_from: str = ""
    """The day the price took effect, `YYYY-MM-DD`, where the list says it."""

    @property
    def region(self) -> str | None:
        """The region whose surcharge the price has, `None` where it has none."""
        for part in self.context.split(","):
            words = part.split()
            if words[:1] == ["region"]:
                return words[1]
        return None


class CostLine(NamedTuple):
    """One bucket of a cost: so many units at such a rate."""

    bucket: str
    """The bucket of `TokenUsage`, or `"call"`, `"gpu_hour"`."""
    quantity: int | Decimal
    """How many units."""
    unit: str
    """`"token"`, `"call"` or `"hour"`."""
    usd_per_unit: Decimal
    """The rate in US dollars for one unit."""
    amount: Decimal
    """`quantity` times the rate, in US dollars."""


class Cost:
    """What one call costs, exactly.

    Costs add up: `sum(costs, Cost.zero())`. Compare and print `total`; ask `breakdown` for where it came from.

    Example:
        >>> (Cost(7_500_000_000) + Cost(500)).total
        Decimal('0.0075000005')
    """

    __slots__ = ("breakdown_of", "list_pico_usd", "pico_usd", "source")

    pico_usd: int
    """What is owed, in pico-USD (1e-12)."""
    list_pico_usd: int
    """What the list price would be without the user's own discount, in pico-USD."""
    source: PriceSource | None
    """The price that was applied; `None` for sums."""

    def __init__(
        self,
        pico_usd: int,
        list_pico_usd: int | None = None,
        source: PriceSource | None = None,
        breakdown_of: tuple[Explains, Any, int] | None = None,
    ) -> None:
        """Hold an amount of pico-USD.

        Args:
            pico_usd: what is owed, in pico-USD.
            list_pico_usd: the same at list price; `None` if no discount applied.
            source: the price that was applied.
            breakdown_of: the price that can explain the amount, with what was measured (`TokenUsage` or busy
                nanoseconds) and the number of calls; asked only when somebody reads `breakdown`.
        """
        self.pico_usd = pico_usd
        self.list_pico_usd = pico_usd if list_pico_usd is None else list_pico_usd
        self.source = source
        self.breakdown_of: tuple[Explains, Any, int] | None = breakdown_of

    @classmethod
    def zero(cls) -> Cost:
        """The cost of nothing: known, and free."""
        return cls(0)

    @property
    def total(self) -> Decimal:
        """What is owed in US dollars, exactly."""
        return to_usd(self.pico_usd, PICO_PER_USD)

    @property
    def list_total(self) -> Decimal:
        """What is owed at list price in US dollars, exactly."""
        return to_usd(self.list_pico_usd, PICO_PER_USD)

    @property
    def nano_usd(self) -> int:
        """What is booked: nano-USD, rounded half to even."""
        return nano_half_even(self.pico_usd)

    @property
    def list_nano_usd(self) -> int:
        """The list price as it is booked: nano-USD, rounded half to even."""
        return nano_half_even(self.list_pico_usd)

    @property
    def breakdown(self) -> tuple[CostLine, ...]:
        """Every bucket times its rate, in the order of `TokenUsage`; empty for sums and for amounts given as such."""
        if self.breakdown_of is None:
            return ()
        price, measured, calls = self.breakdown_of
        return price.lines(measured, calls)

    def __add__(self, other: object) -> Cost:
        """The sum of two costs."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.pico_usd + other.pico_usd, list_pico_usd=self.list_pico_usd + other.list_pico_usd)

    def __eq__(self, other: object) -> bool:
        """Whether two costs are the same amount, to the pico-dollar, owed and at list price."""
        if not isinstance(other, Cost):
            return NotImplemented
        return (self.pico_usd, self.list_pico_usd) == (other.pico_usd, other.list_pico_usd)

    def __hash__(self) -> int:
        """Hash of the amount."""
        return hash((self.pico_usd, self.list_pico_usd))

    def __repr__(self) -> str:
        """The amount in dollars."""
        return f"Cost({self.total} USD)"


class Explains(Protocol):
    """A price that can say how a cost came about."""

    def lines(self, measured: Any, calls: int) -> tuple[CostLine, ...]:  # noqa: ANN401 - each price measures its own
        """The lines of the cost of `calls` calls for which so much was measured."""


def to_usd(amount: int, units_per_usd: int) -> Decimal:
    """An integer amount of money as US dollars, exactly and without trailing noise, however large it is.

    Args:
        amount: the amount in units of `1 / units_per_usd` dollars.
        units_per_usd: `PICO_PER_USD` or `NANO_PER_USD`.
    """
    exact = _EXACT if -_EXACT_UP_TO < amount < _EXACT_UP_TO else _context_for(amount)
    value = exact.divide(Decimal(amount), Decimal(units_per_usd))
    return value.quantize(Decimal(1), context=exact) if value == value.to_integral_value() else value.normalize(exact)


def _context_for(amount: int) -> Context:
    """A context with room for every digit of an amount and for those after the point."""
    return Context(prec=amount.bit_length() // _BITS_PER_DIGIT + _DIGITS_TO_SPARE)


def nano_half_even(pico_usd: int) -> int:
    """Pico-USD as nano-USD, rounded half to even: how a call is booked."""
    nano, rest = divmod(pico_usd, _PICO_PER_NANO)
    if rest > _HALF_NANO or (rest == _HALF_NANO and nano & 1):
        return nano + 1
    return nano


def nano_up(pico_usd: int) -> int:
    """Pico-USD as nano-USD, rounded up: how a call is reserved."""
    return -(-pico_usd // _PICO_PER_NANO)
