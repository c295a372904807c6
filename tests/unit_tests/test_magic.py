"""The `%%cost` cell magic in a real IPython shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError
from IPython.testing.globalipapp import start_ipython

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

PREPARE = """
from langchain_costguard.testing import Reply, ScriptedChatModel
usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
model = ScriptedChatModel(responses=Reply("x", usage=usage), model_name="gpt-4o", provider="openai")
unknown = ScriptedChatModel(responses=Reply("x", usage=usage), model_name="my-own-7b", provider="ollama")
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """A shell with the extension loaded, as in a notebook."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        running = start_ipython()
        running.run_line_magic("load_ext", "langchain_costguard")
        running.run_cell(PREPARE).raise_error()
        yield running


def test_a_cell_ends_with_what_it_cost(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """The one line a researcher wants under every cell."""
    shell.run_cell_magic("cost", "", "answers = [model.invoke('q') for _ in range(3)]\nunknown.invoke('q')")
    assert capsys.readouterr().out.strip().endswith("$0.0225 · 4 calls · 1 unpriced")
    assert len(shell.user_ns["answers"]) == 3


def test_threads_of_a_cell_count_too(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """Notebooks are full of thread pools."""
    cell = "from concurrent.futures import ThreadPoolExecutor as Pool\nlist(Pool(2).map(model.invoke, ['a', 'b']))"
    shell.run_cell_magic("cost", "", cell)
    assert "$0.015 · 2 calls" in capsys.readouterr().out


def test_a_cell_run_again_starts_from_zero(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """Re-running a cell and reloading the extension must not add up or attach twice."""
    for _ in range(2):
        shell.run_line_magic("reload_ext", "langchain_costguard")
        shell.run_cell_magic("cost", "", "model.invoke('q');")
        assert capsys.readouterr().out.strip().endswith("$0.0075 · 1 call")


def test_the_handler_can_be_named(shell: InteractiveShell) -> None:
    """`%%cost costs` leaves the handler behind for a report."""
    shell.run_cell_magic("cost", "costs", "model.invoke('q');")
    assert shell.user_ns["costs"].calls == 1


def test_a_cell_that_raises_still_says_what_it_cost(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    """The money is spent either way."""
    with pytest.raises(ZeroDivisionError):
        shell.run_cell_magic("cost", "", "model.invoke('q')\n1 / 0")
    assert "$0.0075 · 1 call" in capsys.readouterr().out


@pytest.mark.parametrize(("line", "cell", "fix"), [("not a name", "1", "variable"), ("", "await x()", "track_costs")])
def test_what_the_magic_cannot_do_it_says(shell: InteractiveShell, line: str, cell: str, fix: str) -> None:
    """A clear error beats a hanging kernel."""
    with pytest.raises(UsageError, match=fix):
        shell.run_cell_magic("cost", line, cell)
