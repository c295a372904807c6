"""Shows how far long work is, where somebody watches a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")

PATIENCE_SECONDS: Final = 1.0
"""Work that is done by then shows nothing."""


def watched(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The same items; when they take long and standard error is a terminal, it shows how many have passed.

    Args:
        items: what is worked on.
        what: what is done to them, such as `"pricing lines"`.
    """
    shown_from = time.monotonic() + PATIENCE_SECONDS
    rest = iter(items)
    done = 0
    for item in rest:
        yield item
        done += 1
        if time.monotonic() >= shown_from:
            break
    else:
        return
    if sys.stderr.isatty():
        yield from _shown(rest, what, done)
    else:
        yield from rest


def _shown(items: Iterator[Item], what: str, done: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, completed=done)
        for item in items:
            yield item
            progress.advance(task)
