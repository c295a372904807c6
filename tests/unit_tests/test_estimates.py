"""Knowing before the call: a range in dollars that the bill must fall into, and words for what is not known."""

from __future__ import annotations

import json
import socket
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_costguard import (
    CostEstimate,
    PriceBook,
    UnknownPriceError,
    estimate_cost,
    free,
    gpu_hour,
    per_call,
    per_token,
    track_costs,
)
from langchain_costguard.estimates import CostEstimates
from langchain_costguard.testing import LoopbackProvider

QUESTION = "Why is the sky blue?"
IN_QUESTION = 13
"""Its tokens as a message to an OpenAI model."""


def test_the_range_is_exact_to_the_token(token_vocabularies: object) -> None:
    """Low is the input alone; expected and high add the answers; a frame of 24 tokens around the message is in high."""
    estimate = estimate_cost(QUESTION, "gpt-4o", 500, expected_output_tokens=100)
    assert (estimate.input_tokens, estimate.max_input_tokens) == (IN_QUESTION, IN_QUESTION + 17)
    assert estimate.low == Decimal("0.0000325")
    assert estimate.expected == Decimal("0.0010325")
    assert estimate.high == Decimal("0.005075")
    assert estimate.reasons == ()


def test_it_says_how_it_counted_and_which_prices_it_used() -> None:
    """A number whose origin is not known cannot be defended."""
    estimate = estimate_cost(QUESTION, "gpt-4o", 500)
    assert estimate.method.endswith(":o200k_base")
    assert estimate.source is not None
    assert (estimate.source.source, estimate.source.provider, estimate.source.model) == (
        "genai-prices",
        "openai",
        "gpt-4o",
    )
    assert estimate.prices_dated == PriceBook().dated.isoformat()
    assert [(line.bucket, line.quantity, line.amount) for line in estimate.lines] == [
        ("uncached_input", 30, Decimal("0.000075")),
        ("output_text", 500, Decimal("0.005")),
    ]
    assert sum(line.amount for line in estimate.lines) == estimate.high


def test_the_models_own_limit_is_the_default() -> None:
    """Without `max_output_tokens` a provider lets the model go on to its own limit, and bills that."""
    estimate = estimate_cost(QUESTION, "gpt-4o")
    assert estimate.max_output_tokens == 16_384
    assert estimate.high == Decimal("0.163915")


def test_without_any_limit_the_high_end_is_unknown() -> None:
    """A made-up limit would be a promise nobody keeps."""
    estimate = estimate_cost(QUESTION, "house-model", prices={"house-model": per_token("1", "2")})
    assert estimate.low == Decimal("0.000013")
    assert estimate.high is None
    assert estimate.reasons == ("house-model: no output limit is known: give max_output_tokens",)
    assert estimate.prices_dated == ""


def test_a_model_without_a_price_has_no_cost_and_says_why() -> None:
    """Unknown is never zero; the tokens are known all the same."""
    estimate = estimate_cost(QUESTION, "llama3.1", 500, expected_output_tokens=10)
    assert (estimate.low, estimate.expected, estimate.high) == (None, None, None)
    assert estimate.input_tokens == IN_QUESTION
    assert estimate.method.endswith("~")
    assert len(estimate.reasons) == 1
    assert "no price list has the model 'llama3.1'" in estimate.reasons[0]
    assert (estimate.source, estimate.lines) == (None, ())


def test_a_misspelled_model_is_answered_with_its_neighbours() -> None:
    """The most usual cause of an unknown price is a slip of the finger."""
    assert "gpt-4o-mini" in estimate_cost(QUESTION, "gpt-4o-mni", 10).reasons[0]


def test_a_book_that_raises_raises() -> None:
    """Who asked for errors gets them before the call as well."""
    with pytest.raises(UnknownPriceError):
        estimate_cost(QUESTION, "no-such-model", 10, prices=PriceBook(unknown="raise"))


def test_free_is_known_and_zero() -> None:
    """Zero means free, and is an answer."""
    estimate = estimate_cost(QUESTION, "llama3.1", 500, prices={"llama3.1": free()})
    assert (estimate.low, estimate.high, estimate.reasons) == (Decimal(0), Decimal(0), ())


def test_a_price_per_call_is_in_the_low_end() -> None:
    """A call is paid even if nothing is answered."""
    estimate = estimate_cost(QUESTION, "ocr", 500, prices={"ocr": per_call("0.01")})
    assert (estimate.low, estimate.high) == (Decimal("0.01"), Decimal("0.01"))


