"""The models a middleware is given: chat models, or the names of them, checked when the middleware is made."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel


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
