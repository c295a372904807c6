"""The rules of providers' caches are dated data with sources, and what is not known is not guessed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.prompt_caching import rules_for
from langchain_costguard.prompt_caching.rules import FILE, parse_rules


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        ("claude-opus-5", 512),
        ("claude-sonnet-5", 1024),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-opus-4-6", 4096),
    ],
)
def test_minimums_of_claude_differ_by_model(model: str, minimum: int) -> None:
    """Below its minimum nothing is cached and no error is given, so one number for all would mislead silently."""
    rules = rules_for(model, "anthropic")
    assert rules is not None
    assert rules.min_tokens == minimum


def test_where_tables_disagree_the_longer_minimum_counts_and_the_other_is_named() -> None:
    """A plan that trusts the shorter one pays for nothing."""
    rules = rules_for("claude-sonnet-4-6", "anthropic")
    assert rules is not None
    assert rules.min_tokens == 2048
    assert [other.min_tokens for other in rules.disagreements] == [1024]


def test_a_model_in_no_table_has_no_minimum() -> None:
    """A newer model's minimum is not that of the one before."""
    rules = rules_for("claude-opus-5-5", "anthropic")
    assert rules is not None
    assert rules.min_tokens is None
    assert rules.cached(100_000) == 0


@pytest.mark.parametrize(("model", "provider"), [("llama-3.3-70b", "groq"), ("my-model", None), ("qwen/x", "openai")])
def test_unknown_providers_have_no_rules(model: str, provider: str | None) -> None:
    """Another provider's rules are nobody else's."""
    assert rules_for(model, provider) is None


def test_openai_reads_in_steps_before_gpt_5_6_and_to_the_token_after() -> None:
    """1,100 tokens of a prefix are 1,024 cached ones with gpt-4o, and 1,100 with what came later."""
    old, new = rules_for("gpt-4o", "openai"), rules_for("gpt-5.6-sol", "openai")
    assert old is not None
    assert new is not None
    assert [rules.cached(1100) for rules in (old, new)] == [1024, 1100]
    assert [old.cached(1023), old.cached(1152), old.writes_unasked, new.writes_unasked] == [0, 1152, False, True]


def test_a_server_of_ones_own_caches_from_the_first_token() -> None:
    """Layout is worth its while there too."""
    rules = rules_for("any-model", "llamacpp")
    assert rules is not None
    assert (rules.min_tokens, rules.lifetimes[0].seconds) == (1, None)


def test_a_rule_counts_from_its_day_on() -> None:
    """Minimums changed twice in one autumn: a ledger of last month is judged by last month's."""
    entry = {
        "provider": "anthropic",
        "match": ["m"],
        "control": "cache_control",
        "source": "s",
        "checked": "2026-11-22",
    }
    raw = {
        "schema": "costguard-prompt-caching/1",
        "rules": [{**entry, "min_tokens": 512, "from": "2026-10-07"}, {**entry, "min_tokens": 1024}],
    }
    newer, older = parse_rules(raw, path="test")
    assert (newer.effective_from, older.effective_from) == ("2026-10-07", "")


def test_every_bundled_rule_says_where_it_is_from() -> None:
    """A number without a source cannot be checked when it moves."""
    raw = json.loads(FILE.read_text(encoding="utf-8"))
    assert all(rule.source and date.fromisoformat(rule.checked) for rule in parse_rules(raw, path=FILE.name))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": ""}, "source missing"),
        ({"control": "magic"}, "control: 'magic' is not known"),
        ({"min_tokens": 0}, "min_tokens: 0 is no number"),
        ({"lifetimes": [{"name": "5m", "seconds": 300, "write_price": "x"}]}, "write_price: 'x' is not known"),
        ({"storage_usd_per_mtok_hour": "dear"}, "'dear' is no number"),
    ],
)
def test_a_broken_rule_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    """A typing error in a table of prices is money."""
    entry = {"provider": "p", "match": ["m"], "control": "automatic", "source": "s", "checked": "2026-11-22", **change}
    with pytest.raises(PriceFormatError, match=says):
        parse_rules({"schema": "costguard-prompt-caching/1", "rules": [entry]}, path="test")


def test_another_schema_is_refused() -> None:
    """A file of a later release must not be read by half."""
    with pytest.raises(PriceFormatError, match="costguard-prompt-caching/1"):
        parse_rules({"schema": "costguard-prompt-caching/2"}, path="test")
