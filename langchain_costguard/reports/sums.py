"""What a report says at once: the sums over everything, each under its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.reports.rows import ReportRow


class ReportSums:
    """The sums over all calls of a report.

    Costs are `Decimal` US dollars over the calls whose price is known, and `None` where nothing is known.
    """

    def __init__(self, total: ReportRow, *, unreachable_calls: int = 0) -> None:
        """Keep the sums.

        Args:
            total: over all calls.
            unreachable_calls: calls that may be meant and are kept only in sums that cannot tell.
        """
        self._total: ReportRow = total
        self._unreachable: int = unreachable_calls

    @property
    def total(self) -> ReportRow:
        """The sums over everything, as one row."""
        return self._total

    @property
    def total_cost(self) -> Decimal | None:
        """What is owed for the calls whose price is known; `None` if there are calls and none of them is priced."""
        return self._total.billed_cost

    @property
    def list_cost(self) -> Decimal | None:
        """The same at list price, before discounts of your own."""
        return self._total.list_cost

    @property
    def avoided_cost(self) -> Decimal | None:
        """What the answers from LangChain's cache would have cost."""
        return self._total.avoided_cost

    @property
    def is_complete(self) -> bool:
        """Whether `total_cost` covers every call: none is unpriced, open, or out of the reach of the query."""
        return not (self._total.unpriced_calls or self._total.open_calls or self.unreachable_calls)

    @property
    def unreachable_calls(self) -> int:
        """Calls that may be meant, but are kept only in sums which no longer know what the query asks for."""
        return self._unreachable

    @property
    def calls(self) -> int:
        """All calls, cached and failed ones included."""
        return self._total.calls

    @property
    def unpriced_calls(self) -> int:
        """Calls whose cost is not known; `unpriced()` says why."""
        return self._total.unpriced_calls

    @property
    def unpriced_share(self) -> float | None:
        """The unpriced calls as a share of all calls, from 0 to 1; `None` without any call."""
        return self.unpriced_calls / self.calls if self.calls else None

    @property
    def estimated_share(self) -> float | None:
        """The estimated calls as a share of all calls, from 0 to 1; `None` without any call."""
        return self.estimated_calls / self.calls if self.calls else None

    @property
    def mean_latency_ms(self) -> float | None:
        """The mean of the known latencies, in milliseconds; `latency()` has percentiles."""
        return self._total.mean_latency_ms

    @property
    def estimated_calls(self) -> int:
        """Calls whose tokens were counted here because the provider did not report them."""
        return self._total.estimated_calls

    @property
    def cached_calls(self) -> int:
        """Calls LangChain's cache answered."""
        return self._total.cached_calls

    @property
    def failed_calls(self) -> int:
        """Calls that raised, were cancelled or were lost."""
        return self._total.failed_calls

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return self._total.open_calls

    @property
    def input_tokens(self) -> int:
        """Input tokens a provider billed."""
        return self._total.input_tokens

    @property
    def output_tokens(self) -> int:
        """Output tokens a provider billed, reasoning included."""
        return self._total.output_tokens

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self._total.total_tokens

    @property
    def cache_read(self) -> int:
        """Input tokens read from a provider's prompt cache."""
        return self._total.cache_read

    @property
    def cache_creation(self) -> int:
        """Input tokens written to a provider's prompt cache."""
        return self._total.cache_creation

    @property
    def reasoning(self) -> int:
        """Output tokens spent on thinking."""
        return self._total.reasoning
