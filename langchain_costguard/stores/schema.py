"""The tables of a ledger in a database, as the newest migration leaves them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text, text

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

The `owner_*` columns say which process has the call open; they are empty once it has ended.
"""

meta: Final = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", LargeBinary))
"""What belongs to the store as a whole: the digest key."""
