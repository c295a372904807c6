"""Where a cascade's legs are run inside of an agent: by the agent's own handler, with another model in the request."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, SystemMessage

from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.cascade.legs import ANSWER, DRAFT, Leg, Legs, LegWatcher, recorder_of, views_of
from langchain_costguard.cascade.runs import DRAFT_EVENT
from langchain_costguard.middleware.agents import ModelRequest, ModelResponse, get_config
from langchain_costguard.middleware.stand_ins import instead, marked
from langchain_costguard.middleware.watching import AGENTS, handlers_of, identities, running_below
from langchain_costguard.tags import BASELINE_BOOKED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.exceptions import BudgetExceededError
    from langchain_costguard.pricing.book import PriceBook

_OF_A_TIER: Final = (DRAFT, ANSWER)
"""What legs are for that ask the model of a tier; others are questions of a signal."""


_ASKED_AGAIN: Final = "costguard_asked_again"
"""In the metadata of a tier that the allowance has left to the cascade, which leaves the turn to it."""
_FIRST_TIER: Final = Leg(0, "", DRAFT).tags()[0]
_DEFERRED: Final = "A cascade around this allowance decides on the turn: put BudgetMiddleware first in `middleware`."


def is_escalation(model: object) -> bool:
    """Whether the model of a request is a tier of a cascade around, which has the draft of an earlier one."""
    of_model: Any = model
    tags, metadata = getattr(of_model, "tags", None) or (), getattr(of_model, "metadata", None) or {}
    return BASELINE_BOOKED in metadata and _FIRST_TIER not in tags and _ASKED_AGAIN not in metadata


def deferred(refusal: BudgetExceededError) -> BudgetExceededError:
    """A refusal that is left to the cascade around the allowance."""
    if not is_deferred(refusal):
        refusal.add_note(_DEFERRED)
    return refusal


def is_deferred(refusal: BudgetExceededError) -> bool:
    """Whether an allowance inside of a cascade has left a refusal to it."""
    return _DEFERRED in getattr(refusal, "__notes__", ())


class RequestRuns:
    """The legs of one turn: tiers are asked by the agent's handler, whatever a signal asks by itself directly.

    Args:
        request: the turn.
        tiers: the models of the tiers.
        settings: what each tier is asked with for its signal's sake.
        handler: asks the model of a request; a coroutine function for an agent that runs on an event loop.
    """

    def __init__(
        self,
        request: ModelRequest[Any],
        tiers: Sequence[BaseChatModel],
        settings: Sequence[Mapping[str, Any]],
        handler: Callable[[ModelRequest[Any]], Any],
    ) -> None:
        """Begin with nobody asked."""
        self._request = request
        self._tiers = tiers
        self._settings = settings
        self._handler = handler
        self._around = current_views(*views_of(handlers_of(get_config())))
        self._identities = identities(AGENTS.around(running_below()))
        self.responses: dict[int, ModelResponse[Any]] = {}
        """What the handler returned for each tier."""

    @property
    def id(self) -> str:
        """The id of the run around the legs."""
        return str(getattr(get_config().get("callbacks"), "parent_run_id", None) or "")

    @property
    def prices(self) -> PriceBook:
        """The prices of whoever watches; list prices where nobody does."""
        return recorder_of(self._around).prices

    def config(self, leg: Leg) -> RunnableConfig:
        """The config of a call that a signal makes; its lines are seen."""
        leg.watcher = LegWatcher(self._around)
        return {"callbacks": _with(leg.watcher), "tags": leg.tags(), "metadata": self._metadata(leg)}

    def invoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg."""
        if leg.purpose not in _OF_A_TIER:
            return runnable.invoke(given, self.config(leg), **settings)
        return self._answer(leg, self._handler(self._request_of(leg, given)))

    async def ainvoke(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Any:
        """Run a leg without holding up the event loop."""
        if leg.purpose not in _OF_A_TIER:
            return await runnable.ainvoke(given, self.config(leg), **settings)
        asked: Awaitable[ModelResponse[Any]] = self._handler(self._request_of(leg, given))
        return self._answer(leg, await asked)

    def stream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> Generator[Any]:
        """Run a leg; an agent's model is always asked for whole answers, and its graph streams them."""
        yield self.invoke(runnable, given, leg, **settings)

    async def astream(self, runnable: Runnable[Any, Any], given: Any, leg: Leg, **settings: Any) -> AsyncGenerator[Any]:
        """The same without holding up the event loop."""
        yield await self.ainvoke(runnable, given, leg, **settings)

    def tell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft."""
        dispatch_custom_event(DRAFT_EVENT, dict(data))

    async def atell(self, data: Mapping[str, Any]) -> None:
        """Dispatch the event of a draft without holding up the event loop."""
        await adispatch_custom_event(DRAFT_EVENT, dict(data))

    def asked_again(self, legs: Legs, baseline: str) -> ModelRequest[Any]:
        """The turn for the last tier, which the allowance inside has refused, and left to the cascade.

        It refuses the turn again and ends the agent well; or it has room by now, and then the turn is an escalation
        like any other.

        Args:
            legs: those that were run.
            baseline: the model that would have been asked without the cascade.
        """
        leg = Leg(
            len(self._tiers) - 1,
            "",
            ANSWER,
            baseline=baseline,
            booked_nano=legs.booked_nano,
            served_nano=legs.served_nano,
        )
        metadata = {**self._metadata(leg), _ASKED_AGAIN: True}
        model = marked(instead(self._tiers[-1]), metadata=metadata, tags=leg.tags())
        return self._request.override(model=model)

    def _request_of(self, leg: Leg, given: Sequence[BaseMessage]) -> ModelRequest[Any]:
        """The turn with the leg's model, still of its own class, and what its signal adds."""
        leg.watcher = LegWatcher(self._around)
        fields: dict[str, Any] = {"callbacks": _local(self._tiers[leg.tier], leg.watcher)}
        if leg.is_hidden:
            fields["disable_streaming"] = True
        model = marked(instead(self._tiers[leg.tier]), metadata=self._metadata(leg), tags=leg.tags(), **fields)
        system, messages = _split(given)
        settings = {**self._request.model_settings, **self._settings[leg.tier]}
        return self._request.override(model=model, system_message=system, messages=messages, model_settings=settings)

    def _metadata(self, leg: Leg) -> dict[str, Any]:
        """What a leg's runs tell; whose they are, too, because LangChain tells handlers of them in no certain order."""
        return {**leg.metadata(), **self._identities}

    def _answer(self, leg: Leg, result: Any) -> AIMessage:
        """The message of what a handler returned."""
        response = result if isinstance(result, ModelResponse) else ModelResponse(result=[result])
        self.responses[leg.tier] = response
        return next(message for message in response.result if isinstance(message, AIMessage))


def _local(model: BaseChatModel, watcher: LegWatcher) -> list[Any]:
    """The callbacks of a model itself, and one who sees the leg's lines."""
    own = model.callbacks
    return [*(own if isinstance(own, list) else own.handlers if own is not None else ()), watcher]


def _with(watcher: LegWatcher) -> Any:
    """The callbacks of the running step, and one who sees the leg's lines."""
    callbacks: Any = get_config().get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        return [*(callbacks or ()), watcher]
    copied = callbacks.copy()
    copied.add_handler(watcher)
    return copied


def _split(messages: Sequence[BaseMessage]) -> tuple[SystemMessage | None, list[Any]]:
    """The system's message, which a request keeps apart, and the others."""
    if messages and isinstance(messages[0], SystemMessage):
        return messages[0], list(messages[1:])
    return None, list(messages)
