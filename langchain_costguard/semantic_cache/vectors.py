"""Embeddings as vectors of length 1, and the similarity of two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def normalised(embedding: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float32] | None:
    """An embedding as a vector of length 1.

    Args:
        embedding: `(dims,)`, of any length.

    Returns:
        float32, `(dims,)`; `None` for an embedding without a direction: all zeros, or with a number that is not finite.
    """
    vector = np.asarray(embedding, dtype=np.float64)
    length = float(np.sqrt(vector @ vector)) if vector.ndim == 1 else 0.0
    if not np.isfinite(length) or length == 0.0:
        return None
    return np.asarray(vector / length, dtype=np.float32)


def to_bytes(vector: NDArray[np.float32]) -> bytes:
    """A vector as stores keep it: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def from_bytes(stored: bytes) -> NDArray[np.float32]:
    """A vector as it was before `to_bytes`."""
    return np.frombuffer(stored, dtype="<f4").astype(np.float32, copy=False)


def similarity_of(stored: bytes, vector: NDArray[np.float32]) -> float:
    """The similarity of a stored vector and another one.

    Returns:
        The cosine, in [0, 1]; 0 for vectors at more than a right angle, of another size, or damaged.
    """
    if len(stored) != 4 * len(vector):
        return 0.0
    other = normalised(from_bytes(stored))
    return 0.0 if other is None else float(np.clip(other @ vector, 0.0, 1.0))
