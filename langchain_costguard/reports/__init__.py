"""Reading the ledger."""

from __future__ import annotations

from langchain_costguard.reports.notes import Note, PriceListUse, UnpricedCalls
from langchain_costguard.reports.replay import Replay
from langchain_costguard.reports.report import CostReport
from langchain_costguard.reports.rows import DayStatistics, ReportRow, ReportRows
from langchain_costguard.reports.savings import SavingsStep, SavingsWaterfall

__all__ = [
    "CostReport",
    "DayStatistics",
    "Note",
    "PriceListUse",
    "Replay",
    "ReportRow",
    "ReportRows",
    "SavingsStep",
    "SavingsWaterfall",
    "UnpricedCalls",
]
