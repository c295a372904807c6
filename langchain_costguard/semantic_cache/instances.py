"""Which model object asks a cache: found among the calls that led to it, because LangChain hands a cache only texts."""

from __future__ import annotations

import os
import sys
import threading
import uuid
import weakref
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from langchain_core.language_models import BaseChatModel, BaseLLM

_MOST_FRAMES: Final = 12
_ENDPOINT_WORDS: Final = (
    "base",
    "url",
    "endpoint",
    "host",
    "header",
    "region",
    "project",
    "organization",
    "deployment",
)
"""Parts of the names of fields that say where a text LLM asks, such as `openai_api_base` and `default_headers`."""


class _Known(NamedTuple):
    model: weakref.ref[object]
    pid: int
    token: str


def calling_model() -> BaseChatModel | BaseLLM | None:
    """The model whose call has led here; `None` when that is not to be seen."""
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to the caller
    for _ in range(_MOST_FRAMES):
        back = frame.f_back
        if back is None:
            return None
        frame = back
        if frame.f_code.co_filename.endswith(_LANGCHAINS_MODELS):
            caller = frame.f_locals.get("self")
            if isinstance(caller, BaseChatModel | BaseLLM):
                return caller
    return None


def instance_token(model: object) -> str:
    """What stands for one model object as long as it lives, in this process only.

    An address does not: the next object may get it. Without a model every call has a token of its own.
    """
    if model is None:
        return uuid.uuid4().hex
    with _LOCK:
        known = _TOKENS.get(id(model))
        if known is not None and known.model() is model and known.pid == os.getpid():
            return known.token
        token = uuid.uuid4().hex
        try:
            _TOKENS[id(model)] = _Known(weakref.ref(model), os.getpid(), token)
        except TypeError:  # its class takes no weak references, so that its end would not be seen
            return token
        if len(_TOKENS) > _MOST_TOKENS:
            for key in [key for key, one in _TOKENS.items() if one.model() is None]:
                del _TOKENS[key]
        return token


def endpoint_of(model: object) -> list[Any] | None:
    """Where a text LLM asks, and with which headers, as far as its fields say; `None` for anything else."""
    if not isinstance(model, BaseLLM):
        return None
    fields = [
        [name, sorted(map(str, value.items())) if isinstance(value, Mapping) else str(value)]
        for name, value in sorted(vars(model).items())
        if any(word in name for word in _ENDPOINT_WORDS) and isinstance(value, str | Mapping) and value
    ]
    return [f"{type(model).__module__}.{type(model).__qualname__}", fields] if fields else None


_LANGCHAINS_MODELS: Final = (
    os.path.join("language_models", "chat_models.py"),  # noqa: PTH118 - compared with the names of code objects
    os.path.join("language_models", "llms.py"),  # noqa: PTH118 - compared with file names as they are
)
_MOST_TOKENS: Final = 256
_LOCK: Final = threading.Lock()
_TOKENS: Final[dict[int, _Known]] = {}
