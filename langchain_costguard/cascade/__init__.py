"""The cascade: answer with the small model, and ask the large one where the small one is not to be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.cascade.calibration import calibrate
    from langchain_costguard.cascade.curve import Curve
    from langchain_costguard.cascade.drift import DriftReport
    from langchain_costguard.cascade.report import CalibrationReport
    from langchain_costguard.cascade.targets import CostTarget, ExpectedRegret, QualityTarget, RegretBound

__all__ = [
    "CalibrationReport",
    "CostTarget",
    "Curve",
    "DriftReport",
    "ExpectedRegret",
    "QualityTarget",
    "RegretBound",
    "calibrate",
]

_ROOMS = {
    "calibration": ("calibrate",),
    "curve": ("Curve",),
    "drift": ("DriftReport",),
    "report": ("CalibrationReport",),
    "targets": (
        "CostTarget",
        "ExpectedRegret",
        "QualityTarget",
        "RegretBound",
    ),
}
"""Where each name lives: calibrating is not loaded by whoever only runs a cascade."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
