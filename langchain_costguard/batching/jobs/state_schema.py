"""The tables of a file of batch jobs."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = int.from_bytes(b"cgbj", "big")
"""Written into the file's header, so that no other program's database is taken for it."""

VERSION: Final = 1
"""The layout this release reads and writes; kept as the file's `user_version`."""

TABLES: Final = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        nonce TEXT NOT NULL,
        name TEXT,
        content TEXT NOT NULL,
        provider TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        items INTEGER NOT NULL,
        steps INTEGER NOT NULL,
        chain TEXT NOT NULL,
        options TEXT NOT NULL,
        is_ready INTEGER NOT NULL,
        is_cancelled INTEGER NOT NULL,
        is_collected INTEGER NOT NULL,
        owner TEXT,
        owned_until_us INTEGER
    )
    """,
    "CREATE UNIQUE INDEX jobs_by_name ON jobs (name) WHERE name IS NOT NULL AND is_ready",
    "CREATE INDEX jobs_by_content ON jobs (content)",
    """
    CREATE TABLE parts (
        job TEXT NOT NULL,
        number INTEGER NOT NULL,
        step INTEGER NOT NULL,
        model TEXT NOT NULL,
        url TEXT NOT NULL,
        betas TEXT NOT NULL,
        path TEXT NOT NULL,
        requests INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        state TEXT NOT NULL,
        provider_state TEXT,
        file_id TEXT,
        batch_id TEXT,
        intent_us INTEGER NOT NULL,
        submitted_us INTEGER NOT NULL,
        outputs TEXT NOT NULL,
        errors TEXT NOT NULL,
        completed INTEGER,
        failed INTEGER,
        expires_us INTEGER,
        holds TEXT NOT NULL,
        is_held INTEGER NOT NULL,
        is_settled INTEGER NOT NULL,
        "foreign" TEXT NOT NULL,
        PRIMARY KEY (job, number)
    )
    """,
    """
    CREATE TABLE items (
        job TEXT NOT NULL,
        step INTEGER NOT NULL,
        position INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        part INTEGER,
        "offset" INTEGER NOT NULL,
        length INTEGER NOT NULL,
        state TEXT NOT NULL,
        answer BLOB,
        cause TEXT,
        message TEXT,
        code TEXT,
        http_status INTEGER,
        bound_nano INTEGER,
        bound_tokens INTEGER,
        is_booked INTEGER NOT NULL,
        billed_nano INTEGER,
        baseline_nano INTEGER,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        PRIMARY KEY (job, position, step)
    )
    """,
    "CREATE INDEX items_by_part ON items (job, part)",
)

ANSWER: Final = """
    UPDATE items SET state = ?, answer = ?, cause = ?, message = ?, code = ?, http_status = ?
    WHERE job = ? AND step = ? AND position = ? AND attempt = ? AND part = ? AND state = 'sent'
"""
BOOK: Final = """
    UPDATE items SET is_booked = ?, billed_nano = ?, baseline_nano = ?, input_tokens = ?, output_tokens = ?
    WHERE job = ? AND step = ? AND position = ? AND attempt = ?
"""
END_REST: Final = """
    UPDATE items SET state = 'error', cause = ?, message = ?, code = ? WHERE job = ? AND part = ? AND state = 'sent'
"""
RESEND: Final = """
    UPDATE items SET attempt = attempt + 1, part = ?, "offset" = ?, length = ?, bound_nano = ?, bound_tokens = ?,
        state = 'sent', answer = NULL, cause = NULL, message = NULL, code = NULL, http_status = NULL, is_booked = 0,
        billed_nano = NULL, baseline_nano = NULL, input_tokens = 0, output_tokens = 0
    WHERE job = ? AND step = ? AND position = ?
"""
LAST_OF_EACH: Final = """
    SELECT {columns} FROM items AS one WHERE job = ? AND step = (
        SELECT max(step) FROM items AS other WHERE other.job = one.job AND other.position = one.position
    ) ORDER BY position
"""
ONWARD: Final = """
    SELECT {columns} FROM items AS one WHERE job = ? AND step = ? AND state = 'ok' AND NOT EXISTS (
        SELECT 1 FROM items AS next WHERE next.job = one.job AND next.step = one.step + 1
            AND next.position = one.position
    ) ORDER BY position
"""
SUMS: Final = """
    SELECT sum(billed_nano), sum(baseline_nano), sum(state = 'ok' AND billed_nano IS NULL), sum(input_tokens),
        sum(output_tokens), count(billed_nano), count(baseline_nano) FROM items WHERE job = ?
"""

COUNTS: Final = """
    SELECT coalesce(sum(state = 'ok' AND step = ?), 0), coalesce(sum(state = 'error'), 0) FROM items AS one
    WHERE job = ? AND step = (
        SELECT max(step) FROM items AS other WHERE other.job = one.job AND other.position = one.position
    )
"""
