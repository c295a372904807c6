"""Importing what only some users have installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from langchain_costguard.exceptions import OptionalDependencyError

if TYPE_CHECKING:
    from types import ModuleType


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra installs it.

    Args:
        module: the import name, such as `"redis"` or `"matplotlib.figure"`.
        extra: the extra of this package that brings it.
        purpose: what the caller wants it for; the error message begins with it.

    Returns:
        The imported module.

    Raises:
        OptionalDependencyError: the package is not installed. An import error inside an installed
            package is not hidden.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != root:
            raise
        raise OptionalDependencyError(root, extra=extra, purpose=purpose) from error
