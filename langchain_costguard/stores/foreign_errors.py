"""What a user's own store raises is taken as what a store should raise: its fault must not cost anybody an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from types import TracebackType


class foreign_errors_explained:  # noqa: N801 - it reads as what is done in a `with`, and is faster than a generator
    """Turn whatever a store raises inside the block into a `StoreError` that does not quote it."""

    __slots__ = ("_store",)

    def __init__(self, store: object) -> None:
        """Note whose errors they are."""
        self._store = store

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Explain an error, unless it is explained already."""
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            msg = (
                f"{type(self._store).__name__} raised {type(error).__name__}: mend what it keeps its lines in, or have "
                "it raise StoreError with words that say what to do"
            )
            raise StoreError(msg) from error
