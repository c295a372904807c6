"""How many calls a line stands for, its busy time, and the daily sums of lines that were pruned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns and a table."""
    op.add_column("ledger", sa.Column("calls", sa.BigInteger, nullable=False, server_default=sa.text("1")))
    op.add_column("ledger", sa.Column("busy_ns", sa.BigInteger))
    op.create_table(
        "daily_totals",
        sa.Column("epoch_day", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("request_model", sa.Text),
        sa.Column("response_model", sa.Text),
        sa.Column("service_tier", sa.Text),
        sa.Column("techniques", sa.Text),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger, nullable=False),
        sa.Column("estimated_calls", sa.BigInteger, nullable=False),
        sa.Column("cached_calls", sa.BigInteger, nullable=False),
        sa.Column("failed_calls", sa.BigInteger, nullable=False),
        sa.Column("open_calls", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_creation_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("billed_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("list_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("avoided_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("baseline_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("baseline_billed_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("latency_us", sa.BigInteger, nullable=False),
        sa.Column("timed_calls", sa.BigInteger, nullable=False),
        sa.Column("busy_ns", sa.BigInteger, nullable=False),
    )
