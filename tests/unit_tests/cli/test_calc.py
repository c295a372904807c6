"""`calc`: GPU hours x GPU price + calls x call price, asked for or given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = ("calc", "--gpu-hours", "10", "--gpu-price", "0.1", "--calls", "1000", "--call-price", "0.01")


def test_the_required_example_is_11_dollars(run: Callable[..., Any]) -> None:
    """10 h x $0.1 + 1000 x $0.01, as the requirement says it."""
    ended = run(*EXAMPLE)
    assert ended == (0, "10 GPU hours x $0.10 + 1,000 calls x $0.01\nTotal: $11.00\n", "")


def test_without_options_it_asks(run: Callable[..., Any]) -> None:
    """The calculator of the requirement is interactive."""
    ended = run("calc", typed="10\n0.1\n1000\n0.01\n")
    assert ended.code == 0
    questions = ("GPU hours: ", "Price of a GPU hour in US dollars: ", "API calls: ", "Price of a call in US dollars: ")
    assert all(question in ended.out for question in questions)
    assert ended.out.endswith("Total: $11.00\n")


@pytest.mark.parametrize("nonsense", ["ten", "-1", "nan", "inf", "$5", "1,5", "1e99"])
def test_nonsense_is_asked_for_again_with_the_reason(nonsense: str, run: Callable[..., Any]) -> None:
    """Somebody who mistypes one number must not begin anew, nor get a bill of it."""
    ended = run("calc", typed=f"{nonsense}\n10\n{nonsense}\n0.1\n{nonsense}\n1000\n{nonsense}\n0.01\n")
    assert ended.code == 0
    assert ended.out.count("is not understood: give ") == 4
    assert ended.out.endswith("Total: $11.00\n")


def test_half_a_call_is_asked_for_again(run: Callable[..., Any]) -> None:
    """Calls are counted, hours are measured."""
    ended = run("calc", typed="2.5\n1\n0.5\n0\n0\n")
    assert "'0.5' is not understood: give a whole number of calls" in ended.out
    assert ended.out.endswith("Total: $2.50\n")


def test_an_input_that_ends_too_early_is_no_bill(run: Callable[..., Any]) -> None:
    """A script that forgot a line must not get a total."""
    ended = run("calc", typed="10\n0.1\n")
    assert ended.code == 1
    assert "Total" not in ended.out


@pytest.mark.parametrize(
    ("option", "value"), [("--gpu-hours", "ten"), ("--gpu-price", "-1"), ("--calls", "0.5"), ("--call-price", "nan")]
)
def test_nonsense_in_an_option_is_refused(option: str, value: str, run: Callable[..., Any]) -> None:
    """A script cannot be asked again, so it is told which option is wrong."""
    arguments = list(EXAMPLE)
    arguments[arguments.index(option) + 1] = value
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert f"{option}: {value!r} is not understood: give " in ended.err


@pytest.mark.parametrize("option", ["--gpu-hours", "--gpu-price", "--calls", "--call-price"])
def test_a_number_without_its_price_is_refused(option: str, run: Callable[..., Any]) -> None:
    """A forgotten price would make the hours free."""
    ended = run("calc", option, "5")
    assert ended.code == 2
    assert "go together: give both, or neither" in ended.err


def test_a_pair_that_is_left_out_counts_nothing(run: Callable[..., Any]) -> None:
    """Who pays by the hour alone has no calls to price."""
    assert run("calc", "--gpu-hours", "2.5", "--gpu-price", "0.4").out.endswith("Total: $1.00\n")
    assert run("calc", "--calls", "3", "--call-price", "0.5").out.endswith("Total: $1.50\n")


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("0.004", "$0.00 (exactly $0.004)"),
        ("0.005", "$0.00 (exactly $0.005)"),
        ("0.015", "$0.02 (exactly $0.015)"),
        ("1234.5678", "$1,234.57 (exactly $1,234.5678)"),
        ("1234.50", "$1,234.50"),
        ("0", "$0.00"),
    ],
)
def test_what_rounding_hides_stands_beside_it(price: str, shown: str, run: Callable[..., Any]) -> None:
    """Two decimals of a small bill are zero, and zero means free."""
    assert run("calc", "--calls", "1", "--call-price", price).out.endswith(f"Total: {shown}\n")


def test_a_bill_beyond_all_bounds_is_still_exact(run: Callable[..., Any]) -> None:
    """Decimal arithmetic rounds at 28 digits where nobody tells it not to."""
    most = "99999999999999.123456789"
    ended = run("calc", "--gpu-hours", most, "--gpu-price", most)
    whole = "$9,999,999,999,999,824,691,357,800,000"
    assert ended.out.endswith(f"Total: {whole}.77 (exactly {whole}.768328000750190521)\n")


def test_json_has_every_digit_as_a_string(run: Callable[..., Any]) -> None:
    """Another program reads it, and a float would round."""
    assert run(*EXAMPLE, "--json").json == {
        "gpu_hours": "10",
        "usd_per_gpu_hour": "0.1",
        "calls": 1000,
        "usd_per_call": "0.01",
        "total_usd": "11",
        "rounded_usd": "11.00",
    }
    assert run("calc", "--calls", "1", "--call-price", "1e-9", "--json").json["total_usd"] == "0.000000001"
