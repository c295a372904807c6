"""advise() on ledgers that strain it: dear calls, credits, uneven discounts, hostile names, and lines of code."""

from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import langchain_costguard
from langchain_costguard import PriceBook, Subscription, cascade
from langchain_costguard.advisor import advise
from langchain_costguard.pricing import per_token
from langchain_costguard.testing.lines import make_entry
from langchain_costguard.usage import TokenUsage
from tests.unit_tests.advisor.test_advise import MORNING, NANO, SONNET, lines, only

HOSTILE = "\x1b[31mred\u202e"


def repeated(**fields: Any) -> Any:
    """60 times the same prompt."""
    return lines(60, **{"prompt_digest": b"same prompt 1234", **fields})


def test_calls_of_more_than_nine_dollars_do_not_overflow() -> None:
    """A million shares of their pico-dollars do not fit 64 bits: the saving came out above the bill, as a sure one."""
    usage = TokenUsage(uncached_input=1_000_000, output_text=1_000_000)
    found = only(advise(lines(60, usage=usage, billed_nano=12_500_000_000)), "cascade")
    assert found.saving == (Decimal(0), Decimal(0), Decimal(705))


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": TokenUsage(uncached_input=10**12), "billed_nano": 25 * 10**14},
        {"request_model": "nobody-knows-this", "response_model": "nobody-knows-this", "billed_nano": 10**16},
    ],
)
def test_an_impossible_call_is_left_out_and_counted(fields: dict[str, Any]) -> None:
    """One broken line must not spoil the advice on all others."""
    found = advise([*lines(60), *lines(1, **fields)])
    assert (found.calls, found.counted.other) == (60, 1)
    assert {each.technique for each in found.findings} <= {"cascade"}


@pytest.mark.parametrize(("credit", "most"), [(59, Decimal("0.0035")), (100, Decimal(0))])
def test_a_credit_bounds_every_saving(credit: int, most: Decimal) -> None:
    """What a correction of the bill has taken away cannot be saved once more."""
    correction = make_entry(at=MORNING, kind="adjustment", billed_nano=-NANO * credit, list_nano=None, usage=None)
    found = advise([*repeated(), correction], gpu_hour=0)
    assert found.combined.high == most
    assert all(each.saving.high <= most for each in found.findings)


def test_an_uneven_discount_does_not_lift_the_sum_above_the_bill() -> None:
    """Served calls count at their own bill and batched ones at their group's mean: together that was above it."""
    made = [replace(line, billed_nano=NANO * 10 if number % 2 else 0) for number, line in enumerate(repeated())]
    made[0] = replace(made[0], billed_nano=NANO // 10)
    found = advise([replace(line, chain="Reports") for line in made], can_wait=["Reports"])
    assert found.combined.expected <= found.billed_cost


def test_a_plan_is_compared_with_what_is_owed_and_not_with_the_list() -> None:
    """At 80 % off, a flat rate between the bill and the list price would cost more, and was advised."""
    made = lines(2000, billed_nano=NANO // 5, list_nano=NANO)
    assert advise(made).billed_cost == Decimal("1.4")
    assert "plan" in {each.technique for each in advise(lines(2000), plans=[Subscription("1", name="flat")]).findings}
    assert "plan" not in {each.technique for each in advise(made, plans=[Subscription("1", name="flat")]).findings}


def test_answers_may_be_kept_for_ever() -> None:
    """Infinity is a lifetime above zero."""
    assert "within any time" in only(advise(repeated(), ttl_seconds=float("inf")), "exact_cache").evidence


def test_one_name_that_can_wait_is_not_read_letter_by_letter() -> None:
    """A text is a sequence of texts."""
    with pytest.raises(ValueError, match=r"can_wait=\['Reports'\]"):
        advise(lines(60, chain="Reports"), can_wait="Reports")


def test_a_name_cannot_steer_the_terminal_from_a_note_or_a_title() -> None:
    """Names come from whoever calls, and from imported files."""
    model = {**SONNET, "request_model": f"claude-sonnet-4-5{HOSTILE}"}
    made = [replace(line, prefix_digests=(line.prompt_digest or b"", b"second")) for line in lines(60, **model)]
    found = advise(made, alternatives={model["request_model"]: f"claude-haiku-4-5{HOSTILE}"})
    assert found.notes
    assert str(found).replace("\n", "").isprintable()


def test_every_line_of_code_is_python_and_names_what_there_is() -> None:
    """Advice that does not run is none; a model may be called by a number."""
    made = [replace(line, chain="Reports", user="u1") for line in repeated()]
    caching = lines(60, minutes=1, **SONNET, prefix_digests=(b"one", b"two"), input_bytes=12_000)
    caching = [replace(line, usage=TokenUsage(uncached_input=3000, output_text=9)) for line in caching]
    asked: dict[str, Any] = {
        "can_wait": ["Reports"],
        "gpu_hour": "0.00001",
        "plans": [Subscription("0.01", name="flat")],
    }
    prices = PriceBook({"4o/mini": per_token("0.1", "0.4")})
    found = advise([*made, *caching], alternatives={"gpt-4o": "4o/mini"}, prices=prices, **asked)
    known = {*langchain_costguard.__all__, *cascade.__all__, "set_llm_cache", "timedelta"}
    for each in found.findings:
        called = {
            node.func.id
            for node in ast.walk(ast.parse(each.code))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called - {"print"} <= known
    assert any("model_4o_mini" in each.code for each in found.findings)
    assert {"batch", "plan", "local_model", "prompt_caching"} <= {each.technique for each in found.findings}
