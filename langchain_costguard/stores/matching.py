"""Which lines a query means, decided line by line in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from langchain_costguard.ledger import LedgerEntry, LedgerQuery

CHAIN_SEPARATOR: Final = " > "
"""What stands between two names of `LedgerEntry.chain`."""

_US_PER_SECOND: Final = 1_000_000


def matcher(query: LedgerQuery) -> Callable[[LedgerEntry], bool]:
    """The test a line must pass to be meant by `query`.

    Args:
        query: the conditions; every given one must hold. Its `limit` is not used.

    Returns:
        A function of one line.
    """
    tests = _span_tests(query) + _name_tests(query) + _path_tests(query)
    return lambda entry: all(test(entry) for test in tests)


def epoch_us(moment: datetime) -> int:
    """A moment as whole microseconds since 1970-01-01 UTC, without passing through a float."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * _US_PER_SECOND + moment.microsecond


def same_value(left: object, right: object) -> bool:
    """Whether two metadata values are the same: numbers by value, and a boolean is no number."""
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def is_on_path(name: str, chain: str) -> bool:
    """Whether `name` is one of the names `chain` joins; the empty name is a bare model's chain."""
    return padded(name) in padded(chain)


def padded(path: str) -> str:
    """A chain between two separators, so that whole names can be looked for."""
    return f"{CHAIN_SEPARATOR}{path}{CHAIN_SEPARATOR}"


def _span_tests(query: LedgerQuery) -> list[Callable[[LedgerEntry], bool]]:
    tests: list[Callable[[LedgerEntry], bool]] = []
    if query.since is not None:
        since_us = epoch_us(query.since)
        tests.append(lambda entry: entry.started_at_us >= since_us)
    if query.until is not None:
        until_us = epoch_us(query.until)
        tests.append(lambda entry: entry.started_at_us < until_us)
    return tests


def _name_tests(query: LedgerQuery) -> list[Callable[[LedgerEntry], bool]]:
    tests: list[Callable[[LedgerEntry], bool]] = []
    for name in ("provider", "user", "session", "thread", "status", "root_run_id", "run_id"):
        wanted = getattr(query, name)
        if wanted is not None:
            tests.append(lambda entry, name=name, wanted=wanted: getattr(entry, name) == wanted)  # type: ignore[misc] # mypy sees no type in a default
    if query.model is not None:
        tests.append(lambda entry: query.model in {entry.request_model, entry.response_model})
    return tests


def _path_tests(query: LedgerQuery) -> list[Callable[[LedgerEntry], bool]]:
    tests: list[Callable[[LedgerEntry], bool]] = []
    if query.tag is not None:
        tests.append(lambda entry: query.tag in entry.tags)
    if query.technique is not None:
        tests.append(lambda entry: query.technique in entry.techniques)
    if query.chain is not None:
        chain = query.chain
        tests.append(lambda entry: is_on_path(chain, entry.chain))
    if query.metadata:
        metadata = query.metadata
        tests.append(lambda entry: _has_metadata(entry, metadata))
    return tests


def _has_metadata(entry: LedgerEntry, wanted: Mapping[str, str | int | float | bool]) -> bool:
    return all(key in entry.metadata and same_value(entry.metadata[key], value) for key, value in wanted.items())
