"""`%load_ext langchain_costguard`: a cell that begins with `%%cost` ends with what its model calls cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from langchain_costguard._amounts import counted
from langchain_costguard.callbacks import CostCallbackHandler, track_costs
from langchain_costguard.reports.money import dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Shell(Protocol):
    """What is needed of IPython's `InteractiveShell`."""

    def register_magic_function(self, func: Callable[[str, str], None], magic_kind: str, magic_name: str) -> None:
        """Make a magic known."""

    def transform_cell(self, raw_cell: str) -> str:
        """A cell as plain Python."""

    def should_run_async(self, raw_cell: str, *, transformed_cell: str) -> bool:
        """Whether a cell awaits at its top level."""

    def run_cell(self, raw_cell: str) -> Any:  # noqa: ANN401 - IPython's own result
        """Run a cell."""

    def push(self, variables: Mapping[str, object]) -> None:
        """Put variables into the notebook."""


def load_ipython_extension(shell: Shell) -> None:
    """Make `%%cost` known to a notebook; IPython calls this at `%load_ext langchain_costguard`.

    Args:
        shell: the notebook's shell.
    """
    shell.register_magic_function(_Cost(shell).run, magic_kind="cell", magic_name="cost")


class _Cost:
    """The `%%cost` magic of one shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def run(self, line: str, cell: str) -> None:
        """Run a cell and print the cost of its model calls, those of its threads included.

        `%%cost costs` also puts the handler into the variable `costs`, for `costs.report()`.
        """
        if self._shell.should_run_async(cell, transformed_cell=self._shell.transform_cell(cell)):
            from IPython.core.error import UsageError

            msg = (
                "%%cost cannot run a cell with `await` at its top level: write `with track_costs() as costs:` around it"
            )
            raise UsageError(msg)
        name = line.strip()
        if name and not name.isidentifier():
            from IPython.core.error import UsageError

            msg = f"%%cost takes the name of a variable, not {name!r}: write %%cost or %%cost costs"
            raise UsageError(msg)
        with track_costs(all_threads=True) as costs:
            result = self._shell.run_cell(cell)
        if name:
            self._shell.push({name: costs})
        print(summary(costs))  # noqa: T201 - a magic prints
        result.raise_error()


def summary(costs: CostCallbackHandler) -> str:
    """What the calls cost, in one line: `$0.0123 · 4 calls · 1 unpriced`."""
    sums = costs.totals()[0]
    parts = [dollars(sums.billed_cost), counted(sums.calls, "call")]
    for count, what in (
        (sums.unpriced_calls, "unpriced"),
        (sums.estimated_calls, "estimated"),
        (sums.cached_calls, "cached"),
        (sums.failed_calls, "failed"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return " · ".join(parts)
