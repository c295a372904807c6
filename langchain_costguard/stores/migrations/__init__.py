"""The steps by which a ledger's tables came to be, oldest first."""

from __future__ import annotations

from typing import Final

VERSION_TABLE: Final = "costguard_schema_version"
"""The table that says which step a database has reached."""

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""Every step this release knows, oldest first. Steps only add; none is ever changed."""

HEAD: Final = REVISIONS[-1]
"""The step at which this release reads and writes."""
