"""What a model's name says: whose it is, and how long its answers can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

import langchain_costguard
from langchain_costguard.tokens import limits
from langchain_costguard.tokens.limits import max_output_of
from langchain_costguard.tokens.models import bare_name, maker_of


@pytest.mark.parametrize(
    ("model", "maker"),
    [
        ("gpt-4o", "openai"),
        ("azure_openai:gpt-4o", "openai"),
        ("openrouter/openai/o3", "openai"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"),
        ("openrouter/anthropic/claude-opus-4.7", "anthropic"),
        ("models/gemini-2.5-pro", "google"),
        ("llama3.1:8b", None),
        ("", None),
        (None, None),
    ],
)
def test_the_maker_is_read_off_the_name(model: str | None, maker: str | None) -> None:
    """Images and tools are counted by the maker's rules, whoever serves the model."""
    assert maker_of(model) == maker


def test_a_tag_of_ollama_stays_with_its_name() -> None:
    """What stands before a colon is not always a provider."""
    assert bare_name("gpt-oss:20b") == "gpt-oss:20b"
    assert bare_name("llama3:8b") == "llama3:8b"


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-2024-05-13", "gpt-5", "o1", "gpt-5.6"])
def test_the_limit_is_the_one_langchain_knows(model: str) -> None:
    """The file is read past the package's door: a change of its form must show here."""
    profile = ChatOpenAI(model=model, api_key="none").profile
    assert profile is not None
    assert max_output_of(model) == profile["max_output_tokens"]


def test_the_limit_of_claude_is_known_too() -> None:
    """Whatever integration is installed is asked."""
    profile = ChatAnthropic(model="claude-sonnet-4-5", api_key="none").profile
    assert profile is not None
    assert max_output_of("claude-sonnet-4-5") == profile["max_output_tokens"]


@pytest.mark.parametrize(
    ("model", "known_as"),
    [
        ("azure/gpt-4o", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "gpt-4o-mini"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("vertex_ai/claude-opus-4-5@20251101", "claude-opus-4-5"),
    ],
)
def test_the_limit_is_found_under_the_names_of_clouds(model: str, known_as: str) -> None:
    """The same model is sold under many names."""
    assert max_output_of(model) == max_output_of(known_as) is not None


@pytest.mark.parametrize("model", ["llama3.1", "gpt-image-1", "no-such-model", "", None])
def test_no_limit_is_made_up(model: str | None) -> None:
    """A default of some thousands would be no bound: models answer with up to 128,000 tokens."""
    assert max_output_of(model) is None


def test_embeddings_answer_no_tokens() -> None:
    """Their profiles give the length of the vector as a number of tokens."""
    assert max_output_of("text-embedding-3-large") == 0


def test_packages_without_profiles_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older integration, or none at all, means only that no limit is known."""
    (tmp_path / "older_integration.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert limits._profiles_of("older_integration") == {}
    assert limits._profiles_of("no_such_integration") == {}


def test_knowing_a_limit_imports_no_integration() -> None:
    """Importing `langchain_openai` takes most of a second."""
    program = (
        "import sys\nfrom langchain_costguard.tokens.limits import max_output_of\n"
        "assert max_output_of('gpt-4o') == 16384\nprint('langchain_openai' in sys.modules or 'openai' in sys.modules)"
    )
    root = Path(langchain_costguard.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
