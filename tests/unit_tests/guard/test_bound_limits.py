"""The dated rows of output and input limits, against the profiles that LangChain's installed integrations bring."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from langchain_costguard.tokens import limits
from langchain_costguard.tokens.limits import max_input_of, max_output_of

ROWS = json.loads(Path(limits.__file__).with_name("limits.json").read_text("utf-8"))["models"]


@pytest.mark.parametrize("integration", ["langchain_openai", "langchain_anthropic"])
def test_no_row_differs_from_an_installed_profile(integration: str) -> None:
    """A row that is too low would break the promise of a hard budget."""
    profiles = limits._profiles_of(integration)
    compared = 0
    for row in ROWS:
        for model in row["models"]:
            profile = profiles.get(model, {})
            for kind in ("max_input_tokens", "max_output_tokens"):
                if profile.get(kind):
                    assert row[kind] == profile[kind], f"{model}: {kind}"
                    compared += 1
    assert compared >= 30


def test_every_row_says_where_it_is_from_and_when_it_was_read() -> None:
    """A limit without a source cannot be checked again."""
    models = [model for row in ROWS for model in row["models"]]
    assert len(models) == len(set(models))
    for row in ROWS:
        assert row["source"]
        assert date.fromisoformat(row["checked"]) <= date(2026, 11, 21)
        assert 0 < row["max_output_tokens"] <= row["max_input_tokens"] or "tts" in row["models"][0]


def test_the_rows_answer_where_no_integration_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of one provider does not have the packages of the others."""
    monkeypatch.setattr(limits, "_INTEGRATIONS", ())
    for cached in (max_output_of, max_input_of):
        cached.cache_clear()
    try:
        found = {
            model: (max_input_of(model), max_output_of(model))
            for model in ("gpt-4o-2024-08-06", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "gemini-2.5-pro")
        }
        assert list(found.values()) == [(128_000, 16_384), (200_000, 64_000), (1_048_576, 65_536)]
        assert max_output_of("nobody-knows") is None
    finally:
        for cached in (max_output_of, max_input_of):
            cached.cache_clear()
