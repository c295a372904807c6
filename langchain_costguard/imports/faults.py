"""What can be wrong with an export of another system: the file as a whole, or one of its rows."""

from __future__ import annotations

from typing import NamedTuple

from langchain_costguard.exceptions import CostGuardError


class ForeignFormatError(CostGuardError, ValueError):
    """An export of another system could not be understood; nothing of it was taken.

    Attributes:
        source: whose export it was said to be, such as `"langfuse"`.
        row: which row is at fault, `None` for the file as a whole.
    """

    def __init__(self, message: str, *, source: str, row: int | None = None) -> None:
        """Keep whose export and which row beside the message."""
        super().__init__(message)
        self.source = source
        self.row = row


class RowFault(NamedTuple):
    """A row that could not be read, and was left out."""

    row: int
    """Which row: in CSV the header is row 1, as in a spreadsheet; in JSON the first record is."""
    reason: str
    """What is wrong with it."""


class UnreadableRow(Exception):  # noqa: N818 - it never leaves the room: it becomes a RowFault
    """What is wrong with one row."""
