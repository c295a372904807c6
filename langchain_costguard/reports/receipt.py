"""Why a call cost what it cost: its usage times the rates that were applied, line by line."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import dollar_column, dollars, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.cost import Cost, CostLine
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.book import PriceBook


class Receipt:
    """The receipt of one call; print it, or let a notebook show it.

    Attributes:
        entry: the call's line.
        lines: every bucket times its rate, in the order of `TokenUsage`; empty where the amount was not computed from
            rates (a cached answer, a cost the provider or the user stated) or the rates are no longer known.
        notes: what a reader has to know about the amount, one sentence each.
    """

    def __init__(self, entry: LedgerEntry, prices: PriceBook) -> None:
        """Explain a line with the price book that priced it."""
        self.entry = entry
        cost = _priced_again(entry, prices)
        self.lines: Sequence[CostLine] = () if cost is None else cost.breakdown
        self.notes: tuple[str, ...] = tuple(_notes(entry, cost))

    @property
    def total(self) -> Decimal | None:
        """What was booked for the call, in US dollars; `None` if it is unpriced."""
        return self.entry.billed_cost

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain values; money and rates as decimal strings."""
        source = self.entry.price
        return {
            "run_id": str(self.entry.run_id),
            "started_at_utc": self.entry.started_at_utc.isoformat(),
            "provider": self.entry.provider,
            "model": self.entry.model,
            "lines": [
                {
                    "bucket": line.bucket,
                    "quantity": str(line.quantity),
                    "unit": line.unit,
                    "usd_per_unit": _plain(line.usd_per_unit),
                    "amount_usd": _plain(line.amount),
                }
                for line in self.lines
            ],
            "total_usd": None if self.total is None else f"{self.total:f}",
            "price": None if source is None else source._asdict(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The receipt as text."""
        rows = [*self._rows(), ("total", "", _shown(self.total))]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        body = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
        return "\n".join([self._headline(), *body, *self.notes])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in [*self._rows(), ("total", "", _shown(self.total))]
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<div><p><b>{escape(self._headline())}</b></p><table>{rows}</table>{notes}</div>"

    def _headline(self) -> str:
        when = self.entry.started_at_utc.isoformat(sep=" ", timespec="seconds")
        return plain(f"{self.entry.model or self.entry.kind} · {when} · run {self.entry.run_id}")

    def _rows(self) -> list[tuple[str, str, str]]:
        amounts = dollar_column([line.amount for line in self.lines])
        return [(line.bucket, _times(line), amount) for line, amount in zip(self.lines, amounts, strict=True)]


def _times(line: CostLine) -> str:
    if line.unit == "token":
        return f"{line.quantity:,} tokens x ${_plain(line.usd_per_unit * 1_000_000)} per million"
    return f"{_plain(Decimal(line.quantity))} {line.unit}s x ${_plain(line.usd_per_unit)}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else dollars(amount)


def _priced_again(entry: LedgerEntry, prices: PriceBook) -> Cost | None:
    """The same computation once more; `None` where the line's amount did not come from one."""
    model = entry.response_model or entry.request_model
    if model is None or entry.status == "cached" or entry.billed_nano is None or entry.reported_nano is not None:
        return None
    if entry.price is None or entry.price.source == "given":
        return None
    return prices.price(
        entry.usage,
        model=model,
        provider=entry.provider,
        service_tier=entry.service_tier,
        batch=entry.batch,
        at=entry.started_at_us / 1_000_000,
        region=_region(entry),
        fallback_model=entry.request_model,
        busy_ns=entry.busy_ns,
        calls=entry.calls,
    )


def _region(entry: LedgerEntry) -> str | None:
    """The region of the price that was applied, where its context names one."""
    context = "" if entry.price is None else entry.price.context
    for part in context.split(","):
        words = part.split()
        if words[:1] == ["region"]:
            return words[1]
    return None


def _notes(entry: LedgerEntry, cost: Cost | None) -> list[str]:
    notes: list[str] = []
    source = entry.price
    if source is not None and source.source != "given":
        named = " ".join(part for part in (source.source, source.version) if part)
        priced = f"{source.provider}/{source.model}".strip("/")
        since = f", in force since {source.effective_from}" if source.effective_from else ""
        context = f" ({source.context})" if source.context else ""
        notes.append(f"Price: {named}{': ' + priced if priced else ''}{context}{since}.")
    elif source is not None:
        factors = f": {source.context}" if source.context else ""
        notes.append(f"The amount was stated by whoever recorded the call{factors}.")
    if entry.status == "cached":
        avoided = "an unknown amount" if entry.avoided_cost is None else dollars(entry.avoided_cost)
        notes.append(f"LangChain's cache answered: nothing is owed, {avoided} was avoided.")
    if entry.reported_nano is not None:
        ours = "unknown" if entry.list_cost is None else dollars(entry.list_cost)
        notes.append(f"The provider reported this cost itself; by list price it is {ours}.")
    if entry.is_estimated:
        notes.append(f"The tokens were counted here ({entry.estimate_method}): the provider reported none.")
    if entry.unpriced_reason:
        notes.append(f"Unpriced: {entry.unpriced_reason}.")
    if cost is not None and cost.nano_usd != entry.billed_nano:
        notes.append(
            f"Today's prices give {dollars(to_usd(cost.nano_usd, NANO_PER_USD))} for it: the rates above are not the "
            "ones it was booked at. `reprice` books the new ones."
        )
    notes.extend(f"Usage: {flag}." for flag in (entry.usage.flags if entry.usage else ()))
    return notes
