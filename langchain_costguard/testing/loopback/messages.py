"""The wire format of Anthropic's `/v1/messages`: what is wished, the answer as one object, the answer as a stream."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.testing.loopback.answers import Wish
from langchain_costguard.testing.loopback.errors import RequestRefused
from langchain_costguard.testing.loopback.prompts import chat_prompt
from langchain_costguard.testing.tokenizer import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_costguard.testing.loopback.answers import Answer, Choice

_STOP_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_TIERS: Final = {"default": "standard"}


def messages_prompt(body: Mapping[str, Any]) -> list[str]:
    """The input tokens: tools and schema first, then the system prompt and each message."""
    system = body.get("system")
    first = [{"content": system}] if system else []
    schema = (body.get("output_config") or {}).get("format")
    return chat_prompt({"messages": [*first, *body["messages"]], "tools": body.get("tools"), "response_format": schema})


def messages_wish(body: Mapping[str, Any]) -> Wish:
    """What a message asks for.

    Raises:
        RequestRefused: `max_tokens` is missing.
    """
    if not body.get("max_tokens"):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "max_tokens: Field required", param="max_tokens")
    functions = [
        {"name": tool["name"], "parameters": tool["input_schema"]}
        for tool in body.get("tools") or ()
        if "input_schema" in tool
    ]
    choice = body.get("tool_choice") or {}
    forced = choice.get("name") if choice.get("type") == "tool" else None
    if choice.get("type") == "any" and functions:
        forced = functions[0]["name"]
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    return Wish(functions, forced, schema, body["max_tokens"], body.get("stop_sequences") or ())


def messages_object(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as the other formats
    """The whole answer."""
    (choice,) = answer.choices
    return {**_head(answer), "content": _content(choice), "stop_reason": _STOP_REASONS[choice.finish_reason]}


def messages_frames(answer: Answer, body: Mapping[str, Any]) -> Iterator[bytes]:  # noqa: ARG001 - as the other formats
    """The answer as the frames of a stream."""
    for event in _events(answer):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _events(answer: Answer) -> Iterator[dict[str, Any]]:
    (choice,) = answer.choices
    usage = _usage(answer)
    yield {"type": "message_start", "message": {**_head(answer), "usage": {**usage, "output_tokens": 1}}}
    for index, block in enumerate(_content(choice)):
        begun = {"text": "", "input": {}}
        emptied = {name: begun.get(name, value) for name, value in block.items()}
        yield {"type": "content_block_start", "index": index, "content_block": emptied}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    reason = {"stop_reason": _STOP_REASONS[choice.finish_reason], "stop_sequence": None}
    yield {"type": "message_delta", "delta": reason, "usage": usage}
    yield {"type": "message_stop"}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for token in tokenize(block["text"]):
            yield {"type": "text_delta", "text": token}
    else:
        yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(answer),
    }


def _content(choice: Choice) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": choice.text}] if choice.tokens or not choice.tool_calls else []
    calls = [
        {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": json.loads(call.arguments)}
        for call in choice.tool_calls
    ]
    return [*text, *calls]


def _usage(answer: Answer) -> dict[str, Any]:
    """The usage in Anthropic's words: input tokens without those that the cache held."""
    tokens = answer.tokens
    return {
        "input_tokens": tokens.input_tokens - tokens.cached_tokens,
        "output_tokens": tokens.output_tokens,
        "cache_read_input_tokens": tokens.cached_tokens,
        "cache_creation_input_tokens": 0,
        "service_tier": _TIERS.get(answer.service_tier, answer.service_tier),
    }
