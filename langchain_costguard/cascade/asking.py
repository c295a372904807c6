"""How signals ask models: as legs of the cascade, so that their calls are seen and their cost is counted."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard.cascade.legs import Leg
from langchain_costguard.cascade.tiers import in_one_piece, name_of, with_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.legs import Legs
    from langchain_costguard.cascade.runs import Runs


class LegAsking:
    """How a signal asks models: each question is a leg of the cascade, and would not have been asked without it."""

    def __init__(self, runs: Runs, legs: Legs, tier: int) -> None:
        """Ask for the sake of one tier's draft."""
        self._runs = runs
        self._legs = legs
        self._tier = tier

    def ask(self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], *, purpose: str, **settings: Any) -> Any:
        """Ask, and wait for the answer."""
        leg = self._leg(model, purpose)
        try:
            answer = self._runs.invoke(in_one_piece(with_settings(model, settings)), messages, leg)
        except Exception as error:  # noted, and raised again
            leg.error = type(error).__name__
            raise
        leg.usage = _usage_of(answer)
        return answer

    async def aask(
        self,
        model: Runnable[Any, Any],
        messages: Sequence[BaseMessage],
        *,
        purpose: str,
        **settings: Any,
    ) -> Any:
        """The same without holding up the event loop."""
        leg = self._leg(model, purpose)
        try:
            answer = await self._runs.ainvoke(in_one_piece(with_settings(model, settings)), messages, leg)
        except Exception as error:  # noted, and raised again
            leg.error = type(error).__name__
            raise
        leg.usage = _usage_of(answer)
        return answer

    def _leg(self, model: Runnable[Any, Any], purpose: str) -> Leg:
        return self._legs.open(Leg(self._tier, name_of(model), purpose, asked=model))


def _usage_of(answer: Any) -> UsageMetadata | None:
    """The usage an answer reports; a structured one reports it on the message it was read from."""
    message = answer.get("raw") if isinstance(answer, dict) else answer
    usage: UsageMetadata | None = getattr(message, "usage_metadata", None)
    return usage
