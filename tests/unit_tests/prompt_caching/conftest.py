"""Requests as a support desk sends them: a long handbook that stays, and a question that changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.prompt_caching import CachePlan

if TYPE_CHECKING:
    from collections.abc import Callable

HANDBOOK = "\n".join(f"Rule {number}: refunds of kind {number * 7} take {number % 9} days." for number in range(150))
AT = datetime(2026, 11, 22, tzinfo=UTC)

Request = list[tuple[str, str]]


@pytest.fixture(scope="session")
def handbook() -> str:
    """About 2,100 tokens that never change."""
    return HANDBOOK


@pytest.fixture(scope="session")
def requests() -> list[Request]:
    """Three requests that differ in their question only."""
    return [[("system", HANDBOOK), ("human", f"Where is order {number}?")] for number in range(3)]


@pytest.fixture(scope="session")
def plan(requests: list[Request]) -> Callable[..., CachePlan]:
    """Makes a plan on a fixed day: a hundred calls within an hour unless told otherwise."""

    def make(model: Any = "anthropic:claude-sonnet-5", examples: Any = requests, **given: Any) -> CachePlan:
        settings = {"reuse": 99, "within": timedelta(hours=1), "at": AT, **given}
        return CachePlan.from_examples(model, examples, **settings)

    return make
