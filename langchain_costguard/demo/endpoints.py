"""Which model answers the demo: one on this machine, one at a URL, OpenAI's, or a scripted stand-in."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from langchain_costguard.demo.server import MODEL_NAME, DemoError, find_model, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPENAI_MODEL: Final = "gpt-4o-mini"
"""What `--openai` asks when no model is named."""

_KEY_VARIABLE: Final = "OPENAI_API_KEY"
_NO_KEY: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Who answers, and how it is reached."""

    title: str
    """What a reader of the demo is told about it."""
    model: str
    """The model's name in requests."""
    base_url: str | None = None
    """Where its OpenAI-compatible API is, `None` for OpenAI's own."""
    api_key: str = field(default=_NO_KEY, repr=False)
    """What it wants to see as a key."""
    is_own: bool = False
    """Whether it runs on hardware of your own, and so is priced by the GPU-hour."""
    is_scripted: bool = False
    """Whether no model answers at all."""


def at_url(base_url: str, model: str | None, key_variable: str | None = None) -> Endpoint:
    """Any OpenAI-compatible server, such as Ollama or vLLM.

    Args:
        base_url: its API, usually ending in `/v1`.
        model: the model's name there.
        key_variable: the environment variable with its key; OpenAI's own key is never sent elsewhere unasked.

    Raises:
        DemoError: no model is named, the URL is none, or the variable is empty.
    """
    if not base_url.startswith(("http://", "https://")):
        msg = f"{base_url!r} is no URL: give one such as --base-url http://localhost:11434/v1"
        raise DemoError(msg)
    if not model:
        msg = "a server can have many models: name one with --model NAME"
        raise DemoError(msg)
    key = _key(key_variable) if key_variable else _NO_KEY
    return Endpoint(title=f"{model} at {base_url}", model=model, base_url=base_url, api_key=key, is_own=True)


def openai_itself(model: str | None = None) -> Endpoint:
    """OpenAI's API, which costs real money: a few hundredths of a cent.

    Raises:
        DemoError: there is no key.
    """
    name = model or OPENAI_MODEL
    return Endpoint(title=f"{name} at OpenAI", model=name, api_key=_key(_KEY_VARIABLE))


@contextmanager
def on_this_machine(*, on_wait: Callable[[float], None]) -> Iterator[Endpoint]:
    """SmolLM2 served here or, where it is not installed, a scripted stand-in.

    Args:
        on_wait: told how many seconds the model has been loading.

    Raises:
        DemoError: the model is installed and cannot be served.
    """
    weights = find_model()
    if weights is not None:
        with serve(weights, on_wait=on_wait) as base_url:
            yield Endpoint(
                title="SmolLM2-135M-Instruct on this machine", model=MODEL_NAME, base_url=base_url, is_own=True
            )
        return
    with scripted() as endpoint:
        yield endpoint


@contextmanager
def scripted() -> Iterator[Endpoint]:
    """A loopback server with invented answers under the name of a real model, for where no model can be had."""
    from langchain_costguard.testing import LoopbackProvider

    with LoopbackProvider() as provider:
        yield Endpoint(
            title=f"a stand-in for {OPENAI_MODEL}", model=OPENAI_MODEL, base_url=provider.base_url, is_scripted=True
        )


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        msg = f"the environment variable {variable} holds no key: set it with export {variable}=..."
        raise DemoError(msg)
    return key
