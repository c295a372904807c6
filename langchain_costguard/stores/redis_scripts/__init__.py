"""The steps of a budget store as Lua scripts, each of which Redis runs as a whole."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_COMMON = "common"


@cache
def script(name: str) -> str:
    """The text of a step, with what all steps share in front.

    Args:
        name: the step: `"admit"`, `"settle"`, `"charge"`, `"expire"`, `"renew"`, `"abandon"`, `"change"` or `"read"`.
    """
    return _text(_COMMON) + _text(name)


def _text(name: str) -> str:
    return (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
