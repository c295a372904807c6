"""The paths the provider serves, and for each how to read a request and how to write the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.testing.loopback.chat import chat_events, chat_object, chat_wish
from langchain_costguard.testing.loopback.messages import (
    messages_frames,
    messages_object,
    messages_prompt,
    messages_wish,
)
from langchain_costguard.testing.loopback.prompts import chat_prompt, responses_prompt, text_prompts
from langchain_costguard.testing.loopback.responses_api import response_events, response_object, responses_wish
from langchain_costguard.testing.loopback.texts import completion_events, completion_object, completion_wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from langchain_costguard.testing.loopback.answers import Answer, Wish


class Endpoint(NamedTuple):
    """One way to ask the model."""

    required: str
    """The field without which a request is refused."""
    prompt: Callable[[Mapping[str, Any]], list[str]]
    """The input tokens of a request."""
    wish: Callable[[Mapping[str, Any]], Wish]
    """What the request asks for."""
    whole: Callable[[Answer, Mapping[str, Any]], dict[str, Any]]
    """The answer as one object."""
    frames: Callable[[Answer, Mapping[str, Any]], Iterator[bytes]]
    """The answer as the frames of a stream."""


def _completion_prompt(body: Mapping[str, Any]) -> list[str]:
    return [token for prompt in text_prompts(body["prompt"]) for token in prompt]


def _completion_wish(body: Mapping[str, Any]) -> Wish:
    return completion_wish(body, len(text_prompts(body["prompt"])))


def _data_frames(
    events: Callable[[Answer, Mapping[str, Any]], Iterator[dict[str, Any]]],
) -> Callable[[Answer, Mapping[str, Any]], Iterator[bytes]]:
    """Frames that hold data only, and a last one that says it was the last."""

    def frames(answer: Answer, body: Mapping[str, Any]) -> Iterator[bytes]:
        for event in events(answer, body):
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    return frames


def _named_frames(answer: Answer, body: Mapping[str, Any]) -> Iterator[bytes]:
    """Frames that begin with the name of their event."""
    for event in response_events(answer, body):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


ENDPOINTS: Final = {
    "/v1/chat/completions": Endpoint("messages", chat_prompt, chat_wish, chat_object, _data_frames(chat_events)),
    "/v1/responses": Endpoint("input", responses_prompt, responses_wish, response_object, _named_frames),
    "/v1/completions": Endpoint(
        "prompt", _completion_prompt, _completion_wish, completion_object, _data_frames(completion_events)
    ),
    "/v1/messages": Endpoint("messages", messages_prompt, messages_wish, messages_object, messages_frames),
}
"""By path."""
