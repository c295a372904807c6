"""What each technique saved on a call, and the sums of it; older lines name none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STEPS = (
    "model_choice",
    "routing",
    "local_model",
    "cascade",
    "exact_cache",
    "semantic_cache",
    "compression",
    "prompt_slimming",
    "output_limit",
    "prompt_caching",
    "batch",
)


def upgrade() -> None:
    """Add columns to two tables."""
    op.add_column("ledger", sa.Column("saved_input_tokens", sa.BigInteger))
    nothing = sa.text("0")
    op.add_column("daily_totals", sa.Column("unmeasured_calls", sa.BigInteger, nullable=False, server_default=nothing))
    for step in _STEPS:
        name = f"saved_{step}_nano_usd"
        op.add_column("ledger", sa.Column(name, sa.BigInteger))
        op.add_column("daily_totals", sa.Column(name, sa.BigInteger, nullable=False, server_default=nothing))
