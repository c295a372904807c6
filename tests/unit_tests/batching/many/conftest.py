"""What the tests of this room share: both ways to run many calls, which must not differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit_tests.batching.many.many_runners import in_tasks, in_threads

if TYPE_CHECKING:
    from tests.unit_tests.batching.many.many_runners import Many


@pytest.fixture(params=["threads", "tasks"])
def many(request: pytest.FixtureRequest) -> Many:
    """`run_many`, and `arun_many` with the same arguments."""
    return in_threads if request.param == "threads" else in_tasks
