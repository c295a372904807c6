"""What the tests of many processes share: a real PostgreSQL server, started once and stopped at the end."""

from tests.servers import postgresql, postgresql_url

__all__ = ["postgresql", "postgresql_url"]
