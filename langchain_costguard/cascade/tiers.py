"""What a tier of a cascade is made of: the chat model inside it, its name, and the tier with something bound to it."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

COMMON_SETTINGS: Final = frozenset(
    {"stop", "tools", "tool_choice", "parallel_tool_calls", "strict", "temperature", "max_tokens", "timeout", "seed"}
)
"""What can be said to a model of any provider; everything else stays within one provider."""

_RAW: Final = "raw"
"""The step of a structured model that asks the model."""


def model_of(tier: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The chat model inside a tier; the tier itself where there is none to be found."""
    found: list[Runnable[Any, Any]] = []

    def note(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
        found.append(model)
        return model

    with_models(tier, note)
    return found[0] if found else tier


def with_models(tier: Runnable[Any, Any], change: Callable[[Any], Runnable[Any, Any]]) -> Runnable[Any, Any]:
    """The tier with its model changed; what is bound to the model, and what comes after it, stays."""
    if isinstance(tier, RunnableBindingBase):
        return _with_bound(tier, with_models(tier.bound, change))
    if isinstance(tier, RunnableSequence):
        steps: list[Any] = [with_models(tier.steps[0], change), *tier.steps[1:]]
        return RunnableSequence(*steps, name=tier.name)
    if isinstance(tier, RunnableParallel) and _RAW in tier.steps__:
        return RunnableParallel({**tier.steps__, _RAW: with_models(tier.steps__[_RAW], change)})
    return change(tier)


def in_one_piece(tier: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The tier whose model answers at once, whoever listens for its tokens: nobody has judged them yet."""

    def quiet(model: Any) -> Any:
        if isinstance(model, RunnableWithFallbacks):
            others = [in_one_piece(other) for other in model.fallbacks]
            return model.model_copy(update={"runnable": in_one_piece(model.runnable), "fallbacks": others})
        return model.model_copy(update={"disable_streaming": True}) if isinstance(model, BaseChatModel) else model

    return with_models(tier, quiet)


def is_transparent(tier: Runnable[Any, Any]) -> bool:
    """Whether every model inside a tier can be seen, and told to answer at once."""
    found: list[Any] = []

    def note(model: Any) -> Any:
        if isinstance(model, RunnableWithFallbacks):
            found.append(all(map(is_transparent, (model.runnable, *model.fallbacks))))
        else:
            found.append(isinstance(model, BaseChatModel))
        return model

    with_models(tier, note)
    return all(found)


def with_settings(tier: Runnable[Any, Any], settings: Mapping[str, Any]) -> Runnable[Any, Any]:
    """The tier whose model is asked with these settings."""
    return with_models(tier, lambda model: model.bind(**settings)) if settings else tier


def with_tools(tier: Runnable[Any, Any], tools: Sequence[Any], **settings: Any) -> Runnable[Any, Any]:
    """The tier with tools, in its provider's own form.

    Raises:
        ValueError: its model has no `bind_tools`.
    """
    return with_models(tier, lambda model: _method(model, "bind_tools")(tools, **settings))


def structured(tier: Runnable[Any, Any], schema: Any, **settings: Any) -> Runnable[Any, Any]:
    """The tier that answers with `raw`, `parsed` and `parsing_error`, and keeps what was bound to it.

    Raises:
        ValueError: its model has no `with_structured_output`.
    """
    if isinstance(tier, RunnableBindingBase):
        inner = with_settings(structured(tier.bound, schema, **settings), tier.kwargs)
        return tier.model_copy(update={"bound": inner, "kwargs": {}})
    made: Runnable[Any, Any] = _method(tier, "with_structured_output")(schema, include_raw=True, **settings)
    return made


def name_of(tier: Runnable[Any, Any]) -> str:
    """The name of the model inside a tier, as prices know it."""
    model = model_of(tier)
    for attribute in ("model_name", "model", "model_id"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return model.get_name()


def baseline_of(tier: Runnable[Any, Any]) -> str:
    """The model whose price a tier stands for: of a router or a cascade the one it is itself compared with."""
    named = getattr(model_of(tier), "baseline_model", None)
    return named if isinstance(named, str) and named else name_of(tier)


def check_tiers(tiers: Sequence[Any]) -> None:
    """Refuse what cannot be a cascade's tiers.

    Raises:
        TypeError: a tier is no Runnable, begins with a prompt, or answers with something else than the others do.
    """
    for position, tier in enumerate(tiers):
        if not isinstance(tier, Runnable):
            msg = f"Tier {position} is {tier!r}, not a model: give models or other Runnables as `tiers`."
            raise TypeError(msg)
        if isinstance(tier, RunnableSequence) and isinstance(tier.first, BasePromptTemplate):
            msg = f"Tier {position} begins with a prompt: put it before the cascade, `prompt | Cascade([...])`."
            raise TypeError(msg)
    kinds = [(position, _output_of(tier)) for position, tier in enumerate(tiers)]
    known = [(position, kind) for position, kind in kinds if kind is not None]
    for position, kind in known[1:]:
        if kind != known[0][1]:
            msg = (
                f"Tier {known[0][0]} answers with {known[0][1]} and tier {position} with {kind}: give `tiers` of one "
                "kind, and put a parser after the cascade, `Cascade([...]) | parser`."
            )
            raise TypeError(msg)


def check_messages(tiers: Sequence[Runnable[Any, Any]]) -> None:
    """Refuse tiers that are known to answer with something else than messages.

    Raises:
        TypeError: there is one.
    """
    for position, tier in enumerate(tiers):
        kind = _output_of(tier)
        if kind not in {None, "messages"}:
            msg = f"Tier {position} answers with {kind}, not messages: give chat models as `tiers`, or use `Cascade`."
            raise TypeError(msg)


def check_settings(tiers: Sequence[Runnable[Any, Any]], settings: Mapping[str, Any]) -> None:
    """Refuse settings of one call that would reach a provider they are not meant for.

    Raises:
        ValueError: a setting is not one that every provider knows, and the tiers are of different providers.
    """
    foreign = sorted(name for name, value in settings.items() if name not in COMMON_SETTINGS and value is not None)
    if foreign and len({type(model_of(tier)) for tier in tiers}) > 1:
        msg = (
            f"{', '.join(foreign)} would go to models of different providers: bind it to the tier it is meant for, "
            f"`mini.bind({foreign[0]}=...)`."
        )
        raise ValueError(msg)


def _with_bound(tier: RunnableBindingBase[Any, Any], bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return tier if bound is tier.bound else tier.model_copy(update={"bound": bound})


def _method(model: Any, name: str) -> Any:
    method = getattr(model, name, None)
    if method is None:
        msg = f"{type(model).__name__} has no `{name}`: give chat models as `tiers`."
        raise ValueError(msg)
    return method


def _output_of(tier: Runnable[Any, Any]) -> str | None:
    """What a tier answers with, in words; `None` where it does not say."""
    try:
        kind = tier.OutputType
    except TypeError:  # a Runnable that declares nothing
        return None
    kinds = set(_members(kind))
    if not kinds:
        return None
    if any(issubclass(member, BaseMessage) for member in kinds):
        return "messages"
    return "text" if kinds == {str} else str(getattr(kind, "__name__", kind))


def _members(kind: Any) -> Iterator[type]:
    """The types that an annotation is made of."""
    if isinstance(kind, type) and get_origin(kind) is None and kind is not Any:
        yield kind
    for part in get_args(kind):
        yield from _members(part)
