"""What a model name means: which provider's price list to look in, and under which names, in which order."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

SELF_HOSTED: Final = frozenset(
    {
        "ollama",
        "llamacpp",
        "llama_cpp",
        "llama-cpp",
        "llama.cpp",
        "vllm",
        "lmstudio",
        "lm_studio",
        "localai",
        "llamafile",
        "gpt4all",
        "mlx",
        "sglang",
        "tgi",
        "xinference",
        "huggingface_pipeline",
        "huggingface_hub",
        "huggingface",
    }
)
"""Providers that run on the user's own machines, or that have no price list of their own."""

PROVIDERS: Final = {
    "azure_openai": "azure",
    "azure_ai": "azure",
    "azure-openai": "azure",
    "azureopenai": "azure",
    "amazon_bedrock": "aws",
    "amazon-bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "anthropic_bedrock": "aws",
    "google_genai": "google",
    "google_vertexai": "google",
    "google_anthropic_vertex": "google",
    "google-genai": "google",
    "google-vertexai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "vertex": "google",
    "gemini": "google",
    "google_ai_studio": "google",
    "mistralai": "mistral",
    "mistral_ai": "mistral",
    "xai": "x-ai",
    "grok": "x-ai",
    "together_ai": "together",
    "together-ai": "together",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "moonshot": "moonshotai",
    "voyage": "voyageai",
    "cohere_chat": "cohere",
    "zai": "zai",
    "zhipu": "zhipuai",
    "github_copilot": "github-copilot",
    "openai_codex": "openai",
    "openai-responses": "openai",
    "text-completion-openai": "openai",
}
"""Names that LangChain (`ls_provider`), LiteLLM and users give a provider, and the name the price list gives it."""

LISTED: Final = frozenset(PROVIDERS.values()) | frozenset(
    {"openai", "anthropic", "google", "mistral", "deepseek", "groq", "cohere", "perplexity", "openrouter"}
    | {"cerebras", "novita", "minimax", "baseten", "databricks", "cloudflare", "avian", "ovhcloud", "azure", "aws"}
)
"""Provider names that may stand before a model's name, as in `groq/llama-3.3-70b-versatile`."""

