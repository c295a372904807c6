"""The chat model inside a route: finding it and naming it, and giving it more without losing what is bound to it."""

# ruff: noqa: ANN401 - models are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase

from langchain_costguard.callbacks.wrapping import InnerModel, inner_models, is_model, with_models

if TYPE_CHECKING:
    from collections.abc import Callable

_RAW: Final = "raw"


def chat_model_in(route: Runnable[Any, Any]) -> InnerModel | None:
    """The first chat model that answers for a route; `None` where there is none to be seen."""
    return next(iter(inner_models(route)), None)


def name_of(route: Runnable[Any, Any]) -> str:
    """The name of the model that answers for a route, as prices know it."""
    inner = chat_model_in(route)
    if inner is None:
        return route.get_name()
    named = inner.settings.get("model") or inner.chat._get_ls_params().get("ls_model_name")  # noqa: SLF001 - as LangChain describes runs itself
    return str(named or inner.chat.get_name())


def asking_part(route: Runnable[Any, Any]) -> Runnable[Any, Any] | None:
    """The model a route begins with, without what comes after it; `None` where it begins with something else."""
    if is_model(route):
        return route
    if isinstance(route, RunnableBindingBase):
        return asking_part(route.bound)
    if isinstance(route, RunnableSequence):
        return asking_part(route.first)
    if isinstance(route, RunnableWithFallbacks):
        return asking_part(route.runnable)
    if isinstance(route, RunnableParallel) and _RAW in route.steps__:
        return asking_part(route.steps__[_RAW])
    return None


def with_method(route: Runnable[Any, Any], name: str, *given: Any, **settings: Any) -> Runnable[Any, Any]:
    """The route whose models are what a method of theirs makes of them; what was bound to them stays bound.

    Raises:
        NotImplementedError: a model cannot do that, or none can be seen.
    """
    made = with_models(route, lambda model: _called(model, name, given, settings))
    if made is route:
        msg = f"no chat model can be seen in {route.get_name()}, so `{name}` says nothing to it: give one as the route"
        raise NotImplementedError(msg)
    return made


def _called(model: Any, name: str, given: tuple[Any, ...], settings: dict[str, Any]) -> Runnable[Any, Any]:
    if isinstance(model, RunnableBindingBase):
        inner = _called(model.bound, name, given, settings)
        return model.model_copy(update={"bound": _bound(inner, model.kwargs), "kwargs": {}})
    method: Callable[..., Runnable[Any, Any]] | None = getattr(model, name, None)
    if method is None:
        msg = f"{type(model).__name__} has no `{name}`: give a chat model as the route"
        raise NotImplementedError(msg)
    return method(*given, **settings)


def _bound(runnable: Runnable[Any, Any], settings: Any) -> Runnable[Any, Any]:
    return with_models(runnable, lambda model: model.bind(**settings)) if settings else runnable
