"""Brings a database to the newest step, in one transaction that no other process can share."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config

from langchain_costguard.stores.migrations import HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

_one_at_a_time: Final = Lock()
"""Alembic's context belongs to the whole process."""


def upgrade(engine: Engine, begin: Sequence[str], *, to: str = HEAD) -> None:
    """Apply the steps that a database lacks.

    All of them happen or none does. Whoever comes second waits, and finds nothing left to do.

    Args:
        engine: connects in autocommit mode.
        begin: the statements that begin a transaction under a lock that only one process can hold.
        to: the step to reach.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with _one_at_a_time, engine.begin() as connection:
        for statement in begin:
            connection.exec_driver_sql(statement)
        config.attributes["connection"] = connection
        command.upgrade(config, to)
