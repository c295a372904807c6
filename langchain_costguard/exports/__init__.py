"""Ledger lines elsewhere: in files, read back exactly, and in the systems that already watch costs and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.exports.csv_file import CSV_COLUMNS, write_csv
    from langchain_costguard.exports.exporting import Exported, export_entries
    from langchain_costguard.exports.focus import (
        FOCUS_COLUMNS,
        FOCUS_MANDATORY,
        FOCUS_VERSION,
        FocusExported,
        write_focus,
    )
    from langchain_costguard.exports.importing import Imported, import_entries
    from langchain_costguard.exports.jsonl import read_jsonl, write_jsonl
    from langchain_costguard.exports.langsmith_costs import LangSmithCosts
    from langchain_costguard.exports.lines import FORMAT_VERSION
    from langchain_costguard.exports.telemetry import OpenTelemetryExporter

__all__ = [
    "CSV_COLUMNS",
    "FOCUS_COLUMNS",
    "FOCUS_MANDATORY",
    "FOCUS_VERSION",
    "FORMAT_VERSION",
    "Exported",
    "FocusExported",
    "Imported",
    "LangSmithCosts",
    "OpenTelemetryExporter",
    "export_entries",
    "import_entries",
    "read_jsonl",
    "write_csv",
    "write_focus",
    "write_jsonl",
]

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(
    __name__,
    {
        "csv_file": ("CSV_COLUMNS", "write_csv"),
        "exporting": ("Exported", "export_entries"),
        "focus": ("FOCUS_COLUMNS", "FOCUS_MANDATORY", "FOCUS_VERSION", "FocusExported", "write_focus"),
        "importing": ("Imported", "import_entries"),
        "jsonl": ("read_jsonl", "write_jsonl"),
        "langsmith_costs": ("LangSmithCosts",),
        "lines": ("FORMAT_VERSION",),
        "telemetry": ("OpenTelemetryExporter",),
    },
)
