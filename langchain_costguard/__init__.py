"""See, cap, cut and prove what language models cost in LangChain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door
from langchain_costguard._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.advisor import Advice, advise
    from langchain_costguard.batching import (
        BatchJob,
        Checkpoint,
        ManyResults,
        arun_many,
        delete_batch,
        estimate_batch,
        open_batch,
        resume_batch,
        run_many,
        submit_batch,
    )
    from langchain_costguard.budgets import Budget, BudgetStatus
    from langchain_costguard.callbacks import (
        CostCallbackHandler,
        guarded,
        install,
        track_costs,
        track_embeddings,
        uninstall,
    )
    from langchain_costguard.cascade import Cascade, CascadeChatModel, init_cascade
    from langchain_costguard.compression import ContextCompressor
    from langchain_costguard.cost import Cost
    from langchain_costguard.estimates import CostEstimate, estimate_cost
    from langchain_costguard.exceptions import (
        BudgetExceededError,
        BudgetStoreError,
        CostGuardError,
        CostGuardWarning,
        OptionalDependencyError,
        PriceFormatError,
        StoreError,
        UnboundedInputError,
        UnknownPriceError,
    )
    from langchain_costguard.guard.alerts import BudgetAlert, LoggingAlert, WebhookAlert
    from langchain_costguard.imports import ImportResult, import_from
    from langchain_costguard.ledger import LedgerEntry, LedgerQuery, LedgerTotals
    from langchain_costguard.magic import load_ipython_extension
    from langchain_costguard.output_limits import OutputTruncatedError, limit_output
    from langchain_costguard.pricing import (
        PayAsYouGo,
        Prepaid,
        PriceBook,
        Subscription,
        compare_plans,
        free,
        gpu_hour,
        per_call,
        per_token,
    )
    from langchain_costguard.prompt_audit import PromptAudit, slim_prompt
    from langchain_costguard.prompt_caching import CachePlan, measure_caching
    from langchain_costguard.reports import CostComparison, CostForecast, CostReport, SavingsWaterfall
    from langchain_costguard.routing import (
        ComplexityRouter,
        NoRouteError,
        Route,
        RoutingDecision,
        TaskClassifier,
        TaskRouter,
    )
    from langchain_costguard.semantic_cache import SemanticCache, cached
    from langchain_costguard.stores import InMemoryStore, open_store
    from langchain_costguard.usage import TokenUsage

__all__ = [
    "Advice",
    "BatchJob",
    "Budget",
    "BudgetAlert",
    "BudgetExceededError",
    "BudgetStatus",
    "BudgetStoreError",
    "CachePlan",
    "Cascade",
    "CascadeChatModel",
    "Checkpoint",
    "ComplexityRouter",
    "ContextCompressor",
    "Cost",
    "CostCallbackHandler",
    "CostComparison",
    "CostEstimate",
    "CostForecast",
    "CostGuardError",
    "CostGuardWarning",
    "CostReport",
    "ImportResult",
    "InMemoryStore",
    "LedgerEntry",
    "LedgerQuery",
    "LedgerTotals",
    "LoggingAlert",
    "ManyResults",
    "NoRouteError",
    "OptionalDependencyError",
    "OutputTruncatedError",
    "PayAsYouGo",
    "Prepaid",
    "PriceBook",
    "PriceFormatError",
    "PromptAudit",
    "Route",
    "RoutingDecision",
    "SavingsWaterfall",
    "SemanticCache",
    "StoreError",
    "Subscription",
    "TaskClassifier",
    "TaskRouter",
    "TokenUsage",
    "UnboundedInputError",
    "UnknownPriceError",
    "WebhookAlert",
    "__version__",
    "advise",
    "arun_many",
    "cached",
    "compare_plans",
    "delete_batch",
    "estimate_batch",
    "estimate_cost",
    "free",
    "gpu_hour",
    "guarded",
    "import_from",
    "init_cascade",
    "install",
    "limit_output",
    "load_ipython_extension",
    "measure_caching",
    "open_batch",
    "open_store",
    "per_call",
    "per_token",
    "resume_batch",
    "run_many",
    "slim_prompt",
    "submit_batch",
    "track_costs",
    "track_embeddings",
    "uninstall",
]

_ROOMS = {
    "advisor": ("Advice", "advise"),
    "batching": (
        "BatchJob",
        "Checkpoint",
        "ManyResults",
        "arun_many",
        "delete_batch",
        "estimate_batch",
        "open_batch",
        "resume_batch",
        "run_many",
        "submit_batch",
    ),
    "budgets": ("Budget", "BudgetStatus"),
    "callbacks": ("CostCallbackHandler", "install", "track_costs", "track_embeddings", "uninstall"),
    "callbacks.guarded_model": ("guarded",),
    "cascade": ("Cascade", "CascadeChatModel", "init_cascade"),
    "compression": ("ContextCompressor",),
    "cost": ("Cost",),
    "estimates": ("CostEstimate", "estimate_cost"),
    "exceptions": (
        "BudgetExceededError",
        "BudgetStoreError",
        "CostGuardError",
        "CostGuardWarning",
        "OptionalDependencyError",
        "PriceFormatError",
        "StoreError",
        "UnboundedInputError",
        "UnknownPriceError",
    ),
    "guard.alerts": ("BudgetAlert", "LoggingAlert", "WebhookAlert"),
    "imports": ("ImportResult", "import_from"),
    "ledger": ("LedgerEntry", "LedgerQuery", "LedgerTotals"),
    "magic": ("load_ipython_extension",),
    "output_limits": ("OutputTruncatedError", "limit_output"),
    "pricing": (
        "PayAsYouGo",
        "Prepaid",
        "PriceBook",
        "Subscription",
        "compare_plans",
        "free",
        "gpu_hour",
        "per_call",
        "per_token",
    ),
    "prompt_audit": ("PromptAudit", "slim_prompt"),
    "prompt_caching": ("CachePlan", "measure_caching"),
    "reports": ("CostComparison", "CostForecast", "CostReport", "SavingsWaterfall"),
    "routing": ("ComplexityRouter", "NoRouteError", "Route", "RoutingDecision", "TaskClassifier", "TaskRouter"),
    "semantic_cache": ("SemanticCache", "cached"),
    "stores": ("InMemoryStore", "open_store"),
    "usage": ("TokenUsage",),
}
"""Where each name lives. It is imported when it is asked for: the pytest plugin and the command line start at once."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
