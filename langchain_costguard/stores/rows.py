"""How a ledger entry is laid out as a row of the table `ledger`, there and back."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_costguard.cost import PriceSource
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.savings import SAVED_FIELDS, Savings
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS: Final = (
    "run_id",
    "started_at_us",
    "kind",
    "status",
    "parent_run_id",
    "root_run_id",
    "chain",
    "provider",
    "request_model",
    "response_model",
    "service_tier",
    "batch",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "audio_input_tokens",
    "output_text_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "usage_flags",
    "estimate_method",
    "billed_nano_usd",
    "list_nano_usd",
    "reported_nano_usd",
    "avoided_nano_usd",
    "baseline_model",
    "baseline_nano_usd",
    "price",
    "unpriced_reason",
    "latency_us",
    "first_token_us",
    "tags",
    "metadata",
    "user_id",
    "session_id",
    "thread_id",
    "techniques",
    "error",
    "input_bytes",
    "prompt_digest",
    "prefix_digests",
    "calls",
    "busy_ns",
    "saved_input_tokens",
    *(f"{field}_usd" for field in SAVED_FIELDS),
)
"""The columns of a row, in the order in which `to_row` and `from_row` hold them."""

LARGEST_INTEGER: Final = 10**16
"""Larger counts and amounts ($10 million for one call) are kept as this, with a flag, so that sums fit 64 bits."""

_JSON_COLUMNS: Final = frozenset({"usage_flags", "price", "tags", "metadata", "techniques"})
_FLAGS_INDEX: Final = COLUMNS.index("usage_flags")
_CLAMPED_FLAG: Final = f"a figure beyond {LARGEST_INTEGER} was cut to it"
_NO_TOKENS: Final = (None,) * 8
_NO_SAVINGS: Final = (None,) * len(Savings._fields)
_LENGTH_BYTES: Final = 2
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

Row = tuple[Any, ...]
"""One row: what a database driver takes and gives."""


def to_row(entry: LedgerEntry) -> Row:
    """Lay an entry out as a row, in the order of `COLUMNS`.

    No entry is refused: what a database cannot hold (a null character, half a surrogate pair, a figure beyond 64 bits)
    is replaced, figures with a flag.
    """
    usage = entry.usage
    row: Row = (
        str(entry.run_id),
        entry.started_at_us,
        entry.kind,
        entry.status,
        None if entry.parent_run_id is None else str(entry.parent_run_id),
        None if entry.root_run_id is None else str(entry.root_run_id),
        entry.chain,
        entry.provider,
        entry.request_model,
        entry.response_model,
        entry.service_tier,
        entry.batch,
        *(_NO_TOKENS if usage is None else usage[:8]),
        _encode(usage.flags) if usage is not None and usage.flags else None,
        entry.estimate_method,
        entry.billed_nano,
        entry.list_nano,
        entry.reported_nano,
        entry.avoided_nano,
        entry.baseline_model,
        entry.baseline_nano,
        None if entry.price is None else _encode_price(entry.price),
        entry.unpriced_reason,
        entry.latency_us,
        entry.first_token_us,
        _encode(entry.tags) if entry.tags else None,
        _encode_metadata(entry.metadata) if entry.metadata else None,
        entry.user,
        entry.session,
        entry.thread,
        _encode(entry.techniques) if entry.techniques else None,
        entry.error,
        entry.input_bytes,
        entry.prompt_digest,
        _join_digests(entry.prefix_digests) if entry.prefix_digests else None,
        entry.calls,
        entry.busy_ns,
        entry.saved_input_tokens,
        *(entry.savings or _NO_SAVINGS),
    )
    return row if _is_storable(row) else _made_storable(row)


def from_row(row: Sequence[Any]) -> LedgerEntry:
    """Read an entry back from a row in the order of `COLUMNS`; columns after those are not looked at."""
    flags = _strings(row[20])
    return LedgerEntry(
        run_id=UUID(row[0]),
        started_at_us=row[1],
        kind=row[2],
        status=row[3],
        parent_run_id=_uuid(row[4]),
        root_run_id=_uuid(row[5]),
        chain=row[6],
        provider=row[7],
        request_model=row[8],
        response_model=row[9],
        service_tier=row[10],
        batch=bool(row[11]),
        usage=None if row[12] is None else TokenUsage._make((*row[12:20], flags)),
        estimate_method=row[21],
        billed_nano=row[22],
        list_nano=row[23],
        reported_nano=row[24],
        avoided_nano=row[25],
        baseline_model=row[26],
        baseline_nano=row[27],
        price=None if row[28] is None else PriceSource(**json.loads(row[28])),
        unpriced_reason=row[29],
        latency_us=row[30],
        first_token_us=row[31],
        tags=_strings(row[32]),
        metadata={} if row[33] is None else json.loads(row[33]),
        user=row[34],
        session=row[35],
        thread=row[36],
        techniques=_strings(row[37]),
        error=row[38],
        input_bytes=row[39],
        prompt_digest=None if row[40] is None else bytes(row[40]),
        prefix_digests=() if row[41] is None else _split_digests(bytes(row[41])),
        calls=row[42],
        busy_ns=row[43],
        saved_input_tokens=row[44],
        savings=None if row[45] is None else Savings._make(row[45 : 45 + len(_NO_SAVINGS)]),
    )


def clean_text(value: str) -> str:
    """Text as every database can hold it: without null characters and halves of surrogate pairs."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def stored_value(value: Any) -> Any:  # noqa: ANN401 - a user's own metadata
    """A metadata value as it is kept: as it is, or as text where JSON has no word for it."""
    try:
        _encode(value)
    except (TypeError, ValueError):
        return str(value)
    return clean_text(value) if isinstance(value, str) else value


