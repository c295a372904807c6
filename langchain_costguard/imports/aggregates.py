"""How usage that a provider has added up keeps its identity: by its time bucket and everything it is grouped by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class Groups:
    """Names the groups of one file.

    The same group with the same figures is one row that is there twice. The same group with other figures is another
    row, which the provider grouped by something that the file does not show.
    """

    def __init__(self) -> None:
        """Begin a file."""
        self._seen: dict[str, list[Hashable]] = {}

    def name(self, group: Sequence[object], figures: Hashable) -> str:
        """The id of a row: the same in each file that has it.

        Args:
            group: the bucket's beginning and end and what the row is grouped by.
            figures: what was counted.
        """
        name = "|".join("" if value is None else str(value) for value in group)
        seen = self._seen.setdefault(name, [])
        if figures not in seen:
            seen.append(figures)
        place = seen.index(figures)
        return f"{name}|{place}" if place else name
