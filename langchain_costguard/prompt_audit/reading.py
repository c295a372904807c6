"""What an audit is given, read into messages, tools and a model: a text, messages, a template or a whole chain."""

# ruff: noqa: ANN401 - a prompt has many forms

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import BasePromptTemplate
from langchain_core.prompts.chat import BaseChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

from langchain_costguard.callbacks.wrapping import inner_models, is_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DOCUMENT_NAMES: Final = frozenset(
    {"context", "contexts", "document", "documents", "docs", "passage", "passages", "sources", "text", "article"}
)
_EXAMPLE_NAMES: Final = frozenset({"example", "examples", "few_shot", "shots", "demonstrations"})


class Given(NamedTuple):
    """What is audited."""

    messages: list[BaseMessage]
    tools: list[Any]
    model: str | None
    documents: list[str]
    """Texts that a template's variables name as documents."""
    examples: list[str]
    """The same for examples."""


def read(prompt: Any, inputs: Mapping[str, Any] | None) -> Given:
    """Read what was given.

    Args:
        prompt: a text, messages, a `PromptValue`, a prompt template, or a chain with a template as one of its steps.
        inputs: the template's variables; those that are missing stand there by their name.

    Raises:
        TypeError: it is nothing of that kind.
        ValueError: inputs are given to what has no variables.
    """
    template, tools, model = _template_of(prompt)
    if template is not None:
        given = dict(inputs or {})
        return Given(
            _formatted(template, given),
            tools,
            model,
            list(_texts(given, _DOCUMENT_NAMES)),
            list(_texts(given, _EXAMPLE_NAMES)),
        )
    if isinstance(prompt, Runnable):
        msg = f"there is no prompt template in {type(prompt).__name__}: give `prompt | model`, or the messages it sends"
        raise TypeError(msg)
    if inputs:
        msg = "inputs= fill a prompt template, and this prompt has none: leave them out"
        raise ValueError(msg)
    return Given(messages_of(prompt), tools, model, [], [])


def messages_of(prompt: Any) -> list[BaseMessage]:
    """A text, messages or a `PromptValue` as messages.

    Raises:
        TypeError: it is none of them.
    """
    if isinstance(prompt, str):
        return [HumanMessage(prompt)]
    if isinstance(prompt, PromptValue):
        return prompt.to_messages()
    if isinstance(prompt, BaseMessage):
        return [prompt]
    if isinstance(prompt, list | tuple):
        return convert_to_messages(prompt)
    msg = f"{type(prompt).__name__} is no prompt: give a text, messages, a prompt template, or a chain that has one"
    raise TypeError(msg)


def _template_of(prompt: Any) -> tuple[BasePromptTemplate[Any] | None, list[Any], str | None]:
    """The prompt template of a chain, and the tools and the name of the model that follows it."""
    template: BasePromptTemplate[Any] | None = None
    for step in _steps(prompt):
        if isinstance(step, BasePromptTemplate) and template is None:
            template = step
        elif is_model(step) and template is not None:
            inner = inner_models(step)
            settings = inner[0].settings if inner else {}
            return template, list(settings.get("tools") or ()), _name(inner[0].chat, settings) if inner else None
    return template, [], None


def _steps(runnable: Any) -> Iterator[Any]:
    if isinstance(runnable, RunnableSequence):
        for step in runnable.steps:
            yield from _steps(step)
    elif isinstance(runnable, RunnableBindingBase) and not is_model(runnable):
        yield from _steps(runnable.bound)
    else:
        yield runnable


def _name(chat: Any, settings: Mapping[str, Any]) -> str | None:
    name = settings.get("model") or chat._get_ls_params().get("ls_model_name")  # noqa: SLF001 - as LangChain describes runs itself
    return None if name is None else str(name)


def _formatted(template: BasePromptTemplate[Any], given: Mapping[str, Any]) -> list[BaseMessage]:
    """The messages of a template; a variable that is not given stands there as `{name}`, a placeholder is empty."""
    lists = {
        part.variable_name
        for part in (getattr(template, "messages", ()) if isinstance(template, BaseChatPromptTemplate) else ())
        if isinstance(part, MessagesPlaceholder)
    }
    missing: dict[str, Any] = {
        name: [] if name in lists else f"{{{name}}}" for name in template.input_variables if name not in given
    }
    return template.format_prompt(**missing, **given).to_messages()


def _texts(given: Mapping[str, Any], names: frozenset[str]) -> Iterator[str]:
    """The texts among some inputs."""
    for name in names & given.keys():
        yield from _text_in(given[name])


def _text_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Document):
        yield value.page_content
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _text_in(each)


def called_tools(messages: Sequence[Any]) -> set[str]:
    """The names of the tools that messages call."""
    return {str(call["name"]) for message in messages for call in getattr(message, "tool_calls", None) or ()}
