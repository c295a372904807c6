"""What was asked for, line by line: document 1, parts 1, 3, 6 (cascade, cache, monitoring), and document 2 (billing).

Each test is named after the line it proves and uses the public interface only. The rooms have tests of their own; here
stands what a user was promised.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import pytest
import tiktoken
from langchain_core.embeddings import Embeddings
from langchain_core.globals import set_llm_cache
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from typer.testing import CliRunner

from langchain_costguard import (
    Budget,
    BudgetAlert,
    BudgetExceededError,
    Cascade,
    CostCallbackHandler,
    CostReport,
    PayAsYouGo,
    Prepaid,
    SemanticCache,
    Subscription,
    compare_plans,
    estimate_cost,
    free,
    gpu_hour,
    open_store,
    per_call,
    track_costs,
)
from langchain_costguard.cli import app
from langchain_costguard.pricing import Credit, UsageRecord, gpu_cost, machine_cost, share_cost
from langchain_costguard.testing import Reply, ScriptedChatModel
from langchain_costguard.tokens import count_tokens

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.required

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
TEXTS = ("Why is the sky blue?", "天空为什么是蓝色的?", "def f(x):\n    return x ** 2\n", "🙂🙃", "aGVsbG8gd29ybGQ=")


def day(number: int) -> datetime:
    """Noon of a day of January 2026."""
    return datetime(2026, 1, number, 12, tzinfo=UTC)


# -- document 1, part 1: model cascade --------------------------------------------------------------------------------


def cascade_of(*answers: str) -> tuple[Cascade, ScriptedChatModel, ScriptedChatModel]:
    """gpt-4o-mini before gpt-4o; each call uses 1,000 tokens of input and 100 of output."""
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    mini, full = (
        ScriptedChatModel(responses=[Reply(text, usage=usage)] * 3, model=name, provider="openai")
        for text, name in zip(answers, ("gpt-4o-mini", "gpt-4o"), strict=True)
    )
    return Cascade([mini, full]), mini, full


def test_doc1_part1_the_small_model_is_told_to_answer_uncertain_and_the_large_one_is_asked_then() -> None:
    """The small model's word decides; the large one gets the user's question as it was."""
    cascade, mini, full = cascade_of("UNCERTAIN", "It is Canberra.")
    answer = cascade.invoke("What is the capital of Australia?")
    assert answer.text == "It is Canberra."
    assert "UNCERTAIN" in mini.calls[0].input[0].text
    assert [message.text for message in full.calls[0].input] == ["What is the capital of Australia?"]
    assert answer.response_metadata["cascade"]["model"] == "gpt-4o"


def test_doc1_part1_a_sure_answer_of_the_small_model_is_given_and_the_large_one_not_asked() -> None:
    """This is what saves: $0.00021 in place of $0.0035, less what the instruction would not have cost."""
    cascade, _, full = cascade_of("Canberra.", "It is Canberra.")
    with track_costs() as costs:
        answer = cascade.invoke("What is the capital of Australia?")
    assert (answer.text, len(full.calls)) == ("Canberra.", 0)
    assert costs.total_cost == Decimal("0.00021")
    assert Decimal("0.0030") < Decimal(answer.response_metadata["cascade"]["saved_usd"]) < Decimal("0.00329")


def test_doc1_part1_the_marker_is_never_shown_and_talk_of_uncertainty_does_not_escalate() -> None:
    """A user must see neither the word nor a bill for an answer that only uses it."""
    cascade, _, full = cascade_of("Heisenberg found that position is uncertain where momentum is known.", "No.")
    assert cascade.invoke("What did Heisenberg find?").text.startswith("Heisenberg found")
    assert not full.calls
    unsure, _, _ = cascade_of("UNCERTAIN", "Yes.")
    assert "UNCERTAIN" not in "".join(piece.text for piece in unsure.stream("Is P equal to NP?"))


def test_doc1_part1_the_cascade_takes_the_models_place_in_a_chain() -> None:
    """`prompt | model | parser` is the shape everybody has; invoke, batch and ainvoke answer alike."""
    cascade, _, _ = cascade_of("Canberra.", "It is Canberra.")
    chain = ChatPromptTemplate.from_template("{question}") | cascade | StrOutputParser()
    asked = {"question": "What is the capital of Australia?"}
    assert chain.invoke(asked) == "Canberra."
    assert chain.batch([asked, asked]) == ["Canberra."] * 2


# -- document 1, part 6: monitoring ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "o1-mini", "gpt-4", "text-embedding-3-small"])
@pytest.mark.parametrize("text", TEXTS)
def test_doc1_part6_tokens_are_counted_with_tiktoken_encoding_for_model(text: str, model: str) -> None:
    """The count is the one that tiktoken gives for the model, and says so."""
    encoding = tiktoken.encoding_for_model(model)
    counted = count_tokens(text, model)
    assert counted.tokens == len(encoding.encode(text))
    assert counted.method == f"tiktoken:{encoding.name}"


@pytest.mark.parametrize(
    ("model", "cost"),
    [("gpt-4o", "0.0050325"), ("gpt-4o-mini", "0.00030195")],
)
def test_doc1_part6_cost_is_estimated_from_the_input_text_an_output_token_count_and_the_model(
    model: str, cost: str
) -> None:
    """13 input tokens (6 of text and the frame of a message) and 500 output tokens at the list price."""
    estimate = estimate_cost("Why is the sky blue?", model, expected_output_tokens=500)
    assert (estimate.input_tokens, estimate.expected) == (13, Decimal(cost))


def test_doc1_part6_tracker_has_total_input_and_output_tokens_total_cost_and_requests() -> None:
    """A real chain, its usage as the model reports it: 2 x (1000 x $2.50 + 500 x $10) per million."""
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    model = ScriptedChatModel(responses=Reply("because", usage=usage), model="gpt-4o", provider="openai")
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()
    with track_costs() as costs:
        chain.batch([{"question": "Why?"}, {"question": "How?"}])
    assert (costs.input_tokens, costs.output_tokens, costs.calls) == (2000, 1000, 2)
    assert costs.total_cost == Decimal("0.015")


def test_doc1_part6_statistics_per_day_tokens_and_cost() -> None:
    """Two days, two sums, in the user's own time zone."""
    costs = CostCallbackHandler()
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    costs.record(usage, model="gpt-4o", provider="openai", started_at=day(1))
    costs.record(usage, model="gpt-4o-mini", provider="openai", started_at=day(1))
    costs.record(usage, model="gpt-4o", provider="openai", started_at=day(2))
    assert costs.report().daily == {
        date(2026, 1, 1): (3000, Decimal("0.00795")),
        date(2026, 1, 2): (1500, Decimal("0.0075")),
    }
    assert list(costs.report(tz="Pacific/Auckland").daily) == [date(2026, 1, 2), date(2026, 1, 3)]


