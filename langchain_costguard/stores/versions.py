"""Whether a database is at the step this release reads and writes, and what happens when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from langchain_costguard.exceptions import StoreVersionError
from langchain_costguard.stores.migrations import HEAD, REVISIONS, VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from langchain_costguard.stores.backends import Backend, RawConnection

Migrate = Literal["auto", "never"]
"""Whether an older ledger is brought to the newest step when it is opened."""


def ensure_version(
    backend: Backend, connection: RawConnection, engine: Engine, *, migrate: Migrate, place: str
) -> None:
    """Bring the tables to the step this release knows, unless they are there already.

    Raises:
        StoreVersionError: they are newer than this release, or older and `migrate` is `"never"`.
        Exception: one of the backend's errors.
    """
    found = read_revision(backend, connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        msg = (
            f"The ledger {place} was written by a newer release (schema {found}; this one knows up to {HEAD}): "
            "pip install --upgrade langchain-costguard"
        )
        raise StoreVersionError(msg, found=found, supported=HEAD)
    if migrate == "never":
        msg = (
            f"The ledger {place} has schema {found or 'none'} and this release needs {HEAD}: open it once with "
            "SQLStore(..., migrate='auto'), or with the release that wrote it"
        )
        raise StoreVersionError(msg, found=found or "none", supported=HEAD)
    from langchain_costguard.stores.migrations.upgrade import upgrade

    upgrade(engine, backend.begin_exclusive)


def read_revision(backend: Backend, connection: RawConnection) -> str | None:
    """The step a database has reached; `None` where there is no ledger yet."""
    try:
        row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - a constant
    except backend.errors as error:
        if backend.is_missing_table(error):
            return None
        raise
    return None if row is None else str(row[0])
