"""How the public names are typed for their users; type-checked by `make types`, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from langchain_costguard import (
    Advice,
    BatchJob,
    Budget,
    BudgetAlert,
    BudgetExceededError,
    BudgetStatus,
    CachePlan,
    Cascade,
    CascadeChatModel,
    Checkpoint,
    ComplexityRouter,
    ContextCompressor,
    Cost,
    CostCallbackHandler,
    CostComparison,
    CostEstimate,
    CostForecast,
    CostReport,
    ImportResult,
    LedgerEntry,
    LedgerQuery,
    LedgerTotals,
    LoggingAlert,
    ManyResults,
    PriceBook,
    PromptAudit,
    RoutingDecision,
    SavingsWaterfall,
    SemanticCache,
    TaskRouter,
    TokenUsage,
    WebhookAlert,
    advise,
    cached,
    estimate_batch,
    estimate_cost,
    free,
    gpu_hour,
    guarded,
    import_from,
    init_cascade,
    install,
    limit_output,
    measure_caching,
    open_batch,
    open_store,
    per_call,
    per_token,
    run_many,
    submit_batch,
    track_costs,
    uninstall,
)
from langchain_costguard.batching import BatchEstimate, BatchResults, BatchStatus
from langchain_costguard.budgets import Scope, check_together, statuses
from langchain_costguard.callbacks import GuardedModel
from langchain_costguard.cascade import CalibrationReport, Example, NotUncertain, QualityTarget, TokenConfidence
from langchain_costguard.compression import Compressed, CompressingModel
from langchain_costguard.estimates import CostEstimates
from langchain_costguard.middleware import BudgetMiddleware
from langchain_costguard.pricing import RateCard
from langchain_costguard.prompt_caching import CachingMeasure
from langchain_costguard.reports import DayStatistics, ReportRow, ReportRows, SavingsStep
from langchain_costguard.semantic_cache import CachedChatModel, CacheStats, Explanation
from langchain_costguard.stores import LedgerStore, SQLStore
from langchain_costguard.testing import ScriptedChatModel

with track_costs() as costs:
    assert_type(costs, CostCallbackHandler)

with track_costs("sqlite:///costs.db", {"local": gpu_hour("0.10")}, baseline_model="gpt-4o", all_threads=True) as kept:
    assert_type(kept.store, LedgerStore)

assert_type(costs.total_cost, Decimal | None)
assert_type(costs.entries(), list[LedgerEntry])
assert_type(costs.entries(LedgerQuery(tag="checkout", limit=10)), list[LedgerEntry])
assert_type(costs.totals(by=["day", "model"]), list[LedgerTotals])
assert_type(costs.report(), CostReport)

handler = CostCallbackHandler(store=SQLStore("costs.db"), prices=PriceBook({"mine": free()}))
assert_type(install(), CostCallbackHandler)
assert_type(install(handler), CostCallbackHandler)
uninstall(handler)

report = CostReport(open_store("costs.db"), query=LedgerQuery(user="u1"), tz="Europe/Zurich")
assert_type(report.total_cost, Decimal | None)
assert_type(report.by("user", "metadata:team"), ReportRows)
assert_type(report.by_day()[0], ReportRow)
assert_type(report.daily, Mapping[date, DayStatistics])
assert_type(report.at_model("gpt-4o"), Decimal | None)
assert_type(report.text(width=80), str)
assert_type(report.to_json(), str)

book = PriceBook({"house": per_call("0.01"), "other": per_token("0.5", "1.5")}, discount="0.2")
cost = book.price({"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}, model="gpt-4o", batch=True)
assert_type(cost, Cost | None)
if cost is not None:
    assert_type(cost.total, Decimal)
    assert_type(cost + cost, Cost)
assert_type(free(), RateCard)

assert_type(estimate_cost("Why?", "gpt-4o", max_output_tokens=100), CostEstimate)
assert_type(estimate_cost([("human", "Why?")], ["gpt-4o", "gpt-5"], prices=book), CostEstimates)

budget = Budget(
    "2.50", per="day", scope=Scope.tag("checkout") & ~Scope.provider("ollama"), each="user", tz="Europe/Zurich"
)
assert_type(budget.limit, Decimal | int)
assert_type(Budget(tokens=100_000, per=timedelta(hours=24), scope={"tenant": "acme"}, mode="soft").key, str)
assert_type(check_together([budget, Budget(calls=50, per="15min")]), tuple[Budget, ...])
assert_type(statuses(budget, [], [], 0), list[BudgetStatus])
assert_type(guarded(ScriptedChatModel(responses="Paris"), when_full="raise", max_output_tokens=500), GuardedModel)

alerts = (LoggingAlert(logger="billing"), WebhookAlert("https://example.com/alerts", attempts=3))
with track_costs(budgets=[budget], budget_store="redis://localhost:6379/0", on_alert=[*alerts, print]) as held:
    assert_type(held.budgets(), list[BudgetStatus])

cache = SemanticCache(store="memory", tenant="user", ttl_seconds=3600, guards=True)
assert_type(cache.query("What does it cost?", str.upper, tenant="alice"), str)
assert_type(cache.get("What does it cost?", tenant="alice"), str | AIMessage | None)
assert_type(cache.match("in March", "in May").hit, bool)
assert_type(cache.stats(), CacheStats)
assert_type(cache.explain("What does it cost?"), Explanation)
assert_type(cached(ScriptedChatModel(responses="Paris"), cache), CachedChatModel)

usage = TokenUsage.from_langchain({"input_tokens": 10, "output_tokens": 1, "total_tokens": 11})
assert_type(usage, TokenUsage | None)


def read(entry: LedgerEntry) -> None:
    """What one line answers."""
    assert_type(entry.run_id, UUID)
    assert_type(entry.started_at_utc, datetime)
    assert_type(entry.usage, TokenUsage | None)
    assert_type(entry.billed_cost, Decimal | None)
    assert_type(entry.latency_ms, float | None)
    assert_type(entry.tags, tuple[str, ...])


def explain(refusal: BudgetExceededError, status: BudgetStatus, now: datetime) -> None:
    """What a refusal and a status answer."""
    assert_type(refusal.limit, Decimal | int | None)
    assert_type(refusal.resets_at, datetime | None)
    assert_type(status.remaining, Decimal | int)
    assert_type(status.share_spent, Decimal)
    assert_type(status.forecast(now), datetime | None)


def tell(alert: BudgetAlert) -> None:
    """What an alert answers."""
    assert_type(alert.threshold, Decimal)
    assert_type(alert.spent, Decimal | int)
    assert_type(alert.resets_at, datetime | None)


mini = ScriptedChatModel(model="gpt-4o-mini")
cascade = Cascade([mini, mini], NotUncertain() & (lambda draft: len(draft.answer.text) > 1), on_draft="event")
assert_type(cascade, Cascade)
assert_type(cascade.bind_tools([]), Cascade)
assert_type(cascade.report, CalibrationReport | None)
assert_type(Cascade.calibrated([mini, mini], [Example("?", "!")], target=QualityTarget(0.95)), Cascade)
assert_type(init_cascade("openai:gpt-4o-mini", mini, accept=TokenConfidence(0.8)), Cascade)
assert_type(CascadeChatModel(tiers=[mini, mini]).model_name, str)

router = TaskRouter({"simple_qa": mini, "code_generation": mini}, default=mini)
assert_type(router.decide({"query": "Why?", "task_type": "simple_qa"}), RoutingDecision)
assert_type(router.bind_tools([]), TaskRouter)
assert_type(ComplexityRouter.fit(["a", "b"], [0, 1], local=mini, cloud=mini), ComplexityRouter)

compressor = ContextCompressor(max_tokens=500)
assert_type(compressor.compress(["one", "two"], query="which?"), Compressed)
assert_type(compressor.before(mini), CompressingModel)
assert_type(limit_output(mini, 300, "retry"), Runnable[Any, Any])
assert_type(PromptAudit("Answer briefly: {question}", model="gpt-4o").tokens, int)
assert_type(CachePlan.from_examples("openai:gpt-4o", [["Why?"]], reuse=10, within=timedelta(hours=1)), CachePlan)
assert_type(measure_caching([], by="model"), tuple[CachingMeasure, ...])

many = run_many(mini, ["a", "b"], max_concurrency=10, checkpoint=Checkpoint(path="answers.jsonl"))
assert_type(many, ManyResults)
assert_type(many.cost, Decimal | None)
assert_type(estimate_batch(mini, ["a"]), BatchEstimate)
job = submit_batch(mini, ["a", "b"], name="nightly")
assert_type(job, BatchJob)
assert_type(job.status(), BatchStatus)
assert_type(job.collect(), BatchResults)
assert_type(open_batch("nightly", mini), BatchJob)

waterfall = report.savings()
assert_type(waterfall, SavingsWaterfall)
assert_type(waterfall.baseline_cost, Decimal | None)
assert_type(waterfall.steps, tuple[SavingsStep, ...])
assert_type(BudgetMiddleware(Budget(1, per="run")), BudgetMiddleware)
assert_type(report.forecast(), CostForecast)
assert_type(report.compare(report), CostComparison)
assert_type(advise(open_store("costs.db"), can_wait=["nightly"]), Advice)
assert_type(import_from("langfuse", "observations.jsonl", open_store("costs.db")), ImportResult)