def test_a_price_by_the_hour_cannot_be_known_before() -> None:
    """How long a machine will be busy is not in the prompt."""
    estimate = estimate_cost(QUESTION, "llama3.1", 500, prices={"llama3.1": gpu_hour("2.50")})
    assert (estimate.low, estimate.high) == (None, None)
    assert "GPU-hour" in estimate.reasons[0]


def test_several_answers_cost_several_times_the_output() -> None:
    """The input is billed once, however many answers are asked for."""
    once = estimate_cost(QUESTION, "gpt-4o", 500, expected_output_tokens=100)
    thrice = estimate_cost(QUESTION, "gpt-4o", 500, expected_output_tokens=100, n=3)
    assert thrice.low == once.low
    assert thrice.expected == Decimal("0.0030325")
    assert thrice.high == Decimal("0.015075")
    assert "3 x 500" in str(thrice)


def test_a_discount_is_taken_off() -> None:
    """An estimate must be of what will be paid."""
    assert estimate_cost(QUESTION, "gpt-4o", 500, prices=PriceBook(discount="0.2")).high == Decimal("0.00406")


def test_a_model_that_writes_to_its_cache_unasked_is_bounded_at_that_rate() -> None:
    """Since GPT-5.6 an input may be billed at 1.25 times its rate, without anybody asking for it."""
    assert [line.bucket for line in estimate_cost(QUESTION, "gpt-5.6", 1).lines] == ["cache_write_5m", "output_text"]


@pytest.mark.parametrize(
    ("control", "bucket"),
    [
        (None, "uncached_input"),
        ({"type": "ephemeral"}, "cache_write_5m"),
        ({"type": "ephemeral", "ttl": "1h"}, "cache_write_1h"),
    ],
)
def test_a_prompt_that_asks_to_be_cached_is_bounded_at_that_rate(control: dict[str, str] | None, bucket: str) -> None:
    """Anthropic bills what it keeps at 1.25 times the rate, or twice for an hour."""
    block = {"type": "text", "text": QUESTION, **({"cache_control": control} if control else {})}
    estimate = estimate_cost([HumanMessage([block])], "claude-sonnet-4-5", 100)
    assert estimate.lines[0].bucket == bucket


def test_an_answer_is_never_expected_beyond_the_models_limit() -> None:
    """An embedding answers no tokens at all."""
    estimate = estimate_cost(QUESTION, "text-embedding-3-small", expected_output_tokens=100)
    assert estimate.low == estimate.expected == estimate.high == Decimal("0.00000012")


def test_what_cannot_be_bounded_leaves_the_high_end_open() -> None:
    """A file has a price that only its provider knows."""
    messages = [HumanMessage([{"type": "file", "file_id": "f1"}, {"type": "text", "text": QUESTION}])]
    estimate = estimate_cost(messages, "gpt-4o", 500)
    assert estimate.low == Decimal("0.0000325")
    assert (estimate.high, estimate.max_input_tokens) == (None, None)
    assert "file: its tokens are not known before the provider has read it" in estimate.reasons[0]
    assert estimate.notes == ("file: its tokens are not known before the provider has read it: not counted",)


def test_several_models_make_a_table() -> None:
    """The question before a choice is which model is the cheapest for this prompt."""
    estimates = estimate_cost(QUESTION, ["gpt-4o", "gpt-4o-mini", "llama3.1"], 500)
    assert isinstance(estimates, CostEstimates)
    assert [estimate.high for estimate in estimates] == [Decimal("0.005075"), Decimal("0.0003045"), None]
    lines = str(estimates).splitlines()
    assert lines[0].split() == ["Model", "Input", "tokens", "Output", "at", "most", "Low", "High"]
    assert lines[2].split() == ["gpt-4o", "13", "500", "$0.00003250", "$0.0050750"]
    assert lines[4].split() == ["llama3.1", "13", "500", "unknown", "unknown"]
    assert any("no price list has the model 'llama3.1'" in line for line in lines)
    assert any(line.startswith("priced by genai-prices ") for line in lines)
    assert any(line.endswith("~: llama3.1") for line in lines)


def test_the_expected_column_is_there_when_it_was_asked_for() -> None:
    """A column of unknowns nobody asked about would look like a fault."""
    assert "Expected" in str(estimate_cost(QUESTION, "gpt-4o", 500, expected_output_tokens=1))
    assert "Expected" not in str(estimate_cost(QUESTION, "gpt-4o", 500))


