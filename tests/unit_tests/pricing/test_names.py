"""Names: every form a LangChain user meets leads to the right provider's list."""

from __future__ import annotations

import re

import pytest

from langchain_costguard.pricing import Catalog, provider_of_host
from langchain_costguard.pricing.names import (
    SELF_HOSTED,
    ModelName,
    candidates,
    catalogue_provider,
    is_self_hosted,
    undo_repetition,
)


@pytest.mark.parametrize(
    ("model", "provider", "found"),
    [
        ("gpt-4o", None, ("openai", "gpt-4o")),
        ("GPT-4o ", "OpenAI", ("openai", "gpt-4o")),
        ("azure/gpt-4o", None, ("azure", "gpt-4o")),
        ("azure/gpt-4o", "azure_openai", ("azure", "gpt-4o")),
        ("gpt-35-turbo", "azure", ("azure", "gpt-3.5-turbo")),
        ("openai:gpt-4o-mini", None, ("openai", "gpt-4o-mini")),
        ("openai/gpt-4o-mini", "openai", ("openai", "gpt-4o-mini")),
        (
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            None,
            ("aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "amazon_bedrock",
            ("aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            "apac.anthropic.claude-sonnet-4-20250514-v1:0",
            "bedrock_converse",
            ("aws", "regional.anthropic.claude-sonnet-4-20250514-v1:0"),
        ),
        (
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws",
            ("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
            None,
            ("aws", "amazon.nova-pro-v1:0"),
        ),
        ("vertex_ai/gemini-2.5-pro", None, ("google", "gemini-2.5-pro")),
        ("models/gemini-2.5-pro", "google_genai", ("google", "gemini-2.5-pro")),
        ("publishers/google/models/gemini-2.5-pro", "google_vertexai", ("google", "gemini-2.5-pro")),
        ("claude-sonnet-4-5@20250929", "google_vertexai", ("google", "claude-sonnet-4-5")),
        ("gemini-1.5-pro@001", "google_vertexai", ("google", "gemini-1.5-pro")),
        ("openrouter/openai/gpt-4o", None, ("openrouter", "openai/gpt-4o")),
        ("anthropic/claude-sonnet-4", "openrouter", ("openrouter", "anthropic/claude-sonnet-4")),
        ("deepseek/deepseek-r1:free", "openrouter", ("openrouter", "deepseek/deepseek-r1:free")),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai", ("openai", "ft:gpt-4o-mini")),
        ("ft:gpt-4.1-nano-2025-04-14:acme::x", "openai", ("openai", "ft:gpt-4.1-nano")),
        ("gpt-4.1-mini-2025-04-14.ft-0123456789abcdef", "azure_openai", ("azure", "ft:gpt-4.1-mini")),
        ("gpt-5-20250807", "openai", ("openai", "gpt-5")),
        ("gpt-4ogpt-4o", "openai", ("openai", "gpt-4o")),
        ("text-embedding-3-small", None, ("openai", "text-embedding-3-small")),
        ("mistral-large-2512", "mistralai", ("mistral", "mistral-large-2512")),
        ("grok-3-mini", "xai", ("x-ai", "grok-3-mini")),
        ("groq/llama-3.3-70b-versatile", None, ("groq", "llama-3.3-70b-versatile")),
        ("openai/gpt-oss-120b", "groq", ("groq", "openai/gpt-oss-120b")),
        (
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "together",
            ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "fireworks", ("fireworks", "llama-v3p1-8b-instruct")),
        ("gpt-4o", "my-company-gateway", ("openai", "gpt-4o")),
        ("us.amazon.nova-pro-v1:0", None, ("aws", "amazon.nova-pro-v1:0")),
    ],
)
def test_a_name_leads_to_the_list_entry(model: str, provider: str | None, found: tuple[str, str]) -> None:
    """A name that is not understood is an unpriced call; one misunderstood is a wrong bill."""
    entry = Catalog.bundled().find(model, provider)
    assert entry is not None
    assert (entry.provider, entry.model) == found


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-9-ultra", "openai"),
        ("gpt-4o-something", "openai"),
        ("ft:gpt-9:acme::x", "openai"),
        ("ft:gpt-4.1-mega:acme::x", "openai"),
        ("my-org/llm-7b-v3", None),
        ("meta-llama/Llama-3.3-70B", None),
        ("mistral:7b", None),
        ("llama3.1:8b", "ollama"),
        ("gpt-4o", "ollama"),
        ("ollama/llama3.1", None),
        ("vllm/gpt-4o", None),
        ("openai/gpt-4o:nitro", "openrouter"),
        ("my-deployment", "azure_openai"),
        ("", "openai"),
        ("", None),
        ("/", None),
        (":", None),
        ("claude", None),
    ],
)
def test_a_name_without_a_list_price_is_not_guessed(model: str, provider: str | None) -> None:
    """A base model's price for a fine-tune, or a cloud price for a local model, would be false."""
    assert Catalog.bundled().find(model, provider) is None


@pytest.mark.parametrize(
    ("repeated", "once"),
    [
        ("gpt-4ogpt-4o", "gpt-4o"),
        ("o3-minio3-minio3-mini", "o3-mini"),
        ("gpt-4o", "gpt-4o"),
        ("aaaa", "aaaa"),
        ("", ""),
    ],
)
def test_exact_repetition_by_chunk_merging_is_undone(repeated: str, once: str) -> None:
    """LangChain concatenates strings when it merges stream chunks (langchain#38366)."""
    assert undo_repetition(repeated) == once


def test_short_names_are_not_taken_for_repetitions() -> None:
    """A size below three letters is a coincidence, not a model."""
    assert undo_repetition("o1o1") == "o1o1"


@pytest.mark.parametrize(
    ("ls_provider", "listed"),
    [
        ("azure", "azure"),
        ("azure_openai", "azure"),
        ("amazon_bedrock", "aws"),
        ("bedrock_converse", "aws"),
        ("google_genai", "google"),
        ("google_vertexai", "google"),
        ("mistralai", "mistral"),
        ("xai", "x-ai"),
        ("together", "together"),
        ("fireworks", "fireworks"),
        ("groq", "groq"),
        ("deepseek", "deepseek"),
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("cohere", "cohere"),
        ("perplexity", "perplexity"),
        ("openrouter", "openrouter"),
    ],
)
def test_langchains_names_of_providers_are_those_of_the_list(ls_provider: str, listed: str) -> None:
    """`azure_openai` taken for OpenAI would price another company's bill."""
    assert catalogue_provider(ls_provider) == listed
    assert any(provider.id == listed for provider in Catalog.bundled().providers)


@pytest.mark.parametrize("provider", sorted(SELF_HOSTED))
def test_what_you_serve_yourself_has_no_list_price(provider: str) -> None:
    """It costs machine time, which no price list knows."""
    assert is_self_hosted(provider)
    assert is_self_hosted(None, f"{provider}/llama3.1")


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("eu.api.openai.com", "openai"),
        ("https://acme.openai.azure.com/openai/deployments/x", "azure"),
        ("https://acme.services.ai.azure.com", "azure"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://generativelanguage.googleapis.com/v1beta", "google"),
        ("https://us-east5-aiplatform.googleapis.com", "google"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "aws"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("https://api.x.ai/v1", "x-ai"),
        ("HTTPS://API.MISTRAL.AI:443/v1", "mistral"),
        ("http://localhost:11434/v1", None),
        ("http://127.0.0.1:8000", None),
        ("http://[::1]:8000", None),
        ("https://llm.example.com/v1", None),
        ("https://api.openai.com.evil.example", None),
        ("https://notopenrouter.ai", None),
        ("http://[broken", None),
        ("", None),
    ],
)
def test_an_endpoint_tells_the_provider_or_nothing(host: str, provider: str | None) -> None:
    """`ChatOpenAI` calls every compatible server 'openai'; a local one must not get OpenAI's prices."""
    assert provider_of_host(host) == provider


def test_the_hosts_agree_with_the_patterns_of_the_price_list() -> None:
    """Two tables of endpoints must not contradict each other."""
    for provider in Catalog.bundled().providers:
        known = provider_of_host(re.sub(r"\\(.)", r"\1", provider.api_pattern.partition("(")[0]))
        assert known in {None, provider.id, "openai"}


def test_a_host_of_many_vendors_is_asked_in_its_own_words_only() -> None:
    """Together's `mistralai/...` is not billed by Mistral's list; OpenAI's client may well speak to a gateway."""
    assert candidates("mistralai/mistral-large-2512", "together") == (
        ModelName("together", "mistralai/mistral-large-2512"),
    )
    assert candidates("anthropic/claude-opus-5", "openai") == (
        ModelName("openai", "anthropic/claude-opus-5"),
        ModelName("anthropic", "claude-opus-5"),
    )
