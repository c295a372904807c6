"""RoutingMiddleware: the model of each turn of an agent, chosen before it is asked."""

# ruff: noqa: ANN401 - requests are of any kind

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage

from langchain_costguard.middleware.agents import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    get_config,
)
from langchain_costguard.middleware.stand_ins import instead, marked
from langchain_costguard.routing.answers import stamped
from langchain_costguard.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from langchain_core.messages import AnyMessage
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.middleware.agents import ModelCallResult
    from langchain_costguard.routing.decision import RoutingDecision

Step = Literal["question", "tool_results"]
"""What a turn answers: a question of the user's, or what tools have said."""

_MOST_BOUND: Final = 16


class RoutingMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Asks, for each turn of an agent, the model that a router chooses: by task, by difficulty, or by step.

    The router decides as it does in a chain: by what the run's config says (`{"metadata": {"task": "code"}}`), by its
    classifier or scorer, and away from models that the turn does not fit, because of its length, its tools or its
    images, or that a budget in force would refuse. `steps` names the route of a kind of step, whatever its text says:
    reading what a tool said is often easy.

    Example:
        ```python
        router = TaskRouter({"read": mini, "plan": full}, default="plan")
        agent = create_agent(full, tools, middleware=[RoutingMiddleware(router, steps={"tool_results": "read"})])
        ```
    """

    def __init__(self, router: Router, *, steps: Mapping[Step, str] | None = None) -> None:
        """Choose by a router.

        Args:
            router: a `TaskRouter` or a `ComplexityRouter`, whose routes are chat models.
            steps: for a kind of step, `"question"` or `"tool_results"`, the task, or the complexity (`"low"` or
                `"high"`), it has.

        Raises:
            TypeError: it is no router, or a route is no plain chat model.
            ValueError: a step is not known.
        """
        super().__init__()
        given: object = router
        if not isinstance(given, Router):
            msg = f"router={given!r:.60} chooses no models: give a TaskRouter(...) or a ComplexityRouter(...)"
            raise TypeError(msg)
        for name, route in router.routes.items():
            if not isinstance(route.model, BaseChatModel):
                msg = (
                    f"route {name!r} is a {type(route.model).__name__}, to which an agent cannot bind its tools: give "
                    "the chat model itself, such as ChatOpenAI(...)"
                )
                raise TypeError(msg)
        unknown = sorted(set(steps or ()) - set(get_args(Step)))
        if unknown:
            msg = f"steps= has {unknown[0]!r}, which is no kind of step: give 'question' or 'tool_results'"
            raise ValueError(msg)
        self.router: Router = router
        self.steps: dict[Step, str] = dict(steps or {})
        self._bound: OrderedDict[tuple[int, ...], tuple[Sequence[Any], Router]] = OrderedDict()

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Ask the model of the route."""
        config = get_config()
        decision = self._with_tools(request.tools).decide(self._given(request), config)
        return told(handler(self._to(request, decision, config)), decision)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """The same as `wrap_model_call`."""
        config = get_config()
        decision = await self._with_tools(request.tools).adecide(self._given(request), config)
        return told(await handler(self._to(request, decision, config)), decision)

    def _given(self, request: ModelRequest[Any]) -> Any:
        """The turn as the router is asked: its messages, and the label of its step, where that has one."""
        messages = [*([] if request.system_message is None else [request.system_message]), *request.messages]
        label = self.steps.get(step_of(request.messages))
        if label is None:
            return messages
        return self.router.labelled(label, messages)

    def _with_tools(self, tools: Sequence[Any]) -> Router:
        """The router that knows how long the turn's tools are, and that its models need to take them."""
        if not tools:
            return self.router
        key = tuple(map(id, tools))
        known = self._bound.get(key)
        if known is None:
            known = self._bound[key] = (tuple(tools), self.router.bind_tools(tools))
            if len(self._bound) > _MOST_BOUND:
                self._bound.popitem(last=False)
        return known[1]

    def _to(self, request: ModelRequest[Any], decision: RoutingDecision, config: RunnableConfig) -> ModelRequest[Any]:
        """The request to the route's model, still of its own class, whose run says why it was chosen."""
        model, metadata = self.router.model_for(decision, config)
        return request.override(model=marked(instead(model), metadata=metadata))


def step_of(messages: Sequence[AnyMessage]) -> Step:
    """What a turn answers."""
    return "tool_results" if messages and isinstance(messages[-1], ToolMessage) else "question"


def told(response: Any, decision: RoutingDecision) -> ModelCallResult[Any]:
    """A response whose message says how it was routed."""
    if isinstance(response, ExtendedModelResponse):
        return replace(response, model_response=cast("Any", told(response.model_response, decision)))
    if isinstance(response, AIMessage):
        return cast("AIMessage", stamped(response, decision))
    result = [stamped(one, decision) if isinstance(one, AIMessage) else one for one in response.result]
    return cast("ModelResponse[Any]", replace(response, result=result))
