"""Who watches a batch job: handlers of ours, which book its calls, and other handlers, which are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.callbacks import CallbackManager

from langchain_costguard.budgets.contradictions import check_together
from langchain_costguard.callbacks.handler import CostCallbackHandler
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.budgets import Budget
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.pricing.book import PriceBook


class Watchers(NamedTuple):
    """Who watches here and now."""

    views: Sequence[CallView]
    """Handlers of ours: attached, around the code, installed, and the job's own."""
    others: Sequence[BaseCallbackHandler]
    """Everybody else, such as tracers."""
    recorder: Recorder
    """Who prices a call: the first handler's, else one with the job's prices, which writes nothing."""

    @property
    def guards(self) -> list[BudgetGuard]:
        """The budgets in force."""
        return [view.guard for view in self.views if view.guard is not None]

    @property
    def recorders(self) -> list[Recorder]:
        """Those who write, each of them once."""
        return list(dict.fromkeys(view.recorder for view in self.views))


def own_handler(
    budgets: Budget | Iterable[Budget], prices: PriceBook | Mapping[str, Any] | None
) -> CostCallbackHandler | None:
    """The handler that holds a job to the budgets it was given; `None` if there are none."""
    allowed = check_together(budgets)
    return CostCallbackHandler(prices=prices, budgets=allowed) if allowed else None


def watchers_of(
    config: RunnableConfig, model: BaseChatModel, own: CostCallbackHandler | None, prices: PriceBook
) -> Watchers:
    """Who watches the calls of a model under a config.

    Args:
        config: the job's config, with what is bound to the model.
        model: the model.
        own: the handler of the job's own budgets.
        prices: what calls are priced with where nobody watches.
    """
    manager = CallbackManager.configure(config.get("callbacks"), model.callbacks, verbose=model.verbose)
    found = [view for handler in manager.handlers if isinstance(handler, CallWatcher) for view in handler.open_views()]
    views = current_views(*([own] if own is not None else []), *found)
    others = [handler for handler in manager.handlers if not isinstance(handler, CallWatcher)]
    return Watchers(views, others, views[0].recorder if views else Recorder.of(None, prices))
