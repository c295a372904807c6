"""Which model a plan is for, and the requests that it is made from: models, chains, templates and plain messages."""

# ruff: noqa: ANN401 - models, prompts and inputs are of any kind

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import RunnableSequence

from langchain_costguard.callbacks.wrapping import inner_models
from langchain_costguard.pricing.names import provider_of_host

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_ENDPOINTS = ("openai_api_base", "anthropic_api_url", "base_url")
_FEWEST = 2


class Asked(NamedTuple):
    """A model as rules and prices know it, and what goes with its calls."""

    name: str
    """The model's name."""
    provider: str | None
    """Who serves it; `None` where only the name is known."""
    tools: tuple[Any, ...] = ()
    """The tools bound to it."""


def asked_model(model: Any, provider: str | None) -> Asked:
    """Who is asked.

    Args:
        model: a model's name, a chat model, bound or wrapped, or a chain with one.
        provider: overrides what the model says.

    Raises:
        TypeError: there is no chat model in it.
    """
    if isinstance(model, str):
        return Asked(model, provider)
    inner = inner_models(model)
    if not inner:
        msg = f"{type(model).__name__} holds no chat model: give one, a chain with one, or a name such as 'gpt-4o'"
        raise TypeError(msg)
    chat, settings = inner[0]
    described = chat._get_ls_params(**settings)  # noqa: SLF001 - what it tells every tracer
    name = str(described.get("ls_model_name") or chat.get_name())
    return Asked(name, provider or _at(chat) or described.get("ls_provider"), tuple(settings.get("tools") or ()))


def asked_prompts(model: Any, prompt: Any, examples: Sequence[Any]) -> tuple[list[Any], list[Mapping[str, object]]]:
    """The rendered examples, and the template's variables of each where there is a template.

    Args:
        model: as for `asked_model`; a chain that begins with a template brings it.
        prompt: the template that the examples are inputs of; `None` where they are prompts themselves.
        examples: inputs of the template, or prompts.

    Raises:
        ValueError: there are fewer than two examples.
        TypeError: the examples are one text, or they are inputs and there is no template.
    """
    if isinstance(examples, str | Mapping) or not isinstance(examples, Sequence):
        msg = f"examples={examples!r:.60} is one request: give a list of two or more that follow each other"
        raise TypeError(msg)
    if len(examples) < _FEWEST:
        msg = f"examples holds {len(examples)}: what changes between requests shows from two on, give examples=[a, b]"
        raise ValueError(msg)
    template = prompt if prompt is not None else _template_of(model)
    if template is None:
        if any(isinstance(one, Mapping) and not ("role" in one or "type" in one) for one in examples):
            msg = "examples are inputs of a template: give the template too, prompt=ChatPromptTemplate(...)"
            raise TypeError(msg)
        return list(examples), []
    return [template.invoke(one) for one in examples], [one if isinstance(one, Mapping) else {} for one in examples]


def _template_of(model: Any) -> BasePromptTemplate[Any] | None:
    first = model.first if isinstance(model, RunnableSequence) else None
    return first if isinstance(first, BasePromptTemplate) else None


def _at(chat: BaseChatModel) -> str | None:
    """The provider behind the endpoint a model is set to, where that is a known one."""
    addresses = (getattr(chat, name, None) for name in _ENDPOINTS)
    return next((found for one in addresses if isinstance(one, str) and (found := provider_of_host(one))), None)
