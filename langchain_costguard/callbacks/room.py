"""What of a call's answer the budgets in force have room for now: asked as the call would, and nothing reserved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langchain_core.callbacks import CallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableBinding
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ensure_config

from langchain_costguard.callbacks.candidates import candidate_of
from langchain_costguard.callbacks.prompts import ChatPrompt, chat_text
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.callbacks.watcher import CallWatcher, describe_call
from langchain_costguard.callbacks.wrapping import ModelWrapper, is_cascade, where_else
from langchain_costguard.guard.headroom import Headroom, headroom
from langchain_costguard.recorder import StartedCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.callbacks.watcher import CallView

_FOR_TRACERS: Final = ("ls_structured_output_format", "structured_output_format")
"""Settings that LangChain takes out again before it sends anything."""


def room_for(
    model: Runnable[Any, Any],
    given: LanguageModelInput,
    config: RunnableConfig | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Headroom:
    """The most output tokens that the budgets in force would admit for a call now.

    Those are the budgets of the config's callbacks, of the blocks around, and of the process. Another call may take
    the room before this one is made.

    Args:
        model: a chat model, or one with something bound to it, or wrapped as `limit_output` does.
        given: what it would be asked.
        config: the config of its run.
        settings: the arguments of the call.

    Returns:
        What fits, in output tokens; its `output_tokens` are `None` where the call fits as it is.

    Raises:
        TypeError: it is no chat model.
        ValueError: a chat model cannot be asked that.
        StoreError: a budget's store cannot be asked.
    """
    chat, kwargs, config = unwrapped(model, settings or {}, config)
    stop = kwargs.pop("stop", None)
    for name in _FOR_TRACERS:
        kwargs.pop(name, None)
    messages = chat._convert_input(given).to_messages()  # noqa: SLF001 - as `invoke` does it
    params = {**chat._get_invocation_params(stop=stop, **kwargs), **kwargs}  # noqa: SLF001 - as `generate` does it
    in_force = ensure_config(config)
    described = {**(in_force.get("metadata") or {}), **chat._get_ls_params(stop=stop, **kwargs)}  # noqa: SLF001 - the same
    manager = CallbackManager.configure(
        in_force.get("callbacks"), chat.callbacks,
        inheritable_tags=in_force.get("tags"), local_tags=chat.tags,
        inheritable_metadata=described, local_metadata=chat.metadata,
    )  # fmt: skip
    call = StartedCall(uuid4(), "chat", ChatPrompt(messages, params), chat_text)
    call.sent = messages
    describe_call(call, chat._serialized, params, manager.parent_run_id, manager.tags, manager.metadata)  # noqa: SLF001 - the same
    views = _views(manager)
    candidate = candidate_of(call, views, chat._serialized)  # noqa: SLF001 - the same
    return headroom(candidate, [view.guard for view in views if view.guard is not None])


def unwrapped(
    model: Runnable[Any, Any], kwargs: Mapping[str, Any], config: RunnableConfig | None
) -> tuple[BaseChatModel, dict[str, Any], RunnableConfig | None]:
    """The chat model inside its bindings and wrappers, and all settings and configurations together.

    Raises:
        TypeError: there is none.
    """
    settings = dict(kwargs)
    while isinstance(model, RunnableBindingBase | ModelWrapper):
        if isinstance(model, ModelWrapper):
            settings, model = model.asked_with(settings, config), model.model
            continue
        settings = {**model.kwargs, **settings}
        config = model._merge_configs(config)  # noqa: SLF001 - as `invoke` does it
        model = model.bound
    return chat_model_of(model), settings, config


def chat_model_of(model: object) -> BaseChatModel:
    """The chat model inside its bindings and wrappers.

    Raises:
        TypeError: there is none.
    """
    while isinstance(model, RunnableBinding | ModelWrapper):
        model = model.model if isinstance(model, ModelWrapper) else model.bound
    if not isinstance(model, BaseChatModel) or is_cascade(model):
        msg = f"{type(model).__name__} is no chat model by itself: {where_else(model, 'guarded')}"
        raise TypeError(msg)
    return model


def _views(manager: CallbackManager) -> list[CallView]:
    """Who would watch a call: those LangChain would tell of it, the blocks around, the process."""
    views = current_views()
    for handler in manager.handlers:
        if isinstance(handler, CallWatcher):
            views += [view for view in handler.open_views() if view not in views]
    return views
