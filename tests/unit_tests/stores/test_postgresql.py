"""A PostgreSQL ledger in trouble says what to do, shows no password, and works again afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.location import parse_location
from langchain_costguard.stores.postgresql import PostgreSQLDatabase
from langchain_costguard.testing.stores import make_entry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def store(postgresql_url: str) -> Iterator[SQLStore]:
    """A ledger with one line that waits for nobody long."""
    with SQLStore(postgresql_url, timeout_seconds=0.5) as store:
        store.append(make_entry())
        yield store


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    """The message goes to logs that others read."""
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/costs cannot be reached.*check host and port") as caught:
        SQLStore("postgresql://bob:hunter2@127.0.0.1:1/costs")
    assert isinstance(caught.value.__cause__, psycopg.OperationalError)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_missing_database_is_said_to_be_missing(postgresql_url: str) -> None:
    """Its remedy is another than that of a missing server."""
    with pytest.raises(StoreError, match="createdb"):
        SQLStore(f"{postgresql_url}_not_there")


def test_a_refused_login_is_said_to_be_refused(postgresql_url: str) -> None:
    """A wrong user name is mended in the URL, not on the server."""
    with pytest.raises(StoreError, match="refused the user name or the password") as caught:
        SQLStore(postgresql_url.replace("tester@", "stranger:hunter2@"))
    assert "stranger" not in str(caught.value)


def test_a_missing_right_names_the_statement_that_grants_it(postgresql_url: str) -> None:
    """Many users may not create schemas, and may ask who can."""
    role = f"clerk_{postgresql_url[-8:]}"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
    as_clerk = postgresql_url.replace("tester@", f"{role}@")
    with pytest.raises(StoreError, match="CREATE SCHEMA costguard AUTHORIZATION"):
        SQLStore(as_clerk)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA costguard AUTHORIZATION {role}")
    with SQLStore(as_clerk) as store:
        assert store.append(make_entry()) is True


def test_a_locked_ledger_refuses_in_time_and_works_again(store: SQLStore, postgresql_url: str) -> None:
    """A migration of somebody else's must not hang the user's chain."""
    line = make_entry()
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE costguard.ledger IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match=r"locked for more than 0\.5 seconds.*timeout_seconds="):
            store.append(line)
    assert store.append(line) is True
    assert store.totals()[0].calls == 2


def test_a_server_that_restarts_costs_no_line(store: SQLStore, postgresql_url: str) -> None:
    """Connections break at night; the next line finds a new one by itself."""
    store.totals()
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'langchain-costguard' AND datname = current_database()"
        )
    assert store.append(make_entry()) is True
    assert store.totals()[0].calls == 2


def test_a_changed_table_is_said_to_be_changed(store: SQLStore, postgresql_url: str) -> None:
    """Somebody tidied up by hand."""
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute("DROP TABLE costguard.ledger")
    with pytest.raises(StoreError, match="not as they were made"):
        store.append(make_entry())


@pytest.mark.parametrize(("durable", "setting"), [(False, "off"), (True, "on")])
def test_durable_means_that_the_server_flushes_each_line(postgresql_url: str, durable: bool, setting: str) -> None:
    """Five times the speed, or every line after a crash of the server: the user's choice."""
    with SQLStore(postgresql_url, durable=durable) as store:
        writer = store._connections._writer
        assert writer is not None
        assert writer.execute("SHOW synchronous_commit").fetchone() == (setting,)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://bob:p%40ss%2Fword@db:5433/my%20costs", ("bob", "p@ss/word", "db", "5433", "my costs")),
        ("postgresql://db/costs", (None, None, "db", None, "costs")),
        ("postgresql://bob@[::1]:5432/costs", ("bob", None, "::1", "5432", "costs")),
        ("postgresql://bob@one:1,two:2/costs", ("bob", None, "one,two", "1,2", "costs")),
        ("postgresql:///costs?host=/run/postgresql", (None, None, "/run/postgresql", None, "costs")),
    ],
)
def test_a_url_reaches_the_driver_part_by_part(url: str, expected: tuple[str | None, ...]) -> None:
    """The driver's own complaint about a URL would quote it, password and all."""
    given = PostgreSQLDatabase(parse_location(url), durable=False, timeout_seconds=1)._arguments
    assert tuple(given.get(name) for name in ("user", "password", "host", "port", "dbname")) == expected


def test_a_password_that_breaks_the_url_is_not_shown() -> None:
    """An unescaped slash turns half of a password into a port."""
    with pytest.raises(StoreError, match="%2F") as caught:
        SQLStore("postgresql://bob:hunter2/secret@db/costs")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
