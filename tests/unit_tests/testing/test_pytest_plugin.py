"""`max_cost` in users' tests: what passes, what fails, and what the failure says."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.testing.pytest_plugin import limit_cost

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGIN = "langchain_costguard.testing.pytest_plugin"
IS_INSTALLED = bool(entry_points(group="pytest11", name="langchain_costguard"))
MODELS = """
import threading

import pytest
from langchain_costguard.testing import Reply, ScriptedChatModel

usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
priced = ScriptedChatModel(responses=Reply("x", usage=usage), model="gpt-4o", provider="openai")
unpriced = ScriptedChatModel(responses=Reply("x", usage=usage), model="house-model", provider="house")
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[[str], pytest.RunResult]:
    """Runs a test file of a user's, given without its imports."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    plugin = [] if IS_INSTALLED else ["-p", PLUGIN]

    def run(body: str) -> pytest.RunResult:
        pytester.makepyfile(MODELS + body)
        return pytester.runpytest(*plugin, "-p", "no:cacheprovider", "--strict-markers")

    return run


def test_the_fixture_fails_what_costs_too_much_or_has_no_price(run: Callable[[str], pytest.RunResult]) -> None:
    """Whoever reads the failure must see at once which call to look at; an unknown cost is not a small one."""
    result = run("""
def test_at_the_limit(max_cost):
    with max_cost("0.0075") as costs:
        priced.invoke("q")
    assert str(costs.total_cost) == "0.0075"

def test_dear(max_cost):
    with max_cost("0.01"):
        priced.invoke("q")
        priced.invoke("q")

def test_unpriced(max_cost):
    with max_cost("1"):
        unpriced.invoke("q")

def test_unpriced_is_allowed(max_cost):
    with max_cost("1", allow_unpriced=True):
        unpriced.invoke("q")

def test_fails_by_itself(max_cost):
    with max_cost("0.001"):
        priced.invoke("q")
        assert "its own" == "failure"
""")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "the model calls cost $0.015, more than max_cost=$0.01",
            "  $0.0075  gpt-4o  1,000 in, 500 out",
            "no price is known for 1 of 1 model calls (house-model):*allow_unpriced=True",
            "*AssertionError*its own*",
        ]
    )
    assert "more than max_cost=$0.001" not in result.stdout.str(), "a test that fails by itself is left to say why"


def test_the_mark_covers_the_whole_test(run: Callable[[str], pytest.RunResult]) -> None:
    """Async tests and threads of the test's own are covered: pytest-asyncio runs tests in another context."""
    result = run("""
@pytest.mark.max_cost("0.01")
def test_cheap():
    priced.invoke("q")

@pytest.mark.max_cost("0.001")
def test_dear():
    priced.invoke("q")

@pytest.mark.max_cost("0.001")
async def test_dear_async():
    await priced.ainvoke("q")

@pytest.mark.max_cost("0.001")
def test_dear_thread():
    thread = threading.Thread(target=priced.invoke, args=("q",))
    thread.start()
    thread.join()

@pytest.mark.max_cost("1", allow_unpriced=True)
def test_unpriced():
    unpriced.invoke("q")

def test_unmarked():
    priced.invoke("q")
""")
    result.assert_outcomes(passed=3, failed=3)


@pytest.mark.parametrize(("usd", "error"), [(0.05, TypeError), ("five", ValueError)])
def test_an_amount_that_is_none_is_refused(usd: object, error: type[Exception]) -> None:
    """A float is no exact amount of money, and a typing error no limit."""
    with pytest.raises(error, match="max_cost"), limit_cost(usd):  # type: ignore[arg-type]  # wrong on purpose
        pass


def test_the_plugin_loads_no_model_packages() -> None:
    """It is loaded in every pytest run of everybody who has the package installed."""
    heavy = "{'openai', 'langchain_openai', 'sqlalchemy', 'numpy', 'tiktoken', 'genai_prices'}"
    code = f"import sys, {PLUGIN}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
