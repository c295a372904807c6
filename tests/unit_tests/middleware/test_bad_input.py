"""Middleware that cannot work says so when it is made, and how to mend it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from langchain_costguard import Budget
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.middleware import BudgetMiddleware, CascadeMiddleware, SemanticCacheMiddleware
from langchain_costguard.testing import ScriptedChatModel

MODEL = ScriptedChatModel(responses="yes")
RUN = Budget(1, per="run")


@pytest.mark.parametrize(
    ("arguments", "error", "mended_by"),
    [
        (lambda: {"budgets": ()}, ValueError, r"give budgets=Budget\(1, per='run'\)"),
        (lambda: {"budgets": 1}, TypeError, r"give budgets=Budget\(1, per='run'\)"),
        (lambda: {"budgets": [1]}, TypeError, r"give budgets=Budget\(1, per='run'\)"),
        (lambda: {"budgets": Budget(0, per="run")}, ValueError, "give a number above zero"),
        (lambda: {"budgets": Budget(tokens=0)}, ValueError, "give a number above zero"),
        (lambda: {"budgets": Budget(calls=0)}, ValueError, "give a number above zero"),
        (lambda: {"budgets": RUN, "on_exceeded": "stop"}, ValueError, "give 'end', 'raise' or 'downgrade'"),
        (lambda: {"budgets": RUN, "cheaper": MODEL}, ValueError, "give on_exceeded='downgrade'"),
        (
            lambda: {"budgets": RUN, "on_exceeded": "downgrade", "cheaper": "no-such-model"},
            ValueError,
            r"'openai:gpt-4o-mini', or cheaper=ChatOpenAI\(\.\.\.\)",
        ),
        (lambda: {"budgets": RUN, "on_exceeded": "downgrade", "cheaper": 3}, TypeError, "cheaper='openai:gpt-4o-mini'"),
        (lambda: {"budgets": RUN, "tool_prices": {"search": -1}}, PriceFormatError, "search|usd_per_call"),
        (lambda: {"budgets": RUN, "tool_prices": {"search": "dear"}}, PriceFormatError, "dear"),
        (lambda: {"budgets": [Budget(1, per="day"), Budget(2, per="day", mode="soft")]}, ValueError, "name="),
    ],
)
def test_an_allowance_that_means_nothing_is_refused(arguments: Any, error: type[Exception], mended_by: str) -> None:
    """Bad input must fail before an agent runs, and long before money is spent."""
    with pytest.raises(error, match=mended_by):
        BudgetMiddleware(**arguments())


@pytest.mark.parametrize(
    ("arguments", "error", "mended_by"),
    [
        (("no-such-model",), ValueError, r"mini=ChatOpenAI\(\.\.\.\)"),
        ((MODEL, "nowhere:gpt-4o"), ValueError, r"full=ChatOpenAI\(\.\.\.\)"),
        (("",), ValueError, r"mini=ChatOpenAI\(\.\.\.\)"),
        (("openai:",), ValueError, r"mini=ChatOpenAI\(\.\.\.\)"),
        ((3,), TypeError, "mini='openai:gpt-4o-mini'"),
        ((MODEL, MODEL, "yes"), TypeError, "callable|Signal|signal"),
    ],
)
def test_a_cascade_of_what_is_no_model_is_refused(arguments: Any, error: type[Exception], mended_by: str) -> None:
    """A misspelt model must not wait for the first turn."""
    with pytest.raises(error, match=mended_by):
        CascadeMiddleware(*arguments)


def test_a_cache_that_is_none_and_a_time_below_zero_are_refused() -> None:
    """A cache that is never asked looks like one that never hits."""
    from langchain_core.caches import InMemoryCache

    with pytest.raises(TypeError, match=r"give cache=SemanticCache\(\)"):
        SemanticCacheMiddleware(None)  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(ValueError, match="give 0 or more"):
        SemanticCacheMiddleware(InMemoryCache(), wait_seconds=-1)


_WITHOUT_LANGCHAIN = """
import sys
sys.modules["langchain"] = None
import langchain_costguard
import langchain_costguard.middleware as middleware
from langchain_costguard.exceptions import OptionalDependencyError
for name in sorted(set(dir(middleware)) - {"label_agents"}):
    try:
        getattr(middleware, name)
    except OptionalDependencyError as error:
        assert error.extra == "agents", error
        assert str(error).endswith("pip install 'langchain-costguard[agents]'"), error
    else:
        raise AssertionError(name)
middleware.label_agents()
print("well")
"""


@pytest.mark.required
def test_without_langchain_the_package_imports_and_middleware_names_its_extra() -> None:
    """Only users of agents install `langchain`; everybody else imports this package every day."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT_LANGCHAIN], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("well", 0), done.stderr


def test_every_hook_is_there_for_both_kinds_of_agents() -> None:
    """LangChain refuses to run an agent on an event loop where one hook has no async twin."""
    import langchain_costguard.middleware as rooms
    from langchain_costguard.middleware.agents import AgentMiddleware

    hooks = ("before_agent", "before_model", "after_model", "after_agent", "wrap_model_call", "wrap_tool_call")
    for name in dir(rooms):
        kind = getattr(rooms, name)
        if not (isinstance(kind, type) and issubclass(kind, AgentMiddleware)):
            continue
        for hook in hooks:
            is_own = getattr(kind, hook) is not getattr(AgentMiddleware, hook)
            is_own_async = getattr(kind, f"a{hook}") is not getattr(AgentMiddleware, f"a{hook}")
            assert is_own == is_own_async, f"{name}.{hook}"
