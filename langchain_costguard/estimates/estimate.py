"""What an estimate says: a range in dollars, how it was found, and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_costguard.cost import CostLine, PriceSource
    from langchain_costguard.reports.view import Table


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CostEstimate:
    """What one request to one model will cost, in US dollars; `None` where it cannot be known.

    Args:
        model: the model as it was asked for.
        provider: the provider as it was asked for.
        n: how many answers are asked for.
        input_tokens: the input tokens, as well as they can be counted here.
        method: how they were counted: `"tiktoken:o200k_base"`, `"bytes/3.6"` ...; `~` marks a stand-in.
        max_input_tokens: the most the input can have; `None` if there is no bound.
        expected_output_tokens: the length of an answer that was expected; `None` if not given.
        max_output_tokens: the longest an answer can be: as given, or the model's own limit; `None` if not known.
        low: the cost of the input alone, as counted.
        expected: the cost with answers of the expected length; `None` if no length was given.
        high: the cost with the most input, the longest answers and the dearest rates the request can meet.
        lines: each bucket times its list rate, of the highest of the three that is known.
        source: the price that was applied.
        prices_dated: the day of the price list, `YYYY-MM-DD`; empty for a price of your own.
        reasons: why something is `None`, each with what would make it known.
        notes: what beside text is in the input, and by which rule.
    """

    model: str
    provider: str | None
    n: int
    input_tokens: int
    method: str
    max_input_tokens: int | None
    expected_output_tokens: int | None
    max_output_tokens: int | None
    low: Decimal | None
    expected: Decimal | None
    high: Decimal | None
    lines: tuple[CostLine, ...]
    source: PriceSource | None
    prices_dated: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it: money as decimal strings, `None` where it is not known."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def __str__(self) -> str:
        """The estimate as a table of one row, with its reasons and notes."""
        return str(CostEstimates((self,)))

    def __repr__(self) -> str:
        """The range in one line."""
        from langchain_costguard.reports.money import dollars

        return f"CostEstimate({self.model}: {dollars(self.low)} to {dollars(self.high)})"

    def _repr_html_(self) -> str:
        return CostEstimates((self,))._repr_html_()


class CostEstimates(tuple[CostEstimate, ...]):
    """One estimate for each model: a tuple that shows itself as a table, in a terminal and in a notebook."""

    __slots__ = ()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The estimates by model, as JSON can hold them."""
        return {estimate.model: estimate.to_dict() for estimate in self}

    def __repr__(self) -> str:
        """The table as text, with the reasons and notes below it."""
        from langchain_costguard.reports.money import plain
        from langchain_costguard.reports.text import table_as_text

        return "\n".join([table_as_text(self._table), "", *(plain(remark) for remark in self._remarks)])

    def _repr_html_(self) -> str:
        from html import escape

        from langchain_costguard.reports.html import table_as_html

        return table_as_html(self._table) + "".join(f"<div>{escape(remark)}</div>" for remark in self._remarks)

    @property
    def _remarks(self) -> tuple[str, ...]:
        remarks = (remark for estimate in self for remark in (*estimate.reasons, *estimate.notes))
        return tuple(dict.fromkeys([*self._counted_by, *self._priced_by, *remarks]))

    @property
    def _counted_by(self) -> list[str]:
        models: dict[str, list[str]] = {}
        for estimate in self:
            models.setdefault(estimate.method, []).append(estimate.model)
        if len(models) == 1:
            return [f"tokens counted by {method}" for method in models]
        return [f"tokens counted by {method}: {', '.join(names)}" for method, names in models.items()]

    @property
    def _priced_by(self) -> list[str]:
        return [
            f"priced by {estimate.source.source} {estimate.source.version} ({estimate.prices_dated})"
            for estimate in self
            if estimate.source is not None and estimate.prices_dated
        ]

    @property
    def _table(self) -> Table:
        from langchain_costguard.reports.money import dollar_column
        from langchain_costguard.reports.view import Table

        columns = {
            "Model": [estimate.model for estimate in self],
            "Input tokens": [f"{estimate.input_tokens:,}" for estimate in self],
            "Output at most": [_output(estimate) for estimate in self],
            "Low": dollar_column([estimate.low for estimate in self]),
            "Expected": dollar_column([estimate.expected for estimate in self]),
            "High": dollar_column([estimate.high for estimate in self]),
            "": [""] * len(self),
        }
        if all(estimate.expected_output_tokens is None for estimate in self):
            del columns["Expected"]
        return Table("", tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _output(estimate: CostEstimate) -> str:
    if estimate.max_output_tokens is None:
        return "unknown"
    times = f"{estimate.n} x " if estimate.n > 1 else ""
    return f"{times}{estimate.max_output_tokens:,}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - the value of any field
    if isinstance(value, Decimal):
        return f"{value:f}"
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
