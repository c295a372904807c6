"""Reading the ledger."""

from __future__ import annotations

from langchain_costguard.reports.comparison import ComparisonRow, CostComparison, CostDriver
from langchain_costguard.reports.forecast import BudgetForecast, CostForecast, ForecastDay, LimitReached
from langchain_costguard.reports.latency import LatencyReport, LatencyRow
from langchain_costguard.reports.notes import Note, PriceListUse, UnpricedCalls
from langchain_costguard.reports.outcomes import Outcome, OutcomeCosts
from langchain_costguard.reports.replay import Replay
from langchain_costguard.reports.report import CostReport
from langchain_costguard.reports.rows import DayStatistics, ReportRow, ReportRows
from langchain_costguard.reports.savings import SavingsStep, SavingsWaterfall

__all__ = [
    "BudgetForecast",
    "ComparisonRow",
    "CostComparison",
    "CostDriver",
    "CostForecast",
    "CostReport",
    "DayStatistics",
    "ForecastDay",
    "LatencyReport",
    "LatencyRow",
    "LimitReached",
    "Note",
    "Outcome",
    "OutcomeCosts",
    "PriceListUse",
    "Replay",
    "ReportRow",
    "ReportRows",
    "SavingsStep",
    "SavingsWaterfall",
    "UnpricedCalls",
]