_HOSTS: Final = (
    ("api.openai.com", "openai"),
    ("openai.azure.com", "azure"),
    ("services.ai.azure.com", "azure"),
    ("cognitiveservices.azure.com", "azure"),
    ("azure-api.net", "azure"),
    ("api.anthropic.com", "anthropic"),
    ("googleapis.com", "google"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.together.xyz", "together"),
    ("api.together.ai", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.mistral.ai", "mistral"),
    ("api.x.ai", "x-ai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.novita.ai", "novita"),
    ("api.moonshot.ai", "moonshotai"),
    ("api.moonshot.cn", "moonshotai"),
    ("api.minimax.io", "minimax"),
    ("api.minimaxi.com", "minimax"),
    ("api.voyageai.com", "voyageai"),
    ("api.z.ai", "zai"),
    ("open.bigmodel.cn", "zhipuai"),
    ("inference.baseten.co", "baseten"),
    ("api.githubcopilot.com", "github-copilot"),
    ("oai.endpoints.kepler.ai.cloud.ovh.net", "ovhcloud"),
)
"""Endpoints by the end of their host name."""

_OPENAI: Final = "openai"
_OPEN_WEIGHTS: Final = "gpt-oss"
"""What the names of OpenAI's models begin with that others serve, and OpenAI does not, though price lists have them."""

_BEDROCK_HOST: Final = re.compile(r"^bedrock(-runtime|-mantle)?(-fips)?\.[a-z0-9-]+\.(amazonaws|api)\.(com|aws)")
_SPEAKS_FOR_OTHERS: Final = frozenset({"openai"})
"""Clients that talk to gateways, so that a provider before the model's name is to be believed. With any other known
provider, `vendor/model` is its own name for a model, and the vendor's list price is not the one it bills."""

_BEDROCK_NAME: Final = re.compile(
    r"^((us|us-gov|eu|apac|jp|au|ca|in|global)\.)?"
    r"(ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\.[a-z]"
)
_VERSION_DATE: Final = re.compile(r"@(\d{8}|\d{3}|default|latest)$")


class ModelName(NamedTuple):
    """One place to look for a price."""

    provider: str | None
    """The provider as the price list names it; `None` to let the model's name decide."""
    name: str
    """The model's name there, in lower case."""


def provider_of_host(host: str) -> str | None:
    """The provider behind an endpoint.

    Args:
        host: a host name or a URL, such as `"https://openrouter.ai/api/v1"`.

    Returns:
        The provider as the price list names it; `None` for loopback and unknown hosts, which have no list price.
    """
    text = host.strip().lower()
    try:
        name = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    if not name:
        return None
    if _BEDROCK_HOST.match(name):
        return "aws"
    for end, provider in _HOSTS:
        if name == end or name.endswith("." + end) or (provider == "google" and name.endswith("-aiplatform." + end)):
            return provider
    return None


def catalogue_provider(provider: str | None) -> str | None:
    """A provider's name as the price list has it, from LangChain's `ls_provider` or any other usual name."""
    if provider is None:
        return None
    name = provider.strip().lower()
    return PROVIDERS.get(name, name) or None


def is_self_hosted(provider: str | None, model: str = "") -> bool:
    """Whether a call was served by the user's own machine, so that no price list can know what it cost."""
    if provider is not None:
        return provider.strip().lower() in SELF_HOSTED
    prefix = re.split(r"[/:]", model.strip().lower(), maxsplit=1)
    return len(prefix) > 1 and prefix[0] in SELF_HOSTED


def is_not_openais(model: str, provider: str | None) -> bool:
    """Whether a call through OpenAI's client names a model that OpenAI does not sell.

    That client also talks to servers of the user's own and to gateways, and says "openai" of them all. Another vendor's
    model, or weights that anybody can serve, were then served by somebody who is not known.

    Args:
        model: the name as a user, LangChain or a response gives it.
        provider: the provider as LangChain names it; for any other than OpenAI the answer is no.
    """
    return catalogue_provider(provider) == _OPENAI and _is_of_another(undo_repetition(model.strip().lower()))


def _is_of_another(name: str) -> bool:
    vendor, rest = _split_prefix(name)
    if rest:
        return vendor not in {None, _OPENAI} or _is_of_another(rest)
    return "/" in name or name.startswith(_OPEN_WEIGHTS)


def undo_repetition(model: str) -> str:
    """The model's name once, where merging stream chunks has repeated it (`"gpt-4ogpt-4o"`)."""
    length = len(model)
    for size in range(3, length // 2 + 1):
        if length % size == 0 and model[:size] * (length // size) == model:
            return model[:size]
    return model


def candidates(model: str, provider: str | None) -> tuple[ModelName, ...]:
    """Where to look for a model's price, most literal reading first.

    Args:
        model: the name as a user, LangChain or a response gives it: `"azure/gpt-4o"`, `"openai:gpt-4o-mini"`,
            `"us.anthropic.claude-sonnet-4-5-20250929-v1:0"`, `"models/gemini-2.5-pro"`,
            `"openrouter/openai/gpt-4o"`, `"claude-sonnet-4-5@20250929"` ...
        provider: the provider as LangChain names it, if known.

    Returns:
        The places, without repetition.
    """
    name = undo_repetition(model.strip().lower())
    found: dict[ModelName, None] = {}
    _add_readings(name, catalogue_provider(provider), found)
    return tuple(found)


def _add_readings(name: str, provider: str | None, found: dict[ModelName, None]) -> None:
    head, rest = _split_prefix(name)
    if provider is None and head is not None:
        _add_readings(rest, head, found)
        return
    if provider is None and _BEDROCK_NAME.match(name):
        provider = "aws"
    for reading in _spellings(name):
        found[ModelName(provider, reading)] = None
    if rest and (head in {None, provider} or provider not in LISTED - _SPEAKS_FOR_OTHERS):
        _add_readings(rest, head or provider, found)


def _split_prefix(name: str) -> tuple[str | None, str]:
    """The provider before a model's name, and the name after it; `(None, "")` if there is nothing before it."""
    for separator in "/:":
        head, found, rest = name.partition(separator)
        head = head.strip()
        listed = PROVIDERS.get(head, head)
        if found and rest and listed in LISTED:
            return listed, rest
        if (
            found
            and rest
            and separator == "/"
            and head in {"models", "publishers", "projects", "accounts", "deployments"}
        ):
            return None, name.rpartition("/")[2]
    if name.startswith("arn:"):
        return "aws", name.rpartition("/")[2]
    return None, ""


def _spellings(name: str) -> list[str]:
    """A name, and the same name as other parties write it."""
    spellings = [name]
    if _VERSION_DATE.search(name):
        spellings += [_VERSION_DATE.sub(r"-\1", name), _VERSION_DATE.sub("", name)]
    return spellings
