"""What the tokens of recorded calls would have cost on another model, and which calls cannot say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import dollars, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.book import PriceBook

NO_TOKENS: Final = "tokens unknown"
NOT_ENDED: Final = "not ended yet"
NOT_KEPT: Final = "only its sums are kept"
_US_PER_SECOND: Final = 1_000_000


class Replay(NamedTuple):
    """The same tokens at the list price of another model.

    A replay keeps every token count as it was. Another model would have cut the text into other tokens and answered at
    other length: read it as a comparison of prices, not as a forecast.
    """

    model: str
    """The model the calls were priced on."""
    provider: str | None
    """Its provider, as it was asked for."""
    calls: int
    """The calls that were replayed; cached answers and calls that used nothing cost nothing on any model."""
    known_cost: Decimal
    """What the replayed calls would have cost, in US dollars; each rounded to the nano-dollar as when it is booked."""
    left_out: Mapping[str, int]
    """How many calls could not be replayed, by reason; empty when the answer is complete."""

    @property
    def left_out_calls(self) -> int:
        """How many calls could not be replayed."""
        return sum(self.left_out.values())

    @property
    def cost(self) -> Decimal | None:
        """What all the calls would have cost, in US dollars; `None` if any of them could not be replayed."""
        return None if self.left_out else self.known_cost

    def __str__(self) -> str:
        """The answer in one line."""
        known = f"{counted(self.calls, 'call')} on {plain(self.model)}: {dollars(self.known_cost)}"
        reasons = "".join(f"; {counted(calls, 'call')} left out: {plain(why)}" for why, calls in self.left_out.items())
        return f"{known}{reasons}"


def replayed(
    lines: Iterable[LedgerEntry], *, model: str, provider: str | None, prices: PriceBook, expected_calls: int
) -> Replay:
    """Price the tokens of every line on `model`, at the list price of the day the call was made.

    Args:
        lines: the calls.
        model: the model to price them on.
        provider: its provider, where the name alone does not tell.
        prices: where its price stands.
        expected_calls: how many calls there were; those that are no longer kept line by line are counted as left out.
    """
    nano = 0
    calls = 0
    left_out: Counter[str] = Counter()
    for line in lines:
        amount = _nano_on(line, model, provider, prices)
        if isinstance(amount, str):
            left_out[amount] += 1
        else:
            nano += amount
            calls += 1
    missing = expected_calls - calls - left_out.total()
    if missing > 0:
        left_out[NOT_KEPT] = missing
    return Replay(
        model=model,
        provider=provider,
        calls=calls,
        known_cost=to_usd(nano, NANO_PER_USD),
        left_out=dict(left_out),
    )


def _nano_on(line: LedgerEntry, model: str, provider: str | None, prices: PriceBook) -> int | str:
    """The nano-dollars of one line on `model`, or why they are not known."""
    if line.status == "open":
        return NOT_ENDED
    if line.status == "cached" or (line.usage is None and line.billed_nano == 0):
        return 0
    if line.usage is None:
        return NO_TOKENS
    moment = line.started_at_us / _US_PER_SECOND
    price = prices.resolve(model, provider, at=moment)
    cost = None if price is None else price.cost(line.usage)
    if cost is None:
        return prices.why_unpriced(model, provider, at=moment, usage=line.usage)
    return cost.list_nano_usd
