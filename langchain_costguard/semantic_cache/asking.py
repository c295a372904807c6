"""How what LangChain hands a cache becomes a question, and how an answer finds back to the lookup that missed."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.runnables import RunnableBinding
from langchain_core.utils.function_calling import convert_to_json_schema

from langchain_costguard.semantic_cache.identity import RunIdentity, identity_of
from langchain_costguard.semantic_cache.instances import calling_model
from langchain_costguard.semantic_cache.keys import chat_question, read_chat_prompt, text_question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.semantic_cache.finding import Found
    from langchain_costguard.semantic_cache.keys import Question

PLAIN: Final = "plain"
"""Stands for the model where a cache is used by itself."""

_MOST_MISSED: Final = 4


class Missed(NamedTuple):
    """A lookup whose answer is still to come."""

    asking: Asking
    prompt: str
    llm_string: str
    question: Question
    found: Found
    """What was found instead, with the question's embedding where it was made."""


class Asking:
    """Makes the questions of one cache.

    Args:
        tenant_key: the metadata key that says whose run it is; `None` where that does not matter.
        namespace: the cache's name.
        max_temperature: the highest temperature at which answers are found by meaning.
    """

    def __init__(self, tenant_key: str | None, namespace: str, max_temperature: float | None) -> None:
        """Keep what questions are made with."""
        self._tenant_key = tenant_key
        self._namespace = namespace
        self._max_temperature = max_temperature

    def of_run(self, prompt: str, llm_string: str) -> Question | None:
        """The question of the run that looks up right now.

        Args:
            prompt: what LangChain hands a cache: the JSON of messages, or the text of a text LLM.
            llm_string: how LangChain describes the model.

        Returns:
            The question; `None` when tenants are kept apart and the run does not say whose it is.
        """
        chat = read_chat_prompt(prompt)
        identity = None if chat is None else identity_of(chat.shape)
        tenant = None
        if self._tenant_key is not None:
            tenant = None if identity is None else tenant_name(identity.metadata.get(self._tenant_key))
            if tenant is None:
                return None
        if chat is None:
            return text_question(
                prompt,
                llm_string,
                tenant=tenant,
                namespace=self._namespace,
                model=calling_model(),
                max_temperature=self._max_temperature,
            )
        return chat_question(
            chat,
            llm_string,
            identity,
            tenant=tenant,
            namespace=self._namespace,
            max_temperature=self._max_temperature,
            model=calling_model(),
        )

    def of_text(self, text: str, tenant: str | None) -> Question | None:
        """The question of somebody who uses the cache by itself; `None` when a tenant is needed and not given."""
        if self._tenant_key is not None and tenant is None:
            return None
        return text_question(text, PLAIN, tenant=tenant, namespace=self._namespace)

    def of_model(self, model: object, messages: Sequence[BaseMessage], tenant: str | None) -> Question | None:
        """The question a chat model would ask; `None` when a tenant is needed and not given.

        Args:
            model: the chat model, also with tools or other arguments bound.
            messages: what it would be sent.
            tenant: whose run it would be.

        Raises:
            TypeError: it is no chat model.
        """
        if self._tenant_key is not None and tenant is None:
            return None
        chat_model, kwargs = _unbound(model)
        prompt, llm_string, identity = _described(chat_model, kwargs, messages)
        chat = read_chat_prompt(prompt)
        if chat is None:
            msg = "messages of classes of one's own cannot be asked for: give LangChain's own message classes"
            raise TypeError(msg)
        return chat_question(
            chat,
            llm_string,
            identity,
            tenant=tenant,
            namespace=self._namespace,
            max_temperature=self._max_temperature,
            model=chat_model,
        )

    def begin(self, prompt: str, llm_string: str) -> Missed | None:
        """Forget an earlier lookup of the same prompt whose answer has not come; every lookup begins with this.

        Returns:
            That lookup: its call has failed, or is still running around this one.
        """
        return self.recall(prompt, llm_string)

    def remember(self, prompt: str, llm_string: str, question: Question, found: Found, before: Missed | None) -> None:
        """Note a lookup that missed: by the time of its answer another run may be the newest of the context.

        Args:
            prompt: as for `of_run`.
            llm_string: as for `of_run`.
            question: what it asked.
            found: what it found instead.
            before: what `begin` returned. Where that asked for somebody else, or another model, it cannot be told whose
                answer comes first, so none is kept.
        """
        if before is not None and before.question.partition != question.partition:
            return
        missed = Missed(self, prompt, llm_string, question, found)
        _MISSED.set((missed, *_MISSED.get()[: _MOST_MISSED - 1]))

    def recall(self, prompt: str, llm_string: str) -> Missed | None:
        """The lookup of an answer, once; `None` when it is not known any more."""
        waiting = _MISSED.get()
        for missed in waiting:
            if missed.asking is self and missed.prompt == prompt and missed.llm_string == llm_string:
                _MISSED.set(tuple(other for other in waiting if other is not missed))
                return missed
        return None


def tenant_name(value: object) -> str | None:
    """Whose run it is, as it is kept; `None` for what names nobody."""
    is_name = isinstance(value, str | int | UUID) and not isinstance(value, bool)
    return (str(value) or None) if is_name else None


def _unbound(model: object) -> tuple[BaseChatModel, dict[str, Any]]:
    kwargs: dict[str, Any] = {}
    while isinstance(model, RunnableBinding):
        kwargs = {**model.kwargs, **kwargs}
        model = model.bound
    if not isinstance(model, BaseChatModel):
        msg = f"{type(model).__name__} is no chat model: give one, or what its bind_tools() gives"
        raise TypeError(msg)
    return model, kwargs


def _described(
    model: BaseChatModel, kwargs: Mapping[str, Any], messages: Sequence[BaseMessage]
) -> tuple[str, str, RunIdentity]:
    """What LangChain would hand a cache, and what the start of the run would say."""
    stop = kwargs.get("stop")
    given = {name: value for name, value in kwargs.items() if name not in {"stop", "ls_structured_output_format"}}
    params = model._get_invocation_params(stop=stop, **given)  # noqa: SLF001 - as LangChain describes runs itself
    named = dict(model._get_ls_params_with_defaults(stop=stop, **given))  # noqa: SLF001 - as LangChain does it
    options: dict[str, Any] = {"stop": stop}
    structured = kwargs.get("ls_structured_output_format")
    if structured:
        schema = convert_to_json_schema(structured["schema"])
        options["ls_structured_output_format"] = {"kwargs": structured.get("kwargs", {}), "schema": schema}
    llm_string = model._get_llm_string(stop=stop, **given)  # noqa: SLF001 - as LangChain does it
    prompt = dumps([message.model_copy(update={"id": None}) for message in messages])
    return prompt, llm_string, RunIdentity(params, options, named, model._serialized, set())  # noqa: SLF001 - the same


_MISSED: Final[ContextVar[tuple[Missed, ...]]] = ContextVar("langchain_costguard_cache_missed", default=())
