"""The tables of a ledger in a database, as the newest migration leaves them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

from langchain_costguard.savings import SAVED_FIELDS

metadata: Final = MetaData()

ledger: Final = Table(
    "ledger",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("started_at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("parent_run_id", Text),
    Column("root_run_id", Text),
    Column("chain", Text, nullable=False),
    Column("provider", Text),
    Column("request_model", Text),
    Column("response_model", Text),
    Column("service_tier", Text),
    Column("batch", Boolean, nullable=False),
    Column("uncached_input_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_5m_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("audio_input_tokens", BigInteger),
    Column("output_text_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("audio_output_tokens", BigInteger),
    Column("usage_flags", Text),
    Column("estimate_method", Text),
    Column("billed_nano_usd", BigInteger),
    Column("list_nano_usd", BigInteger),
    Column("reported_nano_usd", BigInteger),
    Column("avoided_nano_usd", BigInteger),
    Column("baseline_model", Text),
    Column("baseline_nano_usd", BigInteger),
    Column("price", Text),
    Column("unpriced_reason", Text),
    Column("latency_us", BigInteger),
    Column("first_token_us", BigInteger),
    Column("tags", Text),
    Column("metadata", Text),
    Column("user_id", Text),
    Column("session_id", Text),
    Column("thread_id", Text),
    Column("techniques", Text),
    Column("error", Text),
    Column("input_bytes", BigInteger),
    Column("prompt_digest", LargeBinary),
    Column("prefix_digests", LargeBinary),
    Column("calls", BigInteger, nullable=False, server_default=text("1")),
    Column("busy_ns", BigInteger),
    Column("saved_input_tokens", BigInteger),
    *(Column(f"{field}_usd", BigInteger) for field in SAVED_FIELDS),
    Column("owner_host", Text),
    Column("owner_pid", BigInteger),
    Column("owner_started", Text),
    Index("ledger_started_at_us", "started_at_us", "run_id"),
    Index("ledger_root_run_id", "root_run_id"),
    Index(
        "ledger_open", "started_at_us", sqlite_where=text("status = 'open'"), postgresql_where=text("status = 'open'")
    ),
)
"""One row per call. Money is nano-USD; `usage_flags`, `price`, `tags`, `metadata` and `techniques` are JSON.

The `owner_*` columns say which process has the call open; they are empty once it has ended. A row whose status is
`ERASED` is no line: it stands where a call was that had not ended for good when its user was erased, and keeps its run
id and its beginning, so that a late end does not bring the user back.
"""

ERASED: Final = "erased"
"""The status of a row that is no line."""

DAILY_GROUP: Final = (
    "epoch_day",
    "kind",
    "status",
    "provider",
    "request_model",
    "response_model",
    "service_tier",
    "techniques",
)
"""What the lines of a daily sum have in common."""

daily_totals: Final = Table(
    "daily_totals",
    metadata,
    Column("epoch_day", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("provider", Text),
    Column("request_model", Text),
    Column("response_model", Text),
    Column("service_tier", Text),
    Column("techniques", Text),
    Column("calls", BigInteger, nullable=False),
    Column("unpriced_calls", BigInteger, nullable=False),
    Column("estimated_calls", BigInteger, nullable=False),
    Column("cached_calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("open_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_creation_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("billed_nano_usd", BigInteger, nullable=False),
    Column("list_nano_usd", BigInteger, nullable=False),
    Column("avoided_nano_usd", BigInteger, nullable=False),
    Column("baseline_nano_usd", BigInteger, nullable=False),
    Column("baseline_billed_nano_usd", BigInteger, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("timed_calls", BigInteger, nullable=False),
    Column("busy_ns", BigInteger, nullable=False),
    Column("unmeasured_calls", BigInteger, nullable=False, server_default=text("0")),
    *(Column(f"{field}_usd", BigInteger, nullable=False, server_default=text("0")) for field in SAVED_FIELDS),
)
"""Sums over pruned lines: the columns of `DAILY_GROUP`, then the sums in the order of `sums.SUM_FIELDS`.

`epoch_day` counts days since 1970-01-01 UTC. A day that was pruned twice has its groups twice; they add up.
"""

meta: Final = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", LargeBinary))
"""What belongs to the store as a whole: the digest key."""

counters: Final = Table(
    "counters",
    metadata,
    Column("counter", Text, primary_key=True),
    Column("slot_us", BigInteger, primary_key=True, autoincrement=False),
    Column("budget", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("unsettled", BigInteger, nullable=False),
    Column("overrun", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("frozen", Text),
    Column("crossed", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What budgets have spent and reserved, one row per counter and slot of time; `crossed` lists parts per million."""

reservations: Final = Table(
    "reservations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("counter", Text, primary_key=True),
    Column("slot_us", BigInteger, primary_key=True, autoincrement=False),
    Column("since_us", BigInteger, nullable=False),
    Column("budget", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("limit_amount", BigInteger, nullable=False),
    Column("refuses", Boolean, nullable=False),
    Column("charges_lost", Boolean, nullable=False),
    Column("alerts", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease_until_us", BigInteger, nullable=False),
    Column("owner_host", Text),
    Column("owner_pid", BigInteger),
    Column("owner_started", Text),
    sqlite_with_rowid=False,
)
"""The claims of reservations that have not ended, one row per counter.

The state is `open`, or `charged` or `released` for one whose owner is gone, and which a late settlement may still
correct. What was settled has no row.
"""

budget_settings: Final = Table(
    "budget_settings",
    metadata,
    Column("budget", Text, primary_key=True),
    Column("limit_amount", BigInteger),
    Column("frozen", Text),
)
"""What operators have set, one row per budget."""

budget_changes: Final = Table(
    "budget_changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("budget", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("limit_amount", BigInteger),
    Column("note", Text, nullable=False),
)
"""Operators' changes, numbered in their order."""

outbox: Final = Table(
    "outbox",
    metadata,
    Column("reservation_id", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("settlement", Text, nullable=False),
    Column("written_at_us", BigInteger, nullable=False),
    Column("owner_host", Text),
    Column("owner_pid", BigInteger),
    Column("owner_started", Text),
)
"""Settlements that belong to budgets in another store and have not been confirmed there."""
