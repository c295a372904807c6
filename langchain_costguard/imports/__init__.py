"""Calls that other systems have watched, as lines of the ledger: priced at their own dates, and booked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.imports.faults import ForeignFormatError, RowFault
    from langchain_costguard.imports.importing import SOURCES, ImportResult, ImportSource, import_from

__all__ = ["SOURCES", "ForeignFormatError", "ImportResult", "ImportSource", "RowFault", "import_from"]

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(
    __name__,
    {
        "faults": ("ForeignFormatError", "RowFault"),
        "importing": ("SOURCES", "ImportResult", "ImportSource", "import_from"),
    },
)
