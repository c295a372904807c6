"""What one atomic step on the budgets is: what it locks and asks, and what it writes in view of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.sql_budgets_statements import Statement

T = TypeVar("T")

Answers = Sequence[Sequence[Sequence[Any]]]
"""Per question its rows."""
Ask = Callable[[Sequence[Statement]], Answers]
"""Asks more in the same transaction."""


class UnansweredError(StoreError):
    """A step failed while the database committed it, so that nobody knows whether it was done."""


class Outcome(NamedTuple, Generic[T]):
    """What a step comes to."""

    result: T
    writes: Sequence[Statement] = ()
    """Nothing to write ends the transaction without a trace."""


class Step(NamedTuple, Generic[T]):
    """One transaction."""

    locks: Sequence[str]
    """The counters that others must leave alone meanwhile."""
    reads: Sequence[Statement]
    decide: Callable[[Answers, Ask], Outcome[T]]
    """What to write, from the answers; called once more if the transaction has to be repeated."""
    is_repeatable: bool = True
    """Whether doing it twice is doing it once, so that it may be repeated when the connection broke at its end."""


class Done(NamedTuple, Generic[T]):
    """What became of a step."""

    result: T
    changed: Sequence[int]
    """How many rows each of its writes changed."""
