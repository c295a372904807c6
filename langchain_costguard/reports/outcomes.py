"""What an outcome costs, where calls say what came of them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.ledger import LedgerTotals
from langchain_costguard.reports.money import dollar_column, dollars, plain
from langchain_costguard.reports.rows import ReportRow, as_text
from langchain_costguard.reports.shown import Shown
from langchain_costguard.reports.view import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

_NANO: Final = Decimal("1e-9")


class Outcome(NamedTuple):
    """The calls that ended in one outcome."""

    name: str
    """The outcome, as the calls name it."""
    calls: int
    """How many calls name it."""
    unpriced_calls: int
    """Those among them whose cost is not known."""
    billed_cost: Decimal | None
    """What is owed for them, in US dollars; `None` if none of them is priced."""
    cost_per: Decimal | None
    """What one such outcome costs: all calls that name any outcome, over the calls that name this one.

    In US dollars, rounded half to even to the nano-dollar; `None` if nothing of it is known.
    """


class OutcomeCosts(Shown):
    """What each outcome costs, the calls that failed to reach it included.

    Calls that name no outcome are in none of the figures: `unnamed` has their sums.
    """

    def __init__(self, key: str, sums: Iterable[LedgerTotals], *, forgotten_calls: int = 0) -> None:
        """Read sums.

        Args:
            key: the metadata key under which calls name their outcome.
            sums: grouped by that key.
            forgotten_calls: how many calls are kept only in sums that no longer know it.
        """
        by_name = {row.group[0]: row for row in sums}
        unnamed = by_name.pop(None, LedgerTotals((None,)))
        total = LedgerTotals()
        for row in by_name.values():
            total = total.plus(row)
        self.key: str = key
        """The metadata key under which calls name their outcome."""
        self.forgotten_calls: int = forgotten_calls
        """Calls among those without an outcome that are kept only in sums, which know none; what outcomes cost and how
        many there were is of the others."""
        self.total: ReportRow = ReportRow.of((), total)
        """The sums over all calls that name an outcome."""
        self.unnamed: ReportRow = ReportRow.of((f"metadata:{key}",), unnamed)
        """The sums over the calls that name none."""
        rows = (ReportRow.of((f"metadata:{key}",), row) for row in by_name.values())
        self.rows: tuple[Outcome, ...] = tuple(
            sorted((self._outcome(row) for row in rows), key=lambda row: (-row.calls, row.name))
        )
        """The outcomes, the most frequent first."""

    def cost_per(self, outcome: str) -> Decimal | None:
        """What one such outcome costs, in US dollars: all calls that name any, over the calls that name this one.

        Returns:
            Rounded half to even to the nano-dollar; `None` if no call names it, or nothing of the cost is known.
        """
        return next((row.cost_per for row in self.rows if row.name == outcome), None)

    def _outcome(self, row: ReportRow) -> Outcome:
        cost = self.total.billed_cost
        calls = row.calls
        share = None if cost is None or not calls else (cost / calls).quantize(_NANO, rounding=ROUND_HALF_EVEN)
        return Outcome(str(row.group[0]), calls, row.unpriced_calls, row.billed_cost, share)

    @property
    def table(self) -> Table:
        """The outcomes as a table."""
        columns = (
            [plain(row.name) for row in self.rows],
            [f"{row.calls:,}" for row in self.rows],
            dollar_column([row.billed_cost for row in self.rows]),
            [dollars(row.cost_per) for row in self.rows],
            [f"+ {counted(row.unpriced_calls, 'unpriced call')}" if row.unpriced_calls else "" for row in self.rows],
        )
        headers = (plain(self.key).capitalize(), "Calls", "Cost", "Cost per outcome", "")
        return Table("Cost per outcome", headers, tuple(zip(*columns, strict=True)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is left out."""
        if not self.unnamed.calls:
            return ()
        named = f"metadata={{{self.key!r}: ...}}"
        kept = f"; kept only in sums, without it: {self.forgotten_calls:,}" if self.forgotten_calls else ""
        verb = "names" if self.unnamed.calls == 1 else "name"
        without = f"Without {counted(self.unnamed.calls, 'call')} ({self.unnamed.cost}) that {verb} none"
        return (plain(f"{without}: {named}{kept}."),)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values: money as decimal strings, `None` where it is unknown."""
        money = ("billed_cost", "cost_per")
        return {
            "key": self.key,
            "rows": [{**row._asdict(), **{name: as_text(getattr(row, name)) for name in money}} for row in self.rows],
            "total_cost": as_text(self.total.billed_cost),
            "calls": self.total.calls,
            "unpriced_calls": self.total.unpriced_calls,
            "unnamed_calls": self.unnamed.calls,
            "forgotten_calls": self.forgotten_calls,
            "unnamed_cost": as_text(self.unnamed.billed_cost),
        }

    def __repr__(self) -> str:
        """The sums in one line."""
        return f"OutcomeCosts({self.key!r}, {counted(len(self.rows), 'outcome')}, {self.total.cost})"
