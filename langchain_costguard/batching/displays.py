"""Where it is shown how far long work is: a bar in a terminal, one in a notebook, a function, or nowhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_REFRESH_SECONDS: Final = 0.1


class HowFar(Protocol):
    """How far work is at one moment; its text stands beside the bar."""

    @property
    def ended(self) -> int:
        """How much is behind us."""

    @property
    def total(self) -> int | None:
        """How much there is; `None` when that is not known."""


class Standing(Protocol):
    """Work under way."""

    def now(self) -> HowFar:
        """How far it is."""


class Display(Protocol):
    """Somebody or something that is shown how far a run is."""

    def show(self, standing: Standing) -> None:
        """Show how far it is; called after each item."""

    def close(self, standing: Standing) -> None:
        """Show how it ended."""


def display_of(progress: bool | Callable[[Any], object] | None, what: str) -> Display:
    """What shows the progress of a run.

    Args:
        progress: `None` for a bar where a person watches (a terminal, a notebook), `True` for one anywhere, `False` for
            none, or a function that is called after each item.
        what: what is done, beside the bar.
    """
    if callable(progress):
        return _Told(progress)
    is_notebook = _in_notebook()
    if progress is False or (progress is None and not is_notebook and not sys.stderr.isatty()):
        return _Silent()
    return _NotebookBar() if is_notebook else _TerminalBar(what)


class _Silent:
    def show(self, standing: Standing) -> None:
        """Nothing."""

    def close(self, standing: Standing) -> None:
        """Nothing."""


class _Told:
    def __init__(self, listener: Callable[[Any], object]) -> None:
        self._listener = listener

    def show(self, standing: Standing) -> None:
        """Tell the listener."""
        self._listener(standing.now())

    def close(self, standing: Standing) -> None:
        """Nothing more to tell."""


class _Timed:
    """Shows something at most ten times a second."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def show(self, standing: Standing) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + _REFRESH_SECONDS
            self._draw(standing.now())

    def _draw(self, progress: HowFar) -> None:
        raise NotImplementedError


class _TerminalBar(_Timed):
    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
        self._task = self._bar.add_task(what, total=None, told="")
        self._bar.start()

    def _draw(self, progress: HowFar) -> None:
        self._bar.update(self._task, total=progress.total, completed=progress.ended, told=str(progress), refresh=True)

    def close(self, standing: Standing) -> None:
        """Draw the end, and give the terminal back."""
        self._draw(standing.now())
        self._bar.stop()


class _NotebookBar(_Timed):
    def __init__(self) -> None:
        from IPython.display import display

        super().__init__()
        self._handle: Any = display(_Shown(None), display_id=True)  # type: ignore[no-untyped-call] # IPython's

    def _draw(self, progress: HowFar) -> None:
        self._handle.update(_Shown(progress))

    def close(self, standing: Standing) -> None:
        """Draw the end."""
        self._draw(standing.now())


class _Shown:
    """A bar as a notebook shows it."""

    def __init__(self, progress: HowFar | None) -> None:
        self._progress = progress

    def __repr__(self) -> str:
        return "..." if self._progress is None else str(self._progress)

    def _repr_html_(self) -> str:
        now = self._progress
        if now is None or now.total is None:
            return f"<progress></progress> {self!r}"
        return f'<progress value="{now.ended}" max="{now.total}"></progress> {self!r}'


def _in_notebook() -> bool:
    """Whether a notebook shows what this process displays."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")