def test_it_shows_itself_in_a_notebook_with_foreign_words_escaped() -> None:
    """A model's name comes from outside."""
    html = estimate_cost(QUESTION, ["gpt-4o", "<script>"], 500)._repr_html_()
    assert "<table>" in html
    assert "<script>" not in html
    assert "0.005075" in estimate_cost(QUESTION, "gpt-4o", 500)._repr_html_().replace('<span class="cg-fine">', "")


def test_one_line_says_the_range() -> None:
    """A list of estimates in a debugger must be readable."""
    assert repr(estimate_cost(QUESTION, "gpt-4o", 500)) == "CostEstimate(gpt-4o: $0.0000325 to $0.005075)"


def test_it_leaves_as_json() -> None:
    """The command line and dashboards take it from there; money stays exact."""
    estimates = estimate_cost(QUESTION, ["gpt-4o", "llama3.1"], 500)
    read = json.loads(json.dumps(estimates.to_dict()))
    assert read["gpt-4o"]["high"] == "0.005075"
    assert read["gpt-4o"]["source"]["source"] == "genai-prices"
    assert read["gpt-4o"]["lines"][0]["bucket"] == "uncached_input"
    assert read["llama3.1"]["low"] is None
    assert read["llama3.1"]["reasons"]


@pytest.mark.parametrize("prompt", ["", "  \n", []])
def test_an_empty_prompt_is_refused(prompt: Any) -> None:
    """It is a variable that was not filled, far more often than a question."""
    with pytest.raises(ValueError, match="the prompt is empty: give a text or at least one message"):
        estimate_cost(prompt, "gpt-4o", 10)


def test_no_prompt_is_refused() -> None:
    """`None` is not the text 'None'."""
    with pytest.raises(TypeError, match="messages=None is no prompt: give a text"):
        estimate_cost(None, "gpt-4o", 10)


@pytest.mark.parametrize("argument", ["max_output_tokens", "expected_output_tokens", "n"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, "100", True, [1]])
def test_what_is_no_whole_number_is_refused(argument: str, value: Any) -> None:
    """A price computed from NaN would be NaN, and from True one token."""
    with pytest.raises(TypeError, match=rf"^{argument}=.* is no whole number: give one, [01] or more$"):
        estimate_cost(QUESTION, "gpt-4o", **{argument: value})


@pytest.mark.parametrize(("argument", "value"), [("max_output_tokens", -1), ("expected_output_tokens", -1), ("n", 0)])
def test_numbers_out_of_range_are_refused(argument: str, value: int) -> None:
    """A negative number of tokens would lower the estimate."""
    with pytest.raises(ValueError, match=rf"^{argument}={value} is out of range: give a whole number, [01] or more$"):
        estimate_cost(QUESTION, "gpt-4o", **{argument: value})


def test_expecting_more_than_is_allowed_is_refused() -> None:
    """The two arguments were swapped, or one is wrong."""
    with pytest.raises(ValueError, match="expected_output_tokens=20 is above max_output_tokens=10"):
        estimate_cost(QUESTION, "gpt-4o", 10, expected_output_tokens=20)


@pytest.mark.parametrize("model", [None, "", "  ", 3, [None], ["gpt-4o", ""]])
def test_what_is_no_model_is_refused(model: Any) -> None:
    """The message must show what a name looks like."""
    with pytest.raises(TypeError, match="is no model's name: give one, such as 'gpt-4o', or a list of them"):
        estimate_cost(QUESTION, model, 10)


def test_no_models_are_refused() -> None:
    """An empty table would be mistaken for an answer."""
    with pytest.raises(ValueError, match="names no model: give one or more"):
        estimate_cost(QUESTION, [], 10)


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate is asked for where nothing may be sent yet."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        message = "a socket was opened"
        raise AssertionError(message)

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert estimate_cost(QUESTION, ["gpt-4o", "claude-sonnet-4-5", "no-such-model"])[0].low is not None


@pytest.mark.parametrize("cap", [8, 200])
def test_the_bill_falls_into_the_range(cap: int) -> None:
    """The estimate is right if the provider's own bill lies inside it, through a real client."""
    messages = [("system", "You are brief. 天气 👩‍👩‍👧‍👦"), ("human", QUESTION * 20)]
    estimate = estimate_cost(messages, "gpt-4o-mini", cap)
    with LoopbackProvider() as provider, track_costs() as costs:
        provider.chat_model(model="gpt-4o-mini", max_tokens=cap).invoke(messages)
    assert costs.total_cost == provider.billed
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= provider.billed <= estimate.high


def test_the_type_is_public() -> None:
    """Users annotate with it."""
    assert isinstance(estimate_cost(QUESTION, "gpt-4o", 10), CostEstimate)
