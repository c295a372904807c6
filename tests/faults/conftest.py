"""What tests of faults share: a provider that must not be left with an open call, and servers on this machine."""

from __future__ import annotations

from tests.providers import provider
from tests.servers import postgresql, postgresql_url, valkey, valkey_url

__all__ = ["postgresql", "postgresql_url", "provider", "valkey", "valkey_url"]
