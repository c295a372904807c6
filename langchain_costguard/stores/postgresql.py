"""The ledger in a PostgreSQL database: how it is reached, and what its faults mean."""

from __future__ import annotations

import json
import time
import zlib
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import JSON, String, cast, create_engine, func, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import QueuePool

from langchain_costguard._optional import require
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.backends import Backend
from langchain_costguard.stores.postgresql_patience import (
    answering_within,
    connection_class,
    has_given_up,
    is_no_answer,
)
from langchain_costguard.stores.sql_budgets_statements import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from sqlalchemy import ColumnElement, Engine, FromClause
    from sqlalchemy.engine.interfaces import Dialect

    from langchain_costguard.stores.backends import RawConnection, RawCursor
    from langchain_costguard.stores.location import Location

SCHEMA: Final = "costguard"
"""The PostgreSQL schema the tables live in, unless the URL's `options` name a `search_path`."""

_CREATE_SCHEMA: Final = (
    f"DO $$ BEGIN IF to_regnamespace('{SCHEMA}') IS NULL THEN CREATE SCHEMA {SCHEMA}; END IF; END $$"
)
"""`CREATE SCHEMA IF NOT EXISTS` asks for the right to create schemas even where there is one already."""

_ADVISORY_LOCK: Final = int.from_bytes(b"costgrd", "big")
_UNDEFINED_TABLE: Final = "42P01"
_CONFLICTS: Final = frozenset({"40001", "40P01"})
"""A serialization failure, and a deadlock."""
_LOGIN_REFUSALS: Final = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    'FATAL:  database "': "3D000",
    'FATAL:  role "': "28000",
    "too many clients": "53300",
}
_MIN_CONNECT_SECONDS: Final = 2
_MS_PER_SECOND: Final = 1000
_ABANDONED_MS: Final = 60_000
"""When the server ends a transaction of which it hears nothing any more, and frees the counters that it locks."""
_BEGIN: Final = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
"""Each question sees what was committed before it, so what is asked after the locks is what they guard."""
_COMMIT: Final = Statement("COMMIT")
_LOCK_COUNTERS: Final = "SELECT pg_advisory_xact_lock(%s::int, n) FROM unnest(%s::int[]) AS n"
_LOCK_CLASS: Final = int.from_bytes(b"cost", "big")
_BIT_31: Final = 1 << 31
_READ_CLOCK: Final = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
_CLOCK_AGES_NS: Final = 60 * 10**9


