"""Whether an answer was cut off: by what providers say of its end, in whole answers, streams and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from langchain_core.messages import AIMessage, BaseMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRUNCATED_KEY: Final = "output_truncated"
"""The key of `response_metadata` under which a limited model says whether its answer was cut off."""

_AT_THE_LIMIT: Final = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "max_tokens_reached",
        "maximum_tokens",
        "model_length",
        "token_limit",
        "2",
    }
)
"""How providers call the end at an output limit; 2 is Gemini's."""
_NO_ROOM: Final = "model_context_window_exceeded"
"""The end where the context window is full: a larger output limit would not help."""
_ENDS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")

_Message = TypeVar("_Message", bound=BaseMessage)


def is_truncated(answer: BaseMessage) -> bool:
    """Whether an answer was cut off at a limit on its length.

    Args:
        answer: an answer of any provider: `finish_reason`, `stop_reason`, `done_reason` and what the Responses API
            says of an incomplete answer are read.
    """
    return any(_is_cut(end) for end in _ends(answer.response_metadata))


def would_fit_with_more(answer: BaseMessage) -> bool:
    """Whether an answer was cut off by a limit that can be raised."""
    return any(_is_cut(end) and _NO_ROOM not in end for end in _ends(answer.response_metadata))


def has_ended(chunk: BaseMessage) -> bool:
    """Whether a chunk of a stream says how the answer ended."""
    return any(_ends(chunk.response_metadata))


def marked(answer: _Message, *, truncated: bool) -> _Message:
    """A copy of an answer, or of a chunk, that says whether it was cut off."""
    return answer.model_copy(update={"response_metadata": {**answer.response_metadata, TRUNCATED_KEY: truncated}})


def partial_answer(error: BaseException) -> AIMessage | None:
    """The partial answer in the error that OpenAI's client raises where a structured answer was cut off.

    Returns:
        The answer as far as it came; `None` for any other error.
    """
    completion = getattr(error, "completion", None)
    if type(error).__name__ != "LengthFinishReasonError" or completion is None:
        return None
    usage = completion.usage
    return AIMessage(
        content=completion.choices[0].message.content or "",
        response_metadata={"finish_reason": "length", "model_name": completion.model},
        usage_metadata=None
        if usage is None
        else {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
    )


def _ends(told: Mapping[str, Any]) -> Iterator[str]:
    """How the provider says that an answer ended, in small letters."""
    for name in _ENDS:
        value = told.get(name)
        if value is not None and value != "":
            yield str(getattr(value, "value", value)).rpartition(".")[2].lower()
    details = told.get("incomplete_details")
    if isinstance(details, dict) and details.get("reason"):
        yield str(details["reason"]).lower()
    elif told.get("status") == "completed":
        yield "completed"


def _is_cut(end: str) -> bool:
    """Whether it names a limit; merged chunks may say it twice."""
    return any(end == one * (len(end) // len(one)) for one in (*_AT_THE_LIMIT, _NO_ROOM) if len(end) >= len(one))
