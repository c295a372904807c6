"""Asks the embedder for a question's vector, and leaves it alone for a while after it has failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.exceptions import StoreError
from langchain_costguard.semantic_cache.embedders import NO_VECTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.faults import Faults
    from langchain_costguard.semantic_cache.meaning import Meaning

REST_SECONDS: Final = 10.0
"""So long an embedder that failed is not asked again: each call would wait for it in vain."""


class Embedded(NamedTuple):
    """A text's vector, or why there is none."""

    meaning: Meaning | None
    vector: NDArray[np.float32] | None
    why: str | None = None


class Embedding:
    """The embedder of one cache, which may fail; safe to use from many threads.

    Args:
        meaning: gives the embedder; asked when it is needed first.
        faults: where a failure is counted.
    """

    def __init__(self, meaning: Callable[[], Meaning | None], faults: Faults) -> None:
        """Begin with an embedder that is well."""
        self.meaning: Callable[[], Meaning | None] = meaning
        self._faults = faults
        self._rests_until: float = 0.0

    def embed(self, text: str) -> Embedded:
        """The vector of a text.

        Args:
            text: a question.

        Returns:
            The vector with what made it; without a vector where there is no embedder, it cannot read the text, or it
            failed some seconds ago at most.

        Raises:
            StoreError: the store cannot say how it knows the embedder.
        """
        if time.monotonic() < self._rests_until:
            return Embedded(None, None, "the embedder has failed and is left alone for some seconds")
        try:
            meaning = self.meaning()
            if meaning is None:
                return Embedded(None, None, "there is no embedder")
            vector = meaning.embed(text)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a provider fails in as many ways as there are clients
            self._rests_until = time.monotonic() + REST_SECONDS
            self._faults.note(error, "embedding")
            return Embedded(None, None, f"the embedder failed ({type(error).__name__})")
        return Embedded(meaning, vector, NO_VECTOR if vector is None else None)
