"""The ledger, one row per call, and what belongs to the store as a whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "ledger",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("parent_run_id", sa.Text),
        sa.Column("root_run_id", sa.Text),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("request_model", sa.Text),
        sa.Column("response_model", sa.Text),
        sa.Column("service_tier", sa.Text),
        sa.Column("batch", sa.Boolean, nullable=False),
        sa.Column("uncached_input_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_5m_tokens", sa.BigInteger),
        sa.Column("cache_write_1h_tokens", sa.BigInteger),
        sa.Column("audio_input_tokens", sa.BigInteger),
        sa.Column("output_text_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("audio_output_tokens", sa.BigInteger),
        sa.Column("usage_flags", sa.Text),
        sa.Column("estimate_method", sa.Text),
        sa.Column("billed_nano_usd", sa.BigInteger),
        sa.Column("list_nano_usd", sa.BigInteger),
        sa.Column("reported_nano_usd", sa.BigInteger),
        sa.Column("avoided_nano_usd", sa.BigInteger),
        sa.Column("baseline_model", sa.Text),
        sa.Column("baseline_nano_usd", sa.BigInteger),
        sa.Column("price", sa.Text),
        sa.Column("unpriced_reason", sa.Text),
        sa.Column("latency_us", sa.BigInteger),
        sa.Column("first_token_us", sa.BigInteger),
        sa.Column("tags", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("thread_id", sa.Text),
        sa.Column("techniques", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("input_bytes", sa.BigInteger),
        sa.Column("prompt_digest", sa.LargeBinary),
        sa.Column("prefix_digests", sa.LargeBinary),
    )
    op.create_index("ledger_started_at_us", "ledger", ["started_at_us", "run_id"])
    op.create_index("ledger_root_run_id", "ledger", ["root_run_id"])
    op.create_table("meta", sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.LargeBinary))
