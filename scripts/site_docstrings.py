"""How the reference shows docstrings and signatures: `>>>` as code, and the value of a default instead of its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADING: Final = re.compile(r"^( *)Example:$", flags=re.MULTILINE)
_CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]+")
_LONGEST: Final = 40


class Shown(griffe.Extension):
    """Rewrites what was read of a package before it is rendered."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:  # noqa: ANN401 - the hook's own arguments
        """Read `Example:` as the section `Examples:`; a heading that is not known becomes a box of plain text."""
        del others
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **others: Any) -> None:  # noqa: ANN401 - the hook's own arguments
        """Put short constants in the place of their names: `alerts_at=(0.5, 0.8, 1.0)` says more than `_ALERTS_AT`."""
        del others
        for function in _functions(pkg):
            for parameter in function.parameters:
                parameter.default = _value_of(parameter.default, function.module)


def _functions(within: griffe.Module | griffe.Class) -> Iterator[griffe.Function]:
    """Every function and method that is written here, and not only imported."""
    for member in within.members.values():
        if isinstance(member, griffe.Function):
            yield member
        elif isinstance(member, griffe.Module | griffe.Class):
            yield from _functions(member)


def _value_of(default: str | griffe.Expr | None, module: griffe.Module) -> str | griffe.Expr | None:
    name = str(default)
    if default is None or not _CONSTANT.fullmatch(name) or name not in module.members:
        return default
    constant = module.members[name]
    try:
        value = constant.final_target.value if isinstance(constant, griffe.Alias) else constant.value
    except (griffe.AliasResolutionError, AttributeError):  # from elsewhere, or no constant
        return default
    return value if value is not None and len(str(value)) <= _LONGEST else default
