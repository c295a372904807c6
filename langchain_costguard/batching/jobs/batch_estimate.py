"""What a batch job would cost: at the batch price, and at the price of the same calls made now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_costguard._amounts import counted

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEstimate:
    """What a job would cost, in US dollars; `None` where it cannot be known.

    Args:
        requests: how many requests the first model step makes.
        files: into how many files they are split.
        bytes: how long those are together.
        models: the models that are asked.
        steps: how many model steps the chain has; what is estimated is the first one, the others depend on its answers.
        input_tokens: the input tokens, as well as they can be counted here.
        max_output_tokens: the most output tokens; `None` if there is no limit.
        low: the cost of the input alone, at the batch price.
        expected: the cost with answers of the expected length; `None` if no length was given.
        high: the most it can cost at the batch price; what a hard budget reserves.
        synchronous_low: `low` at the standard price.
        synchronous_expected: `expected` at the standard price.
        synchronous_high: `high` at the standard price.
        reasons: why something is `None`.
    """

    requests: int
    files: int
    bytes: int
    models: tuple[str, ...]
    steps: int
    input_tokens: int
    max_output_tokens: int | None
    low: Decimal | None
    expected: Decimal | None
    high: Decimal | None
    synchronous_low: Decimal | None
    synchronous_expected: Decimal | None
    synchronous_high: Decimal | None
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The job and its range in two lines, with the reasons below."""
        range_now = f"{_shown(self.synchronous_low)} to {_shown(self.synchronous_high)}"
        requests, files = counted(self.requests, "request"), counted(self.files, "file")
        lines = [
            f"{requests} to {', '.join(self.models)} in {files}, {self.input_tokens:,} input tokens",
            f"{_shown(self.low)} to {_shown(self.high)} as a batch, {range_now} at once",
        ]
        if self.expected is not None:
            lines.append(f"expected {_shown(self.expected)} as a batch, {_shown(self.synchronous_expected)} at once")
        return "\n".join([*lines, *self.reasons])


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"${amount:f}"