def _is_storable(row: Row) -> bool:
    texts = []
    for value in row:
        if type(value) is str:
            texts.append(value)
        elif type(value) is int and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return False
    text = "".join(texts)
    if "\x00" in text or "\\u0000" in text:
        return False
    return text.isascii() or text == text.encode("utf-8", "replace").decode("utf-8")


def _made_storable(row: Row) -> Row:
    cells = [_storable_cell(name, value) for name, value in zip(COLUMNS, row, strict=True)]
    if any(type(old) is int and old != new for old, new in zip(row, cells, strict=True)):
        flags = json.loads(cells[_FLAGS_INDEX] or "[]")
        cells[_FLAGS_INDEX] = _encode([*flags, _CLAMPED_FLAG])
    return tuple(cells)


def _storable_cell(column: str, value: Any) -> Any:  # noqa: ANN401 - whatever the column holds
    if type(value) is int:
        return max(-LARGEST_INTEGER, min(LARGEST_INTEGER, value))
    if column in _JSON_COLUMNS and value is not None:
        return _encode(_clean_json(json.loads(value)))
    return clean_text(value) if isinstance(value, str) else value


def _clean_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean_json(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=1024)
def _encode_price(price: PriceSource) -> str:
    return _encode(price._asdict())


def _encode_metadata(metadata: Mapping[str, Any]) -> str:
    try:
        return _encode(dict(metadata))
    except (TypeError, ValueError):
        # Not a number, or no plain value: what JSON has no word for is kept as text.
        return _encode({str(key): stored_value(value) for key, value in metadata.items()})


def _strings(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(json.loads(text))


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def _join_digests(digests: Sequence[bytes]) -> bytes:
    """Digests one after the other, each behind its length in two bytes."""
    return b"".join(len(digest).to_bytes(_LENGTH_BYTES, "big") + digest for digest in digests)


def _split_digests(joined: bytes) -> tuple[bytes, ...]:
    digests = []
    at = 0
    while at < len(joined):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(joined[at:start], "big")
        digests.append(joined[start:at])
    return tuple(digests)
