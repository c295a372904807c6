"""How results and inputs become JSON and come back as what they were: plain values, and a few known classes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from langchain_core.documents import Document
from langchain_core.load import dumpd, load
from langchain_core.load.serializable import Serializable
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALLOWED_CLASSES: Final = (
    AIMessage,
    AIMessageChunk,
    ChatGeneration,
    ChatMessage,
    ChatPromptValue,
    Document,
    FunctionMessage,
    Generation,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    StringPromptValue,
    SystemMessage,
    ToolMessage,
)
"""The classes of LangChain that results are read back into; of others only those that the user or the chain names."""

_MARK: Final = "$costguard"
_PLAIN: Final = (str, bool, int, type(None))
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_HOW_NOT_WHAT: Final = frozenset(
    {
        "anthropic_api_url",
        "base_url",
        "lc_versions",
        "max_retries",
        "openai_api_base",
        "openai_proxy",
        "request_timeout",
    }
)
"""Settings that say how a model is reached, not what it answers."""
_VERSIONS: Final = re.compile(r"'lc_versions': \{[^{}]*\}")


class UnkeptValueError(ValueError):
    """A value has no form from which it could be read back; the message says which part of it and why."""


class Values:
    """Writes values as JSON and reads them back, into the allowed classes only."""

    def __init__(self, classes: Iterable[type[BaseModel]] = (), *, any_model: bool = False) -> None:
        """Allow Pydantic classes beside LangChain's own.

        Args:
            classes: Pydantic models of the user.
            any_model: write every Pydantic model; for values that are never read back.
        """
        self._classes: Mapping[str, type[BaseModel]] = {class_name(one): one for one in classes}
        self._any_model = any_model

    def dump(self, value: Any) -> Any:  # noqa: ANN401 - whatever a chain gives
        """A value as JSON can hold it.

        Raises:
            UnkeptValueError: it could not be read back as what it is.
        """
        if type(value) in _PLAIN:
            return value
        if isinstance(value, str) and not isinstance(value, Enum):  # what `StrOutputParser` gives is a str of its own
            return str.__str__(value)
        if type(value) is float:
            return value if math.isfinite(value) else {_MARK: "float", "value": repr(value)}
        if type(value) is list:
            return [self.dump(part) for part in value]
        if type(value) is tuple:
            return {_MARK: "tuple", "value": [self.dump(part) for part in value]}
        if type(value) is dict:
            return self._dump_dict(value)
        if isinstance(value, BaseMessage):
            return self._dump_message(value)
        if isinstance(value, Serializable) and type(value) in ALLOWED_CLASSES:
            return {_MARK: "langchain", "value": _dumped(value)}
        if isinstance(value, BaseModel) and (self._any_model or class_name(type(value)) in self._classes):
            return {_MARK: "model", "class": class_name(type(value)), "value": value.model_dump(mode="json")}
        msg = f"a {class_name(type(value))}"
        raise UnkeptValueError(msg)

    def load(self, data: Any) -> Any:  # noqa: ANN401 - whatever a chain gave
        """The value that `dump` wrote.

        Raises:
            UnkeptValueError: it was not written so, or its class is not allowed.
        """
        try:
            return self._loaded(data)
        except RecursionError as error:
            msg = "a value nested deeper than Python reads"
            raise UnkeptValueError(msg) from error

    def _loaded(self, data: Any) -> Any:  # noqa: ANN401 - whatever a chain gave
        if isinstance(data, list):
            return [self._loaded(part) for part in data]
        if not isinstance(data, dict):
            return data
        if _MARK not in data:
            return {name: self._loaded(part) for name, part in data.items()}
        try:
            return self._load_marked(data[_MARK], data)
        except UnkeptValueError:
            raise
        except Exception as error:  # what was tampered with fails in as many ways as there are validators
            msg = f"a {data[_MARK]!s:.60} that cannot be read back ({type(error).__name__})"
            raise UnkeptValueError(msg) from error

    def _dump_dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        if all(type(name) is str for name in value) and _MARK not in value:
            return {name: self.dump(part) for name, part in value.items()}
        return {_MARK: "dict", "value": [[self.dump(name), self.dump(part)] for name, part in value.items()]}

    def _dump_message(self, message: BaseMessage) -> dict[str, Any]:
        """A message; what parsers put beside its text (`additional_kwargs["parsed"]`) is written apart."""
        if type(message) not in ALLOWED_CLASSES:
            msg = f"a {class_name(type(message))}"
            raise UnkeptValueError(msg)
        apart = {name: part for name, part in message.additional_kwargs.items() if isinstance(part, BaseModel)}
        update: dict[str, Any] = {}
        if apart:
            update["additional_kwargs"] = {
                name: part for name, part in message.additional_kwargs.items() if name not in apart
            }
        usage = getattr(message, "usage_metadata", None)
        if usage and "total_cost" in usage:  # LangChain's mark of a replayed answer, which it refuses to read back
            update["usage_metadata"] = {name: part for name, part in usage.items() if name != "total_cost"}
        written = _dumped(message.model_copy(update=update) if update else message)
        return {_MARK: "langchain", "value": written} | ({"apart": self.dump(apart)} if apart else {})

    def _load_marked(self, mark: str, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a chain gave
        value = data["value"]
        if mark == "float":
            return float(value)
        if mark == "tuple":
            return tuple(self.load(part) for part in value)
        if mark == "dict":
            return {self.load(name): self.load(part) for name, part in value}
        if mark == "model":
            return self._class(data["class"]).model_validate(value)
        if mark == "langchain":
            found = load(value, allowed_objects=list(ALLOWED_CLASSES), secrets_from_env=False)
            if type(found) not in ALLOWED_CLASSES:
                raise KeyError(mark)
            if "apart" in data:
                found.additional_kwargs.update(self.load(data["apart"]))
            return found
        raise KeyError(mark)

    def _class(self, name: str) -> type[BaseModel]:
        if name not in self._classes:
            msg = f"a {name}, which is not among the allowed classes"
            raise UnkeptValueError(msg)
        return self._classes[name]


def class_name(one: type) -> str:
    """Where a class is found, such as `"my_app.models.Answer"`."""
    return f"{one.__module__}.{one.__qualname__}"


def digest_of(value: Any, *, after: str = "") -> str:  # noqa: ANN401 - whatever goes into a chain
    """The SHA-256 of a value, as 32 hexadecimal digits; equal values have equal digests in every process.

    Args:
        value: plain values, LangChain's objects, Pydantic models, and lists, tuples and dicts of them.
        after: what else goes into the digest.

    Raises:
        UnkeptValueError: it holds something else.
    """
    text = json.dumps(Values(any_model=True).dump(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(f"{after}\n{text}".encode()).hexdigest()[:32]


def identity_of(chain: object) -> str:
    """What tells a chain from another one: the digest of its prompts, models, settings and steps, without secrets.

    Args:
        chain: a Runnable. A step that LangChain cannot serialise counts by what its `repr` says.
    """
    text = json.dumps(_settled(dumpd(chain)), sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _settled(data: Any) -> Any:  # noqa: ANN401 - whatever LangChain wrote
    """The same without what makes no other chain of it: memory addresses, versions of packages, endpoints."""
    if isinstance(data, dict):
        return {name: _settled(part) for name, part in data.items() if name not in _HOW_NOT_WHAT}
    if isinstance(data, list):
        return [_settled(part) for part in data]
    return _VERSIONS.sub("", _ADDRESS.sub("", data)) if isinstance(data, str) else data


def _dumped(value: Serializable) -> Any:  # noqa: ANN401 - JSON
    """An object of LangChain's as it writes it itself, if it can read all of it again."""
    written = dumpd(value)
    odd = _first_unread(written)
    if odd is not None:
        msg = f"a {type(value).__name__} that holds {odd}"
        raise UnkeptValueError(msg)
    return written


def _first_unread(data: Any) -> str | None:  # noqa: ANN401 - JSON
    if isinstance(data, dict):
        if data.get("lc") == 1 and data.get("type") == "not_implemented":
            return f"a {'.'.join(map(str, data.get('id', ())))}"
        return next((odd for part in data.values() if (odd := _first_unread(part))), None)
    return next((odd for part in data if (odd := _first_unread(part))), None) if isinstance(data, list) else None
