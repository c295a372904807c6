"""What a reader must know beside the sums: what they leave out, what is counted by us, and how to mend it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.reports.money import dollars, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.catalog import Catalog
    from langchain_costguard.reports.rows import ReportRow

_NOT_READ: Final = "only their sums were read"
_SHOWN: Final = 5
_FIX_BEGINS: Final = ": give "
_STALE_DAYS: Final = 60
_OWN_PRICES: Final = "override"


class Note(NamedTuple):
    """One sentence beside the sums."""

    text: str
    """The sentence."""
    is_warning: bool = False
    """Whether the sums cannot be trusted without it."""


class UnpricedCalls(NamedTuple):
    """Calls without a cost that share their reason."""

    reason: str
    """Why there is no cost, in a few words."""
    model: str | None
    """The model that was called."""
    provider: str | None
    """Who served it."""
    calls: int
    """How many calls."""
    fix: str
    """What to pass so that the next such call is priced."""

    def __str__(self) -> str:
        """The reason and its fix in one line."""
        return f"{counted(self.calls, 'call')}: {plain(self.reason)}: {plain(self.fix)}."


class PriceListUse(NamedTuple):
    """A price list that priced calls of the report."""

    source: str
    """The name of the list, see `PriceSource.source`."""
    version: str
    """Its version or date."""
    calls: int
    """How many of the lines that were read it priced."""

    def __str__(self) -> str:
        """The list, its version and its calls."""
        name = "your own prices" if self.source == _OWN_PRICES else f"{plain(self.source)} {plain(self.version)}"
        return f"{name} ({counted(self.calls, 'call')})"


def unpriced_among(lines: Iterable[LedgerEntry], unpriced_calls: int) -> tuple[UnpricedCalls, ...]:
    """The reasons why calls have no cost, most frequent first.

    Args:
        lines: the lines that were read; priced and open ones are passed over.
        unpriced_calls: how many unpriced calls there are; those not among `lines` get a row of their own.
    """
    found = Counter(
        (line.unpriced_reason or "no reason was noted", line.model, line.provider, line.usage is None)
        for line in lines
        if line.billed_nano is None and line.status != "open"
    )
    rows = []
    for (text, model, provider, no_tokens), calls in found.most_common():
        reason, _, fix = text.partition(_FIX_BEGINS)
        fix = f"give {fix}" if fix else _fix(reason, model, no_tokens=no_tokens)
        rows.append(UnpricedCalls(reason=reason, model=model, provider=provider, calls=calls, fix=fix))
    missing = unpriced_calls - found.total()
    if missing > 0:
        fix = "ask for a shorter time to see why, with query=LedgerQuery(since=...)"
        rows.append(UnpricedCalls(reason=_NOT_READ, model=None, provider=None, calls=missing, fix=fix))
    return tuple(rows)


def price_lists_among(lines: Iterable[LedgerEntry]) -> tuple[PriceListUse, ...]:
    """The price lists that priced these lines, most used first."""
    found = Counter((line.price.source, line.price.version) for line in lines if line.price is not None)
    return tuple(
        PriceListUse(source=source, version=version, calls=calls) for (source, version), calls in found.most_common()
    )


def list_in_use(catalog: Catalog) -> str:
    """Which price list is in use and how old it is, as a sentence."""
    age = counted(max(catalog.age_days(), 0), "day")
    return f"The price list is {plain(catalog.source)} {plain(catalog.version)} of {catalog.dated}, {age} old."


def stale_list(catalog: Catalog, used: Sequence[PriceListUse]) -> str | None:
    """The warning about an old price list; `None` for one that is at most 60 days old, or priced nothing here."""
    if catalog.age_days() <= _STALE_DAYS or all(each.source == _OWN_PRICES for each in used):
        return None
    return (
        f"The price list is more than {_STALE_DAYS} days old ({catalog.dated}), and prices may have changed: "
        "pip install --upgrade genai-prices, or give PriceBook(catalog=Catalog.from_file(path))."
    )


def unreachable_calls(calls: int, conditions: Sequence[str], *, is_kept: bool) -> str | None:
    """The warning about calls that a query cannot reach; `None` if there are none.

    Args:
        calls: how many calls are kept only in sums which no longer know what is asked for.
        conditions: the conditions of the query that they no longer know.
        is_kept: whether a durable store beside this memory still has their lines.
    """
    if not calls:
        return None
    mend = (
        "CostReport(handler.store, query=...) reads the store, which keeps them"
        if is_kept
        else "a durable store=, whose old lines are not pruned, or a larger max_entries=, keeps such lines"
    )
    verb, asked = "is" if calls == 1 else "are", " and ".join(conditions)
    return (
        f"{counted(calls, 'more call')} {verb} kept only in sums and cannot be asked for by {asked}: "
        f"the sums here may leave {_them(calls)} out. {mend[0].upper()}{mend[1:]}."
    )


def notes_on(
    total: ReportRow, unpriced: Sequence[UnpricedCalls], *, stale: str | None, unreachable: str | None = None
) -> tuple[Note, ...]:
    """The sentences that belong beside these sums, warnings first.

    Args:
        total: the sums over all calls.
        unpriced: the reasons of the unpriced calls.
        stale: the sentence about an old price list; `None` for a fresh one.
        unreachable: the sentence about calls that the query cannot reach; `None` if there are none.
    """
    first = [unreachable] if unreachable else []
    warnings = [*first, *_unpriced(total, unpriced), *_estimated(total), *_open(total), *([stale] if stale else [])]
    remarks = [*_cached(total), *_failed(total)]
    return (*(Note(text, is_warning=True) for text in warnings), *(Note(text) for text in remarks))


def _unpriced(total: ReportRow, reasons: Sequence[UnpricedCalls]) -> list[str]:
    if not total.unpriced_calls:
        return []
    more = [f"{counted(len(reasons) - _SHOWN, 'more reason')}: see report.unpriced()."] if len(reasons) > _SHOWN else []
    first = (
        f"{_share(total.unpriced_calls, total.calls)} unpriced: the sums do not cover {_them(total.unpriced_calls)}."
    )
    return [first, *map(str, reasons[:_SHOWN]), *more]


def _estimated(total: ReportRow) -> list[str]:
    if not total.estimated_calls:
        return []
    share = _share(total.estimated_calls, total.calls)
    return [f"{share} estimated: the provider reported no tokens, so they were counted here."]


def _open(total: ReportRow) -> list[str]:
    if not total.open_calls:
        return []
    share = _share(total.open_calls, total.calls)
    return [f"{share} still open: the sums do not cover {_them(total.open_calls)} yet."]


def _cached(total: ReportRow) -> list[str]:
    if not total.cached_calls:
        return []
    avoided = f", {dollars(total.avoided_cost)} avoided" if total.avoided_cost else ""
    return [f"{total.cached_calls:,} of {counted(total.calls, 'call')} came from the cache: free{avoided}."]


def _failed(total: ReportRow) -> list[str]:
    if not total.failed_calls:
        return []
    return [f"{total.failed_calls:,} of {counted(total.calls, 'call')} failed or ended early."]


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {counted(whole, 'call')} {'is' if part == 1 else 'are'}"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _fix(reason: str, model: str | None, *, no_tokens: bool) -> str:
    """What helps where the reason itself does not say it."""
    if reason.startswith("tracking failed"):
        return "the log of langchain_costguard says where"
    if no_tokens:
        return "ask the provider for its usage, such as ChatOpenAI(stream_usage=True)"
    if model is None:
        return "name the model, such as ChatOpenAI(model=...)"
    return f"give overrides={{{model!r}: per_token(input, output)}}, or free()"
