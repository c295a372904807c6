"""Who answers the demo, and what is sent to whom."""

from __future__ import annotations

import pytest

from langchain_costguard.demo.endpoints import at_url, openai_itself
from langchain_costguard.demo.server import DemoError


def test_openai_s_key_is_not_sent_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment belongs to OpenAI; a typed URL may belong to anybody."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert at_url("http://localhost:11434/v1", "llama3").api_key == "none"


def test_a_key_is_sent_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosted servers want one."""
    monkeypatch.setenv("VLLM_KEY", " token ")
    assert at_url("https://vllm.example/v1", "qwen", "VLLM_KEY").api_key == "token"


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint ends up in tracebacks and logs."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(openai_itself())


def test_your_own_server_is_priced_by_the_hour_and_openai_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list price for a model of yours would be a number about nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert at_url("http://localhost:11434/v1", "llama3").is_own
    assert not openai_itself().is_own


@pytest.mark.parametrize(
    ("url", "model", "variable", "mends"),
    [
        ("localhost:11434", "llama3", None, "--base-url http://localhost:11434/v1"),
        ("http://localhost:11434/v1", None, None, "--model NAME"),
        ("http://localhost:11434/v1", "llama3", "UNSET_KEY", "export UNSET_KEY="),
    ],
)
def test_what_is_missing_is_named(url: str, model: str | None, variable: str | None, mends: str) -> None:
    """Each message ends with what the user types next."""
    with pytest.raises(DemoError, match=mends):
        at_url(url, model, variable)


def test_without_a_key_openai_is_not_asked() -> None:
    """The provider's own error would come later and say less."""
    with pytest.raises(DemoError, match="export OPENAI_API_KEY="):
        openai_itself()
