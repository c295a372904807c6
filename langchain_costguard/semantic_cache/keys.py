"""What a question is to a cache: what must be the same before anything is compared, its words, and its meaning."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.semantic_cache.identity import PromptShape, text_of_content
from langchain_costguard.semantic_cache.instances import endpoint_of, instance_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.semantic_cache.identity import RunIdentity

FORMAT: Final = "costguard-cache-1"
"""Digests of another format are never found."""

MAX_TEXT_CHARS: Final = 500
"""Longer texts are matched by their words only: what two of them share outweighs what tells them apart."""

_MESSAGE_NAMES: Final = frozenset(
    {"HumanMessage", "SystemMessage", "AIMessage", "ToolMessage", "FunctionMessage", "ChatMessage"}
)
_TOOL_MESSAGES: Final = frozenset({"ToolMessage", "FunctionMessage"})
_UNSENT_FIELDS: Final = frozenset(
    {"id", "type", "response_metadata", "usage_metadata", "tool_call_chunks", "chunk_position", "example"}
)
"""Fields of a message that say something about it and are not part of what a model reads."""
_HARMLESS: Final = frozenset(
    {
        "max_retries",
        "request_timeout",
        "timeout",
        "stream",
        "stream_options",
        "stream_usage",
        "streaming",
        "disable_streaming",
        "verbose",
    }
)
"""Settings that do not change an answer."""
_TOOL_KEYS: Final = ("tools", "functions")
_LANGSMITH_KEYS: Final = ("ls_provider", "ls_model_name", "ls_temperature", "ls_max_tokens", "ls_stop")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_BYSTANDERS: Final = re.compile(
    r"\bcache=<[^<>]*Cache object at 0x[0-9a-fA-F]+>|\bcallbacks=\[(?:<[^<>]* object at 0x[0-9a-fA-F]+>(?:, )?)+\]"
)
"""Parts of a model that change no answer and read as their addresses."""
_TEXT_LLM_MODEL: Final = re.compile(r"\('(?:model|model_name|model_id)', '([^']+)'\)")

_TEXT_LLM_TEMPERATURE: Final = re.compile(r"\('temperature', ([0-9.]+(?:e-?[0-9]+)?)\)")
_RESPONSE_ID: Final = "resp_"


class ChatPrompt(NamedTuple):
    """A chat prompt as LangChain hands it to a cache, taken apart."""

    turns: list[Any]
    """Every message without what is not sent; in the one whose text is compared, a mark stands for each text."""
    asked: str | None
    """The text of the last human message; `None` when there is none."""
    has_tool_results: bool
    shape: PromptShape
    words: list[str]
    """The texts of the last human message, block by block."""


class Question(NamedTuple):
    """What a lookup asks, as a store finds it."""

    partition: bytes
    """The digest of everything that must be the same."""
    exact: bytes
    """The digest of the question's words."""
    text: str | None
    """What is compared by meaning; `None`: only the same words will do."""
    why_exact: str | None = None
    """Why only the same words will do."""
    tenant: str | None = None
    model: str | None = None
    is_chat: bool = False


def read_chat_prompt(prompt: str) -> ChatPrompt | None:
    """Take apart the JSON that a chat model hands a cache; nothing of it is instantiated.

    Args:
        prompt: what LangChain gives `lookup`.

    Returns:
        Its messages; `None` for anything that is not a list of messages, as the prompt of a text LLM.
    """
    if not prompt.startswith("[{"):
        return None
    try:
        messages = json.loads(prompt)
    except (ValueError, RecursionError):  # the second where it is nested deeper than Python reads
        return None
    if not all(_is_message(message) for message in messages):
        return None
    names = [_name(message) for message in messages]
    human = max((at for at, name in enumerate(names) if name == "HumanMessage"), default=None)
    turns: list[Any] = [[name, _sent(message)] for name, message in zip(names, messages, strict=True)]
    words: list[str] = []
    if human is not None:
        fields = turns[human][1]
        fields["content"], words = _without_text(fields.get("content"))
    last = messages[-1]["kwargs"].get("content")
    return ChatPrompt(
        turns,
        None if human is None else "\n".join(words),
        not _TOOL_MESSAGES.isdisjoint(names) or any("tool_calls" in fields for _, fields in turns if fields),
        PromptShape(len(messages), text_of_content(last)),
        words,
    )


