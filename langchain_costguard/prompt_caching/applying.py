"""PlannedModel: a model that asks for caching as a plan says, and otherwise does what it did before."""

# ruff: noqa: ANN401 - settings and answers are of any kind

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.runnables.config import ensure_config

from langchain_costguard import tags
from langchain_costguard.callbacks.streams import closed_with
from langchain_costguard.callbacks.wrapping import ModelWrapper, inner_models, where_else
from langchain_costguard.prompt_caching.asked import asked_model
from langchain_costguard.prompt_caching.marking import BREAKPOINT, CACHE_CONTROL, Wanted, mark_request, matches
from langchain_costguard.prompt_caching.rules import rules_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.prompt_caching.plan import CachePlan
    from langchain_costguard.prompt_caching.rules import CacheRules

TECHNIQUE: Final = "prompt_caching"

_KEY: Final = "prompt_cache_key"
_OPTIONS: Final = "prompt_cache_options"
_KEY_DIGITS: Final = 24


class Prepared(NamedTuple):
    """A call as it is made."""

    given: Any
    """The input."""
    settings: dict[str, Any]
    """The call's settings."""
    config: RunnableConfig | None
    """The call's config."""


class PlannedModel(ModelWrapper):
    """A chat model that asks for caching as planned; made by `CachePlan.apply`.

    Example:
        ```python
        model = plan.apply(ChatAnthropic(model="claude-sonnet-5")).bind_tools(tools)
        answer = model.invoke(messages)
        ```
    """

    def __init__(self, model: Runnable[Any, Any], plan: CachePlan) -> None:
        """Keep the model and the plan."""
        self.model: Runnable[Any, Any] = model
        self.plan: CachePlan = plan

    def _around(self, model: Runnable[Any, Any]) -> PlannedModel:
        return PlannedModel(model, self.plan)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002 - LangChain's signature
        """Ask the model, with the plan's marks and settings."""
        call = self.prepared(input, config, kwargs)
        answer: AIMessage = self.model.invoke(call.given, call.config, **call.settings)
        return answer

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The same as `invoke`."""
        call = self.prepared(input, config, kwargs)
        answer: AIMessage = await self.model.ainvoke(call.given, call.config, **call.settings)
        return answer

    def stream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002 - LangChain's signature
        """Stream the model's answer, with the plan's marks and settings."""
        call = self.prepared(input, config, kwargs)
        yield from self.model.stream(call.given, call.config, **call.settings)

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """The same as `stream`."""
        call = self.prepared(input, config, kwargs)
        async with closed_with(self.model.astream(call.given, call.config, **call.settings)) as chunks:
            async for chunk in chunks:
                yield chunk

    def prepared(self, given: LanguageModelInput, config: RunnableConfig | None, kwargs: Mapping[str, Any]) -> Prepared:
        """The call as it will be made; what was given is not changed."""
        chat, settings = inner_models(self.model, kwargs, config)[0]
        messages = chat._convert_input(given).to_messages()  # noqa: SLF001 - as `invoke` does it
        rules = self.plan.rules
        if rules is None or self.plan.worth_it is None:
            return Prepared(given, dict(kwargs), config)
        if not self.plan.worth_it:
            return Prepared(given, {**kwargs, **_explicit(self.plan, chat, settings)}, config)
        if rules.control == "cached_contents":
            return Prepared(given, dict(kwargs), config)
        if rules.max_breakpoints:
            return self._marked(messages, chat, settings, config, kwargs)
        ends = self.plan.breakpoints
        if not ends or not matches(messages, settings.get("tools") or (), self.plan.stable, ends[0]):
            return Prepared(given, dict(kwargs), config)
        return Prepared(given, {**kwargs, **_keyed(self.plan, chat, settings)}, _tagged(config))

    def _marked(
        self,
        messages: list[BaseMessage],
        chat: BaseChatModel,
        settings: Mapping[str, Any],
        config: RunnableConfig | None,
        kwargs: Mapping[str, Any],
    ) -> Prepared:
        tools = settings.get("tools") or ()
        done = mark_request(messages, tools, self.plan.stable, _wanted(self.plan), outside=_outside(chat, settings))
        if not done.is_ours:
            return Prepared(messages, dict(kwargs), config)
        own = {**_keyed(self.plan, chat, settings), **_explicit(self.plan, chat, settings)}
        if tools:
            own["tools"] = done.tools
        return Prepared(done.messages, {**kwargs, **own}, _tagged(config))


def check_model(plan: CachePlan, model: Any) -> None:
    """Refuse what a plan cannot be applied to.

    Raises:
        TypeError: it is no single chat model.
        ValueError: its provider's cache is asked in another way than the plan's.
    """
    inner = inner_models(model)
    if len(inner) != 1:
        what = "holds no chat model" if not inner else f"holds {len(inner)} chat models, each with a cache of its own"
        msg = f"{type(model).__name__} {what}: apply a plan to one chat model; {where_else(model, 'plan.apply')}"
        raise TypeError(msg)
    name, provider, _ = asked_model(model, None)
    rules = rules_for(name, provider)
    if rules is not None and plan.rules is not None and _asked_by(rules) != _asked_by(plan.rules):
        msg = f"the plan is for {plan.model}, the model is {name}: make one with CachePlan.from_examples({name!r}, ...)"
        raise ValueError(msg)


def _asked_by(rules: CacheRules) -> tuple[str, bool]:
    """How a request asks for caching."""
    return rules.control, rules.has_key


def _wanted(plan: CachePlan) -> Wanted:
    """What a plan has marked."""
    rules = plan.rules
    assert rules is not None, "asked only where there are rules"  # noqa: S101 - tells the type checker
    is_anthropic = rules.control == CACHE_CONTROL
    long = {"ttl": "1h"} if plan.lifetime is not None and plan.lifetime.name == "1h" else {}
    mark = {"type": "ephemeral", **long} if is_anthropic else {"mode": "explicit"}
    return Wanted(
        key=CACHE_CONTROL if is_anthropic else BREAKPOINT,
        mark=mark,
        ends=plan.breakpoints,
        most=rules.max_breakpoints - (plan.marks_conversation and not is_anthropic),
        tail={"type": "ephemeral"} if plan.marks_conversation and is_anthropic else None,
    )


def _outside(chat: BaseChatModel, settings: Mapping[str, Any]) -> Any:
    """The mark for the whole request, which Anthropic puts at its end; `None` where none is set."""
    return {**getattr(chat, "model_kwargs", {}), **settings}.get(CACHE_CONTROL)


def _keyed(plan: CachePlan, chat: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The key by which requests with the same prefix reach the same machine, unless the user has given one."""
    if plan.rules is None or not plan.rules.has_key or _KEY in {**getattr(chat, "model_kwargs", {}), **settings}:
        return {}
    shared = plan.stable[: plan.breakpoints[0] + 1]
    digest = sha256("\0".join(part.text for part in shared).encode("utf-8", "surrogatepass")).hexdigest()
    return {_KEY: f"costguard-{digest[:_KEY_DIGITS]}"}


def _explicit(plan: CachePlan, chat: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """That only what is marked is written, unless conversations are cached to their end or the user decides."""
    is_asked = plan.rules is not None and plan.rules.writes_unasked and not plan.marks_conversation
    if not is_asked or settings.get(_OPTIONS) or getattr(chat, _OPTIONS, None):
        return {}
    return {_OPTIONS: {"mode": "explicit"}}


def _tagged(config: RunnableConfig | None) -> RunnableConfig:
    """A config whose run says that it was made cheaper by caching, beside what else made it so."""
    given = ensure_config(config)
    return {**given, "metadata": tags.with_technique(given.get("metadata"), TECHNIQUE)}
