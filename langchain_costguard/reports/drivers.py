"""How the difference between two bills divides into what drove it, so that the parts add up to it exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.ledger import LedgerTotals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Cells = Mapping[tuple[str | None, ...], LedgerTotals]
    Weights = Callable[[tuple[str | None, ...]], tuple[int, int]]

DRIVERS: Final[Mapping[str, str]] = {
    "volume": "more or fewer calls, made as before",
    "mix": "other models and providers; cached and failed answers",
    "unpriced": "calls whose price became known, or unknown",
    "input_tokens": "longer or shorter prompts, per call",
    "output_tokens": "longer or shorter answers, per call",
    "price": "price lists, discounts, prompt caches, batches, tiers",
}
"""What can drive a change, in words."""


class Parts(NamedTuple):
    """A difference in nano-USD, divided; the parts add up to it."""

    volume: int = 0
    """Calls."""
    mix: int = 0
    """Which calls."""
    unpriced: int = 0
    """Whether their price is known."""
    input_tokens: int = 0
    """Input tokens per call."""
    output_tokens: int = 0
    """Output tokens per call."""
    price: int = 0
    """Money per token, and all that is left."""

    def plus(self, other: Parts) -> Parts:
        """Both together."""
        return Parts(*(mine + its for mine, its in zip(self, other, strict=True)))


class _Cell(NamedTuple):
    """One group of calls in one period."""

    calls: int
    priced: int
    nano: int
    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, sums: LedgerTotals) -> _Cell:
        calls = sums.calls - sums.open_calls
        return cls(calls, calls - sums.unpriced_calls, sums.billed_nano, sums.input_tokens, sums.output_tokens)


def ended_calls(cells: Iterable[LedgerTotals]) -> int:
    """All calls that have ended."""
    return sum(sums.calls - sums.open_calls for sums in cells)


def divided(before: Cells, after: Cells, weights: Weights) -> dict[tuple[str | None, ...], Parts]:
    """What drove the change of each group.

    Step by step from the earlier period to the later one: first the number of all calls changes, then which calls they
    are, then of how many the price is known, then the tokens of a call, input and output, at the earlier cost per
    token, and last what a token costs.

    Args:
        before: the sums of each group in the earlier period.
        after: the same in the later one.
        weights: what an input and an output token of a group cost, to tell the two apart; only their ratio counts.
    """
    calls_before, calls_after = ended_calls(before.values()), ended_calls(after.values())
    nothing = LedgerTotals()
    return {
        group: _parts(
            _Cell.of(before.get(group, nothing)),
            _Cell.of(after.get(group, nothing)),
            growth=Fraction(calls_after - calls_before, calls_before) if calls_before else None,
            weights=weights(group),
        )
        for group in {**before, **after}
    }


def _parts(old: _Cell, new: _Cell, *, growth: Fraction | None, weights: tuple[int, int]) -> Parts:
    change = new.nano - old.nano
    if growth is None:
        return Parts(volume=change)
    if not old.priced:
        return _parts_of_unknown(old, new, change)
    volume = round(old.nano * growth)
    mix = round(Fraction(old.nano * (new.calls - old.calls), old.calls)) - volume
    priced_as_before = Fraction(new.calls * old.priced, old.calls)
    unpriced = round((new.priced - priced_as_before) * Fraction(old.nano, old.priced))
    inputs, outputs = _token_parts(old, new, weights) if new.priced else (0, 0)
    return Parts(volume, mix, unpriced, inputs, outputs, change - volume - mix - unpriced - inputs - outputs)


def _parts_of_unknown(old: _Cell, new: _Cell, change: int) -> Parts:
    """A group whose earlier cost per call is not known: it was not priced, or not there."""
    if old.calls:
        return Parts(unpriced=change)
    return Parts(mix=change) if new.calls else Parts(price=change)


def _token_parts(old: _Cell, new: _Cell, weights: tuple[int, int]) -> tuple[int, int]:
    per_input, per_output = weights
    weighed = old.input_tokens * per_input + old.output_tokens * per_output
    if not weighed:
        return 0, 0
    # the earlier cost of a call over its weighed tokens; calls without a price have tokens like those with one
    scale = Fraction(old.nano * old.calls, old.priced * weighed)
    more_input = Fraction(new.input_tokens, new.calls) - Fraction(old.input_tokens, old.calls)
    more_output = Fraction(new.output_tokens, new.calls) - Fraction(old.output_tokens, old.calls)
    return round(new.priced * scale * per_input * more_input), round(new.priced * scale * per_output * more_output)
