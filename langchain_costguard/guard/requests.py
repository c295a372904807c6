"""CallRequest: a call that is about to be made, as its start hook sees it, and what its settings say about its size."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_costguard.tokens.counting import byte_bound
from langchain_costguard.tokens.schemas import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

RequestKind = Literal["chat", "llm", "embedding"]


class CallRequest(NamedTuple):
    """A call that is about to be made."""

    kind: RequestKind
    prompt: Any
    """The messages of a chat model, the text of a text model, the text or texts to embed."""
    params: Mapping[str, Any] = _NOTHING
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
    metadata: Mapping[str, Any] = _NOTHING
    """The run's metadata, of which `ls_max_tokens` is read."""


_ROLES: Final[dict[str, str]] = {
    # the most tokens of one answer
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"), "limit"),
    **dict.fromkeys(("maxTokens", "maxOutputTokens", "num_predict", "n_predict", "max_tokens_to_sample"), "limit"),
    # how many answers are made, and billed, at once
    **dict.fromkeys(("n", "best_of", "candidate_count", "candidateCount"), "answers"),
    **dict.fromkeys(("num_generations", "num_return_sequences"), "answers"),
    # settings that hold more settings of the same kind
    **dict.fromkeys(("model_kwargs", "extra_body", "options", "generation_config", "generationConfig"), "nested"),
    **dict.fromkeys(("inferenceConfig", "inference_config", "additional_model_request_fields"), "nested"),
    **dict.fromkeys(("thinking_config", "thinkingConfig"), "nested"),
    # what the provider adds to the input from elsewhere
    **dict.fromkeys(("previous_response_id", "conversation", "prompt", "cached_content", "cachedContent"), "named"),
    **dict.fromkeys(("file_ids", "image_url"), "named"),
    # what the provider does by itself while it answers
    **dict.fromkeys(("web_search_options", "mcp_servers", "plugins", "search_parameters", "builtin_tools"), "acts"),
    "context_management": "compaction",
    # other models that may answer instead
    **dict.fromkeys(("models", "fallbacks"), "models"),
    # whether the client sends the last answer's id instead of the messages up to it
    "use_previous_response_id": "recalls",
    # the rest that matters
    "service_tier": "tier",
    "serviceTier": "tier",
    "speed": "tier",
    "cache_control": "caching",
    "prediction": "prediction",
    "thinking_budget": "thinking",
    "thinkingBudget": "thinking",
    "betas": "betas",
    **dict.fromkeys(("modalities", "response_modalities", "responseModalities", "audio"), "audio"),
    # what is no part of the input
    **dict.fromkeys(("model", "model_name", "azure_deployment", "_type", "stop", "stream", "streaming"), "skipped"),
    **dict.fromkeys(("timeout", "request_timeout", "default_request_timeout", "max_retries"), "skipped"),
    **dict.fromkeys(("temperature", "top_p", "top_k", "seed", "user", "stream_options", "extra_headers"), "skipped"),
    **dict.fromkeys(("include", "metadata", "logit_bias", "reasoning_effort", "tool_choice"), "skipped"),
}
"""What a setting means for the size of a call, by the names integrations give it; any other is taken as input."""


class Settings(NamedTuple):
    """What the settings of a request say about its size."""

    limit: int | None
    """The most tokens of one answer; the largest if it is said more than once; `None` if there is no limit."""
    answers: int
    """How many answers are made at once."""
    thinking: int | None
    """A thinking budget in tokens; `None` if there is none."""
    predicted: int
    """Tokens of a predicted output, which are billed as output where they are not used."""
    tiers: frozenset[str]
    """The service tiers that are asked for, in lower case."""
    named: tuple[str, ...]
    """What the request only names and the provider adds to the input."""
    acts: tuple[str, ...]
    """What the provider does by itself while it answers."""
    sent: tuple[tuple[str, Any], ...]
    """Everything else that is sent beside the prompt, tools and schemas among it."""
    caching: frozenset[str]
    """The lifetimes of what the provider is told to keep in its prompt cache."""
    speaks: bool
    """Whether the answer may be audio or images."""
    has_long_context: bool
    """Whether a beta of the provider makes the context window longer than the model's usual one."""
    models: tuple[str, ...] = ()
    """Other models than the requested one that are named, and may answer."""
    unknown_models: tuple[str, ...] = ()
    """Settings that name models in a form that cannot be read."""


_Found = dict[str, list[Any]]
"""What was said, by role."""


def read_settings(request: CallRequest) -> Settings:
    """Read the settings of a request once.

    What `invocation_params` say wins over the constructor, whose settings are asked where those say nothing.
    """
    found: _Found = {}
    sent: list[tuple[str, Any]] = []
    _read(request.params, found, sent)
    if request.serialized is not None:
        for role, said in _constructed(request.serialized).items():
            found.setdefault(role, said)
    if not sent and not request.service_tier and found.keys() <= _PLAIN_ROLES and _is_the_one(request):
        return _PLAIN._replace(limit=_limit(request, found))
    return Settings(
        limit=_limit(request, found),
        answers=_largest(found.get("answers")) or 1,
        thinking=_largest(found.get("thinking")),
        predicted=sum(byte_bound(as_json(value)) for _, value in found.get("prediction", ()) if value),
        tiers=_tiers(request, found),
        named=tuple([key for key, value in found.get("named", ()) if value] + _recalled(request, found)),
        acts=tuple(
            [key for key, value in found.get("acts", ()) if value]
            + [key for key, value in found.get("compaction", ()) if "compact" in str(value)]
        ),
        sent=tuple(sent),
        caching=_caching(found, sent),
        speaks=any(_is_not_text(value) for _, value in found.get("audio", ())),
        has_long_context="context-1m" in str(found.get("betas", "")),
        models=_others(request, found),
        unknown_models=tuple(key for key, value in found.get("models", ()) if value and not _models_in(value)),
    )


