"""What is asked: the part of the input a model reads, the text that is classified, and what is needed of a model."""

# ruff: noqa: ANN401 - inputs are of any kind

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from langchain_costguard.routing.decision import Needs
from langchain_costguard.tokens.contents import Contents, as_messages
from langchain_costguard.tokens.counting import byte_bound, count_tokens
from langchain_costguard.tokens.images import image_count

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

MAX_CHARACTERS: Final = 1_200
"""So many characters of a question are read to judge it: half from its beginning, half from its end."""

INPUT_KEYS: Final = ("input", "messages", "query", "question", "prompt", "text")
"""Where the question stands in an input that is a dict, if it is not its only other entry."""

_SAMPLE: Final = 2_000
_PER_MESSAGE: Final = 16
_USERS: Final = frozenset({"human", "user"})


def label_of(given: Any) -> str:
    """A label as text; of a member of an enumeration its value."""
    return str(given.value if isinstance(given, Enum) else given)


def excerpt(text: str) -> str:
    """The part of a text that is read to judge it, so that judging a long one takes no longer."""
    if len(text) <= MAX_CHARACTERS:
        return text
    half = MAX_CHARACTERS // 2
    return f"{text[:half]} {text[-half:]}"


@dataclass(frozen=True)
class Asked:
    """One question.

    Attributes:
        given: what the router was given.
        config: with which config.
        question: what a chat model is to read.
        has_tools: whether tools come with this one call.
    """

    given: Any
    config: RunnableConfig
    question: Any
    has_tools: bool = False
    _contents: list[Contents] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def contents(self) -> Contents:
        """What the question is made of, read once."""
        if not self._contents:
            self._contents.append(_contents_of(self.question))
        return self._contents[0]

    @property
    def text(self) -> str:
        """The excerpt of what the user said last."""
        return excerpt(_last_words(self.question))

    @property
    def length(self) -> int:
        """The characters of the whole question, earlier turns and instructions included."""
        return sum(map(len, self.contents.texts))

    def said(self, keys: Sequence[str]) -> tuple[str, str] | None:
        """What the caller says under one of these names, and where: in the input, `configurable` or `metadata`."""
        places = (
            ("the input", self.given if isinstance(self.given, Mapping) else {}),
            ("config['configurable']", self.config.get("configurable") or {}),
            ("config['metadata']", self.config.get("metadata") or {}),
        )
        for place, values in places:
            for key in keys:
                if values.get(key) is not None:
                    return label_of(values[key]), place
        return None

    def needs(self, *, tools: bool, structured_output: bool, schema_bytes: int) -> Needs:
        """What it asks of a model.

        Args:
            tools: whether tools are bound.
            structured_output: whether the answer is to have a schema.
            schema_bytes: the length of what is bound, as JSON.
        """
        return Needs(
            tools=tools or self.has_tools,
            images=bool(self.contents.images),
            structured_output=structured_output,
            fits_window=lambda window, model: _fits(self.contents, schema_bytes, window, model),
        )


def question_in(given: Any, label_keys: Sequence[str], input_key: str | None) -> Any:
    """The question in what a router was given.

    Args:
        given: a question, or a dict with it and with labels.
        label_keys: the keys of labels, which are not the question.
        input_key: the key of the question; `None` to find it.

    Raises:
        KeyError: the dict has no such key.
        ValueError: it is not clear which entry is the question.
    """
    if not isinstance(given, Mapping):
        return given
    if input_key is not None:
        if input_key not in given:
            msg = f"The input has no {input_key!r}, only {sorted(map(str, given))}: set `input_key`."
            raise KeyError(msg)
        return given[input_key]
    rest = [key for key in given if key not in label_keys]
    found = rest if len(rest) == 1 else [key for key in INPUT_KEYS if key in given]
    if not found:
        msg = f"Which of {sorted(map(str, rest))} is the question? Say so: `input_key='...'`."
        raise ValueError(msg)
    return given[found[0]]


def variables_in(given: Any) -> str:
    """The texts among the variables of a chain's prompt."""
    values = given.values() if isinstance(given, Mapping) else [given]
    return "\n".join(value for value in values if isinstance(value, str))


def _contents_of(question: Any) -> Contents:
    return Contents(variables_in(question) if _is_variables(question) else question)


def _is_variables(question: Any) -> bool:
    return isinstance(question, Mapping) and "content" not in question


def _last_words(question: Any) -> str:
    """What the user said last: the text of the last human message, else of the last one."""
    if isinstance(question, str):
        return question
    if _is_variables(question):
        return variables_in(question)
    messages = as_messages(question)
    asked = next((message for message in reversed(messages) if _role(message) in _USERS), None)
    last = messages[-1:] if asked is None else [asked]
    return "\n".join(Contents(last).texts)


def _role(message: Any) -> str:
    if isinstance(message, BaseMessage):
        return message.type
    if isinstance(message, Mapping):
        return str(message.get("role") or message.get("type"))
    return str(message[0]) if isinstance(message, tuple | list) else "user"


def _fits(contents: Contents, schema_bytes: int, window: int, model: str) -> bool:
    """Whether a question fits a context window: certainly by its bytes, else by what a sample of it comes to."""
    beside = contents.messages * _PER_MESSAGE + sum(image_count(image, model)[0] for image in contents.images)
    sent = sum(map(byte_bound, contents.texts)) + schema_bytes
    if sent + beside <= window:
        return True
    sample = _sampled("".join(text[:_SAMPLE] + text[-_SAMPLE:] for text in _longest(contents.texts)))
    per_byte = count_tokens(sample, model).tokens / max(1, byte_bound(sample))
    return sent * per_byte + beside <= window


def _longest(texts: Sequence[str]) -> list[str]:
    return sorted(texts, key=len)[-3:]


def _sampled(text: str) -> str:
    """At most a few thousand characters of a text."""
    return text if len(text) <= 3 * _SAMPLE else text[:_SAMPLE] + text[len(text) // 2 :][:_SAMPLE] + text[-_SAMPLE:]
