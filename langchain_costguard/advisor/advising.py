"""advise(): reads a ledger once, asks every detector, sizes what they found, and combines it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from langchain_costguard._amounts import counted
from langchain_costguard.advisor.advice import Advice
from langchain_costguard.advisor.calls import US_PER_SECOND
from langchain_costguard.advisor.findings import Finding, SavingRange
from langchain_costguard.advisor.models import cheaper_models
from langchain_costguard.advisor.outputs import long_outputs
from langchain_costguard.advisor.payment import Machine, machine_of_your_own, plan_that_suits
from langchain_costguard.advisor.prefixes import early_breaks, shared_prefixes
from langchain_costguard.advisor.proposals import combined
from langchain_costguard.advisor.reading import read_calls
from langchain_costguard.advisor.repeats import repeats
from langchain_costguard.advisor.waiting import waiting
from langchain_costguard.advisor.words import MEASURE, QUALITY
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.ledger import LedgerEntry, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_costguard.advisor.calls import Calls
    from langchain_costguard.advisor.changes import Scenario
    from langchain_costguard.advisor.proposals import Proposal
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.pricing.plans import Plan
    from langchain_costguard.pricing.quotes import Dollars
    from langchain_costguard.stores.base import LedgerStore

FEWEST_CALLS: Final = 50
"""With fewer calls than this nothing is advised."""
WORTH_SHARE: Final = Fraction(1, 100)
"""A technique that could not save so much of the bill, all of its proposals together, is no finding."""
_LEAST_SHARE: Final = Fraction(1, 1000)
"""Nor is a single proposal that could not save so much of it."""

_DAY: Final = 86_400
_MONTH: Final = Fraction(146_097, 4800) * _DAY
"""An average month of the calendar in seconds."""
_WEEK: Final = 7.0 * _DAY


def advise(  # noqa: PLR0913 - what a user can know beside the ledger, all named
    ledger: LedgerStore | Iterable[LedgerEntry],
    *,
    query: LedgerQuery | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    prices: PriceBook | None = None,
    ttl_seconds: float = _WEEK,
    is_shared: bool = False,
    can_wait: Sequence[str] = (),
    alternatives: Mapping[str, str] | None = None,
    plans: Iterable[Plan] = (),
    gpu_hour: Dollars | None = None,
    capacity_per_hour: Dollars | None = None,
    tz: str = "UTC",
) -> Advice:
    """Say what each technique would have saved on the calls of a ledger, and all of them together.

    The ledger is read once and holds no text: repeats and shared beginnings are found by their digests. Every amount
    is a counterfactual on calls that were made, by the price list of their day and at the user's own discount. What
    techniques in use have saved already is not counted again, and lines without a price are counted, not guessed.

    Args:
        ledger: a store, or lines in any order.
        query: which lines of a store are meant; its `limit` takes the newest so many.
        since: only lines that began at this moment or later, with a time zone.
        until: only lines that began before this moment, with a time zone.
        prices: the prices of the counterfactuals; the bundled list if not given.
        ttl_seconds: how long an answer could be served again.
        is_shared: whether users may be given each other's answers.
        can_wait: names of runs (anywhere on a chain's path) or of bare models whose calls may wait for hours.
        alternatives: for a model the cheaper one to compare it with, `{"gpt-4o": "gpt-4.1-mini"}`.
        plans: plans that could be had instead of paying as you go.
        gpu_hour: the price of an hour of a machine that could serve the calls, in US dollars.
        capacity_per_hour: how many calls that machine serves in an hour, where it was measured.
        tz: the IANA time zone whose nights are meant.

    Returns:
        The findings, largest expected saving first.

    Raises:
        ValueError: `ttl_seconds` is not above zero, a time zone is unknown, `can_wait` is a single text, or lines come
            with a `query`.
        StoreError: the store cannot be read.

    Example:
        >>> from langchain_costguard import InMemoryStore
        >>> advise(InMemoryStore()).missing[0]
        'there are no calls: record some with track_costs(store=...) or install(), or import them'
    """
    _check(ttl_seconds, tz, can_wait)
    book = prices if prices is not None else _book()
    calls = read_calls(_lines(ledger, query, since, until), book)
    found = _worthwhile(calls, _proposals(calls, book, ttl_seconds, is_shared, can_wait, alternatives, tz))
    period = calls.seconds
    findings = [_finding(each, period) for each in found]
    if gpu_hour is not None and len(calls) >= FEWEST_CALLS:
        machine = machine_of_your_own(calls, Machine(gpu_hour, capacity_per_hour), period)
        findings += [] if machine is None else [_completed(machine, period)]
    plan = plan_that_suits(calls, plans) if len(calls) >= FEWEST_CALLS else None
    findings += [] if plan is None else [_completed(plan, period)]
    together = _range(combined(calls, found))
    return Advice(
        findings=tuple(sorted(findings, key=lambda each: (-each.saving.expected, -each.saving.high, each.technique))),
        combined=together,
        combined_monthly=_monthly(together, period),
        billed_cost=to_usd(calls.counted.bill_nano, NANO_PER_USD),
        realised_cost=to_usd(calls.counted.realised_nano, NANO_PER_USD),
        since=_moment(calls, 0),
        until=_moment(calls, -1),
        calls=len(calls),
        counted=calls.counted,
        missing=(*_missing(calls, period), *_unmatched(calls, can_wait)),
        notes=tuple(early_breaks(calls)) if len(calls) >= FEWEST_CALLS else (),
    )


def _check(ttl_seconds: float, tz: str, can_wait: Sequence[str]) -> None:
    if isinstance(can_wait, str):
        msg = f"can_wait={can_wait!r} is one name: give a list, can_wait=[{can_wait!r}]"
        raise ValueError(msg)  # noqa: TRY004 - a text is a sequence of texts, only not the one that is meant
    if not ttl_seconds > 0:
        msg = f"ttl_seconds={ttl_seconds} keeps no answer: give the seconds for which one may be served again"
        raise ValueError(msg)
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, OSError) as error:
        msg = f"tz={tz!r} is no time zone: give one of the IANA names, such as 'Europe/Berlin'"
        raise ValueError(msg) from error


def _book() -> PriceBook:
    from langchain_costguard.pricing.book import PriceBook

    return PriceBook()


def _lines(
    ledger: LedgerStore | Iterable[LedgerEntry],
    query: LedgerQuery | None,
    since: datetime | None,
    until: datetime | None,
) -> Iterator[LedgerEntry]:
    asked = query or LedgerQuery()
    asked = replace(asked, since=since or asked.since, until=until or asked.until)
    read: Any = getattr(ledger, "entries", None)
    if callable(read):
        return iter(read(asked))
    lines: Any = ledger
    if not isinstance(lines, Iterable) or isinstance(lines, str | bytes):
        msg = f"{ledger!r} is no ledger: give a store, such as open_store('costs.db'), or ledger lines"
        raise ValueError(msg)  # noqa: TRY004 - what it holds decides, not its type
    if query is not None:
        msg = "query= asks a store, and these are lines already: give a store, or since= and until="
        raise ValueError(msg)
    return (each for each in lines if _is_within(each, asked))


def _is_within(entry: LedgerEntry, asked: LedgerQuery) -> bool:
    at = entry.started_at_utc
    return (asked.since is None or at >= asked.since) and (asked.until is None or at < asked.until)


def _proposals(
    calls: Calls,
    prices: PriceBook,
    ttl_seconds: float,
    is_shared: bool,
    can_wait: Sequence[str],
    alternatives: Mapping[str, str] | None,
    tz: str,
) -> Iterator[Proposal]:
    """What all detectors propose; nothing for a ledger that is too small."""
    if len(calls) < FEWEST_CALLS:
        return
    yield from repeats(calls, ttl_seconds, is_shared=is_shared)
    yield from cheaper_models(calls, prices, alternatives)
    yield from long_outputs(calls)
    yield from shared_prefixes(calls)
    yield from waiting(calls, can_wait, tz)


def _worthwhile(calls: Calls, proposals: Iterable[Proposal]) -> list[Proposal]:
    """The proposals that could save a share of the bill that is worth an afternoon."""
    bill = max(0, calls.counted.bill_nano)
    most: dict[Proposal, int] = {}
    for each in proposals:
        each.sized(calls)
        if (could := max(each.saved.values())) > bill * _LEAST_SHARE:
            most[each] = could
    together: Counter[str] = Counter()
    for each, could in most.items():
        together[each.technique] += could
    return [each for each in most if together[each.technique] > bill * WORTH_SHARE]


def _finding(proposal: Proposal, period: float) -> Finding:
    saving = _range(proposal.saved)
    return Finding(
        technique=proposal.technique,
        target=proposal.target,
        title=proposal.title,
        saving=saving,
        monthly=_monthly(saving, period),
        calls=len(proposal.where),
        evidence=proposal.evidence,
        figures=proposal.figures,
        quality=QUALITY[proposal.technique],
        measure=MEASURE[proposal.technique],
        code=proposal.code,
    )


def _completed(finding: Finding, period: float) -> Finding:
    return replace(
        finding,
        monthly=_monthly(finding.saving, period),
        quality=QUALITY[finding.technique],
        measure=MEASURE[finding.technique],
    )


def _range(saved: Mapping[Scenario, int]) -> SavingRange:
    return SavingRange.of_nano(saved["low"], saved["expected"], saved["high"])


def _monthly(saving: SavingRange, period: float) -> SavingRange | None:
    return saving.times(_MONTH / round(period)) if period >= _DAY else None


def _moment(calls: Calls, at: int) -> datetime | None:
    return datetime.fromtimestamp(int(calls.at[at]) / US_PER_SECOND, tz=UTC) if len(calls) else None


def _missing(calls: Calls, period: float) -> Iterator[str]:
    """What the ledger lacks, each with what mends it."""
    lines = calls.counted
    if not lines.lines:
        yield "there are no calls: record some with track_costs(store=...) or install(), or import them"
        return
    if len(calls) < FEWEST_CALLS:
        yield (
            f"{counted(len(calls), 'answered and priced chat call')} of {counted(lines.lines, 'line')}: nothing is "
            f"advised on fewer than {FEWEST_CALLS}. Record more, or ask about a longer time"
        )
    if lines.unpriced:
        yield f"{counted(lines.unpriced, 'call')} without a price, in no figure here: give a price and run reprice"
    if len(calls) and lines.without_digest:
        yield (
            f"digests of {lines.without_digest:,} of {counted(len(calls), 'prompt')} (imported lines have none): "
            "repeats and shared beginnings among them are not known. Record calls with CostCallbackHandler"
        )
    if len(calls) and period < _DAY:
        yield "a whole day: there are no figures per month. Ask again tomorrow"


def _unmatched(calls: Calls, can_wait: Sequence[str]) -> Iterator[str]:
    """Names that no chain and no bare model has."""
    named = {name for group in calls.groups for name in (group.chain or group.question.model).split(" > ")}
    for name in can_wait:
        if name not in named:
            yield f"calls of {name!r}, which can wait: no run around a call and no bare model is called so"
