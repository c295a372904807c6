"""CascadeChatModel: a cascade where a chat model is required."""

# ruff: noqa: ANN401 - the signatures are LangChain's

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence  # noqa: TC003 - LangChain resolves the hints of `bind_tools`
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from langchain_core.language_models import LanguageModelInput  # noqa: TC002 - likewise
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage  # noqa: TC002 - likewise
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable  # noqa: TC002 - likewise
from langchain_core.tools import BaseTool  # noqa: TC002 - likewise
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SkipValidation

from langchain_costguard import tags
from langchain_costguard.cascade.conducting import aconduct, aconduct_stream, conduct, conduct_stream
from langchain_costguard.cascade.course import OnDraft, Question
from langchain_costguard.cascade.making import make_plan, plan_with_tools
from langchain_costguard.cascade.outer import OUTER, RunNoted, noted
from langchain_costguard.cascade.runs import IsolatedRuns
from langchain_costguard.cascade.steps import OnError, OnRefused  # noqa: TC001 - pydantic reads it
from langchain_costguard.cascade.tiers import check_messages, check_settings, model_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.callbacks.manager import BaseRunManager
    from langchain_core.language_models import ModelProfile
    from langchain_core.language_models.base import LangSmithParams
    from langchain_core.messages import AIMessageChunk, BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.cascade.course import Given, Plan
    from langchain_costguard.cascade.legs import Legs

_TOOL_SETTINGS = ("tool_choice", "parallel_tool_calls", "strict")


