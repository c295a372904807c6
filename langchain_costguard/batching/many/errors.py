"""The errors of running many calls, and what each of them carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class CheckpointError(CostGuardError, ValueError):
    """A checkpoint cannot be used, or cannot keep what it was given.

    Attributes:
        path: the file; `None` where the fault is not in the file.
        line: which line of the file it is, from 1; `None` where it is no line's fault.
    """

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        """Keep where the fault is beside its message."""
        super().__init__(message)
        self.path: Path | None = path
        self.line: int | None = line


class ItemsFailedError(CostGuardError):
    """Some of many items have no result; raised by `ManyResults.raise_if_failed`, the first error being its cause.

    Attributes:
        errors: the errors by the item's position.
        not_run: how many items were not run; `None` where the inputs were not read to their end.
    """

    def __init__(self, message: str, *, errors: Mapping[int, BaseException], not_run: int | None) -> None:
        """Keep the errors beside the message."""
        super().__init__(message)
        self.errors: Mapping[int, BaseException] = errors
        self.not_run: int | None = not_run
