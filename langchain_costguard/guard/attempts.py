"""How often a client sends one request, and how long it waits each time: a timed-out attempt may be billed as well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Client(NamedTuple):
    """What a client does unless it is told otherwise."""

    max_retries: int
    """Attempts after the first."""
    timeout_seconds: float | None = None
    """How long it waits for one attempt; `None` if its default is not known."""
    counts_first: bool = False
    """Whether its `max_retries` is the number of all attempts, and zero leaves it to the default."""


_OPENAI: Final = Client(2, 600.0)
_ANTHROPIC: Final = Client(2, 600.0)
_GOOGLE: Final = Client(5, counts_first=True)
_STAINLESS: Final = Client(2, 60.0)

CLIENTS: Final[dict[str, Client]] = {
    # read in openai 3.54.0 (`_constants.py`) and langchain-openai 1.7.3, whose `max_retries=None` leaves it to the SDK
    "ChatOpenAI": _OPENAI,
    "AzureChatOpenAI": _OPENAI,
    "OpenAI": _OPENAI,
    "AzureOpenAI": _OPENAI,
    "OpenAIEmbeddings": _OPENAI,
    "AzureOpenAIEmbeddings": _OPENAI,
    # read in anthropic 2.12.0 (`_constants.py`) and langchain-anthropic 1.7.7
    "ChatAnthropic": _ANTHROPIC,
    "AnthropicLLM": _ANTHROPIC,
    # OpenAI's client under another name
    **dict.fromkeys(("ChatDeepSeek", "ChatXAI", "ChatTogether", "ChatOpenRouter"), _OPENAI),
    # langchain-google-genai, `_common.py`: `max_retries=6` is six attempts, and 0 means the default of the SDK
    **dict.fromkeys(("ChatGoogleGenerativeAI", "GoogleGenerativeAI", "GoogleGenerativeAIEmbeddings"), _GOOGLE),
    **dict.fromkeys(("ChatVertexAI", "VertexAI", "VertexAIEmbeddings"), Client(6)),
    # langchain-mistralai declares 5 and 120 s
    **dict.fromkeys(("ChatMistralAI", "MistralAIEmbeddings"), Client(5, 120.0)),
    # clients of the same make as OpenAI's: two retries, a minute
    **dict.fromkeys(("ChatGroq", "ChatFireworks", "Fireworks"), _STAINLESS),
    # botocore in its legacy mode sends five attempts and waits 60 s each time
    **dict.fromkeys(("ChatBedrock", "ChatBedrockConverse", "BedrockLLM", "BedrockEmbeddings"), Client(4, 60.0)),
    # LangChain's own retries around the client's
    "ChatPerplexity": Client(6),
    "ChatCohere": Client(2),
    # one request, and what its HTTP client waits for is not limited
    **dict.fromkeys(("ChatOllama", "OllamaLLM", "OllamaEmbeddings", "ChatLlamaCpp", "LlamaCpp"), Client(0)),
}
"""By the class of the integration. OpenAI's and Anthropic's are those of the installed packages, which a test compares.
The others are as the sources of langchain-ai/langchain and langchain-ai/langchain-google had them on 2026-11-21, with a
retry more where releases differ; where a client shows its own `max_retries` and `timeout`, those count."""

_BY_TYPE: Final = (("openai", _OPENAI), ("anthropic", _ANTHROPIC))
"""By a part of `_llm_type`, for subclasses."""

_RETRY_KEYS: Final = ("max_retries", "retries")
_TIMEOUT_KEYS: Final = ("timeout", "request_timeout", "default_request_timeout")
_NO_CLIENT: Final = Client(0)
_SHOWN_RETRIES: Final = re.compile(r"\bmax_retries=(\d+)")


def attempts_of(params: Mapping[str, Any], serialized: Mapping[str, Any] | None) -> tuple[int, float | None]:
    """How many requests one run may send, and how long each may take.

    Args:
        params: the run's `invocation_params`.
        serialized: the constructor mapping that start hooks are given.

    Returns:
        One and the client's retries; the timeout of one attempt in seconds, `None` if it is not known.
    """
    client = _UNKNOWN if serialized is None else _client_of(serialized)
    default = client.default or _by_type(params.get("_type"))
    retries, timeout = _retries(params), _timeout(params)
    retries = client.retries if retries is None else retries
    timeout = timeout or client.timeout_seconds or default.timeout_seconds
    if default.counts_first and retries is not None:
        return retries or 1 + default.max_retries, timeout
    return 1 + (default.max_retries if retries is None else retries), timeout


class _Made(NamedTuple):
    """How a client was made, as far as its constructor mapping shows it."""

    default: Client | None
    retries: int | None
    timeout_seconds: float | None


_UNKNOWN: Final = _Made(None, None, None)
_known: dict[int, tuple[Mapping[str, Any], _Made]] = {}
_MOST_KNOWN: Final = 256


def _client_of(serialized: Mapping[str, Any]) -> _Made:
    """How a client was made, kept by the very mapping: LangChain makes one for each client, and keeps it."""
    known = _known.get(id(serialized))
    if known is not None and known[0] is serialized:
        return known[1]
    constructor = serialized.get("kwargs") or {}
    retries = _retries(constructor)
    if retries is None and isinstance(serialized.get("repr"), str):
        found = _SHOWN_RETRIES.search(serialized["repr"])
        retries = int(found[1]) if found else None
    made = _Made(CLIENTS.get(class_name(serialized)), retries, _timeout(constructor))
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(serialized)] = (serialized, made)
    return made


def _by_type(kind: object) -> Client:
    return next((client for part, client in _BY_TYPE if isinstance(kind, str) and part in kind), _NO_CLIENT)


def class_name(serialized: Mapping[str, Any] | None) -> str:
    """The integration's class; empty if it is not known."""
    if not serialized:
        return ""
    path = serialized.get("id")
    return str(path[-1]) if path else str(serialized.get("name") or "")


def _retries(settings: Mapping[str, Any]) -> int | None:
    for key in _RETRY_KEYS:
        value = settings.get(key)
        if type(value) is int and value >= 0:
            return value
    return None


def _timeout(settings: Mapping[str, Any]) -> float | None:
    for key in _TIMEOUT_KEYS:
        value = settings.get(key)
        if value is not None and (seconds := _seconds(value)) is not None:
            return seconds
    return None


def _seconds(value: object) -> float | None:
    """A timeout as clients take it: seconds, or several of them for connecting, reading ..., of which the longest."""
    if isinstance(value, tuple | list):
        return max((seconds for part in value if (seconds := _seconds(part)) is not None), default=None)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    read = getattr(value, "read", None)
    return float(read) if isinstance(read, int | float) and read > 0 else None
