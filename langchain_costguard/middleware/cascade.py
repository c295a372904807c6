"""CascadeMiddleware: a small model is asked for each turn of an agent, and the full one where that is not accepted."""

# ruff: noqa: ANN401 - requests and states are of any kind

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from langchain_core.messages import AIMessage

from langchain_costguard.cascade.acceptance import as_signal
from langchain_costguard.cascade.conducting import aconduct, conduct
from langchain_costguard.cascade.course import Question
from langchain_costguard.cascade.making import make_plan
from langchain_costguard.cascade.structure import ValidStructure
from langchain_costguard.cascade.uncertainty import NotUncertain
from langchain_costguard.exceptions import BudgetExceededError
from langchain_costguard.middleware.agents import (
    AgentMiddleware,
    AgentState,
    Command,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
)
from langchain_costguard.middleware.keeping import merged
from langchain_costguard.middleware.models import as_model
from langchain_costguard.middleware.request_runs import RequestRuns, is_deferred
from langchain_costguard.middleware.stand_ins import instead

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.language_models import BaseChatModel
    from langgraph.runtime import Runtime

    from langchain_costguard.cascade.acceptance import AnySignal
    from langchain_costguard.cascade.course import Given, Plan
    from langchain_costguard.cascade.steps import OnError, OnRefused
    from langchain_costguard.cascade.verdicts import Draft, Signal
    from langchain_costguard.middleware.agents import ModelCallResult


class EscalationState(AgentState[Any]):
    """What a thread's checkpoints keep of each sticky cascade, by its middleware's name; of no concern to others."""

    costguard_escalated: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merged]]


