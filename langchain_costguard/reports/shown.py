"""What every answer of a report can do that is one table: stand in a terminal, in a notebook and in JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_costguard.reports.view import Table


class Shown(ABC):
    """An answer that shows itself as a table with sentences below it."""

    __slots__ = ()

    @property
    @abstractmethod
    def table(self) -> Table:
        """The answer as a table."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The sentences below the table: how it came about, and what it leaves out."""
        return ()

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values: money as decimal strings, `None` where it is unknown."""

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def __str__(self) -> str:
        """The answer as plain text."""
        from langchain_costguard.reports.text import captioned_as_text

        return captioned_as_text(self.table, self.remarks)

    def _repr_html_(self) -> str:
        """The answer for a notebook."""
        from langchain_costguard.reports.html import table_as_html

        return table_as_html(self.table, self.remarks)