class CascadeChatModel(BaseChatModel):
    """A cascade that is itself a chat model, for typed fields, `create_agent` and everything else that asks for one.

    It answers as `Cascade` does. LangChain sees one model run, whose usage is the sum over all legs; LangSmith and
    other tracers see no leg, so the legs stand in `response_metadata["cascade"]`. The handlers of this package see
    the legs instead: each is recorded, priced and held to budgets as a child of the model's run, which is never
    priced or reserved itself. Other price tables, which see one sum under one model's name, are wrong about it.

    Example:
        ```python
        model = CascadeChatModel(tiers=[ChatOpenAI(model="gpt-4o-mini"), ChatOpenAI(model="gpt-4o")])
        agent = create_agent(model, tools)
        ```
    """

    tiers: SkipValidation[Any] = Field(repr=False)
    """Two or more chat models, the cheapest first; settings may be bound to them."""
    accept: SkipValidation[Any] = Field(default=None, repr=False)
    """Who judges answers; see `Cascade`. `None` for `NotUncertain()`."""
    on_refused: OnRefused = "best"
    """When a budget refuses to escalate: `"best"` gives the last answer that was judged, `"raise"` the refusal."""
    on_error: OnError = "escalate"
    """When a tier other than the last fails: `"escalate"` asks the next one, `"raise"` raises."""
    on_draft: OnDraft = "hide"
    """`"event"` dispatches the custom event `cascade_draft` with each judged draft."""
    names: SkipValidation[Any] = None
    """What the tiers are called in metadata; their models' names if not given."""
    temperature: float | None = None
    """Asked of every tier where it is set."""
    max_tokens: int | None = None
    """Asked of every tier where it is set."""
    stop: list[str] | None = None
    """Asked of every tier where it is set."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    _plan: Any = PrivateAttr(default=None)
    _made_of: Any = PrivateAttr(default=())
    _schema: Any = PrivateAttr(default=None)

    def __init__(self, **kwargs: Any) -> None:
        """Make a cascade; the attributes are its arguments.

        Raises:
            ValueError: there are fewer than two tiers, the signals or names are not as many, or a signal needs what its
                tier's provider cannot do.
            TypeError: a tier is no chat model, or a signal is none.
        """
        kwargs.setdefault("cache", False)  # its legs are looked up one by one, and recorded as what they are
        super().__init__(**kwargs)

    def model_post_init(self, context: Any, /) -> None:
        """Check what it is made of."""
        super().model_post_init(context)
        self._make_plan()

    @property
    def plan(self) -> Plan:
        """What it is made of, as its attributes are now."""
        if not _are_same(self._made_of, self._ingredients()):
            self._make_plan()
        plan: Plan = self._plan
        return plan

    def _make_plan(self) -> None:
        plan = make_plan(
            self.tiers,
            self.accept,
            names=self.names,
            on_refused=self.on_refused,
            on_error=self.on_error,
            on_draft=self.on_draft,
        )
        check_messages(plan.tiers)
        self._plan, self._made_of = replace(plan, schema=self._schema), self._ingredients()

    def _ingredients(self) -> tuple[Any, ...]:
        """Everything a plan is made of."""
        lists = [tuple(one) if isinstance(one, list) else (one,) for one in (self.tiers, self.accept, self.names)]
        return (
            *lists[0],
            None,
            *lists[1],
            None,
            *lists[2],
            self.on_refused,
            self.on_error,
            self.on_draft,
            self._schema,
        )

    @property
    def model_name(self) -> str:
        """The tiers' names, such as `"gpt-4o-mini > gpt-4o"`."""
        return " > ".join(self.plan.names)

    @property
    def baseline_model(self) -> str:
        """The model with which answers are compared: the last one, or what that stands for if it is a router."""
        return self.plan.baseline

    @property
    def _llm_type(self) -> str:
        return next(iter(tags.WRAPPER_TYPES))

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "tiers": [repr(_identity(tier)) for tier in self.plan.tiers],
            "accept": [repr(signal) for signal in self.plan.signals],
            **self._own_settings(),
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "costguard"
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        """What all tiers can do, and the least of their limits."""
        profiles = [getattr(model_of(tier), "profile", None) for tier in self.tiers]
        known = [profile for profile in profiles if profile]
        if not known or len(known) < len(profiles):
            return None
        shared: dict[str, Any] = {
            name: min(profile[name] for profile in known)
            for name, value in known[0].items()
            if isinstance(value, (bool, int)) and all(name in profile for profile in known)
        }
        return shared  # type: ignore[return-value] # a part of a profile is one

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; each tier gets them in its provider's own form.

        Args:
            tools: functions, tools or schemas.
            tool_choice: which of them the models must use.
            **kwargs: further settings of the models' own `bind_tools`.
        """
        schemas = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=schemas, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Answer with a schema; a draft that does not call it, or calls it wrongly, is escalated.

        Args:
            schema: a Pydantic class, a `TypedDict` or a JSON schema.
            include_raw: also give the message the answer was read from.
            **kwargs: as `BaseChatModel.with_structured_output` takes them.
        """
        model = self.model_copy()
        model._schema = schema  # noqa: SLF001 - the same class
        return BaseChatModel.with_structured_output(model, schema, include_raw=include_raw, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Answer piece by piece: an accepted draft in one piece, the last tier's answer as it is made."""
        config, run = noted(config, self.callbacks)
        pieces = super().stream(input, config, stop=stop, **kwargs)
        token = OUTER.set(run)  # type: ignore[arg-type] # its id is known once it has begun
        try:
            first = next(pieces, None)
        finally:
            OUTER.reset(token)
        if first is not None:
            yield first
            yield from pieces

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """The same without holding up the event loop."""
        config, run = noted(config, self.callbacks)
        pieces = super().astream(input, config, stop=stop, **kwargs)
        token = OUTER.set(run)  # type: ignore[arg-type] # its id is known once it has begun
        try:
            first = await anext(pieces, None)
        finally:
            OUTER.reset(token)
        try:
            if first is not None:
                yield first
                async for piece in pieces:
                    yield piece
        finally:
            await cast("AsyncGenerator[Any]", pieces).aclose()
            await run.aclose()

    def _should_stream(self, *, async_api: bool, run_manager: Any = None, **kwargs: Any) -> bool:
        """Note the run where `invoke` goes through the stream, which is not told of it."""
        is_streamed = super()._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)
        if is_streamed and run_manager is not None:
            OUTER.set(run_manager)
        return is_streamed

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        question = self._question(messages, stop, run_manager, kwargs)
        return _result(conduct(question))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        question = self._question(messages, stop, run_manager, kwargs)
        return _result(await aconduct(question))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        question = self._question(messages, stop, run_manager, kwargs)
        for piece in conduct_stream(question):
            yield _chunk(piece, question.legs)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        outer: Any = OUTER.get()
        chunks = _achunks(self._question(messages, stop, run_manager, kwargs))
        if isinstance(outer, RunNoted):
            outer.chunks = chunks
        return chunks

    def _question(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: BaseRunManager | None,
        given: Mapping[str, Any],
    ) -> Question:
        """The question of one call, with the tools and settings that were bound."""
        outer = OUTER.get() if run_manager is None else run_manager
        if outer is not None:
            OUTER.set(None)  # it is this call's, and nobody else's
        settings = {**self._own_settings(), **given}
        if stop:
            settings["stop"] = stop
        plan, tools = self.plan, settings.pop("tools", None)
        if tools:
            bound = {name: settings.pop(name) for name in _TOOL_SETTINGS if name in settings}
            plan = plan_with_tools(plan, tools, **{name: value for name, value in bound.items() if value is not None})
        else:
            settings.pop("tool_choice", None)
        check_settings(plan.tiers, settings)
        return Question(plan, messages, IsolatedRuns(outer), settings)

    def _own_settings(self) -> dict[str, Any]:
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": self.stop}
        return {name: value for name, value in own.items() if value is not None and value != []}


def _are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _identity(tier: Any) -> Any:
    """What tells a tier from others in a cache's key."""
    identity = getattr(model_of(tier), "_identifying_params", None)
    return [identity, getattr(tier, "kwargs", None)] if identity is not None else tier


def _result(given: Given) -> ChatResult:
    message: AIMessage = given.output
    whole = message.model_copy(update={"usage_metadata": usage_of(given.legs)})
    return ChatResult(
        generations=[ChatGeneration(message=whole)],
        llm_output={"model_name": message.response_metadata.get("model_name", given.record["model"])},
    )


async def _achunks(question: Question) -> AsyncGenerator[ChatGenerationChunk]:
    async with aclosing(aconduct_stream(question)) as pieces:
        async for piece in pieces:
            yield _chunk(piece, question.legs)


def _chunk(piece: AIMessageChunk, legs: Legs) -> ChatGenerationChunk:
    """A piece of the stream: the last one carries the usage of all legs, the others none."""
    is_last = tags.CASCADE_RECORD in piece.response_metadata
    return ChatGenerationChunk(message=piece.model_copy(update={"usage_metadata": usage_of(legs) if is_last else None}))


def usage_of(legs: Legs) -> UsageMetadata | None:
    """The usage of all legs together, as their providers reported it; `None` where none did."""
    total: UsageMetadata | None = None
    for leg in legs.legs:
        if leg.usage is not None:
            total = add_usage(total, leg.usage)
    return total
