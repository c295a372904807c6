"""Attaching a handler to a block of code, or to the whole process.

LangChain asks registered hooks for a handler whenever a run is configured. This module registers two of them, once:
a `ContextVar` for the blocks (`track_costs`), which follows threads and tasks as context variables do, and a plain
object for the process (`install`), which is there in raw threads too. One variable cannot serve both: setting it in a
block would hide what is installed.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_costguard.callbacks.handler import CostCallbackHandler
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.stores import default_location

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.stores.base import LedgerStore


class _Scope(CallWatcher):
    """The handler of one block: its own view and those of the blocks around it."""

    def __init__(self, views: tuple[CostCallbackHandler, ...]) -> None:
        super().__init__()
        self._views = views

    @property
    def views(self) -> Sequence[CostCallbackHandler]:
        return self._views


class _Installed(CallWatcher):
    """The handler of the process: the views installed now."""

    def __init__(self) -> None:
        super().__init__()
        self._views: tuple[CostCallbackHandler, ...] = ()
        self._lock = threading.Lock()
        self.is_registered = False

    @property
    def views(self) -> Sequence[CostCallbackHandler]:
        return self._views

    def get(self) -> _Installed | None:
        """What LangChain's configure loop asks for; shaped like `ContextVar.get`."""
        return self if self._views else None

    def add(self, view: CostCallbackHandler) -> None:
        with self._lock:
            if view not in self._views:
                self._views = (*self._views, view)

    def remove(self, view: CostCallbackHandler) -> bool:
        with self._lock:
            known = view in self._views
            self._views = tuple(other for other in self._views if other is not view)
            return known


_SCOPE: Final[ContextVar[_Scope | None]] = ContextVar("langchain_costguard_scope", default=None)
_INSTALLED: Final = _Installed()


_hooks_lock: Final = threading.Lock()


def _register_hooks() -> None:
    """Tell LangChain of both hooks, once for the life of the process; not at import, because that loads its tracers."""
    with _hooks_lock:
        if _INSTALLED.is_registered:
            return
        from langchain_core.tracers.context import register_configure_hook

        register_configure_hook(_SCOPE, inheritable=True)
        register_configure_hook(cast("ContextVar[Any]", _INSTALLED), inheritable=True)
        _INSTALLED.is_registered = True


@contextmanager
def track_costs(
    store: LedgerStore | str | os.PathLike[str] | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    *,
    baseline_model: str | None = None,
    all_threads: bool = False,
    max_entries: int = 10_000,
) -> Iterator[CostCallbackHandler]:
    """Record every model call made inside the block.

    Blocks nest: each sees its own calls, and the outer one sees those of the inner ones too. Like any context
    variable the block follows `await`, tasks, and the threads LangChain starts (`batch`, `RunnableParallel`); threads
    you start yourself do not inherit it: use `all_threads=True`, or `install`.

    Args:
        store: where lines are kept: `None` for memory only, a URL, a path, or a store.
        prices: a `PriceBook`, or just its overrides; `None` for list prices.
        baseline_model: the model you would have used without a saving technique.
        all_threads: also record the calls of every other thread of this process while the block is open.
        max_entries: so many lines are kept in memory; older ones live on in the sums.

    Yields:
        The handler that has seen the calls of the block; it answers during the block and after it.

    Example:
        ```python
        with track_costs() as costs:
            chain.invoke({"question": "..."})
        print(costs.total_cost, costs.report())
        ```
    """
    view = CostCallbackHandler(store, prices, baseline_model=baseline_model, max_entries=max_entries)
    _register_hooks()
    outer = _SCOPE.get()
    token = _SCOPE.set(_Scope((*(outer.views if outer else ()), view)))
    if all_threads:
        _INSTALLED.add(view)
    try:
        yield view
    finally:
        if all_threads:
            _INSTALLED.remove(view)
        # A block may be entered in one context and left in another, as in an async generator: the variable then dies
        # with the first one, and the closed view takes note of nothing that begins from here on.
        with suppress(ValueError):
            _SCOPE.reset(token)
        view.close()


def install(handler: CostCallbackHandler | None = None) -> CostCallbackHandler:
    """Record every model call of this process, raw threads included, until `uninstall`.

    Args:
        handler: who records; `None` makes one that writes to the default store (`COSTGUARD_STORE`, else one file per
            user; `langchain_costguard.stores.default_location()` says where). Installing it twice changes nothing.

    Returns:
        The handler.

    Example:
        ```python
        handler = install()          # or install(CostCallbackHandler(store="sqlite:///costs.db"))
        ...
        uninstall(handler)
        ```
    """
    installed = CostCallbackHandler(default_location()) if handler is None else handler
    installed.is_closed = False
    _register_hooks()
    _INSTALLED.add(installed)
    return installed


def uninstall(handler: CostCallbackHandler | None = None) -> None:
    """Stop recording the process; what was recorded stays.

    Args:
        handler: the handler to remove; `None` removes all that are installed.
    """
    for view in tuple(_INSTALLED.views) if handler is None else (handler,):
        if _INSTALLED.remove(view):
            view.flush()
