"""How OpenTelemetry's conventions for generative AI name what a ledger line says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langchain_costguard.ledger import CallKind, LedgerEntry

Attributes = dict[str, str | bool | int | float]
"""Attributes of a measurement or of a span."""

UNKNOWN_PROVIDER: Final = "unknown"
"""Stands where the conventions demand a provider and the line has none."""

OPERATIONS: Final[dict[CallKind, str]] = {
    "chat": "chat",
    "llm": "text_completion",
    "embedding": "embeddings",
    "tool": "execute_tool",
    "batch": "chat",
    "manual": "manual",
}
"""`gen_ai.operation.name` by the kind of a line; `manual` is ours, for what `record()` was told."""

_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""Where LangChain's word for a provider is not the conventions'."""


def common_attributes(entry: LedgerEntry) -> Attributes:
    """What every measurement of a call is filed under: few values each, so that no backend drowns in series.

    Args:
        entry: the line.
    """
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS.get(entry.kind, entry.kind),
        "gen_ai.provider.name": provider_name(entry.provider),
    }
    if entry.request_model is not None:
        found["gen_ai.request.model"] = entry.request_model
    if entry.response_model is not None:
        found["gen_ai.response.model"] = entry.response_model
    return found


def span_attributes(entry: LedgerEntry) -> Attributes:
    """What a span says of its call; what is not known is left out, a cost above all.

    Args:
        entry: the line.
    """
    found = {**common_attributes(entry), **_usage(entry), **_cost(entry)}
    found["costguard.run_id"] = str(entry.run_id)
    found["costguard.status"] = entry.status
    if entry.thread is not None:
        found["gen_ai.conversation.id"] = entry.thread
    if entry.error is not None:
        found["error.type"] = entry.error
    return found


def provider_name(provider: str | None) -> str:
    """The conventions' name of a provider.

    Args:
        provider: LangChain's name of it.

    Example:
        >>> provider_name("mistralai"), provider_name("house"), provider_name(None)
        ('mistral_ai', 'house', 'unknown')
    """
    return UNKNOWN_PROVIDER if provider is None else _PROVIDERS.get(provider, provider)


def _usage(entry: LedgerEntry) -> Attributes:
    if entry.usage is None or entry.status == "cached":
        return {}
    found: Attributes = {
        "gen_ai.usage.input_tokens": entry.usage.input_tokens,
        "gen_ai.usage.output_tokens": entry.usage.output_tokens,
    }
    if entry.usage.cache_read:
        found["gen_ai.usage.cache_read.input_tokens"] = entry.usage.cache_read
    if entry.usage.cache_creation:
        found["gen_ai.usage.cache_creation.input_tokens"] = entry.usage.cache_creation
    if entry.usage.reasoning:
        found["gen_ai.usage.reasoning.output_tokens"] = entry.usage.reasoning
    if entry.is_estimated:
        found["costguard.estimated"] = True
    return found


def _cost(entry: LedgerEntry) -> Attributes:
    """The cost exactly, as text, and as the number that dashboards add up; the conventions have no word for either."""
    if entry.billed_cost is None:
        return {"costguard.unpriced_reason": entry.unpriced_reason or "unknown"}
    return {"costguard.cost_usd": f"{entry.billed_cost:f}", "gen_ai.usage.cost": float(entry.billed_cost)}
