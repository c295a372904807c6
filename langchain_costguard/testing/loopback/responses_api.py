"""The wire format of `/v1/responses`: what is wished, the answer as one object, the answer as a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard.testing.loopback.answers import Wish
from langchain_costguard.testing.loopback.chat import CREATED, forced_function

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_costguard.testing.loopback.answers import Answer, Choice


def responses_wish(body: Mapping[str, Any]) -> Wish:
    """What a response asks for."""
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    text_format = (body.get("text") or {}).get("format") or {}
    return Wish(
        functions,
        forced_function(body.get("tool_choice"), functions),
        text_format.get("schema") if text_format.get("type") == "json_schema" else None,
        body.get("max_output_tokens"),
    )


def response_id(answer: Answer) -> str:
    """The id by which a later request can refer to this answer."""
    return f"resp_{answer.id}"


def response_object(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer."""
    (choice,) = answer.choices
    is_cut = choice.finish_reason == "length"
    return {
        **_head(answer, body),
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": list(_items(answer, choice)),
        "usage": responses_usage(answer),
    }


def response_events(answer: Answer, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as the events of a stream, numbered; the last one carries the whole object with its usage."""
    for number, event in enumerate(_events(answer, body)):
        yield {**event, "sequence_number": number}


def responses_usage(answer: Answer) -> dict[str, Any]:
    """The usage in the words of the Responses API."""
    tokens = answer.tokens
    usage: dict[str, Any] = {
        "input_tokens": tokens.input_tokens,
        "input_tokens_details": {"cached_tokens": tokens.cached_tokens},
        "output_tokens": tokens.output_tokens,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens},
        "total_tokens": tokens.total_tokens,
    }
    return usage if answer.reported_cost is None else {**usage, "cost": answer.reported_cost}


def _events(answer: Answer, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    whole = response_object(answer, body)
    begun = {**_head(answer, body), "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    (choice,) = answer.choices
    for index, item in enumerate(whole["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _begun_item(item)}
        for event in _item_events(item, choice):
            yield {**event, "item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    usage = whole["usage"] if answer.behaviour.stream_usage else None
    yield {"type": f"response.{whole['status']}", "response": {**whole, "usage": usage}}


def _head(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": response_id(answer),
        "object": "response",
        "created_at": CREATED,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
    }


def _items(answer: Answer, choice: Choice) -> Iterator[dict[str, Any]]:
    if choice.reasoning_tokens:
        yield {"type": "reasoning", "id": f"rs_{answer.id}", "summary": []}
    if choice.tokens or not choice.tool_calls:
        yield {
            "type": "message",
            "id": f"msg_{answer.id}",
            "role": "assistant",
            "status": "incomplete" if choice.finish_reason == "length" else "completed",
            "content": [_text_part(choice.text)],
        }
    for number, call in enumerate(choice.tool_calls):
        yield {
            "type": "function_call",
            "id": f"fc_{answer.id}_{number}",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _begun_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item before its content has come."""
    emptied: dict[str, Any] = {"status": "in_progress", "content": [], "arguments": ""}
    return {**item, **{name: value for name, value in emptied.items() if name in item}}


def _item_events(item: Mapping[str, Any], choice: Choice) -> Iterator[dict[str, Any]]:
    if item["type"] == "message":
        yield {"type": "response.content_part.added", "content_index": 0, "part": _text_part("")}
        for token in choice.tokens:
            yield {"type": "response.output_text.delta", "content_index": 0, "delta": token, "logprobs": []}
        yield {"type": "response.output_text.done", "content_index": 0, "text": choice.text, "logprobs": []}
        yield {"type": "response.content_part.done", "content_index": 0, "part": _text_part(choice.text)}
    elif item["type"] == "function_call":
        yield {"type": "response.function_call_arguments.delta", "delta": item["arguments"]}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield {"type": "response.function_call_arguments.done", **done}
