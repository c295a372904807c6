"""Who watches right now: the blocks around the running code, and what is installed for the process.

LangChain asks registered hooks for a handler whenever a run is configured. This module registers two of them, once:
a `ContextVar` for the blocks (`track_costs`), which follows threads and tasks as context variables do, and a plain
object for the process (`install`), which is there in raw threads too. One variable cannot serve both: setting it in a
block would hide what is installed.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.callbacks.whereabouts import note_asker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.callbacks.watcher import CallView


def may_run_inline(views: Sequence[CallView]) -> bool:
    """Whether nothing that these views do waits for a network."""
    return not any(view.guard is not None and view.guard.is_remote for view in views)


class Scope(CallWatcher):
    """The handler of one block: its own view and those of the blocks around it."""

    stands_for_all = False
    """Whether it also watches on behalf of what is installed, which need then not be told itself."""

    def __init__(self, views: tuple[CallView, ...]) -> None:
        """Watch for these."""
        super().__init__()
        self._views = views
        self.is_inline: bool = may_run_inline(views)

    @property
    def views(self) -> Sequence[CallView]:
        """The block's own view and those around it."""
        return self._views


class Installed(CallWatcher):
    """The handler of the process: the views installed now."""

    def __init__(self) -> None:
        """Watch for nobody yet."""
        super().__init__()
        self._views: tuple[CallView, ...] = ()
        self._lock = threading.Lock()
        self.is_inline: bool = True
        self.is_registered: bool = False
        """Whether LangChain knows of the hooks."""

    @property
    def views(self) -> Sequence[CallView]:
        """What is installed."""
        return self._views

    def get(self) -> Installed | None:
        """What LangChain's configure loop asks for, where the run is configured; shaped like `ContextVar.get`."""
        note_asker()
        if not self._views:
            return None
        scope = SCOPE.get()
        return None if scope is not None and scope.stands_for_all else self

    def add(self, view: CallView) -> None:
        """Install a view; one that is installed already stays so."""
        with self._lock:
            if view not in self._views:
                self._views = (*self._views, view)
                self.is_inline = may_run_inline(self._views)

    def remove(self, view: CallView) -> bool:
        """Remove a view; whether it was installed."""
        with self._lock:
            known = view in self._views
            self._views = tuple(other for other in self._views if other is not view)
            self.is_inline = may_run_inline(self._views)
            return known


SCOPE: Final[ContextVar[Scope | None]] = ContextVar("langchain_costguard_scope", default=None)
"""The block around the running code."""

INSTALLED: Final = Installed()
"""What is installed for the process."""

_hooks_lock: Final = threading.Lock()


def register_hooks() -> None:
    """Tell LangChain of both hooks, once for the life of the process; not at import, because that loads its tracers."""
    with _hooks_lock:
        if INSTALLED.is_registered:
            return
        from langchain_core.tracers.context import register_configure_hook

        register_configure_hook(SCOPE, inheritable=True)
        register_configure_hook(cast("ContextVar[Any]", INSTALLED), inheritable=True)
        INSTALLED.is_registered = True


def enter_scope(view: CallView) -> None:
    """Have a view watch what the running context calls from here on, besides those that already do."""
    scope = SCOPE.get()
    around = tuple(other for other in scope.views if not other.is_closed) if scope else ()
    SCOPE.set(Scope((*around, view)))


def leave_scope(view: CallView) -> None:
    """Take a view away again.

    Blocks need not end in the order they began, nor in the context they began in (generators may do both), so what is
    left is what is there now without this view, and not what was there before it.
    """
    scope = SCOPE.get()
    if scope is not None and view in scope.views:
        left = tuple(other for other in scope.views if other is not view and not other.is_closed)
        SCOPE.set(Scope(left) if left else None)


def current_views(*more: CallView) -> list[CallView]:
    """All who watch here and now, and `more`, each of them once; nobody while the package is disabled."""
    scope = SCOPE.get()
    if scope is None and not INSTALLED.views and not more:
        return []
    around = (view for view in (*(scope.views if scope else ()), *INSTALLED.views) if not view.is_closed)
    found: list[CallView] = []
    for view in (*more, *around):
        if view not in found and not view.is_disabled:
            found.append(view)
    return found
