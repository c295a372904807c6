"""Stores that users write raise whatever their driver raises: the outcome is that of a store that says `StoreError`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget, BudgetStoreError, CostCallbackHandler
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import InMemoryStore
from tests.faults.asking import MODES, ask

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

pytestmark = [
    pytest.mark.timeout(40),
    pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning"),
]
_ERRORS = (StoreError, ConnectionError, RuntimeError)


class UsersStore(InMemoryStore):
    """A store like one of a user's: it may have to wait, and fails as long as it is told to, in the methods named."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing = failing
        self.error: type[Exception] | None = None

    is_durable = property(lambda _: True)  # type: ignore[assignment] # as if it outlived the process
    may_block = property(lambda _: True)  # type: ignore[assignment] # as if it had a disk


def _failing(name: str) -> Any:
    def method(self: UsersStore, *args: Any, **kwargs: Any) -> Any:
        if self.error is not None and name in self.failing:
            msg = "the user's database is away"
            raise self.error(msg)
        return getattr(InMemoryStore, name)(self, *args, **kwargs)

    return method


_WRITING = ("open_call", "append", "append_settled", "settle", "charge")
_RESERVING = ("reserve", "reserve_opening")
for _name in (*_WRITING, *_RESERVING, "renew", "expire"):
    setattr(UsersStore, _name, _failing(_name))


@pytest.mark.parametrize("error", _ERRORS)
@pytest.mark.parametrize("mode", MODES)
def test_a_users_store_that_cannot_reserve_refuses(
    provider: LoopbackProvider, mode: str, error: type[Exception]
) -> None:
    """Whatever it raises: a hard budget that cannot be checked is shut."""
    store = UsersStore(*_RESERVING)
    handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
    store.error = error
    asked = ask(provider.chat_model(max_tokens=60, max_retries=0), mode, callbacks=[handler])
    assert isinstance(asked.error, BudgetStoreError)
    assert "on_store_error='allow'" in str(asked.error)
    assert len(provider.requests) == 0


@pytest.mark.parametrize("budgets", [(), (Budget("1.00"),)])
@pytest.mark.parametrize("error", _ERRORS)
@pytest.mark.parametrize("mode", MODES)
def test_a_users_store_that_cannot_write_costs_neither_the_answer_nor_the_line(
    provider: LoopbackProvider, mode: str, error: type[Exception], budgets: Any
) -> None:
    """A driver's own exception must not break the chain, nor lose what was paid for."""
    store = UsersStore(*_WRITING)
    handler = CostCallbackHandler(store, budgets=budgets)
    store.error = error
    model = provider.chat_model(max_tokens=60, max_retries=0, stream_usage=True)
    asked = ask(model, mode, callbacks=[handler])
    assert asked.error is None
    assert asked.text
    handler.flush()
    store.error = None
    assert handler.flush()
    (line,) = store.entries()
    assert (line.status, line.billed_cost) == ("ok", provider.billed)
    if budgets:
        (status,) = handler.budgets()
        assert (status.spent, status.reserved) == (provider.billed, Decimal(0))
