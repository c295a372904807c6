"""Doors that import a name when it is asked for, so that importing a package costs only what is used of it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def door(package: str, rooms: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose names live in its modules (PEP 562).

    Args:
        package: the package's `__name__`.
        rooms: for each module of it, the names to take from there.

    Example:
        ```python
        __getattr__, __dir__ = door(__name__, {"cost": ("Cost",)})
        ```
    """
    room_of = {name: room for room, names in rooms.items() for name in names}

    def get(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        if name not in room_of:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(import_module(f"{package}.{room_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(room_of)
