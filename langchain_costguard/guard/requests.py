"""CallRequest: a call that is about to be made, as its start hook sees it, and what its settings say about its size."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType({})

RequestKind = Literal["chat", "llm", "embedding"]


class CallRequest(NamedTuple):
    """A call that is about to be made."""

    kind: RequestKind
    prompt: Any
    """The messages of a chat model, the text of a text model, the text or texts to embed."""
    params: Mapping[str, Any] = _NO_SETTINGS
    """LangChain's `invocation_params`, with whatever else is sent."""
    serialized: Mapping[str, Any] | None = None
    """The client's constructor mapping, as start hooks are given it."""
    model: str | None = None
    """The requested model."""
    provider: str | None = None
    """Who serves it."""
    service_tier: str | None = None
    """The tier that was asked for, where `params` do not say."""
    region: str | None = None
    """Where the provider was told to process the call."""
    metadata: Mapping[str, Any] = _NO_SETTINGS
    """The run's metadata, of which `ls_max_tokens` is read."""


LIMIT_KEYS: Final = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "max_tokens_to_sample",
    "maxTokens",
    "maxOutputTokens",
    "num_predict",
    "n_predict",
)
"""What integrations call the most tokens of one answer."""

ANSWER_KEYS: Final = ("n", "best_of", "candidate_count", "candidateCount", "num_generations", "num_return_sequences")
"""What they call the number of answers that are made, and billed, at once."""

_NESTED: Final = (
    "model_kwargs",
    "extra_body",
    "options",
    "generation_config",
    "generationConfig",
    "inferenceConfig",
    "inference_config",
    "additional_model_request_fields",
)
"""Settings that hold more settings of the same kind."""


def output_limit(request: CallRequest) -> int | None:
    """The most tokens of one answer that the request asks for, the largest if it says so more than once.

    Returns:
        Tokens, reasoning included; `None` if the request sets no limit.
    """
    found, is_said = _largest(request.params, LIMIT_KEYS)
    if is_said:
        return found
    found, _ = _largest(_constructor(request), LIMIT_KEYS)
    if found is not None:
        return found
    limit = request.metadata.get("ls_max_tokens")
    return limit if type(limit) is int and limit > 0 else None


def answers_of(request: CallRequest) -> int:
    """How many answers the request asks for at once."""
    found, is_said = _largest(request.params, ANSWER_KEYS)
    if not is_said:
        found, _ = _largest(_constructor(request), ANSWER_KEYS)
    return found or 1


def _constructor(request: CallRequest) -> Mapping[str, Any]:
    return (request.serialized.get("kwargs") if request.serialized else None) or _NO_SETTINGS


def _largest(settings: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[int | None, bool]:
    """The largest positive whole number under any of the keys, and whether any of them is there at all."""
    said = [settings[key] for key in keys if key in settings]
    for name in _NESTED:
        inner = settings.get(name)
        if inner and hasattr(inner, "keys"):
            said += [inner[key] for key in keys if key in inner]
    return max((value for value in said if type(value) is int and value > 0), default=None), bool(said)
