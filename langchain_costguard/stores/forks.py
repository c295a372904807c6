"""What a store does when its process forks: let go before, begin afresh after, on both sides."""

from __future__ import annotations

import os
from threading import Lock
from typing import Final, Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """Something that must not be in use while its process forks."""

    def before_fork(self) -> None:
        """Take every lock and close what must not be inherited."""

    def after_fork(self) -> None:
        """Give the locks back; called in the parent and in the child."""


_known: Final[WeakSet[ForkAware]] = WeakSet()
_registering: Final = Lock()
"""Held while the process forks, so that nothing is registered between the two halves."""
_held: Final[list[ForkAware]] = []


def watch_forks(thing: ForkAware) -> None:
    """Call `thing.before_fork()` and `thing.after_fork()` around every `os.fork()` for as long as it lives."""
    with _registering:
        _known.add(thing)


def _before() -> None:
    _registering.acquire()
    for thing in list(_known):
        thing.before_fork()
        _held.append(thing)


def _after() -> None:
    while _held:
        _held.pop().after_fork()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
