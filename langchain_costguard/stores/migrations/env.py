"""How Alembic reaches the database: over the connection it is handed, inside the transaction that is open on it."""

from __future__ import annotations

from alembic import context

from langchain_costguard.stores.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
