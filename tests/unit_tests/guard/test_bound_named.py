"""What a request only names, and what the provider does by itself: bounded by the window, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_costguard.guard.bound import CallBound, CallRequest, bound_call
from langchain_costguard.pricing import per_token
from langchain_costguard.pricing.book import PriceBook

BOOK = PriceBook({"mine": per_token(1, 2)})
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def bound(model: str, provider: str | None, content: Any = "hello", /, **params: Any) -> CallBound:
    """The bound of a chat call whose client sends it once."""
    prompt = [HumanMessage(content)]
    return bound_call(CallRequest("chat", prompt, {"max_tokens": 10, **params}, None, model, provider), BOOK)


@pytest.mark.parametrize(
    "params",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"extra_body": {"previous_response_id": "resp_1"}},
    ],
)
def test_what_the_provider_keeps_can_fill_the_context_window_and_no_more(params: dict[str, Any]) -> None:
    """The history of a conversation is billed although the request does not hold it."""
    bounded = bound("gpt-4o", "openai", **params)
    assert bounded.input_tokens == 128_000
    assert bounded.nano_usd == 128_000 * 2500 + 10 * 10_000
    assert bounded.method == "window"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
    ],
)
def test_files_and_kept_reasoning_can_fill_the_window(block: dict[str, Any]) -> None:
    """Their tokens are known only to the provider."""
    prompt = [AIMessage([block])] if block["type"] == "reasoning" else [HumanMessage([block])]
    bounded = bound_call(CallRequest("chat", prompt, {"max_tokens": 10}, None, "gpt-4o", "openai"), BOOK)
    assert bounded.input_tokens == 128_000


def test_reasoning_that_comes_back_counts_as_many_tokens_as_it_was_billed() -> None:
    """The answer that brings it says how many those are, which is far less than the window."""
    usage = {
        "input_tokens": 5,
        "output_tokens": 900,
        "total_tokens": 905,
        "output_token_details": {"reasoning": 800},
    }
    plain, reasoned = AIMessage("It is."), AIMessage("It is.", usage_metadata=usage)
    without, with_it = (
        bound_call(CallRequest("chat", [answer], {"max_tokens": 10}, None, "gpt-5", "openai"), BOOK).input_tokens
        for answer in (plain, reasoned)
    )
    assert without is not None
    assert with_it == without + 800


def test_audio_that_is_only_named_is_bounded_at_the_rate_of_audio() -> None:
    """Gemini hears at more than three times the price at which it reads."""
    audio = [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]
    heard = bound("gemini-2.5-flash", "google_genai", audio, thinking_budget=1)
    assert heard.input_tokens == 1_048_576
    assert heard.output_tokens == 11
    assert heard.nano_usd == 1_048_576 * 1000 + 11 * 2500


def test_a_window_that_is_not_known_is_no_bound() -> None:
    """The message names the part, and where it can be left out."""
    bounded = bound("mine", None, previous_response_id="resp_1")
    assert (bounded.nano_usd, bounded.tokens, bounded.reason) == (None, None, "unbounded")
    assert bounded.problem is not None
    assert "previous_response_id" in bounded.problem


def test_the_long_context_beta_makes_the_window_longer() -> None:
    """The profile of the model says 200,000."""
    file = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    usual = bound("claude-sonnet-4-5", "anthropic", file)
    longer = bound("claude-sonnet-4-5", "anthropic", file, betas=["context-1m-2025-08-07"])
    assert (usual.input_tokens, longer.input_tokens) == (200_000, 1_000_000)


def test_a_server_tool_with_a_limit_is_bounded_by_it() -> None:
    """Each use asks the model again with what was found, and a search has a price of its own."""
    bounded = bound("claude-sonnet-4-5", "anthropic", tools=[{**SEARCH, "max_uses": 2}])
    assert (bounded.input_tokens, bounded.output_tokens) == (600_000, 30)
    assert bounded.nano_usd is not None
    without_fees = bound(
        "claude-sonnet-4-5", "anthropic", tools=[{**SEARCH, "type": "web_fetch_20250910", "max_uses": 2}]
    )
    assert without_fees.nano_usd is not None
    assert bounded.nano_usd == without_fees.nano_usd + 2 * 10_000_000


@pytest.mark.parametrize(
    ("model", "params", "part"),
    [
        ("claude-sonnet-4-5", {"tools": [SEARCH]}, "max_uses="),
        ("gpt-5", {"tools": [{"type": "web_search"}]}, "web_search"),
        ("gpt-5", {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.org"}]}, "mcp"),
        ("gpt-5", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "code_interpreter"),
        ("gpt-4o", {"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ("gpt-5.4", {"context_management": [{"type": "compaction", "compact_threshold": 1000}]}, "context_management"),
        ("gpt-4o-search-preview", {}, "gpt-4o-search-preview"),
        ("o3-deep-research", {}, "o3-deep-research"),
    ],
)
def test_what_a_provider_does_without_a_limit_is_refused_by_name(model: str, params: dict[str, Any], part: str) -> None:
    """A search tool can ask the model any number of times."""
    bounded = bound(model, "anthropic" if "claude" in model else "openai", **params)
    assert (bounded.nano_usd, bounded.reason) == (None, "unbounded")
    assert bounded.problem is not None
    assert part in bounded.problem


def test_mcp_servers_of_a_client_are_seen_though_their_addresses_are_secret() -> None:
    """ChatAnthropic hides them in its constructor mapping, and they are in no other place."""
    serialized = {"id": ["ChatAnthropic"], "kwargs": {"mcp_servers": {"lc": 1, "type": "secret", "id": ["X"]}}}
    request = CallRequest("chat", [HumanMessage("hello")], {"max_tokens": 10}, serialized, "claude-sonnet-4-5")
    assert bound_call(request, BOOK).reason == "unbounded"


@pytest.mark.parametrize(
    "name", ["google_search", "google_search_retrieval", "google_maps", "url_context", "code_execution", "file_search"]
)
def test_geminis_own_tools_are_refused_by_name_although_they_have_no_type(name: str) -> None:
    """Each search is billed, and what a tool finds is input: as functions of the user's they would be a few tokens."""
    camel = name.split("_", maxsplit=1)[0] + "".join(map(str.capitalize, name.split("_")[1:]))
    for key in (name, camel):
        bounded = bound("gemini-2.5-flash", "google_genai", tools=[{key: {}}])
        assert (bounded.nano_usd, bounded.reason) == (None, "unbounded")
        assert f"tool {key}: the provider runs it" in (bounded.problem or "")


def test_a_function_of_the_users_own_may_be_called_like_a_tool_of_gemini() -> None:
    """It is the key that makes the provider run it, not the name."""
    function = {"type": "function", "function": {"name": "google_search", "parameters": {}}}
    declared = {"function_declarations": [{"name": "google_search", "parameters": {}}]}
    assert bound("gemini-2.5-flash", "google_genai", tools=[function]).reason is None
    assert bound("gemini-2.5-flash", "google_genai", tools=[declared]).reason is None
