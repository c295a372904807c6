"""How often a client sends one request, and how long it waits each time: a timed-out attempt may be billed as well.

Clients retry behind LangChain's back, and an answer does not say after how many attempts it came. What can be known is
used: an error of OpenAI's or Anthropic's client carries its last request, whose header counts the retries before it;
before an answer, each timeout that fits into the time it took may have been an attempt. An attempt that failed fast and
was billed all the same (a connection dropped, a 5xx), before one that answered, leaves no trace: `max_retries=0` makes
every attempt a call of its own, and `reconcile()` charges what the provider's bill says beyond.
"""

from __future__ import annotations

import math
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
    # langchain-google-genai: `max_retries=6` is six attempts, and 0 means the default of the SDK
    **dict.fromkeys(("ChatGoogleGenerativeAI", "GoogleGenerativeAI", "GoogleGenerativeAIEmbeddings"), _GOOGLE),
    **dict.fromkeys(("ChatVertexAI", "VertexAI", "VertexAIEmbeddings"), Client(6)),
    # langchain-mistralai: 5 and 120 s
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
"""By the class of the integration. Those of OpenAI and Anthropic were read in full in the installed packages, with
which a test compares them. The others were not checked in the same way: what is noted beside them comes from parts of
their sources or from memory, with a retry more where in doubt, and may differ from the release you have. Where a client
shows its own `max_retries` and `timeout`, those count: set them."""

_BY_TYPE: Final = (("openai", _OPENAI), ("anthropic", _ANTHROPIC))
"""By a part of `_llm_type`, for subclasses."""

_RETRY_KEYS: Final = ("max_retries", "retries")
_TIMEOUT_KEYS: Final = ("timeout", "request_timeout", "default_request_timeout")
_NO_CLIENT: Final = Client(0)
_SHOWN_RETRIES: Final = re.compile(r"\bmax_retries=(\d+)")
_SHOWN_TIMEOUT: Final = re.compile(r"\b(?:default_)?(?:request_)?timeout=(\w*\([^()]*\)|[^,)]+)")
_READ_TIMEOUT: Final = re.compile(r"\b(?:read|timeout)=([^,)]+)")
_NOT_GIVEN: Final = frozenset({"NotGiven", "Omit", "NOT_GIVEN", "not_given"})
_UNREADABLE: Final = 0.0
"""A timeout that is given and cannot be read: as if none were too short."""
_RETRY_COUNT: Final = "x-stainless-retry-count"
_MAX_CAUSES: Final = 8


def attempts_of(params: Mapping[str, Any], serialized: Mapping[str, Any] | None) -> tuple[int, float | None]:
    """How many requests one run may send, and how long each may take.

    Args:
        params: the run's `invocation_params`.
        serialized: the constructor mapping that start hooks are given.

    Returns:
        One and the client's retries; the timeout of one attempt in seconds: `None` if it is not known, infinite if the
        client waits without end, and 0 if one is given that cannot be read, so that any time may hold every retry.
    """
    client = _UNKNOWN if serialized is None else _client_of(serialized)
    default = client.default or _by_type(params.get("_type"))
    retries, timeout = _retries(params), _timeout(params)
    retries = client.retries if retries is None else retries
    timeout = next((one for one in (timeout, client.timeout_seconds) if one is not None), default.timeout_seconds)
    if default.counts_first and retries is not None:
        return retries or 1 + default.max_retries, timeout
    return 1 + (default.max_retries if retries is None else retries), timeout


def retries_taken(error: BaseException) -> int | None:
    """How many attempts a client made before the one that this error ended, where the error says so.

    Args:
        error: what the integration raised: an error of OpenAI's or Anthropic's client, or one raised from it.

    Returns:
        0 or more; `None` if it does not say.
    """
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            break
        try:
            said = cause.request.headers.get(_RETRY_COUNT)  # type: ignore[attr-defined] # what has none ends in the except
        except (AttributeError, RuntimeError):  # it has no request; httpx raises the latter where none was noted
            said = None
        if isinstance(said, str) and said.isdecimal():
            return int(said)
        cause = cause.__cause__
    return None


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
    retries, timeout, shown = _retries(constructor), _timeout(constructor), serialized.get("repr")
    if isinstance(shown, str):
        if retries is None and (found := _SHOWN_RETRIES.search(shown)):
            retries = int(found[1])
        if timeout is None and (found := _SHOWN_TIMEOUT.search(shown)):
            timeout = _shown_seconds(found[1])
    made = _Made(CLIENTS.get(class_name(serialized)), retries, timeout)
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
    """A timeout as clients take it: seconds, or several of which that for reading counts, because it comes last.

    Until a request is sent nothing is billed, so that waiting to connect or to write does not matter.
    """
    if isinstance(value, tuple | list):  # connecting, reading, writing, waiting for a connection
        return _bounded(value[min(1, len(value) - 1)] if value else None)
    if isinstance(value, int | float):
        return _bounded(value)
    if type(value).__name__ in _NOT_GIVEN:
        return None
    if isinstance(value, dict):  # what LangChain cannot serialize is shown by its text
        return _shown_seconds(str(value.get("repr") or ""))
    return _bounded(value.read) if hasattr(value, "read") else _UNREADABLE


def _shown_seconds(text: str) -> float | None:
    """A timeout by its text: `0.2`, `(1, 2)`, `Timeout(timeout=0.2)`, `Timeout(connect=5, read=None, ...)`."""
    text = text.strip()
    if text == "None" or text in _NOT_GIVEN:
        return None
    found = _READ_TIMEOUT.search(text)
    parts = [found[1]] if found else text.strip("()").split(",")
    shown = parts[min(1, len(parts) - 1)].strip()
    if shown == "None":
        return math.inf
    try:
        return _bounded(float(shown))
    except ValueError:
        return _UNREADABLE


def _bounded(value: object) -> float:
    """A number of seconds; without end if there is none."""
    if value is None:
        return math.inf
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else _UNREADABLE  # type: ignore[arg-type, operator] # it is a number
