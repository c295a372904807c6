"""How a cell of a foreign export is read: a text, a count, a moment, an amount, a list or a mapping, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeAlias

from langchain_costguard.imports.faults import UnreadableRow

Row: TypeAlias = Mapping[str, Any]
"""One row: the cells of a CSV file as texts, or the values of a JSON object."""

MOST_TOKENS: Final = 10**12
"""No row has more: sums of many rows still fit into a database's whole numbers, and so does what they cost."""

_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Before there were language models to pay for."""
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTHS: Final = {"true": True, "false": False}
_LONGEST_QUOTE: Final = 40
_LONGEST_NUMBER: Final = 40


def refuse(reason: str) -> NoReturn:
    """Give the row up.

    Raises:
        UnreadableRow: always, with the reason.
    """
    raise UnreadableRow(reason)


def first(row: Row, *names: str) -> tuple[str, Any]:
    """The first of some cells that holds anything, with its name; `None` under the first name if none does."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return name, value
    return names[0], None


def text(row: Row, *names: str) -> str | None:
    """A cell as text, `None` for an empty one."""
    name, value = first(row, *names)
    if value is None:
        return None
    if isinstance(value, Mapping | list):
        refuse(f"{name} is no text")
    return str(value).strip() or None


def needed_text(row: Row, *names: str) -> str:
    """A cell as text that a row must have."""
    return text(row, *names) or refuse(f"it has no {' or '.join(names)}")


def count(row: Row, *names: str) -> int | None:
    """A cell as a whole number, zero or more; `None` for an empty one. `"12.0"` is 12."""
    name, value = first(row, *names)
    if value is None or (type(value) is int and 0 <= value <= MOST_TOKENS):
        return value
    number = _number(value)
    if number is None or number != number.to_integral_value():
        refuse(f"{name} is {_quoted(value)}, not a whole number")
    if number < 0:
        refuse(f"{name} is negative ({_quoted(value)})")
    if number > MOST_TOKENS:
        refuse(f"{name} is {_quoted(value)}, more than any row can hold")
    return int(number)


def dollars(row: Row, *names: str) -> Decimal | None:
    """A cell as an exact amount of US dollars; `None` for an empty one, another currency and what is no number."""
    _, value = first(row, *names)
    currency = text(row, "currency") or "USD"
    return None if value is None or currency.upper() != "USD" else _number(value)


def moment_us(row: Row, *names: str) -> int | None:
    """A cell as microseconds since 1970-01-01 UTC; `None` for an empty one.

    ISO 8601 with or without a time zone (UTC where it names none), or seconds since 1970-01-01 UTC.
    """
    name, value = first(row, *names)
    if value is None:
        return None
    moment = _moment(value)
    if moment is None or not _EARLIEST <= moment < _LATEST:
        refuse(f"{name} is {_quoted(value)}, not a date and time")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def needed_moment_us(row: Row, *names: str) -> int:
    """A moment that a row must have."""
    moment = moment_us(row, *names)
    return refuse(f"it has no {' or '.join(names)}") if moment is None else moment


def mapping(row: Row, *names: str) -> Mapping[str, Any]:
    """A cell as a mapping: a JSON object, or a text that is one; empty for an empty cell."""
    name, value = first(row, *names)
    found = {} if value is None else _parsed(name, value)
    if not isinstance(found, Mapping):
        refuse(f"{name} is no JSON object")
    return found


def texts(row: Row, *names: str) -> tuple[str, ...]:
    """A cell as texts: a JSON list, or a text that is one; empty for an empty cell."""
    name, value = first(row, *names)
    found = [] if value is None else _parsed(name, value)
    if not isinstance(found, list):
        refuse(f"{name} is no JSON list")
    return tuple(str(item) for item in found if item is not None)


def flag(row: Row, *names: str) -> bool | None:
    """A cell as true or false; `None` for an empty one."""
    name, value = first(row, *names)
    if value is None or isinstance(value, bool):
        return value
    found = _TRUTHS.get(str(value).strip().lower())
    return refuse(f"{name} is {_quoted(value)}, not true or false") if found is None else found


def _parsed(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        refuse(f"{name} is not JSON ({_quoted(value)})")


def _number(value: Any) -> Decimal | None:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else None


def _moment(value: Any) -> datetime | None:  # noqa: ANN401 - whatever a file holds
    seconds = _number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(float(seconds), tz=UTC)
        moment = datetime.fromisoformat(str(value).strip().removesuffix(" UTC"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _quoted(value: object) -> str:
    said = repr(value)
    return said if len(said) <= _LONGEST_QUOTE else f"{said[:_LONGEST_QUOTE]}..."
