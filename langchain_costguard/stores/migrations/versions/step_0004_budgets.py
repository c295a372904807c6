"""Budgets: counters, reservations, what operators set, and settlements on their way to another store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create five tables."""
    op.create_table(
        "counters",
        sa.Column("counter", sa.Text, primary_key=True),
        sa.Column("slot_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("budget", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("unsettled", sa.BigInteger, nullable=False),
        sa.Column("overrun", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("frozen", sa.Text),
        sa.Column("crossed", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("counter", sa.Text, primary_key=True),
        sa.Column("slot_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("budget", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("limit_amount", sa.BigInteger, nullable=False),
        sa.Column("refuses", sa.Boolean, nullable=False),
        sa.Column("charges_lost", sa.Boolean, nullable=False),
        sa.Column("alerts", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("lease_until_us", sa.BigInteger, nullable=False),
        sa.Column("owner_host", sa.Text),
        sa.Column("owner_pid", sa.BigInteger),
        sa.Column("owner_started", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_settings",
        sa.Column("budget", sa.Text, primary_key=True),
        sa.Column("limit_amount", sa.BigInteger),
        sa.Column("frozen", sa.Text),
    )
    op.create_table(
        "budget_changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("budget", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("limit_amount", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("reservation_id", sa.Text, primary_key=True),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("settlement", sa.Text, nullable=False),
        sa.Column("written_at_us", sa.BigInteger, nullable=False),
        sa.Column("owner_host", sa.Text),
        sa.Column("owner_pid", sa.BigInteger),
        sa.Column("owner_started", sa.Text),
    )
