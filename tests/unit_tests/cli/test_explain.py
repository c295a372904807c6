"""`explain`: the receipt of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRICED = "7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a11"
UNPRICED = "7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a12"


def test_a_receipt_multiplies_every_bucket_by_its_rate(ledger: Path, run: Callable[..., Any]) -> None:
    """60,000 tokens at $2.50 and 10,000 at $10 per million: the sum a user can check by hand."""
    ended = run("explain", PRICED, "--store", str(ledger))
    assert ended.code == 0
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in ended.out.splitlines()}
    assert lines["uncached_input"] == "60,000 tokens x $2.5 per million $0.15"
    assert lines["output_text"] == "10,000 tokens x $10 per million $0.10"
    assert lines["total"] == "$0.25"
    assert lines["Price:"].startswith("genai-prices")


def test_a_receipt_as_json_has_money_as_strings(ledger: Path, run: Callable[..., Any]) -> None:
    """Whoever checks an invoice with a program needs every digit."""
    receipt = run("explain", PRICED, "--store", str(ledger), "--json").json
    assert (receipt["run_id"], receipt["total_usd"]) == (PRICED, "0.25")
    assert [line["usd_per_unit"] for line in receipt["lines"]] == ["0.0000025", "0.00001"]
    assert [line["amount_usd"] for line in receipt["lines"]] == ["0.15", "0.1"]


def test_the_receipt_of_an_unpriced_call_says_why(ledger: Path, run: Callable[..., Any]) -> None:
    """Unknown is not zero, on a receipt least of all."""
    ended = run("explain", UNPRICED, "--store", str(ledger))
    assert ended.code == 0
    assert "total" in ended.out
    assert "unknown" in ended.out
    assert "Unpriced: no price is known." in ended.out


def test_a_call_that_is_not_there_ends_with_1(ledger: Path, run: Callable[..., Any]) -> None:
    """The id may be of another ledger."""
    ended = run("explain", PRICED.replace("11", "99"), "--store", str(ledger))
    assert (ended.code, ended.out) == (1, "")
    assert "name another ledger with --store" in ended.err


def test_an_id_that_is_none_ends_with_2(ledger: Path, run: Callable[..., Any]) -> None:
    """Half an id was copied."""
    ended = run("explain", "7b0d9c2e", "--store", str(ledger))
    assert ended.code == 2
    assert "'7b0d9c2e' is no run id" in ended.err
