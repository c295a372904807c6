"""What wrappers of chat models have in common: they keep the model's methods, and find the chat models inside."""

# ruff: noqa: ANN401 - settings and answers are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.configurable import DynamicRunnable

from langchain_costguard.tags import WRAPPER_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool


class ModelWrapper(Runnable[Any, Any]):
    """A Runnable around a chat model that keeps `bind`, `bind_tools` and `with_structured_output`.

    A wrapper says in `_around` how another model is wrapped the same way; anything it does not have is the model's.
    """

    model: Runnable[Any, Any]
    """What is asked."""

    def _around(self, model: Runnable[Any, Any]) -> Self:
        """The same wrapper around another model."""
        raise NotImplementedError

    def asked_with(self, settings: dict[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """The settings its model is asked with: where a wrapper changes them, it says so here.

        Args:
            settings: those of a call of the wrapper.
            config: the call's config.
        """
        del config
        return settings

    def bind(self, **kwargs: Any) -> Self:
        """The model with more settings, still wrapped."""
        return self._around(self.model.bind(**kwargs))

    def bind_tools(self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any) -> Self:
        """The model with tools, still wrapped."""
        return self._around(self.model.bind_tools(tools, **kwargs))  # type: ignore[attr-defined] # a chat model has it

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """The model whose answers are parsed into a schema, still wrapped."""
        chain: Runnable[Any, Any] = self.model.with_structured_output(schema, **kwargs)  # type: ignore[attr-defined] # a chat model has it
        return with_models(chain, self._around)

    def __getattr__(self, name: str) -> Any:
        """Anything else is the model's."""
        if name.startswith("__") or name == "model":  # not there yet while an instance is being copied
            raise AttributeError(name)
        return getattr(self.model, name)


class InnerModel(NamedTuple):
    """A chat model inside other Runnables."""

    chat: BaseChatModel
    """The model itself."""
    settings: dict[str, Any]
    """What is bound to it, and what the call brings."""


def where_else(runnable: object, technique: str) -> str:
    """Where a technique goes that cannot go around something: the end of an error's message.

    Args:
        runnable: what it cannot go around.
        technique: the function that applies it.
    """
    name = type(runnable).__name__
    inside = f"{technique}(ChatOpenAI(...))"
    if isinstance(runnable, Runnable) and "routes" in vars(runnable):
        return f"put it around the model of each route, {name}({{'easy': {inside}}})"
    if isinstance(runnable, Runnable) and _tiers(runnable):
        given = f"[{inside}, {inside}]"
        return f"put it around each tier, {name}({f'tiers={given}' if isinstance(runnable, BaseChatModel) else given})"
    if isinstance(runnable, Runnable) and _wrapped(runnable) is not None:
        return f"put it inside, around the chat model that {name} asks: the other technique around {inside}"
    return f"give the chat model itself, {inside}"


def is_model(runnable: object) -> bool:
    """Whether something answers as a chat model does: one, one with something bound to it, or a wrapper of one."""
    if isinstance(runnable, RunnableBindingBase):
        return is_model(runnable.bound)
    return isinstance(runnable, BaseChatModel) or (
        isinstance(runnable, Runnable) and bool(_tiers(runnable) or _wrapped(runnable) or _is_configurable(runnable))
    )


def is_cascade(runnable: object) -> bool:
    """Whether something asks several models in turn."""
    return isinstance(runnable, Runnable) and bool(_tiers(runnable))


def is_chosen_later(runnable: object) -> bool:
    """Whether the model inside is known only when it is called, from the config."""
    if isinstance(runnable, RunnableBindingBase):
        return is_chosen_later(runnable.bound)
    wrapped = _wrapped(runnable)
    return _is_configurable(runnable) if wrapped is None else is_chosen_later(wrapped)


def with_models(runnable: Runnable[Any, Any], change: Callable[[Any], Runnable[Any, Any]]) -> Runnable[Any, Any]:
    """A chain with every chat model in it changed; the chain itself where there is none that can be seen."""
    if is_model(runnable):
        return change(runnable)
    if isinstance(runnable, RunnableBindingBase):
        bound = with_models(runnable.bound, change)
        return runnable if bound is runnable.bound else runnable.model_copy(update={"bound": bound})
    if isinstance(runnable, RunnableSequence):
        steps = [with_models(step, change) for step in runnable.steps]
        is_same = all(new is old for new, old in zip(steps, runnable.steps, strict=True))
        return runnable if is_same else RunnableSequence(*steps, name=runnable.name)
    if isinstance(runnable, RunnableParallel):
        named = {name: with_models(step, change) for name, step in runnable.steps__.items()}
        is_same = all(named[name] is step for name, step in runnable.steps__.items())
        return runnable if is_same else RunnableParallel(named)
    if isinstance(runnable, RunnableWithFallbacks):
        others = [with_models(other, change) for other in runnable.fallbacks]
        return runnable.model_copy(update={"runnable": with_models(runnable.runnable, change), "fallbacks": others})
    return runnable


def inner_models(
    runnable: Any, settings: Mapping[str, Any] | None = None, config: RunnableConfig | None = None
) -> list[InnerModel]:
    """The chat models that a call may reach, each with its settings; several behind a cascade or fallbacks.

    Args:
        runnable: a model, bound or wrapped, or a chain.
        settings: what the call brings.
        config: the call's config, which may choose the model.
    """
    given = dict(settings or {})
    if isinstance(runnable, RunnableBindingBase):
        merged = runnable._merge_configs(config)  # noqa: SLF001 - as `invoke` does it
        return inner_models(runnable.bound, {**runnable.kwargs, **given}, merged)
    if isinstance(runnable, DynamicRunnable):
        prepared, config = runnable.prepare(ensure_config(config))
        return inner_models(prepared, given, config)
    if tiers := _tiers(runnable):
        return [inner for tier in tiers for inner in inner_models(tier, given, config)]
    if isinstance(runnable, BaseChatModel):
        return [InnerModel(runnable, given)]
    if isinstance(runnable, RunnableWithFallbacks):
        return [inner for one in (runnable.runnable, *runnable.fallbacks) for inner in inner_models(one, given, config)]
    if isinstance(runnable, RunnableSequence):
        return [inner for step in runnable.steps for inner in inner_models(step, given, config)]
    if isinstance(runnable, RunnableParallel):
        return [inner for step in runnable.steps__.values() for inner in inner_models(step, given, config)]
    if _is_configurable(runnable):
        return inner_models(runnable._model(config), given, config)  # noqa: SLF001 - as its `invoke` does it
    wrapped = _wrapped(runnable)
    return [] if wrapped is None else inner_models(wrapped, given, config)


def _tiers(runnable: object) -> Sequence[Runnable[Any, Any]]:
    """The models of a cascade."""
    if isinstance(runnable, BaseChatModel):
        return getattr(runnable, "tiers", ()) if runnable._llm_type in WRAPPER_TYPES else ()  # noqa: SLF001 - LangChain's name for a kind of model
    plan = vars(runnable).get("_plan") if hasattr(runnable, "__dict__") else None
    return getattr(plan, "tiers", ())


def _wrapped(runnable: object) -> Runnable[Any, Any] | None:
    """The model of a wrapper, such as `guarded` and `cached` make."""
    inner = vars(runnable).get("model") if hasattr(runnable, "__dict__") else None
    return inner if isinstance(inner, Runnable) and is_model(inner) else None


def _is_configurable(runnable: object) -> bool:
    """Whether it is a model that is chosen, or set up, by the config of a call."""
    if isinstance(runnable, DynamicRunnable):
        return is_model(runnable.default)
    return not isinstance(runnable, BaseChatModel) and callable(getattr(type(runnable), "_model", None))
