"""How a ledger is read into columns: line by line, keeping a few numbers of each."""

from __future__ import annotations

from array import array
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from langchain_costguard._progress import watched
from langchain_costguard.advisor.calls import US_PER_SECOND, Calls, Counted, Trial
from langchain_costguard.advisor.rates import Pricer, Question, step_of
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.plans import UsageRecord
from langchain_costguard.pricing.plans.usage import NOT_USAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.pricing.rates import Price

_CHATS: Final = frozenset({"chat", "llm", "manual", "batch"})
_CHOOSING: Final = frozenset({"cascade", "routing", "local_model"})
"""The techniques that have chosen a model: no other one is advised for their calls."""
_HOUR_US: Final = 3600 * US_PER_SECOND
_DAY: Final = 86_400.0
_BUCKETS: Final = 8
_HEAD: Final = 8
"""So many bytes of a digest are kept: a million digests share none by chance (1 in 10 million)."""
_NO_CARD: Final = (0.0, 0.0, None)
_LARGEST: Final = 10**8
"""A call with more tokens than this is a mistake, and is left out: its pico-USD need not fit 64 bits."""
_DEAREST_NANO: Final = 10**14
"""So is one that costs more than this, $100,000."""


def read_calls(entries: Iterable[LedgerEntry], prices: PriceBook) -> Calls:
    """Read lines, in any order, into columns.

    Args:
        entries: the lines of a ledger; read once.
        prices: the price book of the counterfactuals.

    Returns:
        The calls that were answered and priced, oldest first, and how many lines are none of these.
    """
    reader = _Reader(Pricer(prices))
    for entry in watched(entries, "reading lines for advice"):
        reader.add(entry)
    return reader.calls()


