"""Which parameters a request of a batch may have: those that the provider's own package knows."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

_KNOWN_TO: Final = {
    "/v1/chat/completions": ("openai.types.chat.completion_create_params", "CompletionCreateParamsNonStreaming"),
    "/v1/responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsNonStreaming"),
    "/v1/completions": ("openai.types.completion_create_params", "CompletionCreateParamsNonStreaming"),
    "/v1/embeddings": ("openai.types.embedding_create_params", "EmbeddingCreateParams"),
    "/v1/messages": ("anthropic.types.message_create_params", "MessageCreateParamsNonStreaming"),
}


@cache
def known_parameters(path: str) -> frozenset[str] | None:
    """The parameters of an endpoint; `None` where the provider's package is not installed, so that nobody knows."""
    module, name = _KNOWN_TO[path]
    try:
        return frozenset(getattr(import_module(module), name).__annotations__)
    except ImportError:
        return None
