"""A user's words for a place mean one place, and its password is never shown."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import default_location, location
from langchain_costguard.stores.location import announce_default, parse_location


@pytest.mark.parametrize(
    "spec", ["costs.db", "./costs.db", "sqlite:///costs.db", "sqlite+pysqlite:///costs.db", Path("costs.db")]
)
def test_every_way_to_write_a_relative_path_is_the_same_place(
    spec: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores on one file in one process would be two writers."""
    monkeypatch.chdir(tmp_path)
    assert parse_location(spec) == parse_location(tmp_path / "costs.db")
    assert str(parse_location(spec)) == str((tmp_path / "costs.db").resolve())


def test_absolute_urls_home_folders_and_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a ledger is that ledger."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "costs.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "costs.db")
    expected = parse_location(tmp_path / "costs.db")
    assert parse_location(f"sqlite:///{tmp_path}/costs.db") == expected
    assert parse_location("~/costs.db") == expected
    assert parse_location("~/link.db") == expected


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bob:hunter2@db.example:5433/costs?sslmode=require&password=hunter2",
        "postgresql+psycopg://bob:hunter2@db.example:5433/costs",
        "postgres://bob:hunter2@db.example:5433/costs",
    ],
)
def test_no_credentials_are_shown(url: str) -> None:
    """Places are written into reports, errors and logs."""
    found = parse_location(url)
    assert str(found) == "postgresql://db.example:5433/costs"
    assert "hunter2" not in repr(found)
    assert "bob" not in repr(found)


@pytest.mark.parametrize(
    "spec",
    [
        "mysql://host/costs",
        "redis://:hunter2@host",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://costs.db",
        "sqlite:///costs.db?mode=ro",
        ":memory:",
        "",
        " ",
    ],
)
def test_a_place_nobody_can_open_is_refused_with_an_example(spec: str) -> None:
    """A wrong URL must not become a file of that name."""
    with pytest.raises(StoreError, match=r"'sqlite:///costs\.db'") as caught:
        parse_location(spec)
    assert "hunter2" not in str(caught.value)


def test_the_default_is_a_file_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """One documented place per user, found again tomorrow."""
    monkeypatch.delenv("COSTGUARD_STORE", raising=False)
    path = Path(default_location())
    assert path.name == "ledger.db"
    assert path.parent.name == "langchain-costguard"


def test_the_environment_names_another_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators set it once for all programs."""
    monkeypatch.setenv("COSTGUARD_STORE", " postgresql://db/costs ")
    assert default_location() == "postgresql://db/costs"


def test_the_default_is_announced_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """No surprises: a file that appears is a file that was named. Twice would be noise."""
    monkeypatch.setattr(location, "_announced", set())
    with caplog.at_level(logging.INFO, logger="langchain_costguard"):
        announce_default("place one")
        announce_default("place one")
    assert [record.getMessage() for record in caplog.records] == [
        "Costs are kept in place one (set COSTGUARD_STORE or store= to keep them elsewhere)"
    ]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("postgresql://u:s3cr3t@[::1/db", "a host in brackets that do not match"),
        ("~nobody-of-this-name/costs.db", "nobody here has the name"),
        ("a\x00b.db", "no null character"),
    ],
)
def test_a_place_that_cannot_be_is_refused_without_its_password(spec: str, why: str) -> None:
    """Python's own error came up where the place was first shown, and quoted the password."""
    with pytest.raises(StoreError, match=why) as raised:
        parse_location(spec)
    assert "s3cr3t" not in str(raised.value)
