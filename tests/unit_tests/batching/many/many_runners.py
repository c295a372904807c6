"""run_many as the tests call it: in threads and in tasks, which must not differ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from langchain_costguard.batching import arun_many, arun_many_as_completed, run_many, run_many_as_completed

if TYPE_CHECKING:
    from langchain_costguard.batching import ItemOutcome, ManyResults

Many = Callable[..., Any]
"""`run_many`, or `arun_many` run to its end."""


def in_threads(*args: Any, **kwargs: Any) -> ManyResults:
    """Run in threads."""
    return run_many(*args, **kwargs)


def in_tasks(*args: Any, **kwargs: Any) -> ManyResults:
    """Run in tasks."""
    return asyncio.run(arun_many(*args, **kwargs))


def completed_in_threads(*args: Any, **kwargs: Any) -> list[ItemOutcome]:
    """The outcomes as threads give them."""
    return list(run_many_as_completed(*args, **kwargs))


def completed_in_tasks(*args: Any, **kwargs: Any) -> list[ItemOutcome]:
    """The outcomes as tasks give them."""

    async def collected() -> list[ItemOutcome]:
        return [outcome async for outcome in arun_many_as_completed(*args, **kwargs)]

    return asyncio.run(collected())


BOTH_COMPLETED = [completed_in_threads, completed_in_tasks]
