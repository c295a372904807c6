"""Routing: the right model before the call, by task or by difficulty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.routing.complexity import ComplexityScorer, ThresholdChoice, choose_threshold
    from langchain_costguard.routing.complexity_router import ComplexityRouter
    from langchain_costguard.routing.decision import RoutingDecision
    from langchain_costguard.routing.errors import NoRouteError
    from langchain_costguard.routing.route import Route
    from langchain_costguard.routing.router import Router
    from langchain_costguard.routing.task_classifier import ClassifiedTask, TaskClassifier
    from langchain_costguard.routing.task_router import TaskRouter

__all__ = [
    "ClassifiedTask",
    "ComplexityRouter",
    "ComplexityScorer",
    "NoRouteError",
    "Route",
    "Router",
    "RoutingDecision",
    "TaskClassifier",
    "TaskRouter",
    "ThresholdChoice",
    "choose_threshold",
]

_ROOMS = {
    "complexity": ("ComplexityScorer", "ThresholdChoice", "choose_threshold"),
    "complexity_router": ("ComplexityRouter",),
    "decision": ("RoutingDecision",),
    "errors": ("NoRouteError",),
    "route": ("Route",),
    "router": ("Router",),
    "task_classifier": ("ClassifiedTask", "TaskClassifier"),
    "task_router": ("TaskRouter",),
}
"""Where each name lives: scikit-learn is loaded by whoever fits a router."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