class CascadeMiddleware(AgentMiddleware[EscalationState, Any, Any]):
    """Asks a small model for each turn of an agent, and the full model for the turns it does not manage.

    A turn of the small model is always looked at for its form: the tools it calls are bound and called as they can be,
    and a structured answer fits its schema. Beyond that `accept` judges it, as in `Cascade`. What is rejected is not
    shown, streamed or acted on. Both models stay of their own classes, so that other middleware knows them.

    When a budget refuses the full model, the small one's answer stands if it can be shown, as in `Cascade`.

    Example:
        ```python
        agent = create_agent("openai:gpt-4o", tools, middleware=[CascadeMiddleware("openai:gpt-4o-mini")])
        ```
    """

    state_schema = EscalationState

    def __init__(
        self,
        mini: BaseChatModel | str,
        full: BaseChatModel | str | None = None,
        accept: AnySignal | None = None,
        *,
        sticky: bool = False,
        on_refused: OnRefused = "best",
        on_error: OnError = "escalate",
    ) -> None:
        """Make a cascade of an agent's turns.

        Args:
            mini: the model that is asked first, or its name.
            full: the model that is asked where that is not enough; `None` for the agent's own.
            accept: who judges turns of the small model; `None` for `NotUncertain()`.
            sticky: whether the rest of a run stays with the full model once it was asked, which keeps the provider's
                prompt cache warm.
            on_refused: when a budget refuses to escalate: `"best"` gives the small model's turn, `"raise"` the refusal.
            on_error: when the small model fails: `"escalate"` asks the full one, `"raise"` raises.

        Raises:
            ValueError: a name says no provider, or a signal needs what the small model's provider cannot do.
            TypeError: something is no model or no signal.
        """
        super().__init__()
        self.mini: BaseChatModel = as_model(mini, "mini")
        self.full: BaseChatModel | None = None if full is None else as_model(full, "full")
        self.sticky: bool = sticky
        signal = ValidStructure() & (NotUncertain() if accept is None else accept)
        self._signal: Signal = signal
        self._on_refused: OnRefused = on_refused
        self._on_error: OnError = on_error
        self._plan: Plan = self._make_plan(self.full or self.mini)  # what is wrong with it fails here

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """A new run begins with the small model."""
        del runtime
        return {"costguard_escalated": {self.name: False}} if self._stays(state) else None

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same as `before_agent`."""
        return self.before_agent(state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Ask the small model, and where that is not enough the full one."""
        if self._is_escalated(request):
            return handler(self._to_full(request))
        question, runs = self._question(request, handler)
        try:
            given = conduct(question)
        except BudgetExceededError as error:
            if not is_deferred(error):
                raise
            return self._noted(handler(runs.asked_again(question.legs, question.plan.baseline)))
        return self._response(given, runs)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """The same as `wrap_model_call`."""
        if self._is_escalated(request):
            return await handler(self._to_full(request))
        question, runs = self._question(request, handler)
        try:
            given = await aconduct(question)
        except BudgetExceededError as error:
            if not is_deferred(error):
                raise
            return self._noted(await handler(runs.asked_again(question.legs, question.plan.baseline)))
        return self._response(given, runs)

    # -- the question ------------------------------------------------------------------------------------------------

    def _make_plan(self, full: BaseChatModel) -> Plan:
        return make_plan([self.mini, full], self._signal, on_refused=self._on_refused, on_error=self._on_error)

    def _plan_of(self, full: BaseChatModel) -> Plan:
        """The plan with the agent's own model as the full one, where none was given; made anew where that changes."""
        plan = self._plan
        if plan.tiers[-1] is not full:
            self._plan = plan = self._make_plan(full)
        return plan

    def _question(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> tuple[Question, RequestRuns]:
        """One turn as a question to both models."""
        full = self.full or request.model
        plan = self._plan_of(full)
        runs = RequestRuns(request, (self.mini, full), plan.settings, handler)
        tools = (*request.tools, *answer_tools(request.response_format))
        signals = plan.signals
        if request.response_format is not None:
            first = as_signal(lambda draft: is_answered(draft, runs.responses.get(draft.tier)))
            signals = (first if signals[0] is None else first & signals[0], None)
        given = [*([] if request.system_message is None else [request.system_message]), *request.messages]
        return Question(replace(plan, tools=tools, signals=signals), given, runs, {}), runs

    def _response(self, given: Given, runs: RequestRuns) -> ModelCallResult[Any]:
        """What the agent goes on with."""
        tier = given.record["tier"]
        found = runs.responses[tier]
        response = replace(found, result=[given.output if isinstance(one, AIMessage) else one for one in found.result])
        return self._noted(response) if tier else response

    def _noted(self, response: ModelResponse[Any]) -> ModelCallResult[Any]:
        """A response of the full model, with which a sticky cascade stays."""
        if self.sticky:
            return ExtendedModelResponse(response, Command(update={"costguard_escalated": {self.name: True}}))
        return response

    def _is_escalated(self, request: ModelRequest[Any]) -> bool:
        return self.sticky and self._stays(request.state)

    def _stays(self, state: Any) -> bool:
        """Whether the full model was asked in this run."""
        return bool((state.get("costguard_escalated") or {}).get(self.name))

    def _to_full(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        return request if self.full is None else request.override(model=instead(self.full))


def answer_tools(response_format: Any) -> list[dict[str, Any]]:
    """The tools by which a structured answer is given, in OpenAI's form; none where the provider reads the schema."""
    from langchain.agents.structured_output import ProviderStrategy, ToolStrategy

    if response_format is None or isinstance(response_format, ProviderStrategy):
        return []
    schema = getattr(response_format, "schema", response_format)
    strategy = response_format if isinstance(response_format, ToolStrategy) else ToolStrategy(schema=schema)
    return [
        {"type": "function", "function": {"name": one.name, "parameters": one.json_schema}}
        for one in strategy.schema_specs
    ]


def is_answered(draft: Draft, response: ModelResponse[Any] | None) -> bool:
    """Whether a turn of an agent with structured answers calls tools that go on, or gives such an answer."""
    if response is None or response.structured_response is not None:
        return True
    return bool(draft.answer.tool_calls) and len(response.result) == 1
