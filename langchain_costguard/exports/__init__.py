"""Ledger lines in files: written, read back exactly, and imported into another ledger."""

from langchain_costguard.exports.exporting import Exported, export_entries
from langchain_costguard.exports.importing import Imported, import_entries
from langchain_costguard.exports.jsonl import read_jsonl, write_jsonl
from langchain_costguard.exports.lines import FORMAT_VERSION

__all__ = [
    "FORMAT_VERSION",
    "Exported",
    "Imported",
    "export_entries",
    "import_entries",
    "read_jsonl",
    "write_jsonl",
]
