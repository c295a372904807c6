"""One ledger line as one line of JSON, complete in itself, so that files can be cut and joined.

Money is whole nano-USD and lengths of time are whole microseconds or nanoseconds, as the keys say. What is not known
is left out.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, get_args
from uuid import UUID

from langchain_costguard.cost import PriceSource
from langchain_costguard.exceptions import LedgerFormatError
from langchain_costguard.ledger import CallKind, CallStatus, LedgerEntry
from langchain_costguard.savings import Savings
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FORMAT_VERSION: Final = 1
"""The version each written line names; lines of later versions are refused."""

_LONGEST_QUOTE: Final = 40
_MOST_NANO_USD: Final = 10**16
"""Ten million dollars: no line costs more, and sums of many lines still fit into a database's whole numbers."""
_MOST_COUNTED: Final = 2**63 - 1
_EARLIEST_US: Final = -62_135_596_800_000_000
"""The first moment that `datetime` knows, in UTC."""
_LATEST_US: Final = 253_402_300_799_999_999
"""The last one."""
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def write_line(entry: LedgerEntry, *, with_digests: bool) -> str:
    """An entry as a line, with its end.

    Args:
        entry: the entry.
        with_digests: whether the prompt's digests are written, too.
    """
    line: dict[str, Any] = {"version": FORMAT_VERSION}
    for key, field in _FIELDS.items():
        value = getattr(entry, field.name)
        if value != field.default and (with_digests or not field.is_digest):
            line[key] = field.write(value)
    return _encode(line) + "\n"


def read_line(text: str | bytes, number: int) -> LedgerEntry:
    """The entry of a line.

    Args:
        text: the line.
        number: which line of its file it is, from 1, for messages.

    Raises:
        LedgerFormatError: it is no such line, or of a newer release.
    """
    try:
        line = _object(text)
        version = line.pop("version", None)
        if type(version) is int and version > FORMAT_VERSION:
            msg = (
                f"Line {number} was written by a newer release (version {version} of the format; this one reads up to "
                f"{FORMAT_VERSION}): pip install --upgrade langchain-costguard"
            )
            raise LedgerFormatError(msg, line=number)
        if version != FORMAT_VERSION:
            _refuse("it names no version")
        return _possible(LedgerEntry(**_fields(line)))
    except _LineFault as error:
        msg = f"Line {number} is no line of an exported ledger ({error}): mend it, remove it, or export again"
        raise LedgerFormatError(msg, line=number) from error.__cause__


