"""Which route a question takes: the proposed one, unless its model cannot take it or a budget would refuse it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.routing.errors import NoRouteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CAPABILITIES: Final = ("tools", "images", "structured_output")
"""What a question may need of a model."""

_WORDS: Final = {"tools": "tools", "images": "images", "structured_output": "structured output"}


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Where a question goes, and why.

    Attributes:
        route: the name of the route.
        reason: why, in words.
        confidence: how likely the route is the right one, 0 to 1; `None` where nothing was estimated.
    """

    route: str
    reason: str
    confidence: float | None = None


def checked_confidence(given: Any) -> float:  # noqa: ANN401 - whatever a classifier or a scorer gives
    """A confidence as a number.

    Raises:
        TypeError: it is none.
        ValueError: it is not a number, or says something else.
    """
    confidence = float(given)
    if math.isnan(confidence):
        msg = "a confidence is not a number: let the classifier or the scorer give 0 to 1"
        raise ValueError(msg)
    return confidence


class Proposal(NamedTuple):
    """The route a question is to take if nothing stands in its way."""

    route: str
    reason: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a question asks of a model.

    Attributes:
        tools: whether tools go with it.
        images: whether it shows images.
        structured_output: whether the answer is to have a schema.
        fits_window: says of a context window, in tokens, and a model whether the question fits it.
    """

    tools: bool = False
    images: bool = False
    structured_output: bool = False
    fits_window: Callable[[int, str], bool] = lambda tokens, model: True  # noqa: ARG005 - any question fits


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What is known of a route.

    Attributes:
        name: the route.
        model: its model's name.
        price: what a typical call costs, in pico-USD; `None` where that is not known.
        max_input_tokens: its context window; `None` where that is not known.
        tools: whether it can be given tools; `None` where that is not known, which is taken for yes.
        images: the same for images.
        structured_output: the same for schemas.
    """

    name: str
    model: str
    price: int | None = None
    max_input_tokens: int | None = None
    tools: bool | None = None
    images: bool | None = None
    structured_output: bool | None = None


class Course(NamedTuple):
    """The route for a question, and those to turn to where a budget would refuse it."""

    decision: RoutingDecision
    cheaper: tuple[str, ...]
    """Other routes that can take the question and cost less, the dearest first."""

    def settled(self, fitting: str | None) -> RoutingDecision:
        """The decision, once it is known which route the budgets have room for.

        Args:
            fitting: the first of `decision.route` and `cheaper` that fits; `None` if none does, and the budget itself
                is to say so.
        """
        wanted = self.decision
        if fitting is None or fitting == wanted.route:
            return wanted
        return RoutingDecision(fitting, f"{wanted.reason}; a budget would refuse {wanted.route!r}", None)


def plan(proposal: Proposal, needs: Needs, routes: Mapping[str, RouteFacts]) -> Course:
    """The course of one question.

    Where the model of the proposed route cannot take the question, the nearest dearer one that can takes it, else the
    nearest cheaper one.

    Args:
        proposal: the route it is to take.
        needs: what it asks of a model.
        routes: what is known of each route.

    Raises:
        NoRouteError: no route's model can take it.
    """
    wanted = routes[proposal.route]
    lack = lacking(needs, wanted)
    if lack is None:
        decision = RoutingDecision(*proposal)
        return Course(decision, tuple(_cheaper(wanted, needs, routes)))
    able = next(_nearest(wanted, needs, routes), None)
    if able is None:
        fix = "declare one that can, `Route(model, ...)`, or shorten the prompt"
        msg = f"Route {wanted.name!r} cannot take this question ({lack}), and no other can: {fix}."
        raise NoRouteError(msg, routes=tuple(routes))
    decision = RoutingDecision(able.name, f"{proposal.reason}; {wanted.name!r} cannot take it ({lack})", None)
    return Course(decision, tuple(_cheaper(able, needs, routes)))


def lacking(needs: Needs, route: RouteFacts) -> str | None:
    """What a route's model lacks for a question, in words; `None` where nothing is known to be lacking."""
    for name in CAPABILITIES:
        if getattr(needs, name) and getattr(route, name) is False:
            return f"{route.model} has no {_WORDS[name]}"
    window = route.max_input_tokens
    if window is not None and not needs.fits_window(window, route.model):
        return f"longer than the {window:,} input tokens of {route.model}"
    return None


def _nearest(wanted: RouteFacts, needs: Needs, routes: Mapping[str, RouteFacts]) -> Iterator[RouteFacts]:
    """The routes that can take a question, beginning with the nearest above the one that was wanted."""
    others = [route for route in routes.values() if route.name != wanted.name]
    if wanted.price is None:
        return (route for route in others if lacking(needs, route) is None)
    price = wanted.price
    dearer = sorted((one for one in others if one.price is not None and one.price >= price), key=_price)
    cheaper = sorted((one for one in others if one.price is not None and one.price < price), key=_price, reverse=True)
    unknown = [one for one in others if one.price is None]
    return (route for route in (*dearer, *cheaper, *unknown) if lacking(needs, route) is None)


def _cheaper(than: RouteFacts, needs: Needs, routes: Mapping[str, RouteFacts]) -> Iterator[str]:
    """The routes that cost less and can take a question, the dearest first."""
    if than.price is None:
        return
    below = [one for one in routes.values() if one.price is not None and one.price < than.price]
    yield from (one.name for one in sorted(below, key=_price, reverse=True) if lacking(needs, one) is None)


def dearest(routes: Sequence[RouteFacts]) -> RouteFacts | None:
    """The route whose typical call costs most; `None` where no price is known."""
    return max((route for route in routes if route.price is not None), key=_price, default=None)


def _price(route: RouteFacts) -> int:
    return route.price or 0
