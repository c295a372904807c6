"""The answer as a user gets it: what its model said, with the decision in its metadata, once."""

# ruff: noqa: ANN401 - answers are of any kind

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage

from langchain_costguard import tags
from langchain_costguard.callbacks.streams import closed_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from langchain_costguard.routing.decision import RoutingDecision
    from langchain_costguard.routing.route import Route

METADATA_KEY: Final = "routing"
"""Where the decision stands in an answer's `response_metadata`."""

_RAW: Final = "raw"
_LOCAL: Final = "local_model"
_ROUTED: Final = "routing"


def marks(given: Mapping[str, Any], decision: RoutingDecision, route: Route, baseline: str | None) -> dict[str, Any]:
    """The metadata of the chosen run: the decision, and, where it changed the model, the technique and its baseline.

    A baseline that somebody around has set stays: what is saved is saved once.

    Args:
        given: the metadata around.
        decision: the decision.
        route: the chosen route.
        baseline: the model that would have been asked otherwise; `None` where that is not known.
    """
    found: dict[str, Any] = {**given, "route": decision.route, "route_reason": decision.reason}
    if decision.confidence is not None:
        found["route_confidence"] = round(decision.confidence, 6)
    if baseline == route.name and not route.local:
        return found
    if baseline is not None:
        found.setdefault(tags.BASELINE_MODEL, baseline)
    return tags.with_technique(found, _LOCAL if route.local else _ROUTED)


def stamped(answer: Any, decision: RoutingDecision) -> Any:
    """A copy of an answer that says how it was routed, in texts, as chunks of a stream can carry; others stay."""
    if isinstance(answer, BaseMessage):
        record = {"route": decision.route, "reason": decision.reason}
        if decision.confidence is not None:
            record["confidence"] = f"{decision.confidence:.6g}"
        return answer.model_copy(update={"response_metadata": {**answer.response_metadata, METADATA_KEY: record}})
    if isinstance(answer, dict) and isinstance(answer.get(_RAW), BaseMessage):
        return type(answer)({**answer, _RAW: stamped(answer[_RAW], decision)})
    return answer


def stamped_once(pieces: Iterator[Any], decision: RoutingDecision) -> Iterator[Any]:
    """A stream whose first piece that can say how it was routed does."""
    is_said = False
    for piece in pieces:
        shown = piece if is_said else stamped(piece, decision)
        is_said = is_said or shown is not piece
        yield shown


async def astamped_once(pieces: AsyncIterator[Any], decision: RoutingDecision) -> AsyncIterator[Any]:
    """The same for an asynchronous stream."""
    is_said = False
    async with closed_with(pieces) as open_pieces:
        async for piece in open_pieces:
            shown = piece if is_said else stamped(piece, decision)
            is_said = is_said or shown is not piece
            yield shown
