"""A cascade's ledger equals what the provider billed, whoever watches, and budgets hold in its legs."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_costguard import (
    Budget,
    BudgetExceededError,
    Cascade,
    CascadeChatModel,
    CostCallbackHandler,
    install,
    track_costs,
    uninstall,
)
from langchain_costguard.budgets import Scope
from langchain_costguard.cascade import Draft, NotUncertain, SelfVerification, TokenConfidence
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour, LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

FACES = ["runnable", "chat model"]
WAYS = ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"]


def never(draft: Draft) -> bool:
    """Accept nothing."""
    return False


@pytest.fixture
def fresh_process() -> Iterator[None]:
    """Nothing is installed before and after."""
    uninstall()
    yield
    uninstall()


def cascade(provider: LoopbackProvider, face: str, accept: Any = None, **settings: Any) -> Any:
    """A cascade of two real clients of the provider."""
    tiers = [
        provider.chat_model(model="gpt-4o-mini", max_tokens=50, stream_usage=True),
        provider.chat_model(model="gpt-4o", max_tokens=50, stream_usage=True),
    ]
    if face == "runnable":
        return Cascade(tiers, accept, **settings)
    return CascadeChatModel(tiers=tiers, accept=accept, **settings)


def ask(model: Any, way: str, config: Any = None) -> list[str]:
    """Ask two questions in one of LangChain's ways; the answers as texts."""
    questions = ["The capital of France?", "The capital of Australia?"]

    async def astreamed(question: str) -> str:
        return "".join([chunk.text async for chunk in model.astream(question, config)])

    if way == "invoke":
        return [model.invoke(question, config).text for question in questions]
    if way == "ainvoke":
        return [asyncio.run(model.ainvoke(question, config)).text for question in questions]
    if way == "stream":
        return ["".join(chunk.text for chunk in model.stream(question, config)) for question in questions]
    if way == "astream":
        return [asyncio.run(astreamed(question)) for question in questions]
    if way == "batch":
        return [answer.text for answer in model.batch(questions, {**(config or {}), "max_concurrency": 1})]
    answers = asyncio.run(model.abatch(questions, {**(config or {}), "max_concurrency": 1}))
    return [answer.text for answer in answers]


def watched(how: str, stack: ExitStack) -> tuple[list[CostCallbackHandler], Any]:
    """Attach handlers in one of the ways there are; these, and the config of the calls."""
    handlers: list[CostCallbackHandler] = []
    config: Any = None
    if "install" in how:
        handlers.append(install(CostCallbackHandler(InMemoryStore())))
    if "block" in how:
        handlers.append(stack.enter_context(track_costs()))
    if "config" in how:
        handlers.append(CostCallbackHandler(InMemoryStore()))
        config = {"callbacks": [handlers[-1]]}
    return handlers, config


@pytest.mark.parametrize("how", ["install", "block", "config", "install and block", "install, block and config"])
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("way", WAYS)
def test_the_ledger_equals_the_bill_whoever_watches(
    provider: LoopbackProvider, fresh_process: None, how: str, face: str, way: str
) -> None:
    """A leg counted twice, or not at all, makes every figure after it wrong."""
    provider.script("Paris", "UNCERTAIN", "Canberra")
    with ExitStack() as stack:
        handlers, config = watched(how, stack)
        assert ask(cascade(provider, face), way, config) == ["Paris", "Canberra"]
        for handler in handlers:
            assert handler.total_cost == provider.billed
            assert [entry.request_model for entry in handler.entries()].count("gpt-4o") == 1
            assert handler.calls == len(provider.requests) == 3
            assert {entry.techniques for entry in handler.entries()} == {("cascade",)}


