"""How the arguments of a budget are read, and refused with what mends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from langchain_costguard.budgets.claims import Unit
from langchain_costguard.budgets.limits import Number, amount_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Choice = TypeVar("Choice", bound=str)

_LONGEST_NAME: Final = 200


def limit_of(limit: Number | None, tokens: Number | None, calls: Number | None) -> tuple[Unit, int]:
    """The unit and the amount of the one limit that is given.

    Raises:
        ValueError: there is none, or more than one, or it is out of bounds.
        TypeError: it is no number.
    """
    given: list[tuple[Unit, str, Number | None]] = [
        ("usd", "limit", limit),
        ("tokens", "tokens", tokens),
        ("calls", "calls", calls),
    ]
    found = [(unit, argument, value) for unit, argument, value in given if value is not None]
    if len(found) != 1:
        msg = "a budget has one limit: give Budget(2) in US dollars, Budget(tokens=100_000) or Budget(calls=50)"
        raise ValueError(msg)
    ((unit, argument, value),) = found
    return unit, amount_of(value, unit, argument)


def choice_of(value: Choice, argument: str, known: Sequence[Choice]) -> Choice:
    """One of the values that are known.

    Raises:
        ValueError: it is none of them.
    """
    if value not in known:
        msg = f"{argument}={value!r} is not known: give {argument}={' or '.join(map(repr, known))}"
        raise ValueError(msg)
    return value


def text_argument(text: Any, argument: str, wanted: str) -> str:  # noqa: ANN401 - whatever was given
    """A text that is not blank.

    Raises:
        TypeError: it is no text.
        ValueError: it is blank.
    """
    if not isinstance(text, str):
        msg = f"{argument}={text!r} is no text: give {wanted}"
        raise TypeError(msg)
    if not text.strip():
        msg = f"{argument}={text!r} is blank: give {wanted}"
        raise ValueError(msg)
    return text


def name_of(name: Any) -> str:  # noqa: ANN401 - whatever was given
    """A name that no counter and no key made of other arguments can be taken for.

    Raises:
        TypeError: it is no text.
        ValueError: it is blank, long, not printable, or looks like a counter or such a key.
    """
    wanted = "a short name without '|', such as name='checkout'"
    text = text_argument(name, "name", wanted)
    if "|" in text or not text.isprintable() or len(text) > _LONGEST_NAME:
        msg = f"name={name!r} cannot be a key: give {wanted}"
        raise ValueError(msg)
    if text.startswith(tuple(f"{unit}/" for unit in get_args(Unit))):
        msg = f"name={name!r} looks like a key that budgets without a name have: give {wanted}"
        raise ValueError(msg)
    return text