def test_doc1_part6_record() -> None:
    """A call made without LangChain is booked by its tokens and its model."""
    costs = CostCallbackHandler()
    line = costs.record({"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}, model="gpt-4o-mini")
    assert line.billed_cost == Decimal("0.00045")
    assert (costs.calls, costs.total_cost) == (1, Decimal("0.00045"))


def test_doc1_part6_report() -> None:
    """Tokens, requests, cost and days, to read and as values."""
    costs = CostCallbackHandler()
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    costs.record(usage, model="gpt-4o", started_at=day(1))
    report = costs.report()
    assert (report.calls, report.input_tokens, report.output_tokens) == (1, 1000, 500)
    assert report.total_cost == Decimal("0.0075")
    text = str(report)
    assert all(figure in text for figure in ("$0.0075", "1,000", "500", "2026-01-01", "gpt-4o"))
    assert report.to_dict()["total_cost"] == "0.0075"


def test_doc1_best_practices_set_budgets_with_usage_alerts(tmp_path: Path) -> None:
    """Half a dollar a day at $0.100025 a call: two alerts on the way, and the fifth call is never sent.

    A fifth would reserve 16,384 tokens of output at $10 per million, which is more than is left.
    """
    usage = {"input_tokens": 10, "output_tokens": 10_000, "total_tokens": 10_010}
    model = ScriptedChatModel(responses=Reply("because", usage=usage), model="gpt-4o", provider="openai")
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()
    told: list[BudgetAlert] = []
    daily = Budget("0.50", per="day", alerts_at=(0.5, 0.8))
    for calls in (2, 2):  # the second block goes on where the first one ended
        with track_costs(str(tmp_path / "costs.db"), budgets=[daily], on_alert=told.append) as costs:
            chain.batch([{"question": "Why?"}] * calls, {"max_concurrency": 1})
            costs.guard.flush(10)
    with track_costs(str(tmp_path / "costs.db"), budgets=[daily], on_alert=told.append) as costs:
        with pytest.raises(BudgetExceededError, match="set max_tokens="):
            chain.invoke({"question": "Why?"})
        costs.guard.flush(10)
        (status,) = costs.budgets()
    assert len(model.calls) == 4
    assert (status.spent, status.reserved, status.limit) == (Decimal("0.4001"), Decimal(0), Decimal("0.50"))
    assert [(alert.kind, alert.threshold) for alert in told] == [
        ("threshold", Decimal("0.5")),
        ("threshold", Decimal("0.8")),
        ("refused", Decimal("0.8002")),
    ]


# -- document 2: the formula and the calculator ----------------------------------------------------------------------


def test_doc2_gpu_hours_times_price_plus_calls_times_price_is_11_dollars() -> None:
    """10 h x $0.1 + 1000 x $0.01, in every place that knows the formula."""
    assert gpu_cost(10, "0.1", 1000, "0.01") == Decimal(11)
    line = CostCallbackHandler().record(gpu_hours=10, usd_per_gpu_hour="0.1", calls=1000, usd_per_call="0.01")
    assert line.billed_cost == Decimal(11)
    costs = CostCallbackHandler(prices={"my-model": gpu_hour("0.1", usd_per_call="0.01")})
    assert costs.record(model="my-model", gpu_hours=10, calls=1000).billed_cost == Decimal(11)
    plan = PayAsYouGo(usd_per_gpu_hour="0.1", usd_per_call="0.01")
    assert plan.bill([UsageRecord(day(1), calls=1000, gpu_hours=10)]).billed_cost == Decimal(11)


def test_doc2_interactive_calculator_asks_for_hours_calls_and_prices_and_prints_two_decimals() -> None:
    """As a person at a terminal gets it."""
    ended = CliRunner().invoke(app, ["calc"], input="10\n0.1\n1000\n0.01\n")
    assert ended.exit_code == 0
    questions = ("GPU hours", "Price of a GPU hour", "API calls", "Price of a call")
    assert all(question in ended.output for question in questions)
    assert ended.output.splitlines()[-1] == "Total: $11.00"


# -- document 2: prices and plans ------------------------------------------------------------------------------------


def test_doc2_prices_differ_by_service() -> None:
    """The same tokens on five services: by the token, by the call, by the hour, and nothing."""
    prices = {"house": gpu_hour("0.36"), "ocr": per_call("0.01"), "local": free()}
    costs = CostCallbackHandler(prices=prices)
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    costs.record(usage, model="gpt-4o", provider="openai")
    costs.record(usage, model="claude-3-5-haiku-latest", provider="anthropic")
    costs.record(usage, model="house", gpu_hours="0.1")
    costs.record(usage, model="ocr")
    costs.record(usage, model="local")
    by_model = {row.group[0]: row.billed_cost for row in costs.report().by_model()}
    assert by_model == {
        "gpt-4o": Decimal("0.0075"),
        "claude-3-5-haiku-latest": Decimal("0.0028"),
        "house": Decimal("0.036"),
        "ocr": Decimal("0.01"),
        "local": Decimal(0),
    }


def test_doc2_prices_differ_by_plan() -> None:
    """The same month on three plans is three bills."""
    usage = [UsageRecord(day(number), "1.00") for number in range(1, 31)]
    plans = [PayAsYouGo(), Prepaid([Credit(40, JANUARY, price=32)]), Subscription(20, allowance=25)]
    assert [plan.bill(usage).billed_cost for plan in plans] == [Decimal(30), Decimal(32), Decimal(25)]


def test_doc2_pay_as_you_go_is_settled_at_once() -> None:
    """What a call costs is owed on the day it is made, and the days add up to the month."""
    usage = [UsageRecord(day(1), "0.25"), UsageRecord(day(2), "0.50"), UsageRecord(day(2), "0.125")]
    bill = PayAsYouGo(period="day").bill(usage)
    assert [line.billed_cost for line in bill.lines] == [Decimal("0.25"), Decimal("0.625")]
    assert bill.billed_cost == Decimal("0.875")


def test_doc2_prepaid_is_paid_before_and_runs_down() -> None:
    """Ten dollars bought, four used, six left; then more than there is, and the rest is owed."""
    plan = Prepaid([Credit(10, JANUARY)])
    first = plan.bill([UsageRecord(day(5), "4.00")])
    assert (first.billed_cost, first.effective_cost, first.remaining_credit) == (
        Decimal(10),
        Decimal(4),
        Decimal(6),
    )
    second = plan.bill([UsageRecord(day(5), "4.00"), UsageRecord(day(6), "7.50")])
    assert (second.overage_cost, second.remaining_credit) == (Decimal("1.5"), Decimal(0))


def test_doc2_monthly_subscription_is_settled_per_period() -> None:
    """A fee for each month however much was used; what goes beyond the allowance is added in its month."""
    usage = [UsageRecord(day(3), "5.00"), UsageRecord(FEBRUARY + timedelta(days=3), "26.00")]
    bill = Subscription(20, "month", allowance=25).bill(usage)
    billed = {month: Decimal(0) for month in (JANUARY, FEBRUARY)}
    for line in bill.lines:
        billed[line.start] += line.billed_cost
    assert billed == {JANUARY: Decimal(20), FEBRUARY: Decimal(21)}


@pytest.mark.parametrize(
    ("usd_a_day", "best"), [("0.10", "pay as you go"), ("0.80", "prepaid"), ("1.50", "subscription")]
)
def test_doc2_advice_says_which_plan_suits_which_use(usd_a_day: str, best: str) -> None:
    """Little use, foreseeable use, much use: another plan each time, with the reason and the crossover."""
    usage = [UsageRecord(JANUARY + timedelta(days=number, hours=12), usd_a_day) for number in range(31)]
    plans = {
        "pay as you go": PayAsYouGo(),
        "prepaid": Prepaid([Credit(30, JANUARY, expires=FEBRUARY, price=20)]),
        "subscription": Subscription(25),
    }
    compared = compare_plans(usage, plans, start=JANUARY, end=FEBRUARY)
    assert compared.best.plan == best
    assert compared.best.suits in compared.advice
    assert compared.crossovers == (Decimal(20), Decimal(35))


# -- document 1, part 3: the semantic cache ---------------------------------------------------------------------------


class Angles(Embeddings):
    """Texts as directions in a plane, so that every similarity is known: the cosine of the angle between two."""

    degrees: ClassVar[dict[str, int]] = {"what is a prompt": 0, "what's a prompt": 10, "what is a token": 60}

    def embed_query(self, text: str) -> list[float]:
        """The direction of a text that is known."""
        angle = math.radians(self.degrees.get(text, 90))
        return [math.cos(angle), math.sin(angle)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The directions of texts."""
        return [self.embed_query(text) for text in texts]


@pytest.mark.parametrize("place", ["memory", "cache.db"])
def test_doc1_part3_set_get_and_query(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cached answer, else the call, whose answer is stored; a threshold of 0.95 serves what is nearer than that."""
    monkeypatch.chdir(tmp_path)
    cache = SemanticCache(Angles(), place, threshold=0.95)
    asked: list[str] = []

    def call(text: str) -> str:
        asked.append(text)
        return f"answer {len(asked)}"

    assert cache.get("what is a prompt") is None
    assert cache.set("what is a prompt", "stored")
    assert (cache.get("what is a prompt"), cache.get("what's a prompt")) == ("stored", "stored")
    assert [cache.query(text, call) for text in ("what's a prompt", "what is a token", "what is a token")] == [
        "stored",
        "answer 1",
        "answer 1",
    ]
    assert asked == ["what is a token"]


def test_doc1_part3_the_threshold_is_the_right_way_round() -> None:
    """The sample compares a distance with `>=`, and so serves whatever is far away: here nearer is larger."""
    near, far = ("what is a prompt", "what's a prompt"), ("what is a prompt", "what is a token")
    similarities = []
    for threshold, served in ((0.95, True), (0.99, False)):
        cache = SemanticCache(Angles(), "memory", threshold=threshold, guards=False)
        assert (cache.match(*near).hit, cache.match(*far).hit) == (served, False)
        similarities = [cache.match(*near).similarity, cache.match(*far).similarity]
    assert similarities == pytest.approx([math.cos(math.radians(10)), 0.5])
    assert SemanticCache(Angles(), "memory", threshold=0.4, guards=False).match(*far).hit


def test_doc1_part3_langchains_global_cache() -> None:
    """One line in front of a program, and what was asked before costs nothing."""
    model = ScriptedChatModel(responses=["a unit of text", "something else"], model="gpt-4o")
    set_llm_cache(SemanticCache(Angles(), "memory"))
    try:
        with track_costs() as costs:
            answers = [model.invoke("what is a token").text for _ in range(2)]
    finally:
        set_llm_cache(None)
    assert (answers, len(model.calls)) == (["a unit of text"] * 2, 1)
    assert [line.billed_cost == 0 for line in costs.entries()].count(True) == 1


# -- document 2: uses ------------------------------------------------------------------------------------------------


def test_doc2_training_and_inference_cost() -> None:
    """Hours of training and calls of inference stand in one ledger, and can be told apart."""
    costs = CostCallbackHandler()
    costs.record(gpu_hours=8, usd_per_gpu_hour="2.50", tags=["training"])
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    costs.record(usage, model="gpt-4o", tags=["inference"])
    by_tag = {row.group[0]: row.billed_cost for row in costs.report().by("tag")}
    assert by_tag == {"training": Decimal(20), "inference": Decimal("0.0075")}
    assert costs.total_cost == Decimal("20.0075")


def test_doc2_a_service_is_billed_by_calls() -> None:
    """A thousand calls for one customer, ten for another, a cent each."""
    costs = CostCallbackHandler(prices={"my-service": per_call("0.01")})
    costs.record(model="my-service", calls=1000, metadata={"user": "u1"})
    costs.record(model="my-service", calls=10, metadata={"user": "u2"})
    rows = {row.group[0]: (row.calls, row.billed_cost) for row in costs.report().by("user")}
    assert rows == {"u1": (1000, Decimal(10)), "u2": (10, Decimal("0.1"))}


def test_doc2_resources_are_managed_through_monitoring(tmp_path: Path) -> None:
    """A ledger on disk answers who and what spends, in the program and outside of it."""
    path = str(tmp_path / "costs.db")
    with track_costs(path) as costs:
        costs.record(gpu_hours=2, usd_per_gpu_hour="0.5", tags=["search"], metadata={"user": "u1"})
        costs.record(gpu_hours=1, usd_per_gpu_hour="0.5", tags=["chat"], metadata={"user": "u2"})
    report = CostReport(open_store(path))
    assert [(row.name, row.billed_cost) for row in report.by("tag")] == [
        ("search", Decimal(1)),
        ("chat", Decimal("0.5")),
    ]
    ended = CliRunner().invoke(app, ["report", "--store", path, "--by", "user"])
    assert "$1.50" in ended.output


# -- document 2: concerns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", ["day", "week", "month", "year"])
def test_doc2_plans_are_flexible(period: str) -> None:
    """Any period, an allowance in any unit, a price beyond it, and from one plan to another with the same usage."""
    usage = [UsageRecord(day(5), "1.00", calls=120, tokens=50_000, gpu_hours=2)]
    by_calls = Subscription(20, period, allowance=100, unit="calls", overage="0.05")
    by_hours = Subscription(20, period, allowance=1, unit="gpu_hours", overage="3")
    by_tokens = Subscription(20, period, allowance=40_000, unit="tokens", overage="2")
    bills = [plan.bill(usage).billed_cost for plan in (by_calls, by_hours, by_tokens)]
    assert bills == [Decimal(21), Decimal(23), Decimal("20.02")]


def test_doc2_utilisation_of_a_machine_is_shown() -> None:
    """Overlapping calls keep a machine busy once; the rest of what was paid for is idle."""
    hour = 3_600_000_000_000
    machine = machine_cost([(0, hour), (hour // 2, 2 * hour)], usd_per_gpu_hour="0.50", paid_hours=8)
    assert (machine.utilisation, machine.idle_share) == (Decimal("0.25"), Decimal("0.75"))
    assert (machine.busy_cost, machine.idle_cost, machine.total_cost) == (Decimal(1), Decimal(3), Decimal(4))


def test_doc2_a_resource_is_shared_fairly_among_users() -> None:
    """Busy time by use, idle time equally, and not a nano-dollar is lost; calls that run at once share the machine."""
    usage = [UsageRecord(day(1), gpu_hours=3, user="u1"), UsageRecord(day(1), gpu_hours=1, user="u2")]
    machine = machine_cost(busy_hours=4, usd_per_gpu_hour="0.50", paid_hours=8)
    assert machine.share(usage) == {"u1": Decimal("2.5"), "u2": Decimal("1.5")}
    thirds = share_cost("1", ["u1", "u2", "u3"], "equal")
    assert sum(thirds.values()) == Decimal(1)
    assert max(thirds.values()) - min(thirds.values()) <= Decimal("0.000000001")


def test_doc2_what_users_send_stays_private(tmp_path: Path) -> None:
    """No prompt and no answer is written to the ledger's file, and a user's lines can be erased."""
    path = tmp_path / "costs.db"
    model = ScriptedChatModel(responses="the answer is a confession", model="gpt-4o", provider="openai")
    with track_costs(str(path)) as costs:
        model.invoke("my secret is a plum", {"metadata": {"user": "u1"}})
        costs.flush()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"gpt-4o" in written
    assert b"plum" not in written
    assert b"confession" not in written
    with open_store(str(path)) as store:
        assert store.erase("u1") == 1
        assert list(store.entries()) == []
