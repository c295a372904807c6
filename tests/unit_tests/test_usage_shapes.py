"""Usage in every shape that a provider gives it: the short way, the long way, tiers, replays and what is no count."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_costguard.usage import TokenUsage, clean_counts, is_replayed, read_usage, service_tier_of


def langchain(input_tokens: int, output_tokens: int, total: int | None = None, **details: object) -> dict[str, Any]:
    """A `usage_metadata` as LangChain builds it."""
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    usage["total_tokens"] = input_tokens + output_tokens if total is None else total
    return {**usage, **{f"{side}_token_details": values for side, values in details.items()}}


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"input_token_details": {"flex_cache_read": 1}}, "flex"),
        ({"input_token_details": {"cache_read": 1, "priority": 5}}, "priority"),
        ({"input_token_details": {}, "output_token_details": {"priority_reasoning": 1}}, "priority"),
        ({"output_token_details": {"flex": 9}}, "flex"),
        ({"input_token_details": {"cache_read": 1}, "output_token_details": {"flex": 9}}, None),
        ({"input_token_details": {"cache_read": 1}}, None),
        ({"input_token_details": ["flex"]}, None),
        ({}, None),
    ],
)
def test_the_tier_is_read_from_the_details_that_are_there(usage: dict[str, Any], tier: str | None) -> None:
    """Flex is half of the price and priority double; an answer without cached input names it in its output alone."""
    assert service_tier_of(usage) == tier
    told = {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14, **usage}
    assert read_usage(told)[1] == tier


@pytest.mark.parametrize(("cost", "replayed"), [(0, True), (0.0, True), (None, False), (0.1, False)])
def test_only_a_cost_of_nothing_marks_a_replayed_answer(cost: float | None, *, replayed: bool) -> None:
    """A cost that is there is owed; without one the call is like any other."""
    assert is_replayed({"total_cost": cost}) is replayed
    assert is_replayed({}) is False


@pytest.mark.parametrize(
    ("usage", "buckets"),
    [
        (langchain(5, 3, output={"reasoning": 1}), (5, 0, 0, 0, 0, 2, 1, 0)),
        (langchain(5, 3, input={"cache_read": 2}), (3, 2, 0, 0, 0, 3, 0, 0)),
        (langchain(9, 3, input={"cache_creation": 4, "ephemeral_1h_input_tokens": 1}), (5, 0, 3, 1, 0, 3, 0, 0)),
        (langchain(5, 3), (5, 0, 0, 0, 0, 3, 0, 0)),
        (langchain(5, 3, input={"cache_read": 5}, output={"audio": 3}), (0, 5, 0, 0, 0, 0, 0, 3)),
        ({"input_tokens": 5, "output_tokens": 3}, None),
        (langchain(5, 3, output={"reasoning": 4}), None),
        (langchain(5, 3, input={"cache_read": 6}), None),
        (langchain(5, 3, input={"cache_read": -1}), None),
        (langchain(5, 3, input={"new": 1}), None),
        (langchain(5, 3, input={"new": 0}), (5, 0, 0, 0, 0, 3, 0, 0)),
        (langchain(5, 3, 10, output={"reasoning": 2}), None),
    ],
)
def test_the_short_way_reads_only_what_is_as_documented(usage: dict[str, Any], buckets: tuple[int, ...] | None) -> None:
    """Every call takes it: what it does not know goes the long way, where it is flagged."""
    assert clean_counts(usage) == buckets


def test_thinking_beside_the_output_is_found_under_a_tiers_name_as_well() -> None:
    """The total tells: ten and five and three are eighteen."""
    usage = TokenUsage.from_langchain(langchain(10, 5, 18, output={"flex_reasoning": 3}))
    assert usage is not None
    assert (usage.output_text, usage.reasoning) == (5, 3)


def test_what_geminis_tools_brought_is_input() -> None:
    """It is reported beside the prompt, and billed with it."""
    told = {"prompt_token_count": 10, "tool_use_prompt_token_count": 4, "candidates_token_count": 2}
    usage = TokenUsage.from_provider(told)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (14, 2)


@pytest.mark.parametrize(
    "told",
    [
        {"input_tokens": 10, "output_tokens": 1, "input_tokens_details": {}},
        {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {}},
    ],
)
def test_both_of_openais_interfaces_say_what_was_read_written_and_heard(told: dict[str, Any]) -> None:
    """Left out, a write to the cache would be billed at the price of plain input."""
    (details,) = (key for key in told if key.endswith("details"))
    parts = {"cached_tokens": 2, "cache_write_tokens": 3, "audio_tokens": 1}
    usage = TokenUsage.from_provider({**told, details: parts})
    assert usage is not None
    assert usage.counts == (4, 2, 3, 0, 1, 1, 0, 0)


def test_langchains_details_are_believed_before_the_providers_own() -> None:
    """A mapping that has both has its totals from LangChain: the cache is in them."""
    told = {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4}
    for details in ({"input_token_details": {"cache_read": 4}}, {"output_token_details": {"reasoning": 0}}):
        usage = TokenUsage.from_provider({**told, **details})
        assert usage is not None
        assert usage.input_tokens == 9
    bare = TokenUsage.from_provider(told)
    assert bare is not None
    assert bare.input_tokens == 13


@pytest.mark.parametrize(
    ("told", "flag"),
    [
        ("many", "was not a number"),
        (None, "was missing"),
        (-5, "was negative (-5)"),
        (float("inf"), "was not a number"),
    ],
)
def test_a_count_that_is_none_is_nothing_and_flagged(told: object, flag: str) -> None:
    """Nothing is made up, and the line says what was wrong."""
    usage = TokenUsage.from_langchain({"input_tokens": told, "output_tokens": 3})
    assert usage is not None
    assert (usage.counts, usage.flags) == ((0, 0, 0, 0, 0, 3, 0, 0), (f"input_tokens {flag}",))


def test_bedrock_reports_its_cache_beside_the_input() -> None:
    """Fifteen tokens in all: ten plain, two read, three written."""
    told = {"inputTokens": 10, "outputTokens": 1, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 3}
    usage = TokenUsage.from_provider(told)
    assert usage is not None
    assert usage.counts == (10, 2, 3, 0, 0, 1, 0, 0)
