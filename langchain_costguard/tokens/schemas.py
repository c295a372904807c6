"""How tools and output schemas read as text: the JSON that a provider puts before the prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_SENT_WITH_A_SCHEMA: Final = frozenset({"function", "custom"})
_SCHEMA_KEYS: Final = frozenset({"function", "parameters", "input_schema", "json_schema", "properties"})
_SERVED_BY_KEY: Final = frozenset(
    {
        *("google_search", "google_search_retrieval", "google_maps", "url_context", "code_execution", "file_search"),
        *("googleSearch", "googleSearchRetrieval", "googleMaps", "urlContext", "codeExecution", "fileSearch"),
        *("enterprise_web_search", "enterpriseWebSearch", "retrieval"),
    }
)
"""Gemini's own tools, which stand as keys of a tool, without a type."""
_BYTES_PER_OBJECT: Final = 48
"""What strict mode adds to each object of a schema: `"additionalProperties": false`, and an entry in `required`."""


def tool_json(tool: Any) -> str:  # noqa: ANN401 - LangChain takes dicts, tools, functions and classes alike
    """A tool as it is sent.

    Args:
        tool: a `BaseTool`, a function, a Pydantic class, a `TypedDict`, or the dict that is sent.

    Raises:
        TypeError: it is none of them.
    """
    return as_json(_as_dict(tool, "tools"))


def schema_json(schema: Any) -> str:  # noqa: ANN401 - as above
    """An output schema as it is sent; `schema` as for `tool_json`."""
    return as_json(_as_dict(schema, "response_format"))


def is_server_tool(tool: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a provider runs the tool itself, so that the request does not hold what it will add to the input."""
    if not isinstance(tool, Mapping):
        return False
    if "type" not in tool and not _SERVED_BY_KEY.isdisjoint(tool):
        return True
    return tool.get("type", "function") not in _SENT_WITH_A_SCHEMA and _SCHEMA_KEYS.isdisjoint(tool)


def server_tool_name(tool: Mapping[str, Any]) -> str:
    """What a tool that the provider runs is called: its type, or for Gemini's the key it stands under."""
    return str(tool.get("type") or next((key for key in tool if key in _SERVED_BY_KEY), "without a type"))


def schema_bound(text: str) -> int:
    """An upper bound on the tokens of a tool or a schema, strict mode included."""
    bytes_ = len(text.encode("utf-8", "surrogatepass"))
    return bytes_ + _BYTES_PER_OBJECT * (1 + text.count("{"))


def as_json(value: Any) -> str:  # noqa: ANN401 - whatever is sent
    """A value as JSON, with whatever has no JSON form as its own text."""
    try:
        return json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # keys that are no strings, or a value that holds itself
        return str(value)


def _as_dict(value: Any, argument: str) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, Mapping):
        return value
    from langchain_core.utils.function_calling import convert_to_openai_tool

    try:
        return convert_to_openai_tool(value)
    except (TypeError, ValueError) as error:
        msg = f"{argument}: {value!r:.60} cannot be sent: give a dict, a BaseTool, a function or a class"
        raise TypeError(msg) from error
