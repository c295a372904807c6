"""Router: a Runnable that asks one of several models, chosen before the call; what its kinds share."""

# ruff: noqa: ANN401 - questions and answers are of any kind

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence  # noqa: TC003 - LangChain resolves the hints of `bind_tools`
from contextlib import aclosing
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Self, cast

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config, patch_config

from langchain_costguard.routing.allowance import has_room, limits_anything, prices_of, typical_price, views_of
from langchain_costguard.routing.answers import astamped_once, marks, stamped, stamped_once
from langchain_costguard.routing.asking import Asked, question_in
from langchain_costguard.routing.decision import Proposal, RoutingDecision, dearest, plan
from langchain_costguard.routing.errors import NoRouteError
from langchain_costguard.routing.models import name_of
from langchain_costguard.routing.sessions import Sessions
from langchain_costguard.tokens.schemas import schema_json, tool_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.routing.decision import Course, RouteFacts
    from langchain_costguard.routing.route import Route

MAX_SESSIONS: Final = 10_000
"""So many sessions are remembered if not said otherwise."""


class Router(Runnable[Any, Any]):
    """Asks one of several models, chosen before the call; see `TaskRouter` and `ComplexityRouter`.

    It takes what a chat model takes, or a dict with the question and what is said about it, and gives what its models
    give. The chosen model's run is its child: recorded, priced and held to budgets like any other, with the decision
    in its metadata (`route`, `route_reason`, `route_confidence`). An answer that is a message says it in
    `response_metadata["routing"]` as well.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        baseline: str | Runnable[Any, Any] | None,
        label_keys: Sequence[str],
        input_key: str | None,
        sticky_by: str | None,
        max_sessions: int,
        name: str | None,
    ) -> None:
        """Keep the routes and how a question is read."""
        self.routes: Mapping[str, Route] = routes
        self.name: str | None = name
        self._baseline = _baseline_name(baseline, routes)
        self._label_keys = tuple(label_keys)
        self._input_key = input_key
        self._sticky_by = sticky_by
        self._sessions = Sessions(max_sessions)
        self._has_tools, self._is_structured, self._schema_bytes = False, False, 0
        self._known: tuple[PriceBook, Mapping[str, RouteFacts]] | None = None

    @property
    def baseline_model(self) -> str | None:
        """The model that would be asked without it: `baseline=`, else the dearest of the routes at list prices."""
        if self._baseline is not None:
            return self._baseline
        prices = prices_of([])
        top = dearest(tuple(route.facts(name, typical_price(route, prices)) for name, route in self.routes.items()))
        return None if top is None else top.model

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What a chat model takes, or a dict with the question and its labels."""
        return Any

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What its models give."""
        return Any

    def __repr__(self) -> str:
        """The routes and their models."""
        return f"{type(self).__name__}({', '.join(f'{name}: {route.name}' for name, route in self.routes.items())})"

    # -- deciding ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def _labelled(self, asked: Asked) -> Proposal | None:
        """The route the caller asks for; `None` where nothing is said.

        Raises:
            NoRouteError: what is said leads nowhere.
        """

    @abstractmethod
    def _propose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        """The route for a question about which nothing was said."""

    async def _apropose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        """The same without holding up the event loop."""
        return self._propose(asked, config)

    def decide(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> RoutingDecision:  # noqa: A002 - LangChain's name
        """Where a question would go, and why; no route is asked, though a classifier that is a model is.

        Args:
            input: as for `invoke`.
            config: a run's config.
            **kwargs: the arguments of the call, such as `tools`.

        Raises:
            NoRouteError: no route can be found for it.
        """
        config = ensure_config(config)
        asked = self._asked(input, config, kwargs)
        return self._settle(asked, config, self._kept(asked) or self._propose(asked, config), kwargs)

    async def adecide(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> RoutingDecision:  # noqa: A002 - LangChain's name
        """The same as `decide`, without holding up the event loop."""
        config = ensure_config(config)
        asked = self._asked(input, config, kwargs)
        proposal = self._kept(asked) or await self._apropose(asked, config)
        if not limits_anything(_views(config)):
            return self._settle(asked, config, proposal, kwargs)
        return await asyncio.to_thread(self._settle, asked, config, proposal, kwargs)

    def _asked(self, given: Any, config: RunnableConfig, settings: Mapping[str, Any]) -> Asked:
        if not self.routes:
            msg = f"This {type(self).__name__} has no models: give them when it is made."
            raise NoRouteError(msg, routes=())
        question = given
        if any(route.takes_messages for route in self.routes.values()):
            labels = (*self._label_keys, self._sticky_by) if self._sticky_by else self._label_keys
            question = question_in(given, labels, self._input_key)
        return Asked(given, config, question, bool(settings.get("tools")))

    def _kept(self, asked: Asked) -> Proposal | None:
        """The route that was asked for, else the one the session has."""
        labelled = self._labelled(asked)
        session = self._session_of(asked)
        if labelled is not None or session is None:
            return labelled
        route = self._sessions.get(session)
        return None if route is None else Proposal(route, "the session keeps its route")

    def _session_of(self, asked: Asked) -> str | None:
        said = asked.said((self._sticky_by,)) if self._sticky_by else None
        return None if said is None else said[0]

    def _settle(
        self, asked: Asked, config: RunnableConfig, proposal: Proposal, settings: Mapping[str, Any]
    ) -> RoutingDecision:
        """The decision, once models and budgets are asked whether they can take the question."""
        views = _views(config)
        needs = asked.needs(
            tools=self._has_tools, structured_output=self._is_structured, schema_bytes=self._schema_bytes
        )
        course = plan(proposal, needs, self._facts(prices_of(views)))
        decision = course.decision
        if course.cheaper and limits_anything(views):
            decision = course.settled(self._fitting(course, asked, config, settings))
        session = self._session_of(asked)
        if session is not None and decision is course.decision:  # a budget's refusal passes, and the session comes back
            self._sessions.put(session, decision.route)
        return decision

    def _fitting(self, course: Course, asked: Asked, config: RunnableConfig, settings: Mapping[str, Any]) -> str | None:
        """The first route of a course that the budgets have room for."""
        names = (course.decision.route, *course.cheaper)
        return next((name for name in names if has_room(self.routes[name], asked.question, config, settings)), None)

    def _facts(self, prices: PriceBook) -> Mapping[str, RouteFacts]:
        """What is known of the routes, found once for each price book."""
        if self._known is None or self._known[0] is not prices:
            facts = {name: route.facts(name, typical_price(route, prices)) for name, route in self.routes.items()}
            self._known = (prices, facts)
        return self._known[1]

    # -- asking ------------------------------------------------------------------------------------------------------

    def labelled(self, label: str, messages: Sequence[BaseMessage]) -> dict[str, Any]:
        """A question with what is said about it, as the router is asked with a dict.

        Args:
            label: the task, or the complexity, of the question.
            messages: the question.
        """
        return {self._label_keys[0]: label, self._input_key or "messages": list(messages)}

    def model_for(self, decision: RoutingDecision, config: RunnableConfig | None = None) -> tuple[Any, dict[str, Any]]:
        """The model of a route, and the metadata by which its run says why it was chosen.

        Args:
            decision: what was decided, see `decide`.
            config: the config the model is going to be asked with.
        """
        bare: RunnableConfig = {**(config or {}), "metadata": {}}
        model, _, chosen = self._chosen(Asked((), bare, ()), bare, decision)
        return model, chosen["metadata"]

    def _chosen(
        self, asked: Asked, config: RunnableConfig, decision: RoutingDecision
    ) -> tuple[Runnable[Any, Any], Any, RunnableConfig]:
        """The model to ask, what to ask it, and the config of its run."""
        route = self.routes[decision.route]
        baseline = self._baseline
        if baseline is None:
            top = dearest(tuple(self._facts(prices_of(_views(config))).values()))
            baseline = None if top is None else top.model
        metadata = marks(config.get("metadata") or {}, decision, route, baseline)
        given = asked.question if route.takes_messages else asked.given
        return route.model, given, {**config, "metadata": metadata}

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Ask the model of the route.

        Args:
            input: a text, messages, a prompt's value, or a dict with one of them and what is said about it.
            config: a run's config.
            **kwargs: passed on to the chosen model, such as `stop`.

        Raises:
            NoRouteError: no route can be found for it; nothing was asked.
        """
        return self._call_with_config(self._answer, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """The same as `invoke`, without holding up the event loop."""
        return await self._acall_with_config(self._aanswer, input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002 - LangChain's name
        """Stream the answer of the route's model; the first piece says how it was routed."""
        yield from self._transform_stream_with_config(iter([input]), self._stream_answer, config, **kwargs)

    async def astream(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """The same as `stream`, without holding up the event loop."""

        async def asked() -> AsyncIterator[Any]:
            yield input

        pieces = self._atransform_stream_with_config(asked(), self._astream_answer, config, **kwargs)
        async with aclosing(cast("AsyncGenerator[Any]", pieces)):
            async for piece in pieces:
                yield piece

    def _answer(self, given: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        inside = patch_config(config, callbacks=run_manager.get_child())
        decision = self.decide(given, inside, **kwargs)
        model, question, inside = self._chosen(self._asked(given, inside, kwargs), inside, decision)
        return stamped(model.invoke(question, inside, **kwargs), decision)

    async def _aanswer(self, given: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        inside = patch_config(config, callbacks=run_manager.get_child())
        decision = await self.adecide(given, inside, **kwargs)
        model, question, inside = self._chosen(self._asked(given, inside, kwargs), inside, decision)
        return stamped(await model.ainvoke(question, inside, **kwargs), decision)

    def _stream_answer(
        self, inputs: Iterator[Any], run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> Iterator[Any]:
        inside = patch_config(config, callbacks=run_manager.get_child())
        for given in inputs:
            decision = self.decide(given, inside, **kwargs)
            model, question, asking = self._chosen(self._asked(given, inside, kwargs), inside, decision)
            yield from stamped_once(model.stream(question, asking, **kwargs), decision)

    async def _astream_answer(
        self, inputs: AsyncIterator[Any], run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[Any]:
        inside = patch_config(config, callbacks=run_manager.get_child())
        async for given in inputs:
            decision = await self.adecide(given, inside, **kwargs)
            model, question, asking = self._chosen(self._asked(given, inside, kwargs), inside, decision)
            pieces = astamped_once(model.astream(question, asking, **kwargs), decision)
            async with aclosing(cast("AsyncGenerator[Any]", pieces)):
                async for piece in pieces:
                    yield piece

    # -- with something bound ----------------------------------------------------------------------------------------

    def bind_tools(self, tools: Sequence[Any], **settings: Any) -> Self:
        """The same router with tools; a route whose model cannot have any is avoided.

        Args:
            tools: functions, tools or schemas, as `BaseChatModel.bind_tools` takes them.
            **settings: such as `tool_choice`.
        """
        made = self._with_routes({name: route.with_tools(tools, **settings) for name, route in self.routes.items()})
        made._has_tools = True  # noqa: SLF001 - a copy of this router
        made._schema_bytes = self._schema_bytes + sum(len(tool_json(tool)) for tool in tools)  # noqa: SLF001 - the same
        return made

    def with_structured_output(self, schema: Any, **settings: Any) -> Self:
        """The same router whose answers have a schema; a route whose model cannot give one is avoided.

        Args:
            schema: as `BaseChatModel.with_structured_output` takes it.
            **settings: such as `include_raw` or `method`.
        """
        made = self._with_routes({name: route.with_schema(schema, **settings) for name, route in self.routes.items()})
        made._is_structured = True  # noqa: SLF001 - a copy of this router
        made._schema_bytes = self._schema_bytes + len(schema_json(schema))  # noqa: SLF001 - the same
        return made

    def _with_routes(self, routes: Mapping[str, Route]) -> Self:
        """A copy of this router with other routes; it shares the sessions."""
        made = copy(self)
        made.routes, made._known = routes, None  # noqa: SLF001 - a copy of this router
        return made


def _views(config: RunnableConfig) -> list[CallView]:
    """Who watches the calls of a run."""
    return views_of(get_callback_manager_for_config(config).handlers)


def _baseline_name(baseline: str | Runnable[Any, Any] | None, routes: Mapping[str, Route]) -> str | None:
    """The name of the model that would have been asked otherwise; `None` for the dearest of the routes."""
    if isinstance(baseline, Runnable):
        return name_of(baseline)
    return routes[baseline].name if baseline is not None and baseline in routes else baseline
