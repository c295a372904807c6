"""`calc`: GPU hours times their price plus calls times their price, asked for or given."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

import typer

from langchain_costguard._amounts import counted
from langchain_costguard.cli import options  # noqa: TC001 - typer reads the annotations
from langchain_costguard.cli.console import epilog, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

EPILOG: Final = epilog("calc", "calc --gpu-hours 10 --gpu-price 0.1 --calls 1000 --call-price 0.01")
_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)


class _Bill(NamedTuple):
    """What is multiplied and added; prices in US dollars."""

    gpu_hours: Decimal
    usd_per_gpu_hour: Decimal
    calls: int
    usd_per_call: Decimal


def calc(
    *,
    gpu_hours: Annotated[str | None, typer.Option(metavar="HOURS", help="Hours of GPU time.")] = None,
    gpu_price: Annotated[str | None, typer.Option(metavar="USD", help="The price of one of them.")] = None,
    calls: Annotated[str | None, typer.Option(metavar="N", help="How many API calls.")] = None,
    call_price: Annotated[str | None, typer.Option(metavar="USD", help="The price of one of them.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Work out a bill: GPU hours x their price + API calls x their price, in US dollars.

    Without options it asks for the four numbers. With options it asks nothing: hours and their price go together, calls
    and their price go together, and a pair that is left out counts nothing.
    """
    given = (gpu_hours, gpu_price, calls, call_price)
    bill = _asked(err=as_json) if given == (None,) * 4 else _read(*given)
    if as_json:
        print_json(_as_dict(bill))
    else:
        typer.echo(_as_text(bill))


def _asked(*, err: bool) -> _Bill:
    """The four numbers from whoever sits there; what makes no sense is asked for again."""

    def ask(question: str, read: Callable[[str], _T]) -> _T:
        answer: _T = typer.prompt(question, value_proc=read, err=err)
        return answer

    return _Bill(
        ask("GPU hours", _hours),
        ask("Price of a GPU hour in US dollars", _price),
        ask("API calls", _calls),
        ask("Price of a call in US dollars", _price),
    )


def _read(gpu_hours: str | None, gpu_price: str | None, calls: str | None, call_price: str | None) -> _Bill:
    """The four numbers from the options."""
    for one, other, names in ((gpu_hours, gpu_price, _GPU), (calls, call_price, _CALLS)):
        if (one is None) != (other is None):
            msg = f"{names[0]} and {names[1]} go together: give both, or neither"
            raise typer.BadParameter(msg)
    return _Bill(
        _option(gpu_hours, _GPU[0], _hours),
        _option(gpu_price, _GPU[1], _price),
        _option(calls, _CALLS[0], _calls),
        _option(call_price, _CALLS[1], _price),
    )


_GPU: Final = ("--gpu-hours", "--gpu-price")
_CALLS: Final = ("--calls", "--call-price")


def _option(text: str | None, name: str, read: Callable[[str], _T]) -> _T:
    try:
        return read(text or "0")
    except typer.BadParameter as error:
        raise typer.BadParameter(error.message, param_hint=name) from error


def _hours(text: str) -> Decimal:
    from langchain_costguard.pricing.amounts import quantity

    return _number(text, "a number of hours, zero or more, such as 2.5", lambda: quantity(text.strip(), "", ""))


def _calls(text: str) -> int:
    from langchain_costguard.pricing.amounts import whole

    return _number(text, "a whole number of calls, zero or more, such as 1000", lambda: whole(text.strip(), "", ""))


def _price(text: str) -> Decimal:
    from langchain_costguard.pricing.amounts import usd

    return _number(text, "US dollars, zero or more, without a sign, such as 0.01", lambda: usd(text.strip(), ""))


def _number(text: str, wanted: str, read: Callable[[], _T]) -> _T:
    """What was typed as a number, or why it is none."""
    from langchain_costguard.exceptions import PriceFormatError

    try:
        return read()
    except PriceFormatError as error:
        msg = f"{text!r} is not understood: give {wanted}"
        raise typer.BadParameter(msg) from error


def _total(bill: _Bill) -> Decimal:
    from langchain_costguard.pricing import gpu_cost

    return gpu_cost(*bill)


def _as_dict(bill: _Bill) -> dict[str, Any]:
    total = _total(bill)
    return {
        "gpu_hours": f"{bill.gpu_hours:f}",
        "usd_per_gpu_hour": f"{bill.usd_per_gpu_hour:f}",
        "calls": bill.calls,
        "usd_per_call": f"{bill.usd_per_call:f}",
        "total_usd": f"{total:f}",
        "rounded_usd": f"{_to_cents(total):f}",
    }


def _as_text(bill: _Bill) -> str:
    """The sum with two decimals, and all of its digits beside it where rounding hides some."""
    from langchain_costguard.reports.money import dollars

    total = _total(bill)
    rounded = _to_cents(total)
    exact = "" if rounded == total else f" (exactly ${total:,f})"
    return (
        f"{bill.gpu_hours:f} GPU hours x {dollars(bill.usd_per_gpu_hour)} + "
        f"{counted(bill.calls, 'call')} x {dollars(bill.usd_per_call)}\n"
        f"Total: ${rounded:,f}{exact}"
    )


def _to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, context=_EXACT)
