"""Usage: each trap of LangChain's integrations and of the providers' own objects, by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.usage import TokenUsage, clean_counts, is_replayed, read_usage, service_tier_of


def langchain(input_tokens: object, output_tokens: object, total: object = None, **details: object) -> dict[str, Any]:
    """A `usage_metadata` as LangChain builds it."""
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    usage["total_tokens"] = input_tokens + output_tokens if total is None else total
    return {**usage, **{f"{side}_token_details": values for side, values in details.items()}}


def read(usage: dict[str, Any]) -> TokenUsage:
    """The usage, which must be found."""
    found, _ = read_usage(usage)
    assert found is not None
    return found


class TestLangChain:
    """`AIMessage.usage_metadata`."""

    def test_details_are_subsets_of_the_totals(self) -> None:
        """Adding cache reads to the input counts them twice (langfuse#10592, litellm PR #26919)."""
        usage = read(langchain(2000, 300, input={"cache_read": 1024}, output={"reasoning": 200}))
        assert usage == TokenUsage(uncached_input=976, cache_read=1024, output_text=100, reasoning=200)
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2000, 300, 2300)

    def test_flex_renames_the_details(self) -> None:
        """Plain `cache_read` is absent; Langfuse prices the call $0, the community handler +136 %."""
        usage = langchain(
            2000, 500, input={"flex_cache_read": 1024, "flex": 976}, output={"flex_reasoning": 200, "flex": 300}
        )
        assert read_usage(usage) == (
            TokenUsage(uncached_input=976, cache_read=1024, output_text=300, reasoning=200),
            "flex",
        )

    def test_priority_renames_the_details_and_forgets_to_subtract_cache_creation(self) -> None:
        """`priority` is input minus cache reads only; it is a remainder and must not be counted."""
        usage = langchain(
            2000,
            500,
            input={"priority_cache_read": 1000, "priority_cache_creation": 500, "priority": 1000},
            output={"priority_reasoning": 200, "priority": 300},
        )
        assert read_usage(usage) == (
            TokenUsage(uncached_input=500, cache_read=1000, cache_write_5m=500, output_text=300, reasoning=200),
            "priority",
        )

    @pytest.mark.parametrize("tier", ["default", "scale", "auto", "fast"])
    def test_other_tiers_leave_plain_keys_and_no_mark(self, tier: str) -> None:
        """Only the response's `service_tier` names them; the keys must not be asked."""
        usage = langchain(2000, 300, input={"cache_read": 1024})
        assert service_tier_of({**usage, "service_tier": tier}) is None

    def test_anthropic_includes_the_cache_in_its_input(self) -> None:
        """LangChain has added it already; adding it again is the classic double count."""
        usage = read(langchain(10_000, 500, input={"cache_read": 8000, "cache_creation": 1000}))
        assert usage == TokenUsage(uncached_input=1000, cache_read=8000, cache_write_5m=1000, output_text=500)

    def test_anthropic_zeroes_cache_creation_when_it_knows_the_lifetime(self) -> None:
        """Read alone, `cache_creation` says nothing was written: -16 to -32 % elsewhere."""
        details = {"cache_read": 8000, "cache_creation": 0, "ephemeral_5m_input_tokens": 300}
        usage = read(langchain(10_000, 500, input={**details, "ephemeral_1h_input_tokens": 700}))
        assert (usage.cache_write_5m, usage.cache_write_1h, usage.uncached_input) == (300, 700, 1000)

    def test_a_repeated_sum_in_cache_creation_is_not_counted_again(self) -> None:
        """Other integrations give the lifetimes and their sum."""
        details = {"cache_creation": 1000, "ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 700}
        usage = read(langchain(2000, 0, input=details))
        assert (usage.cache_write_5m, usage.cache_write_1h, usage.uncached_input) == (300, 700, 1000)

    def test_audio_is_a_part_of_both_sides(self) -> None:
        """It costs sixteen times the text."""
        usage = read(langchain(1000, 500, input={"audio": 800}, output={"audio": 400}))
        assert usage == TokenUsage(uncached_input=200, audio_input=800, output_text=100, audio_output=400)

    def test_reasoning_beside_the_output_is_added_once(self) -> None:
        """XAI counts thinking beside the output; `total_tokens` gives it away."""
        usage = read(langchain(100, 50, total=350, output={"reasoning": 200}))
        assert (usage.output_text, usage.reasoning) == (50, 200)
        assert "beside output_tokens" in usage.flags[0]

    def test_a_replayed_answer_may_hold_no_counts(self) -> None:
        """Core adds `total_cost: 0` to a cache hit; a legacy cache has nothing else to say."""
        assert is_replayed({"total_cost": 0})
        assert read_usage({"total_cost": 0}) == (None, None)
        assert is_replayed({**langchain(1, 1), "total_cost": 0})
        assert not is_replayed(langchain(1, 1))

    def test_a_replayed_answer_keeps_its_counts(self) -> None:
        """What the hit avoided is priced from them."""
        assert read({**langchain(1000, 500), "total_cost": 0}) == TokenUsage(uncached_input=1000, output_text=500)

    def test_unknown_details_stay_in_the_rest(self) -> None:
        """A new kind of token is billed at the plain rate, never dropped."""
        assert read(langchain(100, 10, input={"video": 60})).uncached_input == 100

    def test_details_may_be_none(self) -> None:
        """Some integrations fill what they do not know with None."""
        usage = read(langchain(100, 10, input={"cache_read": None}, output=None))
        assert usage == TokenUsage(uncached_input=100, output_text=10)

    def test_embeddings_have_no_output(self) -> None:
        """Zero output is a figure, not a gap."""
        assert read(langchain(1000, 0)) == TokenUsage(uncached_input=1000)


class TestDirtyUsage:
    """Impossible figures are flagged and counted as well as they can be; they never raise."""

    @pytest.mark.parametrize(
        ("usage", "flag"),
        [
            (langchain(100, 10, input={"cache_read": 200}), "exceed input_tokens"),
            (langchain(-5, 10, 5), "input_tokens was negative"),
            (langchain(10, -1, 9), "output_tokens was negative"),
            (langchain(100, 10, input={"cache_read": -1}), "cache_read was negative"),
            (langchain(100.5, 10, 110), "not a whole number"),
            (langchain("x", 10, 10), "was not a number"),
            ({"input_tokens": None, "output_tokens": 10, "total_tokens": 10}, "input_tokens was missing"),
            ({"input_tokens": 10, "total_tokens": 10}, "output_tokens was missing"),
            (langchain(100, 10, input=[1]), "was not a mapping"),
            (langchain(100, 10, input={"cache_read": 90, "audio": 20}), "overlaps the cached input"),
            (langchain(100, 10, output={"reasoning": 6, "audio": 6}), "exceed output_tokens"),
            (langchain(float("inf"), 10, 10), "was not a number"),
        ],
    )
    def test_what_is_wrong_is_said(self, usage: dict[str, Any], flag: str) -> None:
        """genai-prices raises on these and the call is lost."""
        found = read(usage)
        assert any(flag in sentence for sentence in found.flags)
        assert all(count >= 0 for count in found[:8])

    def test_a_number_written_as_text_is_read(self) -> None:
        """Gateways do that; it is flagged and counted."""
        found = read(langchain("100", 10, 110))
        assert found.uncached_input == 100
        assert found.flags

    def test_clean_counts_carries_no_flags(self) -> None:
        """A flag on every line would be read by nobody."""
        assert read(langchain(100, 10)).flags == ()


class TestProviders:
    """Usage objects of the providers' own APIs."""

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            (
                {
                    "prompt_tokens": 2000,
                    "completion_tokens": 500,
                    "total_tokens": 2500,
                    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 100},
                    "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 50},
                },
                TokenUsage(
                    uncached_input=876,
                    cache_read=1024,
                    audio_input=100,
                    output_text=250,
                    reasoning=200,
                    audio_output=50,
                ),
            ),
            (
                {
                    "input_tokens": 2000,
                    "output_tokens": 500,
                    "total_tokens": 2500,
                    "input_tokens_details": {"cached_tokens": 1024},
                    "output_tokens_details": {"reasoning_tokens": 200},
                },
                TokenUsage(uncached_input=976, cache_read=1024, output_text=300, reasoning=200),
            ),
            (
                {"input_tokens": 1000, "output_tokens": 500, "cache_read_input_tokens": 8000},
                TokenUsage(uncached_input=1000, cache_read=8000, output_text=500),
            ),
            (
                {
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "cache_creation_input_tokens": 900,
                    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 700},
                    "service_tier": "standard",
                },
                TokenUsage(uncached_input=1000, cache_write_5m=200, cache_write_1h=700, output_text=500),
            ),
            (
                {"inputTokens": 10, "outputTokens": 5, "totalTokens": 22, "cacheReadInputTokens": 7},
                TokenUsage(uncached_input=10, cache_read=7, output_text=5),
            ),
            (
                {
                    "prompt_token_count": 100,
                    "candidates_token_count": 20,
                    "thoughts_token_count": 30,
                    "cached_content_token_count": 40,
                    "total_token_count": 150,
                },
                TokenUsage(uncached_input=60, cache_read=40, output_text=20, reasoning=30),
            ),
            ({"prompt_eval_count": 12, "eval_count": 3}, TokenUsage(uncached_input=12, output_text=3)),
            ({"prompt_tokens": 12, "total_tokens": 12}, TokenUsage(uncached_input=12)),
        ],
        ids=["openai", "responses", "anthropic", "anthropic-1h", "bedrock", "gemini", "ollama", "embeddings"],
    )
    def test_its_own_usage_is_understood(self, usage: dict[str, Any], expected: TokenUsage) -> None:
        """`record()` and `llm_output` hand these over as they came."""
        assert read(usage) == expected

    @pytest.mark.parametrize("usage", [{}, {"tokens": 5}, {"total_tokens": 5}, {"prompt_tokens": None}])
    def test_an_object_without_counts_is_unknown(self, usage: dict[str, Any]) -> None:
        """None, so that somebody estimates; never zero tokens."""
        assert read_usage(usage) == (None, None)