class _LineFault(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong with a line."""


def _refuse(fault: str, cause: Exception | None = None) -> NoReturn:
    raise _LineFault(fault) from cause


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        line = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse("it is not JSON", error)
    if not isinstance(line, dict):
        _refuse("it is no JSON object")
    return line


def _fields(line: dict[str, Any]) -> dict[str, Any]:
    fields = {}
    for key, value in line.items():
        if key not in _FIELDS:
            _refuse(f"it has the unknown key {_quoted(key)}")
        field = _FIELDS[key]
        try:
            fields[field.name] = field.read(value)
        except (ValueError, TypeError, AttributeError) as error:
            _refuse(f"{key} cannot be {_quoted(value)}", error)
    missing = _REQUIRED - fields.keys()
    if missing:
        _refuse(f"it has no {' and no '.join(sorted(missing))}")
    return fields


def _possible(entry: LedgerEntry) -> LedgerEntry:
    """The entry, if its fields can be true together."""
    if entry.billed_nano is not None and entry.billed_nano < 0 and entry.kind != "adjustment":
        _refuse(f"billed_nano_usd cannot be {entry.billed_nano} for a {entry.kind} call")
    return entry


def _refuse_constant(name: str) -> None:
    _refuse(f"{name} is not JSON")


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


class _Field(NamedTuple):
    """How one field of a line is written and read."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    default: Any = None
    is_digest: bool = False


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - what JSON has a word for
    return value


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
        if type(value) is not kind:
            raise TypeError
        return value

    return read


def _one_of(*values: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:  # noqa: ANN401 - whatever a file holds
        return values[values.index(value)]

    return read


_text: Final = _exactly(str)
_USAGE_KEYS: Final = {name if name == "flags" else f"{name}_tokens": name for name in TokenUsage._fields}


def _whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:  # noqa: ANN401 - whatever a file holds
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError
        return value

    return read


_natural: Final = _whole(0, _MOST_COUNTED)
_count: Final = _whole(-_MOST_COUNTED, _MOST_COUNTED)
_nano_usd: Final = _whole(-_MOST_NANO_USD, _MOST_NANO_USD)
_moment_us: Final = _whole(_EARLIEST_US, _LATEST_US)


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever a file holds
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text(item) for item in value)


def _write_usage(usage: TokenUsage) -> dict[str, Any]:
    return {key: getattr(usage, name) for key, name in _USAGE_KEYS.items() if getattr(usage, name)}


def _read_usage(value: Any) -> TokenUsage:  # noqa: ANN401 - whatever a file holds
    counts = dict(_items(value, _USAGE_KEYS))
    flags = _texts(counts.pop("flags", []))
    return TokenUsage(**{_USAGE_KEYS[key]: _count(count) for key, count in counts.items()}, flags=flags)


def _read_price(value: Any) -> PriceSource:  # noqa: ANN401 - whatever a file holds
    return PriceSource(**{key: _text(item) for key, item in _items(value, PriceSource._fields)})


def _write_savings(savings: Savings) -> dict[str, int]:
    return {step: nano for step, nano in savings._asdict().items() if nano}


def _read_savings(value: Any) -> Savings:  # noqa: ANN401 - whatever a file holds
    return Savings(**{step: _nano_usd(nano) for step, nano in _items(value, Savings._fields)})


def _items(value: Any, known: Iterable[str]) -> list[tuple[str, Any]]:  # noqa: ANN401 - whatever a file holds
    if not isinstance(value, dict) or not value.keys() <= set(known):
        raise TypeError
    return list(value.items())


def plain_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata whose values JSON has words for.

    Args:
        metadata: the user's own.
    """
    return {str(name): _plain(value) for name, value in metadata.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a user's own metadata
    """A value as it is, or as text where JSON has no word for it."""
    is_plain = isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return value if is_plain else str(value)


def _read_metadata(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a file holds
    if not isinstance(value, dict) or not all(isinstance(item, str | int | float) for item in value.values()):
        raise TypeError
    return value


def _write_digests(digests: Iterable[bytes]) -> list[str]:
    return [digest.hex() for digest in digests]


def _read_digests(value: Any) -> tuple[bytes, ...]:  # noqa: ANN401 - whatever a file holds
    return tuple(bytes.fromhex(text) for text in _texts(value))


_FIELDS: Final = {
    "run_id": _Field("run_id", str, UUID),
    "started_at_us": _Field("started_at_us", _as_it_is, _moment_us),
    "kind": _Field("kind", _as_it_is, _one_of(*get_args(CallKind))),
    "status": _Field("status", _as_it_is, _one_of(*get_args(CallStatus))),
    "parent_run_id": _Field("parent_run_id", str, UUID),
    "root_run_id": _Field("root_run_id", str, UUID),
    "chain": _Field("chain", _as_it_is, _text, ""),
    "provider": _Field("provider", _as_it_is, _text),
    "request_model": _Field("request_model", _as_it_is, _text),
    "response_model": _Field("response_model", _as_it_is, _text),
    "service_tier": _Field("service_tier", _as_it_is, _text),
    "batch": _Field("batch", _as_it_is, _exactly(bool), default=False),
    "calls": _Field("calls", _as_it_is, _natural, 1),
    "busy_ns": _Field("busy_ns", _as_it_is, _natural),
    "usage": _Field("usage", _write_usage, _read_usage),
    "estimate_method": _Field("estimate_method", _as_it_is, _text),
    "billed_nano_usd": _Field("billed_nano", _as_it_is, _nano_usd),
    "list_nano_usd": _Field("list_nano", _as_it_is, _nano_usd),
    "reported_nano_usd": _Field("reported_nano", _as_it_is, _nano_usd),
    "avoided_nano_usd": _Field("avoided_nano", _as_it_is, _nano_usd),
    "baseline_model": _Field("baseline_model", _as_it_is, _text),
    "baseline_nano_usd": _Field("baseline_nano", _as_it_is, _nano_usd),
    "saved_input_tokens": _Field("saved_input_tokens", _as_it_is, _count),
    "savings_nano_usd": _Field("savings", _write_savings, _read_savings),
    "price": _Field("price", PriceSource._asdict, _read_price),
    "unpriced_reason": _Field("unpriced_reason", _as_it_is, _text),
    "latency_us": _Field("latency_us", _as_it_is, _natural),
    "first_token_us": _Field("first_token_us", _as_it_is, _natural),
    "tags": _Field("tags", list, _texts, ()),
    "metadata": _Field("metadata", plain_metadata, _read_metadata, {}),
    "user": _Field("user", _as_it_is, _text),
    "session": _Field("session", _as_it_is, _text),
    "thread": _Field("thread", _as_it_is, _text),
    "techniques": _Field("techniques", list, _texts, ()),
    "error": _Field("error", _as_it_is, _text),
    "input_bytes": _Field("input_bytes", _as_it_is, _natural),
    "prompt_digest": _Field("prompt_digest", bytes.hex, bytes.fromhex, is_digest=True),
    "prefix_digests": _Field("prefix_digests", _write_digests, _read_digests, (), is_digest=True),
}
"""Every field of a line by its key in the file."""

_REQUIRED: Final = frozenset({"run_id", "started_at_us", "kind", "status"})
