"""A small model's summary stands for a context only where it is shorter, whole and true to its numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard import track_costs
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.testing import Reply, ScriptedChatModel

TEXT = "The plant opened in 1990 and employs 250 people. It makes valves. " + "The weather was often bad there. " * 40
QUERY = "How many people work at the plant?"


def compressor(answer: Any, max_tokens: int = 40, **options: Any) -> tuple[ContextCompressor, ScriptedChatModel]:
    """A compressor whose model answers this."""
    model = ScriptedChatModel(responses=answer, model_name="gpt-4o-mini", provider="openai")
    return ContextCompressor(max_tokens, "abstractive", model, **options), model


async def test_a_summary_within_the_bound_is_used_and_was_asked_for_with_the_bound() -> None:
    """The model is told the bound, and the call is capped by it."""
    made, model = compressor("The plant employs 250 people.")
    for result in (made.compress(TEXT, QUERY), await made.acompress(TEXT, QUERY)):
        assert (result.text, result.method) == ("The plant employs 250 people.", "abstractive")
        assert result.tokens <= 40
    call = model.calls[0]
    assert call.kwargs["max_tokens"] == 40
    assert "at most 40 tokens" in call.input[0].text
    assert QUERY in call.input[1].text


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "empty"),
        ("Words " * 80, "cut off"),
        ("\U00013000" * 30, "tokens"),
        ("The plant employs 251 people.", "251"),
        (Reply("The plant", finish_reason="length"), "cut off"),
    ],
)
def test_a_summary_that_may_not_stand_is_replaced_by_sentences(answer: Any, why: str) -> None:
    """The bound holds whatever the model does, and a wrong number is not passed on."""
    made, _ = compressor(answer)
    result = made.compress(TEXT, QUERY)
    assert result.method == "extractive"
    assert why in (result.fallback_reason or "")
    assert "employs 250 people" in result.text
    assert result.tokens <= 40


def test_a_summary_that_costs_more_than_it_saves_is_not_asked_for() -> None:
    """A mini model reading everything for a mini model saves nothing."""
    made, model = compressor("Never said.", for_model="gpt-4o-mini")
    result = made.compress(TEXT, QUERY)
    assert model.calls == ()
    assert result.method == "extractive"
    assert "more than it saves" in (result.fallback_reason or "")


def test_a_summary_for_a_dear_model_is_asked_for() -> None:
    """The same call pays when a dear model reads the result."""
    made, model = compressor("The plant employs 250 people.", for_model="gpt-4o")
    assert made.compress(TEXT, QUERY).method == "abstractive"
    assert len(model.calls) == 1


def test_nothing_is_asked_for_a_context_within_the_bound() -> None:
    """A call that cannot shorten anything is money for nothing."""
    made, model = compressor("Never said.", max_tokens=2000)
    assert made.compress(TEXT, QUERY).text == TEXT
    assert model.calls == ()


def test_the_compressing_call_is_booked_as_a_negative_saving() -> None:
    """Nobody would have made it otherwise: its baseline is zero."""
    made, _ = compressor("The plant employs 250 people.")
    with track_costs() as costs:
        made.compress(TEXT, QUERY)
    (line,) = costs.entries()
    assert line.techniques == ("compression",)
    assert line.baseline_cost == Decimal(0)
    assert line.billed_cost is not None
    assert line.billed_cost > 0


def test_a_context_larger_than_the_model_reads_is_cut_first() -> None:
    """A context beyond the window would be an error of the provider's."""
    made, model = compressor("The plant employs 250 people.", max_input_tokens=100)
    varied = TEXT + " ".join(f"Line {number} says nothing of it." for number in range(300))
    made.compress(varied, QUERY)
    assert len(model.calls[0].input[1].text) < 1000
    assert "250 people" in model.calls[0].input[1].text