def test_usages_add_up_bucket_by_bucket() -> None:
    """Several legs of one call, or several calls of one batch line."""
    both = TokenUsage(1, 2, 3, 4, 5, 6, 7, 8, ("a",)).combined(TokenUsage(1, 1, 1, 1, 1, 1, 1, 1, ("b",)))
    assert both == TokenUsage(2, 3, 4, 5, 6, 7, 8, 9, ("a", "b"))


counts = st.integers(0, 10**7)


@given(st.lists(counts, min_size=8, max_size=8))
def test_the_short_path_agrees_with_the_careful_one(buckets: list[int]) -> None:
    """Nearly every call takes the short path; it must not be a second opinion."""
    rest, cache, write_5m, write_1h, audio, text, reasoning, audio_out = buckets
    usage = langchain(
        rest + cache + write_5m + write_1h + audio,
        text + reasoning + audio_out,
        input={
            "cache_read": cache,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": write_5m,
            "ephemeral_1h_input_tokens": write_1h,
            "audio": audio,
        },
        output={"reasoning": reasoning, "audio": audio_out},
    )
    short = clean_counts(usage)
    careful = TokenUsage._from_unclean(usage)
    assert careful is not None
    assert careful[:8] == tuple(buckets)
    assert short == tuple(buckets)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "input_tokens",
                "output_tokens",
                "total_tokens",
                "input_token_details",
                "output_token_details",
                "prompt_tokens",
            ]
        ),
        st.one_of(
            st.none(),
            st.integers(-5, 100),
            st.floats(allow_nan=True),
            st.sampled_from(["", "x", "7"]),
            st.dictionaries(st.sampled_from(["cache_read", "audio", "reasoning", "flex"]), st.integers(-5, 100)),
        ),
    )
)
def test_no_report_makes_us_raise(usage: dict[str, Any]) -> None:
    """Tracking must never break the chain."""
    found, _ = read_usage(usage)
    assert found is None or all(type(count) is int and count >= 0 for count in found[:8])


@pytest.mark.parametrize(
    "report",
    [
        {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": "100"},
        {"inputTokens": "5", "outputTokens": 7, "cacheReadInputTokens": 100},
        {"prompt_token_count": 5, "candidates_token_count": [7], "thoughts_token_count": 3},
    ],
)
def test_what_cannot_be_added_up_is_flagged_and_the_rest_is_counted(report: dict[str, Any]) -> None:
    """A gateway that writes one count as a text must not cost the whole call its usage."""
    usage = TokenUsage.from_provider(report)
    assert usage is not None
    assert usage.flags
    assert usage.total_tokens > 0


def test_a_count_of_true_is_flagged() -> None:
    """True is one in Python and no number of tokens anywhere."""
    usage = TokenUsage.from_langchain({"input_tokens": True, "output_tokens": 7})
    assert usage is not None
    assert usage.flags == ("input_tokens was reported as a bool, not a whole number",)


def test_a_key_that_is_no_text_names_no_tier() -> None:
    """Details built by hand may have any key; the call must still be booked."""
    assert service_tier_of({"input_token_details": {7: 1}}) is None
