"""Which process has a call open, so that calls of processes that died can be found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_IS_OPEN = sa.text("status = 'open'")


def upgrade() -> None:
    """Add the owner's columns and the index over open calls."""
    op.add_column("ledger", sa.Column("owner_host", sa.Text))
    op.add_column("ledger", sa.Column("owner_pid", sa.BigInteger))
    op.add_column("ledger", sa.Column("owner_started", sa.Text))
    op.create_index("ledger_open", "ledger", ["started_at_us"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)