def chat_question(
    prompt: ChatPrompt,
    llm_string: str,
    identity: RunIdentity | None,
    *,
    tenant: str | None = None,
    namespace: str = "",
    max_temperature: float | None = 0.0,
    model: object = None,
) -> Question:
    """The question of a chat model.

    A model that LangChain cannot serialise and that has parts without a description of their own, which read as
    addresses, is itself only as the same object: its answers are not found from another process, nor by a copy.

    Args:
        prompt: its prompt, taken apart.
        llm_string: how LangChain describes the model to a cache.
        identity: what the run's start said; `None` when it is not known, so that only `llm_string` tells models apart.
        tenant: whose question it is.
        namespace: the cache's name.
        max_temperature: the highest temperature at which answers are found by meaning; `None` for any.
        model: the model itself, where it is known.
    """
    described = None if identity is None else _described(identity, model)
    partition = _digest([FORMAT, "chat", namespace, tenant, _settings(llm_string), described, prompt.turns])
    why = _why_exact(prompt, identity, max_temperature)
    return Question(
        partition,
        _digest(prompt.words),
        prompt.asked if why is None else None,
        why,
        label(tenant),
        None if identity is None else label(identity.model),
        is_chat=True,
    )


def text_question(
    prompt: str,
    llm_string: str,
    *,
    tenant: str | None = None,
    namespace: str = "",
    model: object = None,
    max_temperature: float | None = 0.0,
) -> Question:
    """The question of a text LLM, or of somebody who uses the cache by itself.

    Args:
        prompt: the text.
        llm_string: how LangChain describes the model to a cache.
        tenant: whose question it is.
        namespace: the cache's name.
        model: the text LLM itself, where it is known: `llm_string` does not say which endpoint it asks.
        max_temperature: the highest temperature at which answers are found by meaning; `None` for any.
    """
    endpoint = endpoint_of(model)
    partition = _digest([FORMAT, "text", namespace, tenant, llm_string, *([] if endpoint is None else [endpoint])])
    given = _TEXT_LLM_TEMPERATURE.search(llm_string)
    why = _why_varied(None if given is None else float(given.group(1)), max_temperature) or why_text_exact(prompt)
    named_in = _TEXT_LLM_MODEL.search(llm_string)
    named = None if named_in is None else label(named_in.group(1))
    return Question(partition, _digest([prompt]), prompt if why is None else None, why, label(tenant), named)


def label(name: str | None) -> str | None:
    """A tenant's, namespace's or model's name as every store can keep it, halves of surrogate pairs spelled out.

    Partitions are told apart by the name itself.

    Args:
        name: the name; `None` for nobody's.
    """
    if name is None or (name.isprintable() and name.isascii()):
        return name
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _why_exact(prompt: ChatPrompt, identity: RunIdentity | None, max_temperature: float | None) -> str | None:
    """Why a chat prompt is matched by its words only; `None` if it is not."""
    if prompt.has_tool_results or (identity is not None and _has_tools(identity)):
        return "a turn with tools is matched by its words only"
    if prompt.asked is None:
        return "there is no human message"
    return _why_varied(None if identity is None else identity.temperature, max_temperature) or why_text_exact(
        prompt.asked
    )


def _why_varied(temperature: float | None, max_temperature: float | None) -> str | None:
    if max_temperature is None or temperature is None or temperature <= max_temperature:
        return None
    return f"temperature {temperature:g} asks for variety: set max_temperature= to match by meaning all the same"


def why_text_exact(text: str) -> str | None:
    """Why a text is matched by its words only; `None` if it is not."""
    if not text.strip():
        return "there is no text"
    if len(text) > MAX_TEXT_CHARS:
        return f"the text is longer than {MAX_TEXT_CHARS} characters"
    return None


def _has_tools(identity: RunIdentity) -> bool:
    return any(found.get(key) for found in (identity.params, identity.options) for key in _TOOL_KEYS)


