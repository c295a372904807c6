"""A pytest plugin: `max_cost`, as a fixture or a mark, fails a test whose model calls cost more than it may."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from contextlib import AbstractContextManager

    from langchain_costguard.callbacks import CostCallbackHandler
    from langchain_costguard.ledger import LedgerEntry

_SHOWN_CALLS: Final = 10


class MaxCost(Protocol):
    """What the fixture `max_cost` gives a test."""

    def __call__(
        self, usd: Decimal | str | int, *, allow_unpriced: bool = False, all_threads: bool = False
    ) -> AbstractContextManager[CostCallbackHandler]:
        """Fail the test if the calls of the block cost more than `usd`; see `limit_cost`."""


@contextmanager
def limit_cost(
    usd: Decimal | str | int, *, allow_unpriced: bool = False, all_threads: bool = False
) -> Iterator[CostCallbackHandler]:
    """Fail the running test if the model calls made inside the block cost more than `usd`.

    Args:
        usd: the most they may cost, in US dollars, such as `"0.05"`.
        allow_unpriced: let calls pass whose price is not known; otherwise one of them fails the test.
        all_threads: also count the calls of threads that LangChain did not start.

    Yields:
        What the calls cost, as `track_costs` tells it.

    Raises:
        TypeError: `usd` is a float, which is no exact amount of money.
        ValueError: `usd` is not an amount.
    """
    from langchain_costguard.callbacks import track_costs

    limit = _dollars(usd)
    with track_costs(all_threads=all_threads) as costs:
        yield costs
    faults = _faults(costs, limit, allow_unpriced=allow_unpriced)
    if faults:
        pytest.fail("\n".join([*faults, *_table(costs.entries())]), pytrace=False)


@pytest.fixture
def max_cost() -> MaxCost:
    """A `with` block that fails the test if its model calls cost more than so many US dollars.

    Example:
        ```python
        def test_the_summary_is_cheap(max_cost):
            with max_cost("0.05") as costs:
                chain.invoke(document)
            assert costs.calls == 2
        ```
    """
    return limit_cost


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "max_cost(usd, *, allow_unpriced=False): fail if the model calls of the test cost more than so many US dollars",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a test with the mark `max_cost` inside the block, all threads of the process included."""
    mark = item.get_closest_marker("max_cost")
    if mark is None:
        return (yield)
    with limit_cost(*mark.args, all_threads=True, **mark.kwargs):
        return (yield)


def _dollars(usd: Decimal | str | int) -> Decimal:
    if isinstance(usd, float):
        msg = f"max_cost({usd!r}) is a float, which is no exact amount of money: write max_cost({str(usd)!r})"
        raise TypeError(msg)
    try:
        return Decimal(usd)
    except InvalidOperation as error:
        msg = f"max_cost({usd!r}) is not an amount of US dollars: write it like max_cost('0.05')"
        raise ValueError(msg) from error


def _faults(costs: CostCallbackHandler, limit: Decimal, *, allow_unpriced: bool) -> list[str]:
    """What is wrong with the calls, a sentence each."""
    faults = []
    total = costs.total_cost or Decimal(0)  # with no priced call at all nothing is known to be owed
    if total > limit:
        faults.append(f"the model calls cost ${total:f}, more than max_cost=${limit:f}")
    unpriced = sorted({str(entry.model) for entry in costs.entries() if not entry.is_priced})
    if costs.unpriced_calls and not allow_unpriced:
        faults.append(
            f"no price is known for {costs.unpriced_calls} of {costs.calls} model calls ({', '.join(unpriced)}): "
            "give PriceBook an override for the model, or set allow_unpriced=True"
        )
    return faults


def _table(entries: Sequence[LedgerEntry]) -> list[str]:
    """The dearest calls, one line each."""
    dearest = sorted(entries, key=lambda entry: entry.billed_cost or Decimal(0), reverse=True)
    more = len(dearest) - _SHOWN_CALLS
    return [*map(_row, dearest[:_SHOWN_CALLS]), *([f"  ... and {more} more calls"] if more > 0 else [])]


def _row(entry: LedgerEntry) -> str:
    cost = "no price" if entry.billed_cost is None else f"${entry.billed_cost:f}"
    tokens = "tokens unknown"
    if entry.usage is not None:
        tokens = f"{entry.usage.input_tokens:,} in, {entry.usage.output_tokens:,} out"
    estimated = " (estimated)" if entry.is_estimated else ""
    chain = f" in {entry.chain}" if entry.chain else ""
    return f"  {cost}  {entry.model}  {tokens}{estimated}{chain}"
