"""What the tests of the stores share: a real PostgreSQL server, started once and stopped at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers import new_database, postgresql_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server."""
    with postgresql_server() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """The URL of a new, empty database."""
    return new_database(postgresql)