_NO_NAMES: Final[frozenset[str]] = frozenset()
_PLAIN: Final = Settings(None, 1, None, 0, _NO_NAMES, (), (), (), _NO_NAMES, speaks=False, has_long_context=False)
_PLAIN_ROLES: Final = frozenset({"limit"})
_MODEL_KEYS: Final = ("model", "model_name")
_SMALL: Final = frozenset({int, float, bool, type(None)})
_CONSTRUCTED: Final = frozenset(
    {"limit", "answers", "acts", "compaction", "tier", "thinking", "betas", "audio", "models", "recalls"}
)
"""What is asked of the constructor where `invocation_params` do not say it."""


def _read(settings: Mapping[str, Any], found: _Found, sent: list[tuple[str, Any]], *, is_nested: bool = False) -> None:
    """Sort the settings by their roles, those within others included; what has none is sent to the model.

    A model that is named within other settings, as in `extra_body`, replaces the one the client was made with.
    """
    for key, value in settings.items():
        role = "models" if is_nested and key in _MODEL_KEYS else _ROLES.get(key)
        if role is None:
            if type(value) not in _SMALL:
                sent.append((key, value))
        elif role == "nested":
            if value and hasattr(value, "items"):
                _read(value, found, sent, is_nested=True)
        elif role != "skipped":
            found.setdefault(role, []).append((key, value))


_known: dict[int, tuple[Mapping[str, Any], _Found]] = {}
_MOST_KNOWN: Final = 256


def _constructed(serialized: Mapping[str, Any]) -> _Found:
    """What a constructor mapping says, kept by the very mapping: LangChain makes one for each client, and keeps it."""
    known = _known.get(id(serialized))
    if known is not None and known[0] is serialized:
        return known[1]
    found: _Found = {}
    _read(serialized.get("kwargs") or _NOTHING, found, [])
    found = {role: said for role, said in found.items() if role in _CONSTRUCTED}
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(serialized)] = (serialized, found)
    return found


def _is_the_one(request: CallRequest) -> bool:
    """Whether the model that is sent is the one whose name the run bears."""
    return bool(request.params.get("model", request.model) == request.model)


def _others(request: CallRequest, found: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """Every other model that is named: what the run calls its model may not be what is sent."""
    named = [model for _, value in found.get("models", ()) for model in _models_in(value)]
    named += _models_in(request.params.get("model"))
    return tuple(dict.fromkeys(model for model in named if model != request.model))


def _models_in(value: object) -> list[str]:
    """The models that a setting names: one, a list of them, or mappings that each name one; empty if any is not."""
    if isinstance(value, str):
        return [value] if value else []
    parts = value if isinstance(value, list | tuple) else [value]
    names = [part.get("model") if isinstance(part, dict) else part for part in parts]
    return [name for name in names if isinstance(name, str)] if all(isinstance(name, str) for name in names) else []


def _recalled(request: CallRequest, found: Mapping[str, list[Any]]) -> list[str]:
    """An earlier response that the client names by itself: the last in the prompt that OpenAI's Responses API gave."""
    if not any(value for _, value in found.get("recalls", ())) or isinstance(request.prompt, str):
        return []
    for message in request.prompt:
        metadata = getattr(message, "response_metadata", None)
        if metadata and str(metadata.get("id") or "").startswith("resp_"):
            return ["an earlier response, because of use_previous_response_id"]
    return []


def _limit(request: CallRequest, found: Mapping[str, list[Any]]) -> int | None:
    if "limit" in found:
        return _largest(found["limit"])
    limit = request.metadata.get("ls_max_tokens")
    return limit if type(limit) is int and limit > 0 else None


def _largest(said: list[Any] | None) -> int | None:
    return max((value for _, value in said if type(value) is int and value > 0), default=None) if said else None


def _tiers(request: CallRequest, found: Mapping[str, list[Any]]) -> frozenset[str]:
    said = [value for _, value in found.get("tier", ())]
    if request.service_tier:
        said.append(request.service_tier)
    return frozenset(value.strip().lower() for value in said if isinstance(value, str) and value) if said else _NO_NAMES


def _caching(found: Mapping[str, list[Any]], sent: list[tuple[str, Any]]) -> frozenset[str]:
    """The lifetimes that whole-request settings ask for; those of single blocks and tools are found with them."""
    said = str(found["caching"]) if "caching" in found else ""
    if not said and any(key == "system" and "cache_control" in str(value) for key, value in sent):
        said = str(sent)
    if not said:
        return _NO_NAMES
    return frozenset({"5m", "1h"}) if "1h" in said else frozenset({"5m"})


def _is_not_text(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(str(getattr(mode, "name", mode)).lower() != "text" for mode in value)
    return bool(value)
