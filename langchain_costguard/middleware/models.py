"""The models a middleware is given: chat models, or the names of them, checked when the middleware is made."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.caches import BaseCache


def as_model(given: BaseChatModel | str, argument: str) -> BaseChatModel:
    """The chat model a user means.

    Args:
        given: a chat model, or its name as `init_chat_model` takes it, such as `"openai:gpt-4o-mini"`.
        argument: the argument it was given for, for the error.

    Raises:
        TypeError: it is neither.
        ValueError: the name says no provider that is known.
        ImportError: the provider's package is not installed.
    """
    model: object = given
    if isinstance(model, BaseChatModel):
        return model
    if not isinstance(model, str):
        msg = (
            f"{argument}={given!r} is no chat model: give {argument}=ChatOpenAI(...) or {argument}='openai:gpt-4o-mini'"
        )
        raise TypeError(msg)
    from langchain.chat_models import init_chat_model

    msg = (
        f"{argument}={given!r} names no model whose provider is known: give the provider too, such as "
        f"{argument}='openai:gpt-4o-mini', or {argument}=ChatOpenAI(...)"
    )
    if not model.rpartition(":")[2].strip():  # LangChain takes no name for a model that each call names
        raise ValueError(msg)
    try:
        return init_chat_model(model)
    except ValueError as error:
        raise ValueError(msg) from error


CACHE: Final[ContextVar[BaseCache | None]] = ContextVar("langchain_costguard_agent_cache", default=None)
"""The cache that answers for the turn, whichever model is asked in the end."""


@contextmanager
def answering_from(cache: BaseCache) -> Iterator[None]:
    """Have the models that take the place of a turn's model answered for by its cache as well."""
    token = CACHE.set(cache)
    try:
        yield
    finally:
        CACHE.reset(token)


def instead(model: BaseChatModel) -> BaseChatModel:
    """A model that takes the place of a turn's model: with the cache that answers for it, or its own."""
    cache = CACHE.get()
    return model if cache is None or model.cache is not None else model.model_copy(update={"cache": cache})


def marked(
    model: BaseChatModel,
    *,
    metadata: Mapping[str, Any],
    tags: Sequence[str] = (),
    **fields: Any,  # noqa: ANN401 - fields of a model
) -> BaseChatModel:
    """A copy of a model, still of its own class, whose runs carry this metadata and these tags.

    Args:
        model: the model; a binding around it would hide its class from other middleware.
        metadata: what its runs tell.
        tags: the tags of its runs.
        **fields: other fields of the model to set on the copy.
    """
    known = {**(model.metadata or {}), **metadata}
    return model.model_copy(update={"metadata": known, "tags": [*(model.tags or ()), *tags], **fields})