def _is_message(value: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    return (
        isinstance(value, dict)
        and value.get("lc") == 1
        and value.get("type") == "constructor"
        and isinstance(value.get("kwargs"), dict)
        and isinstance(value.get("id"), list)
        and bool(value["id"])
        and _name(value) in _MESSAGE_NAMES
    )


def _name(message: Mapping[str, Any]) -> str:
    return str(message["id"][-1]).removesuffix("Chunk")


def _sent(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message that a model reads, without the empty ones."""
    given = message["kwargs"]
    sent = {name: value for name, value in given.items() if name not in _UNSENT_FIELDS and value not in ([], {})}
    said = given.get("response_metadata")
    answer_id = said.get("id") if isinstance(said, dict) else None
    if isinstance(answer_id, str) and answer_id.startswith(_RESPONSE_ID):
        sent["response_id"] = answer_id  # a provider that keeps conversations may be sent this in place of the turns
    return sent


def _without_text(content: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - message content is open by design
    """A content with a mark for each text, and the texts; what is not text stays, and is hashed with the rest."""
    if isinstance(content, str):
        return "text", [content]
    if not isinstance(content, list):
        return content, []
    marked: list[Any] = []
    words: list[str] = []
    for block in content:
        text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else block
        if isinstance(text, str):
            words.append(text)
            rest = {name: value for name, value in block.items() if name != "text"} if isinstance(block, dict) else {}
            marked.append(["text", rest])
        else:
            marked.append(block)
    return marked, words


def _described(identity: RunIdentity, model: object) -> list[Any]:
    """What a run's start says about the model and the request, as far as it can change an answer."""
    named = {key: identity.metadata[key] for key in _LANGSMITH_KEYS if identity.metadata.get(key) is not None}
    params = {key: value for key, value in identity.params.items() if key not in _HARMLESS}
    options = {key: value for key, value in identity.options.items() if key not in _HARMLESS}
    return [named, params, options, _constructor(identity.serialized, model)]


def _constructor(serialized: Mapping[str, Any], model: object) -> str | None:
    """The settings of a model that LangChain cannot serialise: it hands them to no cache, but to callbacks as text."""
    if serialized.get("type") != "not_implemented":
        return None
    text = _BYSTANDERS.sub("", str(serialized.get("repr")))
    return f"{text} {instance_token(model)}" if _ADDRESS.search(text) else text


@lru_cache(maxsize=256)
def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("", text)


@lru_cache(maxsize=256)
def _settings(llm_string: str) -> str:
    """A model's description without the settings that do not change an answer."""
    try:
        described, end = json.JSONDecoder().raw_decode(llm_string)
    except ValueError:
        return _without_addresses(llm_string)
    if not isinstance(described, dict) or not isinstance(described.get("kwargs"), dict):
        return llm_string
    described["kwargs"] = {key: value for key, value in described["kwargs"].items() if key not in _HARMLESS}
    return json.dumps(described, sort_keys=True) + _without_addresses(llm_string[end:])


def _digest(parts: Sequence[Any]) -> bytes:
    try:
        text = _encode(parts)
    except TypeError:  # keys that cannot be put in order
        text = _without_addresses(repr(parts))
    return hashlib.sha256(text.encode()).digest()


def _as_json(value: Any) -> Any:  # noqa: ANN401 - whatever a request carries
    """What JSON has no form for: a class by its fields, and anything else as it reads, without its address."""
    if isinstance(value, type):
        return [f"{value.__module__}.{value.__qualname__}", _schema(value)]
    if hasattr(value, "model_dump"):
        return [type(value).__qualname__, value.model_dump()]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return _without_addresses(repr(value))


@lru_cache(maxsize=256)
def _schema(kind: type) -> Any:  # noqa: ANN401 - a JSON schema
    """The fields of a class: two of the same name may differ in them, and only the name is in LangChain's key."""
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(kind).json_schema()
    except Exception:  # noqa: BLE001 - pydantic raises errors of many kinds for classes it cannot describe
        return {name: str(note) for name, note in getattr(kind, "__annotations__", {}).items()}


_encode: Final = json.JSONEncoder(sort_keys=True, default=_as_json).encode
