"""What the tests of the stores share: real PostgreSQL and Valkey servers, started once and stopped at the end."""

from tests.servers import postgresql, postgresql_url, valkey, valkey_url

__all__ = ["postgresql", "postgresql_url", "valkey", "valkey_url"]
