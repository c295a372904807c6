"""Which chain a command means: `module:object`, imported from where the command is run."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


def load_chain(named: str, option: str = "--chain") -> Runnable[Any, Any]:
    """The chain of a name such as `app.chains:summarize`; a function without arguments that makes one will do.

    Args:
        named: the module, a colon, and the object in it.
        option: where that was typed.

    Raises:
        BadParameter: there is no such module or object, or it is no Runnable.
    """
    from langchain_core.runnables import Runnable

    module_name, _, attribute = named.partition(":")
    if not module_name or not attribute:
        _refuse(f"{named!r} names no chain: write it as module:object, such as app.chains:summarize", option)
    found = _found(module_name, attribute, option)
    if not isinstance(found, Runnable) and callable(found):
        found = found()
    if not isinstance(found, Runnable):
        _refuse(f"{named} is a {type(found).__name__}, no Runnable: name a chain, or a function that makes one", option)
    return found


def _found(module_name: str, attribute: str, option: str) -> Any:  # noqa: ANN401 - whatever is there
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module_name)
    except ImportError as error:
        message = f"{module_name} cannot be imported ({error}): run this where `import {module_name}` works"
        raise typer.BadParameter(message, param_hint=option) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            _refuse(f"{module_name} has no {attribute}: name the chain that is in it", option)
        found = getattr(found, part)
    return found


def _refuse(message: str, option: str) -> NoReturn:
    raise typer.BadParameter(message, param_hint=option)
