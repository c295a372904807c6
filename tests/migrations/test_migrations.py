"""A ledger of any age opens, and none is harmed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy
from alembic.script import ScriptDirectory

from langchain_costguard.exceptions import StoreError, StoreVersionError
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.migrations import HEAD, REVISIONS, VERSION_TABLE
from langchain_costguard.stores.rows import COLUMNS
from langchain_costguard.stores.schema import ledger, metadata
from langchain_costguard.testing.claims import admit, held, make_claim, settlement
from langchain_costguard.testing.stores import make_entry
from tests.migrations.old_ledger import OLD_REVISIONS, OPEN_ROW, ROW, make_old_database, make_old_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=OLD_REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    """The step an old release left a ledger at."""
    return str(request.param)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.required)])
def old_place(request: pytest.FixtureRequest, tmp_path: Path, revision: str) -> str:
    """A ledger of an old release with one finished line."""
    if request.param == "sqlite":
        return str(make_old_file(tmp_path / "old.db", ROW, revision=revision))
    return make_old_database(request.getfixturevalue("postgresql_url"), ROW, revision=revision)


def test_an_old_ledger_opens_and_keeps_its_lines(old_place: str) -> None:
    """An upgrade that loses last year's costs is worse than none."""
    with SQLStore(old_place) as store:
        (line,) = store.entries()
        assert (line.run_id, line.billed_cost, line.tags) == (
            UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
            Decimal("0.00021"),
            ("checkout",),
        )
        assert store.append(line) is False
        assert store.append(make_entry()) is True
        assert store.totals()[0].billed_cost == Decimal("0.00042")


def test_a_line_of_an_old_ledger_stands_for_one_call(old_place: str) -> None:
    """Before lines could stand for several, each stood for one; a sum of zero calls would be a wrong report."""
    with SQLStore(old_place) as store:
        (line,) = store.entries()
        assert (line.calls, line.busy_ns) == (1, None)
        assert (store.totals()[0].calls, store.totals()[0].busy_ns) == (1, 0)
        before = store.totals(by=["model", "day"])
        assert store.correct(replace(line, calls=7, busy_ns=3)) is True
        assert (store.totals()[0].calls, store.totals()[0].busy_ns) == (7, 3)
        assert store.correct(line) is True
        assert store.prune(datetime(2026, 1, 1, tzinfo=UTC)) == 1
        assert store.totals(by=["model", "day"]) == before


def test_an_old_ledger_keeps_budgets(old_place: str) -> None:
    """Who adds a budget to last year's ledger must not have to begin a new one."""
    with SQLStore(old_place) as store:
        reservation = admit(store, make_claim(60))
        assert store.append_settled(make_entry(), settlement(reservation, 21)).is_applied
        assert held(store) == (21, 0)
        assert store.totals()[0].billed_cost == Decimal("0.00042")


def test_an_old_ledger_opens_without_a_line(tmp_path: Path, revision: str) -> None:
    """A step that only works on rows, or only without them, is half tested."""
    with SQLStore(make_old_file(tmp_path / "old.db", revision=revision)) as store:
        assert list(store.entries()) == []
        assert store.totals()[0].calls == 0
        assert len(store.digest_key) == 32


def test_open_calls_of_a_release_that_noted_no_owner_are_orphans_by_age(tmp_path: Path) -> None:
    """Their process cannot be asked, so only their age speaks."""
    with SQLStore(make_old_file(tmp_path / "old.db", OPEN_ROW)) as store:
        assert [line.status for line in store.orphans()] == ["open"]
    with SQLStore(tmp_path / "old.db", lost_after_seconds=10**9) as store:
        assert store.orphans() == []