class _Reader:
    """Takes lines one by one."""

    def __init__(self, pricer: Pricer) -> None:
        self._pricer = pricer
        self._counts: Counter[str] = Counter()
        self._at, self._billed, self._bytes = array("q"), array("q"), array("q")
        self._group, self._user, self._streamed = array("i"), array("i"), array("b")
        self._digest, self._prefixes, self._first = array("Q"), array("Q"), array("q", [0])
        self._usage = array("q")
        self._groups: dict[Any, int] = {}
        self._rows: list[Any] = []
        self._users: dict[str | None, int] = {None: -1}
        self._cards: dict[tuple[Any, ...], tuple[float, float, Price | None]] = {}
        self._trials: dict[tuple[str, str], Counter[str]] = {}
        self._hours: dict[int, list[int]] = {}

    def add(self, entry: LedgerEntry) -> None:
        """One line."""
        counts = self._counts
        counts["lines"] += 1
        if entry.savings is not None:
            counts["realised_nano"] += entry.savings.total
        if entry.billed_nano is not None:
            counts["bill_nano"] += entry.billed_nano
        why = _left_out(entry)
        if why != "cached" and entry.status not in NOT_USAGE and entry.kind != "adjustment":
            self._charge(entry)
        if why is not None:
            counts[why] += 1
            return
        self._note_cascade(entry)
        self._row(entry)

    def calls(self) -> Calls:
        """The columns, in the order of time."""
        at = np.frombuffer(self._at, dtype=np.int64) if len(self._at) else np.zeros(0, dtype=np.int64)
        first = np.frombuffer(self._first, dtype=np.int64)
        order = np.argsort(at, kind="stable")
        is_sorted = bool(np.all(at[:-1] <= at[1:]))
        prefixes = _column(self._prefixes, np.uint64)
        if not is_sorted:
            prefixes, first = _reordered(prefixes, first, order)
        usage = np.ascontiguousarray(_column(self._usage, np.int64).reshape(-1, _BUCKETS).T)

        def placed(column: Any, kind: Any) -> Any:  # noqa: ANN401 - arrays of several kinds
            found = _column(column, kind)
            return found if is_sorted else found[order]

        return Calls(
            at=at if is_sorted else at[order],
            group=placed(self._group, np.int32),
            digest=placed(self._digest, np.uint64),
            user=placed(self._user, np.int32),
            usage=usage if is_sorted else usage[:, order],
            billed=placed(self._billed, np.int64),
            streamed=placed(self._streamed, np.int8).astype(bool),
            input_bytes=placed(self._bytes, np.int64),
            first_prefix=first,
            prefixes=prefixes,
            groups=[self._pricer.group(*row[:-1], is_chosen=row[-1]) for row in self._rows],
            trials=self._tried(),
            charges=self._charged(),
            counted=Counted(**self._counts),
        )

    def _row(self, entry: LedgerEntry) -> None:
        usage = entry.usage
        if usage is None or entry.billed_nano is None:  # `_left_out` has seen to that
            return
        self._at.append(entry.started_at_us)
        self._billed.append(entry.billed_nano)
        self._usage.extend(usage[:_BUCKETS])
        self._group.append(self._group_of(entry, usage.input_tokens))
        self._user.append(self._users.setdefault(entry.user, len(self._users) - 1))
        self._streamed.append(entry.first_token_us is not None)
        self._bytes.append(entry.input_bytes or 0)
        self._digest.append(0 if entry.prompt_digest is None else int.from_bytes(entry.prompt_digest[:_HEAD], "big"))
        self._counts["without_digest"] += entry.prompt_digest is None
        if entry.prefix_digests:
            self._prefixes.extend([int.from_bytes(digest[:_HEAD], "big") for digest in entry.prefix_digests])
        self._first.append(len(self._prefixes))

    def _group_of(self, entry: LedgerEntry, input_tokens: int) -> int:
        asked = (entry.provider, entry.request_model, entry.response_model, entry.service_tier, entry.batch)
        moment = entry.started_at_us / US_PER_SECOND
        since, until, card = self._cards.get(asked) or _NO_CARD
        if not since <= moment < until:
            card = self._pricer.card(Question._make(asked), moment)
            day = moment // _DAY * _DAY
            since, until = (day, day + _DAY) if card is None else (card.valid_from, card.valid_until)
            self._cards[asked] = since, until, card
        step = step_of(card, input_tokens)
        is_chosen = bool(entry.techniques) and not _CHOOSING.isdisjoint(entry.techniques)
        key = (asked, entry.chain, since if card is not None else None, step, is_chosen)
        number = self._groups.setdefault(key, len(self._rows))
        if number == len(self._rows):
            self._rows.append((Question._make(asked), entry.chain, card, step, moment, is_chosen))
        return number

    def _note_cascade(self, entry: LedgerEntry) -> None:
        """Count the models that a cascade asked."""
        if "cascade" in entry.techniques and entry.baseline_model:
            model = entry.request_model or entry.response_model or ""
            full = entry.baseline_model.rpartition(":")[2]
            self._trials.setdefault((outermost(entry.chain), full), Counter())[model] += 1

    def _tried(self) -> dict[tuple[str, str, str], Trial]:
        found = {}
        for (chain, full), asked in self._trials.items():
            small = [(count, model) for model, count in asked.items() if model != full]
            if small:
                count, model = max(small)
                found[chain, full, model] = Trial(count, asked[full])
        return found

    def _charge(self, entry: LedgerEntry) -> None:
        """Add the line to its hour, for plans."""
        hour = self._hours.setdefault(entry.started_at_us // _HOUR_US, [0, 0, 0, 0])
        listed = entry.billed_nano if entry.list_nano is None else entry.list_nano
        hour[0] += entry.calls if listed is not None else 0
        hour[1] += listed or 0
        hour[2] += entry.usage.total_tokens if entry.usage is not None and listed is not None else 0
        hour[3] += entry.calls if listed is None else 0

    def _charged(self) -> list[UsageRecord]:
        records = []
        for hour, (calls, nano, tokens, unpriced) in sorted(self._hours.items()):
            at = datetime.fromtimestamp(hour * 3600, tz=UTC)
            if calls:
                records.append(UsageRecord(at, to_usd(nano, NANO_PER_USD), tokens=tokens, calls=calls))
            if unpriced:
                records.append(UsageRecord(at, None, calls=unpriced))
        return records


def outermost(chain: str) -> str:
    """The name of the outermost run around a call; empty for a bare model."""
    return chain.partition(" > ")[0]


def _left_out(entry: LedgerEntry) -> str | None:
    """Why a line is in no column, as a field of `Counted`; `None` for one that is."""
    if entry.status == "cached":
        return "cached"
    if entry.status != "ok":
        return "unended"
    if entry.kind not in _CHATS or entry.calls != 1:
        return "other"
    if entry.billed_nano is None:
        return "unpriced"
    usage = entry.usage
    is_mistaken = usage is None or max(usage[:_BUCKETS]) > _LARGEST or abs(entry.billed_nano) > _DEAREST_NANO
    return "other" if is_mistaken else None


def _column(column: Any, kind: Any) -> Any:  # noqa: ANN401 - arrays of several kinds
    return np.frombuffer(column, dtype=kind) if len(column) else np.zeros(0, dtype=kind)


def _reordered(prefixes: Any, first: Any, order: Any) -> tuple[Any, Any]:  # noqa: ANN401 - arrays
    """The digests of prefixes for calls in another order."""
    lengths = np.diff(first)[order]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    return prefixes[np.repeat(first[:-1][order], lengths) + within], starts
