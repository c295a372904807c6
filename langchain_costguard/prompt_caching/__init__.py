"""Provider prompt caching: what of a prompt can be cached, whether that pays, what breaks it, and what it saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_caching.applying import PlannedModel
    from langchain_costguard.prompt_caching.deciding import Multiples
    from langchain_costguard.prompt_caching.findings import Finding
    from langchain_costguard.prompt_caching.forecasting import Forecast, break_even_uses
    from langchain_costguard.prompt_caching.measuring import CachingMeasure, measure_caching
    from langchain_costguard.prompt_caching.plan import CachePlan
    from langchain_costguard.prompt_caching.rendering import Part
    from langchain_costguard.prompt_caching.rules import CacheRules, Disagreement, Lifetime, rules_for

__all__ = [
    "CachePlan",
    "CacheRules",
    "CachingMeasure",
    "Disagreement",
    "Finding",
    "Forecast",
    "Lifetime",
    "Multiples",
    "Part",
    "PlannedModel",
    "break_even_uses",
    "measure_caching",
    "rules_for",
]

_ROOMS = {
    "applying": ("PlannedModel",),
    "deciding": ("Multiples",),
    "findings": ("Finding",),
    "forecasting": ("Forecast", "break_even_uses"),
    "measuring": ("CachingMeasure", "measure_caching"),
    "plan": ("CachePlan",),
    "rendering": ("Part",),
    "rules": ("CacheRules", "Disagreement", "Lifetime", "rules_for"),
}
"""Where each name lives: measuring is not loaded by whoever only plans."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