def test_a_migrated_ledger_is_what_a_new_one_is(old_place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two ways to one schema, or bugs that only old users see."""
    new_place = str(tmp_path / "new.db")
    if old_place.startswith("postgresql"):
        from tests.servers import new_database

        new_place = new_database(request.getfixturevalue("postgresql"))
    assert _schema_of(old_place) == _schema_of(new_place)


def test_the_migrations_end_where_the_code_begins(tmp_path: Path) -> None:
    """A column in the code that no step adds fails on the first user's machine."""
    found = _schema_of(str(tmp_path / "new.db"))
    assert set(found) == {*metadata.tables, VERSION_TABLE}
    for table in metadata.tables.values():
        assert sorted(found[table.name]["columns"]) == sorted(column.name for column in table.columns)
        assert found[table.name]["indexes"] == sorted(str(index.name) for index in table.indexes)
    assert tuple(column.name for column in ledger.columns)[: len(COLUMNS)] == COLUMNS


def test_the_list_of_steps_is_the_steps_there_are() -> None:
    """The version is read by plain SQL, so the list stands in the code and must not go stale."""
    from langchain_costguard.stores import migrations

    script = ScriptDirectory(str(migrations.__path__[0]))
    assert tuple(step.revision for step in reversed(list(script.walk_revisions()))) == REVISIONS
    assert script.get_heads() == [HEAD]


def test_an_old_ledger_is_refused_when_it_must_not_be_migrated(old_place: str, revision: str) -> None:
    """Operators who migrate by hand need a no, with the step that is missing."""
    with pytest.raises(StoreVersionError, match="migrate='auto'") as caught:
        SQLStore(old_place, migrate="never")
    assert (caught.value.found, caught.value.supported) == (revision, HEAD)
    SQLStore(old_place).close()
    SQLStore(old_place, migrate="never").close()


def test_a_missing_ledger_is_refused_when_it_must_not_be_migrated(tmp_path: Path) -> None:
    """Creating tables is a migration too."""
    with pytest.raises(StoreVersionError) as caught:
        SQLStore(tmp_path / "new.db", migrate="never")
    assert caught.value.found == "none"


def test_a_ledger_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Writing into a schema one does not know could harm what a newer release keeps there."""
    path = make_old_file(tmp_path / "newer.db", ROW, "UPDATE costguard_schema_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="pip install --upgrade langchain-costguard") as caught:
        SQLStore(path)
    assert caught.value.found == "9999"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
        assert "owner_pid" not in {row[1] for row in connection.execute("PRAGMA table_info(ledger)")}
    assert len(path.read_bytes()) == len(before)


def test_a_step_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """Half a migration is a ledger that neither release can read."""
    path = make_old_file(tmp_path / "old.db", ROW, "CREATE TABLE ledger_open (in_the_way TEXT)")
    with pytest.raises(StoreError):
        SQLStore(path)
    with closing(sqlite3.connect(path)) as connection:
        assert "owner_pid" not in {row[1] for row in connection.execute("PRAGMA table_info(ledger)")}
        assert connection.execute("SELECT version_num FROM costguard_schema_version").fetchone() == ("0001",)
        connection.execute("DROP TABLE ledger_open")
    with SQLStore(path) as store:
        assert store.totals()[0].calls == 1


def test_another_programs_file_is_not_taken_over(tmp_path: Path) -> None:
    """A table of that name may be anybody's."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ledger (account TEXT, balance REAL)")
    with pytest.raises(StoreError, match="another path"):
        SQLStore(path)
    with closing(sqlite3.connect(path)) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["ledger"]


def test_an_up_to_date_ledger_opens_without_alembic(tmp_path: Path) -> None:
    """Alembic costs a program a tenth of a second; only a migration needs it."""
    SQLStore(tmp_path / "costs.db").close()
    code = (
        "import sys; from langchain_costguard.stores import SQLStore; "
        f"SQLStore({str(tmp_path / 'costs.db')!r}).totals(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.split() == ["False"]


def test_postgresql_tables_stay_out_of_the_way_of_others(postgresql_url: str) -> None:
    """A database that is shared with an application may well have a table called `meta`."""
    import psycopg

    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE meta (theirs TEXT)")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    with SQLStore(postgresql_url) as store:
        store.append(make_entry())
        assert len(list(store.entries(LedgerQuery(provider="openai")))) == 1
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT count(*) FROM costguard.ledger").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM public.meta").fetchone() == (0,)


def test_postgresql_tables_go_where_the_url_says(postgresql_url: str) -> None:
    """Teams have schemas of their own and may have no right to make another."""
    with SQLStore(f"{postgresql_url}?options=-csearch_path%3Dpublic") as store:
        store.append(make_entry())
    import psycopg

    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT count(*) FROM public.ledger").fetchone() == (1,)


def _schema_of(place: str) -> dict[str, dict[str, list[str]]]:
    SQLStore(place).close()
    is_file = not place.startswith("postgresql")
    engine = sqlalchemy.create_engine(f"sqlite:///{place}" if is_file else place.replace("://", "+psycopg://"))
    schema = None if is_file else "costguard"
    inspector = sqlalchemy.inspect(engine)
    found = {
        name: {
            "columns": [column["name"] for column in inspector.get_columns(name, schema=schema)],
            "types": [str(column["type"]) for column in inspector.get_columns(name, schema=schema)],
            "indexes": sorted(str(index["name"]) for index in inspector.get_indexes(name, schema=schema)),
        }
        for name in inspector.get_table_names(schema=schema)
    }
    engine.dispose()
    return found


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
