"""The wire format of `/v1/chat/completions`: what is wished, the answer as one object, the answer as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.testing.loopback.answers import Wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_costguard.testing.loopback.answers import Answer, Choice
    from langchain_costguard.testing.loopback.behaviour import Behaviour

CREATED: Final = 1_767_225_600
"""When every answer was made: 2026-01-01, so that answers can be compared."""
_FORCED: Final = ("required", "any")


def chat_wish(body: Mapping[str, Any]) -> Wish:
    """What a chat completion asks for."""
    functions = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    response_format = body.get("response_format") or {}
    schema = (response_format.get("json_schema") or {}).get("schema")
    return Wish(
        functions,
        forced_function(body.get("tool_choice"), functions),
        schema or ({"type": "object"} if response_format.get("type") == "json_object" else None),
        body.get("max_completion_tokens") or body.get("max_tokens"),
        stop_sequences(body.get("stop")),
        body.get("n") or 1,
    )


def forced_function(choice: Any, functions: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ANN401 - a name or object
    """The function that `tool_choice` forces, in the form of either API; `None` where the model may choose."""
    if isinstance(choice, dict):
        return str((choice.get("function") or choice)["name"])
    return str(functions[0]["name"]) if choice in _FORCED and functions else None


def stop_sequences(stop: str | Sequence[str] | None) -> Sequence[str]:
    """`stop` as a sequence."""
    return [stop] if isinstance(stop, str) else stop or ()


def chat_object(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer."""
    choices = [
        {
            "index": index,
            "message": _message(choice),
            "logprobs": _logprobs(choice.tokens, answer.behaviour, body),
            "finish_reason": choice.finish_reason,
        }
        for index, choice in enumerate(answer.choices)
    ]
    return {**_head(answer, "chat.completion"), "choices": choices, "usage": chat_usage(answer)}


def chat_events(answer: Answer, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as the chunks of a stream; usage last, and only if the client asked for it."""
    head = _head(answer, "chat.completion.chunk")
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage")) and answer.behaviour.stream_usage
    head = {**head, "usage": None} if wants_usage else head
    for index, choice in enumerate(answer.choices):
        for delta, logprobs in _deltas(choice, answer.behaviour, body):
            yield {**head, "choices": [_delta_choice(index, delta, logprobs)]}
        yield {**head, "choices": [_delta_choice(index, {}, None, choice.finish_reason)]}
    if wants_usage:
        yield {**head, "choices": [], "usage": chat_usage(answer)}


def chat_usage(answer: Answer) -> dict[str, Any]:
    """The usage in the words of chat completions."""
    tokens = answer.tokens
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.input_tokens,
        "completion_tokens": tokens.output_tokens,
        "total_tokens": tokens.total_tokens,
        "prompt_tokens_details": {"cached_tokens": tokens.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return usage if answer.reported_cost is None else {**usage, "cost": answer.reported_cost}


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": kind,
        "created": CREATED,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "system_fingerprint": "fp_loopback",
    }


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
    if choice.tool_calls:
        calls = [_tool_call(call.id, call.name, call.arguments) for call in choice.tool_calls]
        message.update(content=None, tool_calls=calls)
    return message


def _tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _deltas(
    choice: Choice, behaviour: Behaviour, body: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """What each chunk of a choice adds, with the log-probabilities of its tokens."""
    yield {"role": "assistant", "content": None if choice.tool_calls else "", "refusal": None}, None
    for index, token in enumerate(choice.tokens):
        yield {"content": token}, _logprobs([token], behaviour, body, first=index)
    for index, call in enumerate(choice.tool_calls):
        yield {"tool_calls": [{"index": index, **_tool_call(call.id, call.name, "")}]}, None
        yield {"tool_calls": [{"index": index, "function": {"arguments": call.arguments}}]}, None


def _delta_choice(
    index: int, delta: Mapping[str, Any], logprobs: Mapping[str, Any] | None, finish_reason: str | None = None
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _logprobs(
    tokens: Sequence[str], behaviour: Behaviour, body: Mapping[str, Any], first: int = 0
) -> dict[str, Any] | None:
    """Log-probabilities as asked for: each alternative one less likely than the one before."""
    if not body.get("logprobs"):
        return None
    wanted = body.get("top_logprobs") or 0
    rows = []
    for index, token in enumerate(tokens, first):
        logprob = behaviour.logprob_of(index)
        others = [token, *behaviour.alternatives]
        others += [token + "'" * rank for rank in range(len(others), wanted)]
        likeliest = [_logprob_row(other, logprob - rank) for rank, other in enumerate(others[:wanted])]
        rows.append({**_logprob_row(token, logprob), "top_logprobs": likeliest})
    return {"content": rows, "refusal": None}


def _logprob_row(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}
