"""An answer in pieces: as a model streams it, and as a whole one from the cache is given out again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from langchain_costguard.callbacks.inline import PlacedHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from uuid import UUID

_WORD: Final = re.compile(r"(?:\A\s+)?\S+\s*")


class PieceHandler(PlacedHandler, _StreamingCallbackHandler[Any]):
    """Has a model that is invoked stream, as LangGraph does, and passes its pieces on.

    Args:
        put: where pieces go.
        ends_call: whether the next piece after `close` ends the call, as leaving a generator does; an asynchronous call
            is cancelled instead.
    """

    raise_error = True

    def __init__(self, put: Callable[[Any], None], *, ends_call: bool) -> None:
        """Pass on from now on."""
        super().__init__()
        self._put = put
        self._ends_call = ends_call
        self.run_id: UUID | None = None
        self.has_pieces: bool = False
        self._is_closed = False

    def close(self) -> None:
        """Pass nothing on."""
        self._is_closed = True

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401, ARG002 - LangChain's
        """A model is asked; only the outermost one is passed on, not those that it may ask."""
        if self.run_id is None:
            self.run_id = run_id

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401, ARG002 - LangChain's
        """A piece has arrived."""
        if self._is_closed and self._ends_call:
            raise GeneratorExit
        message = getattr(chunk, "message", None)
        if run_id == self.run_id and message is not None:
            self.has_pieces = True
            self._put(message)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:  # noqa: ARG002 - LangChain's
        """Chains around the model are left alone."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:  # noqa: ARG002 - LangChain's
        """Chains around the model are left alone."""
        return output


def pieces_of(message: AIMessage) -> Iterator[AIMessageChunk]:
    """A whole message as chunks, which add up to it: its words, then everything else, usage once.

    Args:
        message: the message.
    """
    text = message.content if isinstance(message.content, str) else ""
    words = _WORD.findall(text) or ([text] if text else [])
    for word in words:
        yield AIMessageChunk(content=word, id=message.id)
    yield AIMessageChunk(
        content="" if isinstance(message.content, str) else message.content,
        id=message.id,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=_usage(message),
        tool_call_chunks=[
            tool_call_chunk(name=call["name"], args=_json(call["args"]), id=call["id"], index=place)
            for place, call in enumerate(message.tool_calls)
        ],
        chunk_position="last",
    )


def _usage(message: AIMessage) -> Any:  # noqa: ANN401 - LangChain's own type refuses its own mark
    """The usage; where LangChain replayed an answer that had none, its mark alone is no usage."""
    usage = message.usage_metadata
    return usage if usage and "input_tokens" in usage else None


def _json(args: Any) -> str:  # noqa: ANN401 - the arguments of a tool
    return json.dumps(args)
