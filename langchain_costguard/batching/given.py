"""What is no table of inputs: one input that was forgotten to be put into a list, or nothing that can be read."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping

from pydantic import BaseModel


def check_inputs(inputs: object, *, for_async: str | None) -> None:
    """Refuse what cannot be many inputs; a text would be taken for one input per letter, each of them paid.

    Args:
        inputs: what was given.
        for_async: what to do with inputs that come asynchronously; `None` where those are taken.

    Raises:
        TypeError: it is a single input, or not iterable.
    """
    kind = type(inputs).__name__
    if isinstance(inputs, (str, bytes, Mapping, BaseModel)):
        msg = f"inputs is a single {kind}: give a list of inputs, such as [{kind}, ...]"
        raise TypeError(msg)
    if isinstance(inputs, AsyncIterable) and not isinstance(inputs, Iterable) and for_async is not None:
        msg = f"inputs is a {kind}, which is to be waited for: {for_async}"
        raise TypeError(msg)
    if not isinstance(inputs, (Iterable, AsyncIterable)):
        msg = f"inputs is a {kind}: give a list or any other iterable of inputs"
        raise TypeError(msg)