@pytest.mark.parametrize("face", FACES)
def test_the_legs_stand_below_the_cascade(provider: LoopbackProvider, face: str) -> None:
    """A report by chain finds the cascade's calls where the user put the cascade."""
    provider.script("UNCERTAIN", "Canberra")
    chain = RunnableLambda(lambda text: text).with_config(run_name="ask") | cascade(provider, face)
    with track_costs() as costs:
        chain.invoke("Australia?", {"run_name": "outer", "tags": ["checkout"], "metadata": {"user": "u1"}})
    mini, full = costs.entries()
    assert mini.parent_run_id == full.parent_run_id
    assert mini.root_run_id == full.root_run_id != mini.parent_run_id
    assert mini.chain == full.chain == f"outer > {'Cascade' if face == 'runnable' else 'CascadeChatModel'}"
    assert all("checkout" in entry.tags and entry.user == "u1" for entry in (mini, full))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_refused_escalation_gives_the_draft(provider: LoopbackProvider, face: str, way: str) -> None:
    """The user has paid for the draft; it is better than nothing, and the answer says that it is one."""
    provider.script("Perhaps Paris", "Perhaps Canberra")
    model = cascade(provider, face, never)
    with track_costs(
        budgets=[Budget(tokens=1, per="total", scope=Scope.model("gpt-4o"), name="full")], store=InMemoryStore()
    ) as costs:
        assert ask(model, way) == ["Perhaps Paris", "Perhaps Canberra"]
    assert len(provider.requests) == 2
    assert costs.total_cost == provider.billed


@pytest.mark.parametrize("face", FACES)
def test_a_refused_escalation_raises_where_that_is_set(provider: LoopbackProvider, face: str) -> None:
    """Who must not give a rejected draft to anybody gets the refusal."""
    model = cascade(provider, face, never, on_refused="raise")
    with (
        track_costs(budgets=[Budget(calls=1, per="total")], store=InMemoryStore()),
        pytest.raises(BudgetExceededError),
    ):
        model.invoke("Australia?")
    assert len(provider.requests) == 1


@pytest.mark.parametrize("face", FACES)
def test_a_run_budget_counts_all_legs_of_one_question(provider: LoopbackProvider, face: str) -> None:
    """`per="run"` means the whole cascade, not each leg for itself."""
    model = cascade(provider, face, never, on_refused="raise")
    handler = CostCallbackHandler(InMemoryStore(), budgets=[Budget(calls=1, per="run")])
    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            model.invoke("Australia?", {"callbacks": [handler]})
    assert len(provider.requests) == 2


@pytest.mark.parametrize("face", FACES)
def test_a_signals_own_calls_are_cost_of_the_cascade(provider: LoopbackProvider, face: str) -> None:
    """A verification that is not counted would make every cascade look cheap."""
    provider.script("Paris", Behaviour(text="Yes", logprob=-0.01))
    with track_costs() as costs:
        answer = cascade(provider, face, SelfVerification(0.5)).invoke("France?")
    record = answer.response_metadata["cascade"]
    assert record["legs"][0]["purpose"] == "draft"
    assert len(record["legs"]) == len(provider.requests) == 2
    assert Decimal(record["cost_usd"]) == costs.total_cost == provider.billed


@pytest.mark.parametrize("face", FACES)
def test_log_probabilities_are_asked_of_the_judged_tier_alone(face: str) -> None:
    """A full model that cannot give them would refuse the call."""
    with LoopbackProvider(keep_bodies=True) as kept:
        kept.script(Behaviour(text="Paris", logprob=-3.0), "Paris, certainly")
        answer = cascade(kept, face, TokenConfidence(0.8)).invoke("France?")
        first, second = kept.requests
    assert answer.text == "Paris, certainly"
    assert first.body["logprobs"] is True
    assert "logprobs" not in second.body


@pytest.mark.parametrize("face", FACES)
def test_the_full_leg_gets_the_question_without_the_instruction(face: str) -> None:
    """The instruction is for the tier that is judged; the full model is to answer whatever it thinks of itself."""
    with LoopbackProvider(keep_bodies=True) as kept:
        kept.script("UNCERTAIN", "Canberra")
        cascade(kept, face, NotUncertain()).invoke("Australia?")
        first, second = kept.requests
    assert "UNCERTAIN" in str(first.body["messages"])
    assert second.body["messages"] == [{"content": "Australia?", "role": "user"}]


def test_a_cancelled_cascade_leaves_no_call_open(provider: LoopbackProvider) -> None:
    """A request that is given up is still a line, and its reservation ends."""

    async def cancelled(model: Any) -> None:
        task = asyncio.ensure_future(model.ainvoke("France?"))
        await asyncio.sleep(0.2)  # until a leg is under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for face in FACES:
        provider.next(latency_seconds=1)
        with track_costs() as costs:
            asyncio.run(cancelled(cascade(provider, face)))
        assert [entry.status for entry in costs.entries()] == ["cancelled"]