class PostgreSQLDatabase(Backend):
    """A PostgreSQL database, reached through psycopg.

    Args:
        location: its URL.
        durable: whether a line survives a crash of the server, at the price of a disk flush each; without it the
            server may lose the last fraction of a second.
        timeout_seconds: how long to wait for the server, and for another process's lock.
        holds: what it holds, as errors name it.

    Raises:
        OptionalDependencyError: psycopg is not installed.
        StoreError: the URL cannot be understood.
    """

    def __init__(
        self, location: Location, *, durable: bool, timeout_seconds: float, holds: Literal["ledger", "cache"] = "ledger"
    ) -> None:
        """Note where and how; nothing is opened yet."""
        self._psycopg: ModuleType = require("psycopg", extra="postgres", purpose=f"A {holds} in PostgreSQL")
        self._holds: str = holds
        self.errors: tuple[type[Exception], ...] = (self._psycopg.Error,)
        self._name = str(location)
        self._timeout_seconds = timeout_seconds
        self._arguments = _arguments(location, timeout_seconds)
        self._server_ahead_ns: int = 0
        self._clock_read_ns: int = 0
        self._is_broken_off: bool = False
        self._breaks = count()
        self._settings = [
            f"SET lock_timeout = {int(timeout_seconds * _MS_PER_SECOND)}",
            f"SET idle_in_transaction_session_timeout = {_ABANDONED_MS}",
        ]
        if not durable:
            self._settings.append("SET synchronous_commit = off")
        self.begin_change = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        self.begin_exclusive: Sequence[str] = ["BEGIN", f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"]
        if "search_path" not in self._arguments.get("options", ""):
            self._settings.append(f"SET search_path = {SCHEMA}")
            self.begin_exclusive.append(_CREATE_SCHEMA)

    def connect(self) -> RawConnection:
        """Log in."""
        connection: Any = connection_class().connect(**self._arguments, autocommit=True)
        try:
            with answering_within(connection, self._timeout_seconds):
                for setting in self._settings:
                    connection.execute(setting)
                self._read_clock(connection)
        except BaseException:  # closed whatever happens, and raised again
            connection.close()
            raise
        opened: RawConnection = connection
        return opened

    def engine(self) -> Engine:
        """An engine that reads over one connection of its own."""
        return create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )

    def dialect(self) -> Dialect:
        """PostgreSQL's, with positional parameters."""
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        return PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call] # SQLAlchemy's has no types

    @property
    def is_remote(self) -> bool:
        """True: the server may be far away."""
        return True

    def now_us(self) -> int:
        """The server's clock, as this machine's monotonic clock has gone on since it was last read."""
        return (self._server_ahead_ns + time.monotonic_ns()) // 1000

    def write(self, connection: RawConnection, sql: str, row: Sequence[Any]) -> int:
        """Run one statement, in one round trip."""
        with answering_within(connection, self._timeout_seconds):
            return connection.execute(sql, row).rowcount

    def begin(
        self, connection: RawConnection, locks: Sequence[str], reads: Sequence[Statement], *, wait_seconds: float
    ) -> list[Sequence[Any]]:
        """Begin, lock the counters in the order of their locks' numbers, and ask, in one round trip."""
        opening = [_BEGIN]
        if wait_seconds < self._timeout_seconds:
            opening.append(Statement(f"SET LOCAL lock_timeout = {max(1, int(wait_seconds * _MS_PER_SECOND))}"))
        if locks:
            numbers = sorted({zlib.crc32(lock.encode("utf-8", "surrogatepass")) - _BIT_31 for lock in locks})
            opening.append(Statement(_LOCK_COUNTERS, (_LOCK_CLASS, numbers)))
        with answering_within(connection, wait_seconds):
            if time.monotonic_ns() - self._clock_read_ns > _CLOCK_AGES_NS:
                self._read_clock(connection)
            answers = self._pipelined(connection, [*opening, *reads])[len(opening) :]
            return [answer.fetchall() for answer in answers]

    def ask(self, connection: RawConnection, reads: Sequence[Statement]) -> list[Sequence[Any]]:
        """Ask more, in one round trip."""
        with answering_within(connection, self._timeout_seconds):
            return [answer.fetchall() for answer in self._pipelined(connection, reads)]

    def commit(self, connection: RawConnection, writes: Sequence[Statement]) -> list[int]:
        """Run the statements and commit, in one round trip."""
        with answering_within(connection, self._timeout_seconds):
            *answers, _ = self._pipelined(connection, [*writes, _COMMIT])
            return [answer.rowcount for answer in answers]

    def roll_back(self, connection: RawConnection) -> None:
        """End the transaction that has begun, if it has, and change nothing.

        Statements behind the one that failed were not prepared, though the driver believes it: it forgets what it has
        prepared when it sees a rollback that it has not seen before.
        """
        with answering_within(connection, self._timeout_seconds):
            is_broken_off, self._is_broken_off = self._is_broken_off, False
            connection.execute(f"ROLLBACK /* {next(self._breaks)} */" if is_broken_off else "ROLLBACK")

    def _pipelined(self, connection: Any, statements: Sequence[Statement]) -> list[RawCursor]:  # noqa: ANN401 - psycopg's own
        self._is_broken_off = True
        with connection.pipeline():
            answers = [connection.execute(sql, row) for sql, row in statements]
        self._is_broken_off = False
        return answers

    def _read_clock(self, connection: Any) -> None:  # noqa: ANN401 - psycopg's own connection
        """Note how far the server's clock is ahead of this machine's monotonic one; it never goes back here."""
        before_ns = time.monotonic_ns()
        server_us = int(connection.execute(_READ_CLOCK).fetchone()[0])
        after_ns = time.monotonic_ns()
        ahead_ns = server_us * 1000 - (before_ns + after_ns) // 2
        self._server_ahead_ns = max(ahead_ns, self._server_ahead_ns)
        self._clock_read_ns = after_ns

    def is_missing_table(self, error: Exception) -> bool:
        """Whether the server says that a table does not exist."""
        return getattr(error, "sqlstate", None) == _UNDEFINED_TABLE

    def is_disconnect(self, connection: RawConnection, error: Exception) -> bool:  # noqa: ARG002 - the backend's interface
        """Whether the server hung up; one that does not answer would not answer a new connection either."""
        return bool(getattr(connection, "closed", False)) and not has_given_up(connection)

    def is_conflict(self, error: Exception) -> bool:
        """Whether the server could not put two transactions one after the other."""
        return getattr(error, "sqlstate", None) in _CONFLICTS

    def scrub(self, connection: RawConnection) -> None:
        """Nothing: what became of deleted rows is the server's business (`VACUUM FULL`, its log, its backups)."""

    def is_current(self) -> bool:
        """True: a lost connection shows itself by failing."""
        return True

    def explain(self, error: Exception, *, waited_seconds: float | None = None) -> StoreError:
        """What PostgreSQL's error means for the user."""
        seconds = self._timeout_seconds if waited_seconds is None else waited_seconds
        if is_no_answer(error):
            return StoreError(
                f"PostgreSQL at {self._name} did not answer within {seconds:g} seconds: check the server and the way "
                "to it, or wait longer with SQLStore(..., timeout_seconds=)"
            )
        state = getattr(error, "sqlstate", None) or _state_from_text(str(error))
        place = {"name": self._name, "holds": self._holds, "store": _CLASSES[self._holds], "schema": SCHEMA}
        meaning = next(text for beginning, text in _MEANINGS if state.startswith(beginning))
        return StoreError(meaning.format(seconds=seconds, state=state, **place))

    def each_string(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The strings of a JSON list, through `json_array_elements_text`."""
        rows = func.json_array_elements_text(cast(column, JSON)).table_valued("value", name=name).render_derived()
        return rows, rows.c.value

    def each_item(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The items of a JSON object, through `json_each`."""
        rows = func.json_each(cast(column, JSON)).table_valued("key", "value", name=name).render_derived()
        return rows, rows.c.key

    def item_is(self, items: FromClause, value: str | float | bool) -> ColumnElement[bool]:
        """Compare as `jsonb`, which knows numbers from booleans and 1 from no other number than 1.0."""
        return cast(items.c.value, JSONB) == cast(literal(json.dumps(value), String), JSONB)

    def item_columns(self, items: FromClause) -> list[ColumnElement[Any]]:
        """The value as JSON text, just as it was written."""
        return [cast(items.c.value, String)]

    def item_value(self, cells: Sequence[Any]) -> str | int | float | bool | None:
        """The value, read from its JSON text."""
        if cells[0] is None:
            return None
        value: str | int | float | bool | None = json.loads(cells[0])
        return value

    def text_contains(self, text: ColumnElement[str], part: str) -> ColumnElement[bool]:
        """Look with `strpos`."""
        return func.strpos(text, part) > 0


def _state_from_text(text: str) -> str:
    """The SQLSTATE of a refused login, which the driver does not pass on; read from the server's English words."""
    for words, state in _LOGIN_REFUSALS.items():
        if words in text:
            return state
    return "no SQLSTATE"


def _arguments(location: Location, timeout_seconds: float) -> dict[str, Any]:
    """The URL as psycopg's arguments, taken apart here because the driver's complaint about a URL would quote it."""
    parts = urlsplit(location.url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    addresses = [_address(address) for address in hosts.split(",")]
    given = {
        "host": ",".join(host for host, _ in addresses),
        "port": ",".join(port for _, port in addresses),
        "user": unquote(user),
        "password": unquote(password),
        "dbname": unquote(parts.path.lstrip("/")),
        "application_name": "langchain-costguard",
        "connect_timeout": max(_MIN_CONNECT_SECONDS, round(timeout_seconds)),
        "tcp_user_timeout": int(timeout_seconds * _MS_PER_SECOND),
        **dict(parse_qsl(parts.query)),
    }
    return {name: value for name, value in given.items() if value not in {"", ","}}


def _address(text: str) -> tuple[str, str]:
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, ""
    if port and not port.isdigit():
        msg = (
            "The PostgreSQL URL has no number for a port: write postgresql://user:password@host:5432/database, with "
            "/ @ : # ? in the password as %2F %40 %3A %23 %3F"
        )
        raise StoreError(msg)
    return unquote(host.strip("[]")), port


_CLASSES: Final = {"ledger": "SQLStore", "cache": "PostgreSQLCacheStore"}
_MEANINGS: Final = tuple(
    {
        "28": "PostgreSQL at {name} refused the user name or the password ({state}): correct them in the URL",
        "3D": "PostgreSQL at {name} has no such database ({state}): make it with `createdb`, or correct the URL",
        "42501": "The PostgreSQL user of {name} may not do this ({state}): let the database's owner run "
        "`CREATE SCHEMA {schema} AUTHORIZATION <user>`",
        "55P03": "The {holds} in {name} was locked for more than {seconds:g} seconds: end what holds it, or wait "
        "longer with {store}(..., timeout_seconds=)",
        "40": "In {name} others changed the same counters again and again ({state}): make fewer calls at once",
        "53100": "PostgreSQL at {name} has no room left on its disk ({state}): free some",
        "53": "PostgreSQL at {name} has no resources left ({state}): raise max_connections, or close other clients",
        "42": "The tables of the {holds} in {name} are not as they were made ({state}): give another database, or "
        "another search_path in the URL's options",
        "": "PostgreSQL at {name} cannot be reached, or failed ({state}): check host and port in the URL, and that the "
        "server is running",
    }.items()
)
"""What an SQLSTATE that begins like this means; the first that fits."""
