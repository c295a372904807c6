"""Usage as any provider, gateway or cache may report it: it never raises, and never becomes a wrong count."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.pricing import PriceBook
from langchain_costguard.usage import TokenUsage, is_replayed, read_usage, service_tier_of
from tests.fuzz.strategies import fuzz, mutated, values

SHAPES: Final[tuple[dict[str, Any], ...]] = (
    {
        "input_tokens": 2000,
        "output_tokens": 300,
        "total_tokens": 2300,
        "input_token_details": {"cache_read": 1024, "cache_creation": 5, "audio": 3, "ephemeral_1h_input_tokens": 7},
        "output_token_details": {"reasoning": 100, "audio": 2},
    },
    {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12, "total_cost": 0},
    {
        "prompt_tokens": 2000,
        "completion_tokens": 300,
        "total_tokens": 2300,
        "cost": 0.01,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 100},
    },
    {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "server_tool_use": {"web_search_requests": 1},
    },
    {
        "input_tokens": 50,
        "output_tokens": 70,
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens_details": {"reasoning_tokens": 20},
    },
    {"inputTokens": 5, "outputTokens": 7, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20},
    {"prompt_token_count": 5, "candidates_token_count": 7, "thoughts_token_count": 3, "cached_content_token_count": 2},
    {"prompt_eval_count": 5, "eval_count": 7},
)
"""One valid usage of each shape that is understood."""

usages: Final = st.sampled_from(SHAPES).flatmap(mutated).filter(lambda found: isinstance(found, dict))
"""Such a usage with a few changes."""
reports: Final = usages | st.dictionaries(
    st.sampled_from(sorted({key for shape in SHAPES for key in shape})) | st.integers(), values
)


def check(usage: TokenUsage | None) -> None:
    """What every usage must be: whole numbers from zero, and reasons as texts."""
    if usage is None:
        return
    assert all(type(count) is int and count >= 0 for count in usage.counts)
    assert all(isinstance(flag, str) for flag in usage.flags)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens == sum(usage.counts)


@fuzz(250)
@given(report=reports)
def test_no_report_raises_and_every_count_is_a_whole_number_from_zero(report: dict[Any, Any]) -> None:
    """A parser that raises loses the call; a count that is no count becomes money."""
    usage, tier = read_usage(report)
    check(usage)
    assert tier is None or isinstance(tier, str)
    check(TokenUsage.from_langchain(report))
    check(TokenUsage.from_provider(report))
    service_tier_of(report)
    is_replayed(report)


@fuzz(40)
@given(report=reports)
def test_what_is_no_whole_number_is_flagged(report: dict[Any, Any]) -> None:
    """A count that was guessed at must be seen as one: true is no token, and 1.5 is none either."""
    usage = TokenUsage.from_langchain(report)
    totals = [report.get(name) for name in ("input_tokens", "output_tokens")]
    if usage is not None and not all(type(total) is int and total >= 0 for total in totals):
        assert usage.flags


BOOK: Final = PriceBook()


@fuzz(40)
@given(report=reports, model=st.sampled_from(["gpt-4o-mini", "claude-sonnet-4-5", "o3", "nobody-knows"]))
def test_any_usage_is_priced_exactly_or_not_at_all(report: dict[Any, Any], model: str) -> None:
    """Money is never negative, never a float, and unknown rather than wrong."""
    usage = read_usage(report)[0]
    if usage is None:
        return
    cost = BOOK.price(usage, model=model)
    assert cost is None or (type(cost.nano_usd) is int and cost.nano_usd >= 0 and cost.total >= 0)
