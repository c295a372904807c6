"""What a route's calls cost, and whether the hard budgets in force have room for one; nothing is reserved."""

# ruff: noqa: ANN401 - questions are of any kind

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks.room import room_for
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.exceptions import StoreError, UnknownPriceError
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.routing.models import asking_part
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.routing.route import Route

_TYPICAL: Final = TokenUsage(uncached_input=1_000, output_text=500)
"""The call by whose price routes are ranked."""


def views_of(handlers: Iterable[BaseCallbackHandler]) -> list[CallView]:
    """Who watches a run with these handlers."""
    found = [view for handler in handlers if isinstance(handler, CallWatcher) for view in handler.open_views()]
    return current_views(*found)


def prices_of(views: list[CallView]) -> PriceBook:
    """The prices of the first who watches; list prices where nobody does."""
    return views[0].recorder.prices if views else _list_prices()


def typical_price(route: Route, prices: PriceBook) -> int | None:
    """What a typical call of a route costs in pico-USD, a local one nothing; `None` where that is not known."""
    if route.local:
        return 0
    try:
        cost = prices.price(_TYPICAL, model=route.name, provider=route.provider)
    except UnknownPriceError:  # a price book may raise it; a route without a price is only not ranked
        return None
    return None if cost is None else cost.pico_usd


def limits_anything(views: Iterable[CallView]) -> bool:
    """Whether a budget is in force that could refuse a call."""
    return any(view.guard is not None and any(budget.refuses for budget in view.guard.budgets) for view in views)


def has_room(route: Route, question: Any, config: RunnableConfig, settings: Mapping[str, Any]) -> bool:
    """Whether the budgets in force would admit a call now.

    It is asked by the bytes of the prompt, so that a budget that is almost spent may count as full a little early. A
    budget that cannot be asked, and a route that is no plain chat model, are left to the call itself.

    Args:
        route: the route.
        question: what its model would be asked.
        config: the config of its run.
        settings: the arguments of the call.
    """
    part = asking_part(route.model)
    if part is None:
        return True
    try:
        room = room_for(part, question, config, settings)
    except (StoreError, TypeError):  # the call itself says what is wrong, with everything there is to say
        return True
    return room.output_tokens is None


@cache
def _list_prices() -> PriceBook:
    return PriceBook()
