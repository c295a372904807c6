"""Makes a ledger as an older release left it, with or without a row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_STEPS = {
    revision: Path(__file__).with_name(f"schema_{revision}.sql").read_text(encoding="utf-8")
    for revision in ("0001", "0002", "0003", "0004")
}
OLD_REVISIONS = tuple(_STEPS)
ROW = (
    "INSERT INTO ledger (run_id, started_at_us, kind, status, chain, provider, request_model, batch, "
    "uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, "
    "output_text_tokens, reasoning_tokens, audio_output_tokens, billed_nano_usd, tags) "
    "VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 1735689600000000, 'chat', 'ok', '', 'openai', 'gpt-4o-mini', "
    "FALSE, 1000, 0, 0, 0, 0, 100, 0, 0, 210000, '[\"checkout\"]')"
)
OPEN_ROW = (
    "INSERT INTO ledger (run_id, started_at_us, kind, status, chain, batch) "
    "VALUES ('01890a5d-ac96-774b-bcce-b302099a8058', 1735689600000000, 'chat', 'open', '', FALSE)"
)


def make_old_file(path: Path, *rows: str, revision: str = "0001") -> Path:
    """A SQLite file with an old schema."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_schema(revision))
        for row in rows:
            connection.execute(row)
        connection.commit()
    return path


def make_old_database(url: str, *rows: str, revision: str = "0001") -> str:
    """A PostgreSQL database with an old schema."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA costguard")
        connection.execute("SET search_path = costguard")
        connection.execute(_in_postgresql(_schema(revision)))
        for row in rows:
            connection.execute(row)
    return url


def _in_postgresql(schema: str) -> str:
    named = schema.replace("BLOB", "BYTEA").replace(" WITHOUT ROWID", "")
    return named.replace("number INTEGER NOT NULL", "number BIGSERIAL NOT NULL")


def _schema(revision: str) -> str:
    return "".join(text for step, text in _STEPS.items() if step <= revision)
