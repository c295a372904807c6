"""The most a call can cost: what is in it, and what it says where there is none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.guard.bound import CallBound, CallRequest, bound_call
from langchain_costguard.pricing import free, gpu_hour, per_call, per_token
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.tokens import bound_message_tokens

MESSAGES = [SystemMessage("Be brief."), HumanMessage("Why is the sky blue?")]
BOOK = PriceBook({"mine": per_token(1, 2), "gratis": free(), "flat": per_call("0.01"), "own": gpu_hour(36)})
TOOL = {"type": "function", "function": {"name": "act", "description": "acts", "parameters": {"type": "object"}}}


def bound(
    model: str = "gpt-4o", provider: str | None = "openai", prompt: Any = None, *, tight: bool = False, **params: Any
) -> CallBound:
    """The bound of a chat call whose client sends it once."""
    prompt = MESSAGES if prompt is None else prompt
    return bound_call(CallRequest("chat", prompt, params, None, model, provider), BOOK, tight=tight)


def usd(bounded: CallBound) -> Decimal | None:
    """A bound in dollars."""
    return None if bounded.nano_usd is None else to_usd(bounded.nano_usd, NANO_PER_USD)


def test_input_by_its_bytes_and_output_by_its_limit_make_the_bound() -> None:
    """By hand: 29 bytes of text, 16 tokens around the request, 8 around each of two messages; 500 of output."""
    bounded = bound(max_tokens=500)
    assert (bounded.input_tokens, bounded.output_tokens, bounded.tokens) == (61, 500, 561)
    assert usd(bounded) == Decimal("0.0051525")
    assert bounded.method == "bytes"
    assert bounded.problem is None


def test_a_price_that_is_no_whole_nano_dollar_is_rounded_up() -> None:
    """Rounded down, a thousand calls could spend more than was reserved for them."""
    book = PriceBook({"mine": per_token("0.0007", "0.0007")})
    bounded = bound_call(CallRequest("embedding", "abc", {}, None, "mine", None), book)
    assert bounded.input_tokens == 7
    assert bounded.nano_usd == 5


@pytest.mark.parametrize(
    "params",
    [
        {"max_tokens": 300},
        {"max_completion_tokens": 300},
        {"max_output_tokens": 300},
        {"num_predict": 300},
        {"extra_body": {"max_tokens": 300}},
        {"model_kwargs": {"max_completion_tokens": 300}},
        {"generation_config": {"max_output_tokens": 300}},
        {"max_tokens": 20, "extra_body": {"max_tokens": 300}},
        {"max_tokens": 300, "max_completion_tokens": 20},
    ],
)
def test_the_output_limit_is_found_under_every_name_and_the_largest_counts(params: dict[str, Any]) -> None:
    """Which of two limits an integration sends is not known here."""
    assert bound(**params).output_tokens == 300


def test_without_a_limit_the_models_own_maximum_counts_and_never_its_window() -> None:
    """128,000 tokens of window would reserve eight times too much."""
    assert bound("gpt-4o").output_tokens == 16_384
    assert bound("gpt-4o", max_tokens=None).output_tokens == 16_384
    assert bound("gpt-4o", max_tokens=-1).output_tokens == 16_384


def test_the_constructors_limit_counts_where_the_run_does_not_say_another() -> None:
    """`invocation_params` of some integrations leave it out; a run that lifts the limit says so with `None`."""
    serialized = {"kwargs": {"max_output_tokens": 300, "n": 2}}
    request = CallRequest("chat", MESSAGES, {}, serialized, "gpt-4o", "openai")
    assert bound_call(request, BOOK).output_tokens == 600
    assert bound_call(request._replace(params={"max_tokens": None}), BOOK).output_tokens == 2 * 16_384
    by_metadata = CallRequest("chat", MESSAGES, {}, None, "gpt-4o", "openai", metadata={"ls_max_tokens": 300})
    assert bound_call(by_metadata, BOOK).output_tokens == 300


@pytest.mark.parametrize("name", ["n", "best_of", "candidate_count"])
def test_every_answer_that_is_made_is_in_the_bound(name: str) -> None:
    """Providers bill all of them, shown or not."""
    assert bound(max_tokens=100, **{name: 3}).output_tokens == 300


def test_a_predicted_output_is_billed_where_it_is_not_used() -> None:
    """OpenAI bills rejected tokens of a prediction as output."""
    predicted = bound(max_tokens=100, prediction={"type": "content", "content": "x" * 1000})
    assert predicted.output_tokens is not None
    assert predicted.output_tokens >= 1100


def test_geminis_thinking_may_come_on_top_of_the_limit_but_not_of_the_models_own() -> None:
    """Whether `max_output_tokens` covers it is not documented; that a model answers no more than it can is."""
    outputs = [
        bound(model, "google_genai", max_output_tokens=most, **more).output_tokens
        for model, most, more in (
            ("gemini-2.5-flash", 1000, {"thinking_budget": 500}),
            ("gemini-2.5-flash", 1000, {}),
            ("gemini-2.5-flash", 60_000, {}),
            ("gemini-2.0-flash", 1000, {}),
        )
    ]
    assert outputs == [1500, 33_768, 65_536, 1000]


def test_all_attempts_of_a_client_that_retries_are_in_the_bound() -> None:
    """A request that timed out may be billed; ChatOpenAI sends three of them for one run."""
    serialized = {"id": ["langchain", "chat_models", "openai", "ChatOpenAI"], "kwargs": {}}
    bounded = bound_call(CallRequest("chat", MESSAGES, {"max_tokens": 500}, serialized, "gpt-4o", "openai"), BOOK)
    assert bounded.attempts == 3
    assert usd(bounded) == Decimal("0.0154575")
    assert bounded.nano_usd_per_attempt == 5_152_500
    assert (bounded.tokens, bounded.tokens_per_attempt) == (3 * 561, 561)
    assert bounded.timeout_seconds == 600.0


def test_the_tokenizer_makes_the_bound_tighter_and_says_so() -> None:
    """It is asked only where the byte bound does not fit."""
    loose, tight = bound(max_tokens=1), bound(max_tokens=1, tight=True)
    assert tight.input_tokens == bound_message_tokens(MESSAGES, "gpt-4o", tight=True).tokens
    assert tight.input_tokens is not None
    assert loose.input_tokens is not None
    assert tight.input_tokens < loose.input_tokens
    assert tight.method == "tiktoken:o200k_base"


def test_the_short_way_through_a_prompt_bounds_what_the_long_way_bounds() -> None:
    """Plain messages are read without building what images and files need; the figure must not differ."""
    call = {"name": "act", "args": {"city": "Münster"}, "id": "call_1"}
    used = {"type": "tool_use", "id": "call_1", "name": "act", "input": {"city": "Münster"}}
    text = {"type": "text", "text": "Let me see. ☁"}
    answers = [AIMessage("", tool_calls=[call]), AIMessage([text, used], tool_calls=[call]), AIMessage([text])]
    for answer in answers:
        prompt = [*MESSAGES, answer, ToolMessage("sunny ☀", tool_call_id="call_1", name="wetter_ä")]
        assert bound(prompt=prompt, max_tokens=1).input_tokens == bound_message_tokens(prompt, "gpt-4o").tokens


def test_tools_and_schemas_are_input_and_never_stale() -> None:
    """A tool that is changed in place is another tool."""
    tool = {**TOOL, "function": dict(TOOL["function"])}
    bare, first = bound(max_tokens=1).input_tokens, bound(max_tokens=1, tools=[tool]).input_tokens
    tool["function"]["description"] = "x" * 500
    second = bound(max_tokens=1, tools=[tool]).input_tokens
    assert bare is not None
    assert first is not None
    assert second is not None
    assert first > bare + 256
    assert second == first + 496
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    with_schema = bound(max_tokens=1, response_format=schema).input_tokens
    assert with_schema is not None
    assert with_schema > bare + len(str(schema))


def test_instructions_beside_the_messages_are_input() -> None:
    """The Responses API takes the system prompt as a setting."""
    bare, instructed = bound(max_tokens=1).input_tokens, bound(max_tokens=1, instructions="x" * 700).input_tokens
    assert bare is not None
    assert instructed is not None
    assert instructed >= bare + 700


def test_a_cache_write_is_bounded_by_its_dearest_lifetime() -> None:
    """An hour in Anthropic's cache is twice the input price; without being asked it writes nothing."""
    prompts = {
        lifetime: [{"role": "user", "content": [{"type": "text", "text": "x" * 10_000, **control}]}]
        for lifetime, control in {
            "": {},
            "5m": {"cache_control": {"type": "ephemeral"}},
            "1h": {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        }.items()
    }
    costs = {
        lifetime: bound("claude-sonnet-4-5", "anthropic", prompt, max_tokens=1).nano_usd
        for lifetime, prompt in prompts.items()
    }
    tokens = bound("claude-sonnet-4-5", "anthropic", prompts[""], max_tokens=1).input_tokens
    assert tokens is not None
    assert costs == {"": tokens * 3000 + 15_000, "5m": tokens * 3750 + 15_000, "1h": tokens * 6000 + 15_000}


def test_a_cache_control_for_the_whole_request_counts_like_one_in_a_block() -> None:
    """The middleware for Anthropic's prompt cache sets it there."""
    plain = bound("claude-sonnet-4-5", "anthropic", max_tokens=1).nano_usd
    kept = bound("claude-sonnet-4-5", "anthropic", max_tokens=1, cache_control={"type": "ephemeral", "ttl": "1h"})
    assert plain is not None
    assert kept.nano_usd is not None
    assert kept.nano_usd > plain


def test_long_context_is_charged_where_the_bound_can_reach_it() -> None:
    """The step makes every token of the call dearer, not only those above it."""
    below = bound("gemini-2.5-pro", "google_genai", [HumanMessage("x" * 199_000)], max_output_tokens=65_536)
    above = bound("gemini-2.5-pro", "google_genai", [HumanMessage("x" * 200_001)], max_output_tokens=65_536)
    assert below.nano_usd is not None
    assert above.nano_usd is not None
    assert above.nano_usd > 1.4 * below.nano_usd


def test_auto_can_become_priority_and_flex_can_be_served_as_standard() -> None:
    """A response may name another tier than the request, and is billed by it."""
    costs = {tier: bound("gpt-5", max_tokens=1000, service_tier=tier).nano_usd for tier in ("default", "auto", "flex")}
    priority = bound("gpt-5", max_tokens=1000, service_tier="priority").nano_usd
    standard = bound("gpt-5", max_tokens=1000).nano_usd
    assert priority is not None
    assert standard is not None
    assert costs == {"default": standard, "auto": priority, "flex": standard}
    assert priority > standard


def test_a_region_is_charged_with_its_uplift() -> None:
    """Data residency is a tenth dearer."""
    request = CallRequest("chat", MESSAGES, {"max_tokens": 1000}, None, "claude-opus-4-6", "anthropic")
    anywhere, here = (bound_call(request._replace(region=region), BOOK).nano_usd for region in (None, "us"))
    assert anywhere is not None
    assert here == anywhere * 11 // 10


def test_a_discount_is_not_reserved() -> None:
    """A tenth off every call is a tenth more calls under the same budget."""
    request = CallRequest("chat", MESSAGES, {"max_tokens": 500}, None, "gpt-4o", "openai")
    assert bound_call(request, PriceBook(discount="0.10")).nano_usd == 4_637_250


def test_embeddings_have_no_output_and_every_text_counts() -> None:
    """They come one by one or many at once."""
    request = CallRequest("embedding", ["abc", "äöü"], {}, None, "text-embedding-3-small", "openai")
    bounded = bound_call(request, BOOK)
    assert (bounded.input_tokens, bounded.output_tokens) == (17, 0)
    assert bounded.nano_usd == 340


def test_prices_per_call_and_by_the_hour_and_none_at_all() -> None:
    """A model served by oneself is bounded by how long its client waits, and refused if that is not known."""
    assert usd(bound("flat", None, max_tokens=5)) == Decimal("0.01")
    assert usd(bound("gratis", None, max_tokens=5)) == Decimal(0)
    hourly = bound("own", None, max_tokens=5, timeout=20)
    assert usd(hourly) == Decimal("0.2")
    assert hourly.tokens is not None
    retried = bound("own", None, max_tokens=5, timeout=20, max_retries=1)
    assert usd(retried) == Decimal(1)
    unknown = bound("own", None, max_tokens=5)
    assert (unknown.nano_usd, unknown.reason) == (None, "unbounded")
    assert unknown.problem is not None
    assert unknown.problem.endswith("set timeout=")


def test_a_free_model_costs_nothing_however_long_it_answers() -> None:
    """Its tokens are not bounded, its cost is."""
    bounded = bound("gratis", None)
    assert bounded.nano_usd == 0
    assert bounded.tokens is None
    assert bounded.tokens_problem is not None
    assert bounded.tokens_problem.endswith("set max_tokens=")


def test_an_unknown_price_is_no_bound_and_says_what_would_be_one() -> None:
    """The tokens are known all the same, for budgets that count those."""
    bounded = bound("gpt-nobody-knows", max_tokens=10)
    assert (bounded.nano_usd, bounded.reason) == (None, "unpriced")
    assert bounded.tokens is not None
    assert bounded.problem is not None
    assert bounded.problem.endswith("set prices={'gpt-nobody-knows': per_token(input, output)}")
    assert bounded.typical_nano_usd is None


def test_the_policy_for_unknown_models_decides_here_too() -> None:
    """What is priced as free must not be refused as unpriced, and what raises must not raise here."""
    request = CallRequest("chat", MESSAGES, {"max_tokens": 10}, None, "nobody-knows", "openai")
    assert bound_call(request, PriceBook(unknown="free")).nano_usd == 0
    assert bound_call(request, PriceBook(unknown="raise")).reason == "unpriced"


def test_an_unknown_output_limit_is_no_bound_and_names_the_integrations_argument() -> None:
    """Each integration has its own name for it."""
    assert bound("mine", None).reason == "unbounded"
    for name, argument in (("ChatOllama", "num_predict"), ("ChatGoogleGenerativeAI", "max_output_tokens")):
        request = CallRequest("chat", MESSAGES, {}, {"id": [name], "kwargs": {}}, "mine", None)
        problem = bound_call(request, BOOK).problem
        assert problem is not None
        assert problem.endswith(f"set {argument}=")


def test_the_typical_cost_is_far_below_the_bound_and_never_above() -> None:
    """It stands beside a refusal, to show that the bound is what has to be mended."""
    bounded = bound("gpt-4o")
    assert bounded.typical_nano_usd == 17 * 2500 + 256 * 10_000
    assert bounded.nano_usd is not None
    assert bounded.typical_nano_usd < bounded.nano_usd
    one = bound(max_tokens=1)
    assert one.typical_nano_usd is not None
    assert one.nano_usd is not None
    assert one.typical_nano_usd <= one.nano_usd


def test_the_limit_that_fits_is_the_largest_that_does() -> None:
    """A refusal names it, and a call with it must be admitted."""
    for params in ({}, {"n": 2}, {"max_retries": 2}):
        fitting = bound(**params).output_that_fits(30_000_000)
        assert fitting is not None
        fits, fails = bound(max_tokens=fitting, **params).nano_usd, bound(max_tokens=fitting + 1, **params).nano_usd
        assert fits is not None
        assert fails is not None
        assert fits <= 30_000_000 < fails
    assert bound().output_that_fits(100) is None
    assert bound(max_tokens=5).output_that_fits(30_000_000) is None


def test_a_text_models_prompt_is_bounded_like_a_message() -> None:
    """Text completions take one string, and bill every candidate they compare."""
    request = CallRequest(
        "llm", "Why?", {"max_tokens": 256, "n": 2, "best_of": 3}, None, "gpt-3.5-turbo-instruct", "openai"
    )
    bounded = bound_call(request, BOOK)
    assert (bounded.input_tokens, bounded.output_tokens) == (28, 768)
    assert bounded.nano_usd == 28 * 1500 + 768 * 2000


def test_what_cannot_be_read_is_refused_and_not_raised() -> None:
    """An error in a start hook would let the call through uncounted."""
    for prompt, tools in (([object()], []), (MESSAGES, [object()])):
        request = CallRequest("chat", prompt, {"max_tokens": 1, "tools": tools}, None, "gpt-4o", "openai")
        bounded = bound_call(request, BOOK)
        assert (bounded.nano_usd, bounded.tokens, bounded.reason) == (None, None, "unbounded")
        assert bounded.problem
