"""What lines add up to, and under which groups each of them counts."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from langchain_costguard.ledger import GROUP_KEYS, LedgerTotals
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_costguard.ledger import GroupKey, LedgerEntry

METADATA_PREFIX: Final = "metadata:"
"""What a group key for one of the user's own metadata begins with."""

SECONDS_PER_BUCKET: Final = 900
"""Every time zone in use is a whole number of quarter hours away from UTC."""

US_PER_BUCKET: Final = SECONDS_PER_BUCKET * 1_000_000

SUM_FIELDS: Final = LedgerTotals._fields[1:]
"""The names of the sums, in the order `addends` gives them."""

_TIME_FORMATS: Final = {"day": "%Y-%m-%d", "hour": "%Y-%m-%d %H:00"}
_NO_TOKENS: Final = (0, 0, 0, 0, 0)
_NO_SAVINGS: Final = Savings()
_FAILED: Final = frozenset({"error", "cancelled", "lost"})

_SINGLE_VALUES: Final[dict[str, Callable[[LedgerEntry], str | None]]] = {
    "model": lambda entry: entry.model,
    "response_model": lambda entry: entry.response_model,
    "provider": lambda entry: entry.provider,
    "service_tier": lambda entry: entry.service_tier,
    "user": lambda entry: entry.user,
    "session": lambda entry: entry.session,
    "thread": lambda entry: entry.thread,
    "chain": lambda entry: entry.chain or None,
    "status": lambda entry: entry.status,
    "kind": lambda entry: entry.kind,
}
_MANY_VALUES: Final[dict[str, Callable[[LedgerEntry], tuple[str, ...]]]] = {
    "tag": lambda entry: entry.tags,
    "technique": lambda entry: entry.techniques,
}


class LocalClock:
    """Names the local day or hour of a moment, in one time zone.

    Args:
        tz: an IANA name, such as `"Europe/Zurich"`.

    Raises:
        ValueError: the time zone is not known.
    """

    def __init__(self, tz: str) -> None:
        """Look the time zone up."""
        try:
            self._zone = ZoneInfo(tz)
        except (KeyError, ValueError, OSError) as error:
            msg = (
                f"tz={tz!r} is not a known time zone: give an IANA name such as 'UTC' or 'Europe/Zurich'"
                " (on a system without time zone data: pip install tzdata)"
            )
            raise ValueError(msg) from error
        self._labels: dict[tuple[str, int], str] = {}

    def label(self, key: GroupKey, bucket: int) -> str:
        """The day (`YYYY-MM-DD`) or hour (`YYYY-MM-DD HH:00`) in which a quarter of an hour lies.

        Args:
            key: `"day"` or `"hour"`.
            bucket: quarters of an hour since 1970-01-01 UTC.
        """
        known = self._labels.get((key, bucket))
        if known is None:
            moment = datetime.fromtimestamp(bucket * SECONDS_PER_BUCKET, tz=self._zone)
            known = self._labels[key, bucket] = moment.strftime(_TIME_FORMATS[key])
        return known


def check_group_keys(by: Sequence[GroupKey]) -> None:
    """Refuse group keys nobody knows.

    Raises:
        ValueError: a key is neither in `GROUP_KEYS` nor `"metadata:<key>"`.
    """
    for key in by:
        if key not in GROUP_KEYS and not key.startswith(METADATA_PREFIX):
            msg = f"cannot group by {key!r}: give one of {', '.join(GROUP_KEYS)}, or 'metadata:<key>'"
            raise ValueError(msg)


def grouper(by: Sequence[GroupKey], clock: LocalClock) -> Callable[[LedgerEntry], Iterable[tuple[str | None, ...]]]:
    """The function that names the groups a line counts under: more than one where it has several tags."""
    readers = [_reader(key, clock) for key in by]
    return lambda entry: product(*(reader(entry) for reader in readers))


def metadata_label(value: str | float | bool | None) -> str | None:
    """A metadata value as the name of a group."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else repr(value)


def addends(entry: LedgerEntry) -> tuple[int, ...]:
    """What one line adds to each of the `SUM_FIELDS`."""
    status, billed, usage, calls = entry.status, entry.billed_nano, entry.usage, entry.calls
    is_cached = status == "cached"
    compared = entry.baseline_nano is not None and billed is not None
    if usage is None or is_cached:
        tokens = _NO_TOKENS
    else:
        uncached, read, write_5m, write_1h, audio, text, reasoning, audio_out, _ = usage
        written = write_5m + write_1h
        tokens = (uncached + read + written + audio, text + reasoning + audio_out, read, written, reasoning)
    return (
        calls,
        calls if billed is None and status != "open" else 0,
        0 if entry.estimate_method is None else calls,
        calls if is_cached else 0,
        calls if status in _FAILED else 0,
        calls if status == "open" else 0,
        *tokens,
        billed or 0,
        entry.list_nano or 0,
        entry.avoided_nano or 0,
        (entry.baseline_nano or 0) if compared else 0,
        (billed or 0) if compared else 0,
        entry.latency_us or 0,
        0 if entry.latency_us is None else calls,
        entry.busy_ns or 0,
        calls if entry.savings is None and status != "open" and (entry.techniques or is_cached or entry.batch) else 0,
        *(entry.savings or _NO_SAVINGS),
    )


class Tally:
    """Adds sums up under their groups."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: dict[tuple[str | None, ...], list[int]] = {}

    def add(self, group: tuple[str | None, ...], amounts: Sequence[int]) -> None:
        """Add one line's, or one row's, amounts to a group."""
        sums = self._sums.get(group)
        if sums is None:
            self._sums[group] = list(amounts)
        else:
            for index, amount in enumerate(amounts):
                sums[index] += amount

    def rows(self, by: Sequence[GroupKey]) -> list[LedgerTotals]:
        """One row per group, ordered by group with `None` last; over everything, one row even without a line."""
        if not by and not self._sums:
            return [LedgerTotals()]
        return [LedgerTotals(group, *self._sums[group]) for group in sorted(self._sums, key=_none_last)]


def _none_last(group: tuple[str | None, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for value in group)


def _reader(key: GroupKey, clock: LocalClock) -> Callable[[LedgerEntry], tuple[str | None, ...]]:
    if key in _TIME_FORMATS:
        return lambda entry: (clock.label(key, entry.started_at_us // US_PER_BUCKET),)
    if key in _MANY_VALUES:
        many = _MANY_VALUES[key]
        return lambda entry: tuple(dict.fromkeys(many(entry))) or (None,)
    if key in _SINGLE_VALUES:
        single = _SINGLE_VALUES[key]
        return lambda entry: (single(entry),)
    name = key.removeprefix(METADATA_PREFIX)
    return lambda entry: (metadata_label(entry.metadata.get(name)),)
