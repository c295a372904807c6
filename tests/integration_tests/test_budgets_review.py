"""Budgets in situations that a careful reader thought of: backups, nested models, shared ids, neighbours that raise."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_openai import ChatOpenAI

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, track_costs

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

_NOBODY_LISTENS = "http://127.0.0.1:9/v1"


def chat(provider: LoopbackProvider, **settings: Any) -> ChatOpenAI:
    """A chat model whose calls are bounded by a short answer, sent once."""
    return provider.chat_model(**{"max_tokens": 50, "max_retries": 0, **settings})


def unreachable() -> ChatOpenAI:
    """A model whose endpoint refuses every connection."""
    return ChatOpenAI(model="gpt-4o-mini", base_url=_NOBODY_LISTENS, api_key="x", max_tokens=50, max_retries=0)


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the first budget holds: spent and reserved."""
    costs.flush()
    row = costs.budgets()[0]
    return row.spent, row.reserved


def test_a_backup_that_times_out_is_charged_although_the_primary_never_connected(provider: LoopbackProvider) -> None:
    """The backup is asked inside `except`: the primary's error stands in its context, and says nothing of it."""
    backup = chat(provider, timeout=0.2)
    with track_costs(budgets=[Budget("1.00")], budget_store="memory") as costs:
        provider.next(latency_seconds=0.6, text="ok " * 50)
        try:
            unreachable().invoke("hello")
        except Exception:  # noqa: BLE001 - whatever a client raises
            with pytest.raises(Exception, match="timed out"):
                backup.invoke("hello")
        spent, reserved = standing(costs)
    assert spent >= provider.billed > 0
    assert reserved == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_never_connected_is_free(provider: LoopbackProvider, is_async: bool) -> None:
    """What the client raises names the refused connection as its cause, and nothing is owed for it."""
    with track_costs(budgets=[Budget("1.00")], budget_store="memory") as costs:
        with pytest.raises(Exception, match="Connection error"):
            asyncio.run(unreachable().ainvoke("hello")) if is_async else unreachable().invoke("hello")
        assert standing(costs) == (Decimal(0), Decimal(0))
    assert not provider.requests


class Refine(ChatOpenAI):
    """A model that asks itself once more."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        answer = super()._generate(messages, stop, run_manager, **kwargs)
        if "critique" not in str(messages[-1].content):
            self.invoke("critique")
        return answer


def test_a_model_that_calls_itself_keeps_what_its_outer_call_has_reserved(provider: LoopbackProvider) -> None:
    """The outer call is at work while the inner one begins: it must not be taken for one that was never sent."""
    model = Refine(model="gpt-4o-mini", max_tokens=50, max_retries=0, base_url=provider.base_url, api_key="x")
    with track_costs(budgets=[Budget("0.00004")], budget_store="memory") as costs:
        provider.next(text="ok " * 50)
        with pytest.raises(BudgetExceededError):
            model.invoke("hello")
        spent, reserved = standing(costs)
    assert len(provider.requests) == 1
    assert Decimal("0.00004") >= spent >= provider.billed
    assert reserved == 0


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_a_run_id_used_at_once_by_several_threads_lets_nothing_past(provider: LoopbackProvider, kind: str) -> None:
    """The id and the prompt are the caller's own objects: each use is a call, and each has to be admitted."""
    settings: dict[str, Any] = {"max_tokens": 50, "max_retries": 0}
    model: Any = provider.text_model(**settings) if kind == "text" else provider.chat_model(**settings)
    prompts = ["hello"] if kind == "text" else [[("human", "hello")]]
    given = prompts if kind == "text" else [model._convert_input(prompts[0]).to_messages()]
    run_id = uuid4()
    together = threading.Barrier(4)
    refused: list[BudgetExceededError] = []
    with track_costs(budgets=[Budget(calls=2)], budget_store="memory", all_threads=True) as costs:

        def work() -> None:
            together.wait()
            try:
                model.generate(given, run_id=run_id)
            except BudgetExceededError as error:
                refused.append(error)

        for _ in range(2):
            provider.next(latency_seconds=0.5, text="ok")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert standing(costs) == (2, 0)
        assert costs.calls == 2
    assert len(refused) == 2
    assert len(provider.requests) == 2
