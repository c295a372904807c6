"""What a scripted model answers, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, TypeAlias

from langchain_core.messages import AIMessage

from langchain_costguard.testing.tokenizer import split_evenly, tokenize


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a scripted model.

    Example:
        >>> Reply("Paris", usage={"input_tokens": 12, "output_tokens": 1, "total_tokens": 13}).finish
        'stop'
    """

    content: str | list[str | dict[str, Any]] = ""
    """The text, or content blocks."""
    usage: Mapping[str, Any] | Literal["counted"] | None = "counted"
    """LangChain's `usage_metadata`. `"counted"`: by the fakes' own tokenizer. `None`: the provider reports none."""
    model_name: str | None = None
    """The model that claims to have answered; `None` for the one that was asked."""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """The tools it calls: name and arguments of each."""
    logprobs: float | Sequence[float] | None = None
    """Log-probabilities: one for all tokens, or one for each of as many equal pieces of the text."""
    latency_seconds: float = 0
    """How long it takes before the answer, or its first chunk, arrives."""
    chunks: int | Sequence[str] | None = None
    """How a stream cuts the text: into so many pieces, into these pieces, or (`None`) one per word."""
    finish_reason: str | None = None
    """Why it ended; `None` for `"stop"`, `"tool_calls"` or `"length"`, as fits."""
    error: BaseException | None = None
    """What is raised instead of an answer."""
    fail_after_chunks: int | None = None
    """A stream breaks after so many chunks, by `error` or by a `ConnectionError`."""
    response_metadata: Mapping[str, Any] = field(default_factory=dict)
    """Further response metadata, such as `{"service_tier": "flex"}`."""
    additional_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """The message's `additional_kwargs`."""

    @classmethod
    def of(cls, response: Response) -> Reply:
        """Any response of a script as a reply; a message keeps its own usage, also when it has none."""
        if isinstance(response, Reply):
            return response
        if isinstance(response, BaseException):
            return cls(error=response)
        if isinstance(response, AIMessage):
            return cls._of_message(response)
        return cls(response)

    @classmethod
    def _of_message(cls, message: AIMessage) -> Reply:
        metadata = dict(message.response_metadata)
        return cls(
            message.content if isinstance(message.content, str) else list(message.content),
            usage=message.usage_metadata,
            model_name=metadata.pop("model_name", None),
            tool_calls=tuple((call["name"], call["args"]) for call in message.tool_calls),
            finish_reason=metadata.pop("finish_reason", None),
            response_metadata=metadata,
            additional_kwargs=message.additional_kwargs,
        )

    @property
    def failure(self) -> BaseException | None:
        """What the reply raises, `None` if it answers."""
        if self.error is None and self.fail_after_chunks is not None:
            return ConnectionError(f"the script drops this answer after {self.fail_after_chunks} chunks")
        return self.error

    @property
    def finish(self) -> str:
        """Why the answer ended."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def text(self) -> str:
        """The text of the content."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in self.content)

    def pieces(self) -> list[str]:
        """The text as a stream cuts it."""
        if isinstance(self.chunks, int):
            return split_evenly(self.text, self.chunks)
        return _words(self.text) if self.chunks is None else list(self.chunks)

    def logprob_content(self) -> dict[str, Any] | None:
        """The log-probabilities in OpenAI's form, `None` without any."""
        if self.logprobs is None:
            return None
        if isinstance(self.logprobs, (int, float)):
            tokens = tokenize(self.text)
            values: Sequence[float] = [self.logprobs] * len(tokens)
        else:
            values = self.logprobs
            tokens = split_evenly(self.text, len(values))
        rows = [
            {"token": token, "bytes": list(token.encode()), "logprob": value, "top_logprobs": []}
            for token, value in zip(tokens, values, strict=True)
        ]
        return {"content": rows, "refusal": None}


Response: TypeAlias = str | Reply | AIMessage | BaseException
"""One response of a script; an exception is raised."""

Responses: TypeAlias = Response | Sequence[Response] | Callable[[Any], Response]
"""A script: one response for every call, responses in order, or a function of the input."""


class Script:
    """Hands out the responses of a script, one per answer, to any number of threads.

    Args:
        responses: one response for ever, a sequence in order, or a function that is given the input.
        cycle: begin again after the last of a sequence, instead of failing.
    """

    def __init__(self, responses: Responses, *, cycle: bool = False) -> None:
        """Stand before the first response."""
        self._responses = responses
        self._cycle = cycle
        self._lock = Lock()
        self._given = 0

    def next(self, asked: object) -> Reply:
        """The next reply.

        Args:
            asked: the input, for a script that is a function.

        Raises:
            LookupError: the sequence is used up.
        """
        if callable(self._responses):
            return Reply.of(self._responses(asked))
        if isinstance(self._responses, (str, Reply, AIMessage, BaseException)):
            return Reply.of(self._responses)
        with self._lock:
            position = self._given
            self._given += 1
        if position >= len(self._responses) and not (self._cycle and self._responses):
            msg = (
                f"the script has {len(self._responses)} responses and is asked for one more: add it, or set cycle=True"
            )
            raise LookupError(msg)
        return Reply.of(self._responses[position % len(self._responses)])


def _words(text: str) -> list[str]:
    words: list[str] = []
    for token in tokenize(text):
        if words and not token[0].isspace():
            words[-1] += token
        else:
            words.append(token)
    return words
