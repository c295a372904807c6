"""What a cascade saves: one baseline per question, and a threshold that is fitted to examples."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Cascade, CascadeChatModel, PriceBook, per_token, track_costs
from langchain_costguard.cascade import (
    Calls,
    Draft,
    Example,
    NotUncertain,
    QualityTarget,
    RegretBound,
    Row,
    Signal,
    TokenConfidence,
    Verdict,
)
from langchain_costguard.exceptions import InfeasibleTargetError, LosingCascadeError
from langchain_costguard.recorder.repricing import reprice
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
MINI, FULL = Decimal("0.00021"), Decimal("0.0035")
"""What that usage costs on gpt-4o-mini and on gpt-4o."""


def model(name: str, *answers: str) -> ScriptedChatModel:
    """A model whose answers all have the same usage."""
    replies = [Reply(answer, usage=USAGE) for answer in answers]
    return ScriptedChatModel(responses=replies, model=name, provider="openai")


class Says(Signal):
    """Asks one more time whether the answer is right, and believes it."""

    def judge(self, draft: Draft) -> Verdict:
        answer = draft.asking.ask(draft.model, draft.messages, purpose="asking again")
        return Verdict(accepts=answer.text == "yes", reason=answer.text, signal="Says", confidence=0.5)

    async def ajudge(self, draft: Draft) -> Verdict:
        answer = await draft.asking.aask(draft.model, draft.messages, purpose="asking again")
        return Verdict(accepts=answer.text == "yes", reason=answer.text, signal="Says", confidence=0.5)


def always(draft: Draft) -> bool:
    """Accept everything."""
    return True


def never(draft: Draft) -> bool:
    """Accept nothing."""
    return False


def record_of(answer: AIMessage) -> dict[str, Any]:
    """How an answer came about."""
    record: dict[str, Any] = answer.response_metadata["cascade"]
    return record


def test_an_accepted_answer_is_compared_with_the_full_model() -> None:
    """The saving is what the same tokens cost there, less what was paid here."""
    with track_costs() as costs:
        record = record_of(Cascade([model("gpt-4o-mini", "Paris"), model("gpt-4o")], always).invoke("France?"))
    assert Decimal(record["cost_usd"]) == costs.total_cost == MINI
    assert Decimal(record["baseline_usd"]) == FULL
    assert Decimal(record["saved_usd"]) == FULL - MINI == Decimal("0.00329")


def test_an_escalated_answer_has_one_baseline_and_not_two() -> None:
    """Counting a baseline for each leg would call a loss a saving."""
    cascade = Cascade([model("gpt-4o-mini", "Paris"), model("gpt-4o", "Canberra")], never)
    with track_costs() as costs:
        record = record_of(cascade.invoke("Australia?"))
    (total,) = costs.totals()
    assert total.baseline_nano == 3_500_000
    assert total.baseline_billed_nano == total.billed_nano == 3_710_000
    assert Decimal(record["saved_usd"]) == -MINI


def test_three_tiers_have_one_baseline_as_well() -> None:
    """Every leg takes the place of those before it."""
    tiers = [model("gpt-4o-mini", "a"), model("gpt-4.1-mini", "b"), model("gpt-4o", "c")]
    with track_costs() as costs:
        answer = Cascade(tiers, never).invoke("Australia?")
    assert answer.text == "c"
    assert costs.totals()[0].baseline_nano == 3_500_000


def test_a_signals_call_is_all_cost() -> None:
    """Without the cascade nobody would have asked: its baseline is nothing, not unknown."""
    cascade = Cascade([model("gpt-4o-mini", "Paris", "yes"), model("gpt-4o")], Says())
    with track_costs() as costs:
        record = record_of(cascade.invoke("France?"))
    assert [leg["purpose"] for leg in record["legs"]] == ["draft", "asking again"]
    assert Decimal(record["cost_usd"]) == 2 * MINI
    assert Decimal(record["saved_usd"]) == FULL - 2 * MINI
    assert costs.totals()[0].baseline_billed_nano == 420_000


def test_the_instruction_is_not_part_of_the_baseline() -> None:
    """The full model would not have been sent it, so it cannot have been saved."""
    record = record_of(Cascade([model("gpt-4o-mini", "Paris"), model("gpt-4o")], NotUncertain()).invoke("France?"))
    assert Decimal("0.0033") < Decimal(record["baseline_usd"]) < FULL


async def test_an_answer_without_usage_is_counted_before_it_is_compared() -> None:
    """An event loop has tokens counted on a thread; the escalation must not book the whole baseline meanwhile."""
    silent = ScriptedChatModel(responses=[Reply("Paris", usage=None)], model="gpt-4o-mini", provider="openai")
    cascade = Cascade([silent, model("gpt-4o", "Rome")], never)
    with track_costs() as costs:
        record = record_of(await cascade.ainvoke("What is the capital of France?"))
    assert Decimal(record["baseline_usd"]) == FULL
    assert Decimal(record["cost_usd"]) > FULL
    assert [leg["cost_usd"] for leg in record["legs"]] == [f"{line.billed_cost:f}" for line in costs.entries()]


def test_signals_that_wait_for_a_threshold_are_fitted_together_with_others() -> None:
    """The threshold belongs to the whole of them; a part without one must not break the first question."""
    rows = [Row(0.9, 1, 1)] * 150 + [Row(0.2, 0, 1)] * 50
    replies = [Reply("Paris", usage=USAGE, logprobs=sure) for sure in (-0.01, -2.0)]
    mini = ScriptedChatModel(responses=replies, model="gpt-4o-mini", provider="openai")
    signal = NotUncertain() & TokenConfidence()
    cascade = Cascade.calibrated([mini, model("gpt-4o", "Rome")], rows, signal=signal, mini_cost=1, full_cost=16)
    assert [record_of(cascade.invoke("France?"))["tier"] for _ in range(2)] == [0, 1]


def test_a_structured_sample_is_counted_as_well() -> None:
    """What a sample used stands on the message it was read from."""

    class Samples(Says):
        def judge(self, draft: Draft) -> Verdict:
            raw = draft.asking.ask(structured, draft.messages, purpose="sample")["raw"]
            return Verdict(accepts=True, reason=raw.text, signal="Samples")

    structured = model("gpt-4o-mini", "{}") | RunnableLambda(lambda raw: {"raw": raw, "parsed": {}})
    record = record_of(Cascade([model("gpt-4o-mini", "Paris"), model("gpt-4o")], Samples()).invoke("France?"))
    assert record["legs"][1] | {"run_ids": []} == {
        "tier": 0,
        "model": "gpt-4o-mini",
        "purpose": "sample",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": "0.00021",
        "run_ids": [],
    }


def test_pricing_anew_keeps_the_baseline_that_was_booked() -> None:
    """A difference between two calls cannot be computed from one of them; it must not become the whole price again."""
    cascade = Cascade([model("gpt-4o-mini", "Paris", "yes"), model("gpt-4o", "Rome")], ~Calls(lambda _: True))
    with track_costs() as costs:
        cascade.invoke("France?")
    with InMemoryStore() as store:
        for line in costs.entries():
            store.append(line)
        reprice(store, PriceBook({"openai/gpt-4o-mini": per_token("0.30", "1.20")}))
        assert sorted(line.billed_nano or 0 for line in store.entries()) == [420_000, 3_500_000]
        assert sum(line.baseline_nano or 0 for line in store.entries()) == 3_500_000


def test_a_price_that_is_not_known_is_not_zero() -> None:
    """A saving against an unknown price would be invented."""
    record = record_of(Cascade([model("nobody-knows", "Paris"), model("gpt-4o")], always).invoke("France?"))
    assert record["cost_usd"] is None
    assert record["saved_usd"] is None


def test_known_rows_are_fitted_without_asking_anybody() -> None:
    """Labels from elsewhere, such as a ledger, need not be paid for again."""
    rows = [Row(0.9, 1, 1)] * 150 + [Row(0.2, 0, 1)] * 50
    mini, full = model("gpt-4o-mini", "Paris"), model("gpt-4o", "Rome")
    cascade = Cascade.calibrated([mini.bind(), full], rows, signal=Says(), mini_cost=1, full_cost=16)
    assert not mini.calls
    assert cascade.report is not None
    assert 0.2 < cascade.report.threshold <= 0.9
    assert cascade.report.rows == 200


def test_examples_are_answered_by_both_models_and_the_threshold_is_fitted() -> None:
    """A user brings questions and answers, and gets a cascade."""
    examples = [Example(f"question {number}", "right") for number in range(120)]

    def mini_says(messages: Any) -> Reply:
        is_right = int(messages[-1].text.split()[-1]) % 4 > 0
        return Reply("right" if is_right else "wrong", usage=USAGE, logprobs=-0.01 if is_right else -1.0)

    mini = ScriptedChatModel(responses=mini_says, model="gpt-4o-mini", provider="openai")
    full = ScriptedChatModel(responses=Reply("right", usage=USAGE), model="gpt-4o", provider="openai")
    with track_costs() as costs:
        cascade = Cascade.calibrated([mini, full], examples, target=QualityTarget(0.95), signal=TokenConfidence())
        assert costs.calls == 240
        assert costs.total_cost == 120 * (MINI + FULL)
    assert cascade.report is not None
    assert 0.3 < cascade.report.threshold <= 0.991
    assert record_of(cascade.invoke("question 1"))["tier"] == 0
    assert record_of(cascade.invoke("question 4"))["tier"] == 1


def test_a_target_that_cannot_be_shown_is_refused() -> None:
    """A promise on ten rows is none."""
    with pytest.raises(InfeasibleTargetError):
        Cascade.calibrated(
            [model("gpt-4o-mini"), model("gpt-4o")],
            [Row(0.9, 1, 1)] * 6 + [Row(0.1, 0, 1)] * 4,
            target=RegretBound(0.01, confidence=0.99),
            signal=Says(),
            mini_cost=1,
            full_cost=16,
        )


def test_a_cascade_that_loses_money_is_refused() -> None:
    """Two models of the same price are no cascade."""
    rows = [Row(0.9, 1, 1)] * 50 + [Row(0.2, 0, 1)] * 150
    with pytest.raises(LosingCascadeError):
        Cascade.calibrated([model("gpt-4o"), model("gpt-4o")], rows, signal=Says(), mini_cost=1, full_cost=1)


def test_rows_without_costs_are_refused() -> None:
    """Nothing can be said of what is saved."""
    with pytest.raises(ValueError, match="mini_cost"):
        Cascade.calibrated([model("gpt-4o-mini"), model("gpt-4o")], [Row(0.9, 1, 1)] * 200, signal=Says())


@pytest.mark.parametrize("kind", [Cascade, lambda tiers: CascadeChatModel(tiers=tiers)])
def test_a_drafts_hit_saves_what_its_own_model_charged_and_no_less(kind: Any) -> None:
    """What the signal asks for was never sent to the large model again: taken off each hit, it made hits a loss."""
    cache = InMemoryCache()
    mini, full = (
        ScriptedChatModel(responses=["Paris."], model_name=name, provider="openai", cache=cache)
        for name in ("gpt-4o-mini", "gpt-4o")
    )
    cascade = kind([mini, full])
    with track_costs() as costs:
        for _ in range(3):
            cascade.invoke("The capital of France?")
    draft, *hits = costs.entries()
    assert draft.billed_nano is not None
    assert [(hit.avoided_nano, hit.baseline_nano) for hit in hits] == [(draft.billed_nano, 0)] * 2
    steps = {step.technique: step.saved_cost for step in costs.report().savings().steps}
    assert steps["exact_cache"] == Decimal(2 * draft.billed_nano) / 10**9
    assert steps["cascade"] == Decimal((draft.baseline_nano or 0) - draft.billed_nano) / 10**9
    assert Decimal(0) < costs.report().savings().saved_share < 1
