"""What a batch job gives back: the chain's outputs in order, why items have none, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

Cause = Literal["failed", "expired", "cancelled", "missing", "malformed", "refused", "local", "pending"]
"""Why an item has no output: the provider answered with an error; its time ran out; it was cancelled; the provider's
files do not have it; its line cannot be read; the whole part was refused; a step of the chain failed here; it has not
ended yet."""


@dataclass(frozen=True, slots=True)
class BatchItemError:
    """Why one item has no output.

    Args:
        cause: what kind of failing it was.
        message: what the provider, or the step of the chain, said.
        code: the provider's code, such as `"batch_expired"`, or the exception's class.
        http_status: the HTTP status of the provider's answer, `None` if there was none.
        step: which of the chain's model steps, from 0.
    """

    cause: Cause
    message: str
    code: str | None = None
    http_status: int | None = None
    step: int = 0

    @property
    def is_resubmitted(self) -> bool:
        """Whether `resubmit_failed` sends the item again: not what is pending or failed here after it was paid."""
        return self.cause not in {"pending", "local"}

    def __str__(self) -> str:
        """The cause and what was said."""
        code = f" ({self.code})" if self.code else ""
        return f"{self.cause}{code}: {self.message}"


@dataclass(frozen=True, slots=True)
class BatchResults(Sequence[Any]):
    """The outputs of a job, in the order of its inputs; a sequence of them, `None` where an item has none.

    Args:
        outputs: what `chain.invoke` would have returned for each input.
        errors: for the items that have no output, by their position, why.
        cost: what the answers cost at the batch price, in US dollars; `None` if none of them has a known price.
        synchronous_cost: what the same answers would have cost at the standard price; `None` if not known.
        unpriced: how many answers have no known price, and are in neither sum.
        input_tokens: input tokens billed.
        output_tokens: output tokens billed.
    """

    outputs: Sequence[Any]
    errors: Mapping[int, BatchItemError] = field(default_factory=dict)
    cost: Decimal | None = None
    synchronous_cost: Decimal | None = None
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def saved(self) -> Decimal | None:
        """What the Batch API saved, in US dollars; `None` if it is not known."""
        if self.cost is None or self.synchronous_cost is None:
            return None
        return self.synchronous_cost - self.cost

    def __len__(self) -> int:
        """How many inputs the job had."""
        return len(self.outputs)

    @overload
    def __getitem__(self, index: int) -> Any: ...  # noqa: ANN401 - whatever the chain returns
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """The output of one input, or of some."""
        return self.outputs[index]

    def __repr__(self) -> str:
        """How many there are, and what they cost."""
        cost = "unknown cost" if self.cost is None else f"${self.cost:f}"
        return f"BatchResults({len(self) - len(self.errors):,} outputs, {len(self.errors):,} errors, {cost})"
