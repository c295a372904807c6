"""Which tokens a request puts before the model: the provider's own count of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from langchain_costguard.testing.tokenizer import tokenize

_MESSAGE_OVERHEAD: Final = ["<message>"] * 3
_REPLY_OVERHEAD: Final = ["<reply>"] * 3
_IMAGE: Final = ["<image>"] * 85


def chat_prompt(body: Mapping[str, Any]) -> list[str]:
    """The input tokens of a chat completion: tools and schema first, then each message with three tokens around it."""
    tokens = _json_tokens(body.get("tools")) + _json_tokens(body.get("response_format"))
    for message in body["messages"]:
        tokens += _MESSAGE_OVERHEAD + _content_tokens(message.get("content")) + _json_tokens(message.get("tool_calls"))
    return tokens + _REPLY_OVERHEAD


def responses_prompt(body: Mapping[str, Any]) -> list[str]:
    """The input tokens of the Responses API, without what an earlier response holds."""
    tokens = _json_tokens(body.get("tools")) + _json_tokens((body.get("text") or {}).get("format"))
    if body.get("instructions"):
        tokens += _MESSAGE_OVERHEAD + tokenize(body["instructions"])
    items = [{"content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    for item in items:
        tokens += _MESSAGE_OVERHEAD + _content_tokens(item.get("content")) + _content_tokens(item.get("output"))
        tokens += tokenize(item.get("arguments") or "")
    return tokens + _REPLY_OVERHEAD


def text_prompts(given: Any) -> list[list[str]]:  # noqa: ANN401 - a text, tokens, or a list of either
    """The input tokens of each prompt of a text completion, or of each input of an embedding."""
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    return [tokenize(one) if isinstance(one, str) else [str(token) for token in one] for one in given]


def _json_tokens(value: Any) -> list[str]:  # noqa: ANN401 - any part of a body
    return tokenize(json.dumps(value, ensure_ascii=False)) if value else []


def _content_tokens(content: Any) -> list[str]:  # noqa: ANN401 - a text, a list of parts, or nothing
    if isinstance(content, str):
        return tokenize(content)
    tokens: list[str] = []
    for part in content or ():
        kind = part.get("type", "") if isinstance(part, Mapping) else ""
        if "image" in kind:
            tokens += _IMAGE
        elif "text" in kind:
            tokens += tokenize(part.get("text") or "")
        else:
            tokens += _json_tokens(part)
    return tokens
