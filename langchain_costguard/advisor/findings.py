"""What one advice says: how much it would save, why, at what risk, how to measure it, and the line that does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import decimal_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class SavingRange(NamedTuple):
    """A saving in US dollars: what is sure, what is to be expected on the careful side, and what it is at most."""

    low: Decimal
    """What would be saved in any case, as far as the ledger tells; zero where it does not tell."""
    expected: Decimal
    """What is to be expected; where it was estimated, from the lower end of the estimate."""
    high: Decimal
    """What would be saved at most."""

    @classmethod
    def of_nano(cls, low: int, expected: int, high: int) -> SavingRange:
        """The range of three amounts in nano-USD, in their order whatever was given; nothing is below zero."""
        middle = max(expected, 0)
        ends = (min(max(low, 0), middle), middle, max(high, middle))
        return cls(*(to_usd(nano, NANO_PER_USD) for nano in ends))

    def times(self, factor: Fraction) -> SavingRange:
        """The same for another stretch of time, rounded to nano-USD."""
        return SavingRange(*(decimal_of(factor * Fraction(amount), 9) for amount in self))

    def to_dict(self) -> dict[str, str]:
        """As decimal strings."""
        return {name: f"{amount:f}" for name, amount in self._asdict().items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One advice: a technique, the calls it is about, and what it would have saved on them.

    The saving is what this technique alone would have saved; `Advice.combined` says what all of them would.
    """

    technique: str
    """One of `Savings._fields` (`"exact_cache"`, `"prompt_caching"`, `"batch"` ...), `"plan"`, or `"local_model"`."""
    target: str
    """Which calls: a chain, a model, or `"all calls"`."""
    title: str
    """What to do, in a few words."""
    saving: SavingRange
    """Over the observed time, in US dollars."""
    monthly: SavingRange | None
    """For an average month at this load; `None` where less than a day was observed."""
    calls: int
    """How many calls it is about."""
    evidence: str
    """What in the ledger says so."""
    figures: Mapping[str, int | str] = field(default_factory=dict)
    """The figures of the evidence; shares and money as decimal strings."""
    quality: str = ""
    """What it may cost in quality."""
    measure: str = ""
    """How to measure that."""
    code: str = ""
    """The line of code that does it."""
    is_combined: bool = True
    """Whether it is part of `Advice.combined`; a plan and a machine are other ways to pay for the same calls."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values; money as decimal strings."""
        return {
            "technique": self.technique,
            "target": self.target,
            "title": self.title,
            "saving": self.saving.to_dict(),
            "monthly": None if self.monthly is None else self.monthly.to_dict(),
            "calls": self.calls,
            "evidence": self.evidence,
            "figures": dict(self.figures),
            "quality": self.quality,
            "measure": self.measure,
            "code": self.code,
            "is_combined": self.is_combined,
        }
