"""The cascade: answer with the small model, and ask the large one where the small one is not to be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.cascade.acceptance import Calls, as_signal
    from langchain_costguard.cascade.agreement import ModelAgreement, SampleAgreement
    from langchain_costguard.cascade.calibrating import Example, Row
    from langchain_costguard.cascade.calibration import calibrate
    from langchain_costguard.cascade.chat_model import CascadeChatModel
    from langchain_costguard.cascade.composing import AllOf, AnyOf, Not
    from langchain_costguard.cascade.curve import Curve
    from langchain_costguard.cascade.drift import DriftReport
    from langchain_costguard.cascade.endings import NotRefused, NotTruncated
    from langchain_costguard.cascade.factory import init_cascade
    from langchain_costguard.cascade.report import CalibrationReport
    from langchain_costguard.cascade.runnable import Cascade
    from langchain_costguard.cascade.same_answers import same_answer
    from langchain_costguard.cascade.structure import ValidStructure
    from langchain_costguard.cascade.targets import CostTarget, ExpectedRegret, QualityTarget, RegretBound
    from langchain_costguard.cascade.token_confidence import TokenConfidence
    from langchain_costguard.cascade.uncertainty import NotUncertain
    from langchain_costguard.cascade.verdicts import Asking, Draft, Signal, Verdict
    from langchain_costguard.cascade.verification import JudgedBy, SelfVerification

__all__ = [
    "AllOf",
    "AnyOf",
    "Asking",
    "CalibrationReport",
    "Calls",
    "Cascade",
    "CascadeChatModel",
    "CostTarget",
    "Curve",
    "Draft",
    "DriftReport",
    "Example",
    "ExpectedRegret",
    "JudgedBy",
    "ModelAgreement",
    "Not",
    "NotRefused",
    "NotTruncated",
    "NotUncertain",
    "QualityTarget",
    "RegretBound",
    "Row",
    "SampleAgreement",
    "SelfVerification",
    "Signal",
    "TokenConfidence",
    "ValidStructure",
    "Verdict",
    "as_signal",
    "calibrate",
    "init_cascade",
    "same_answer",
]

_ROOMS = {
    "acceptance": ("Calls", "as_signal"),
    "agreement": ("ModelAgreement", "SampleAgreement"),
    "chat_model": ("CascadeChatModel",),
    "composing": ("AllOf", "AnyOf", "Not"),
    "endings": ("NotRefused", "NotTruncated"),
    "factory": ("init_cascade",),
    "runnable": ("Cascade",),
    "same_answers": ("same_answer",),
    "structure": ("ValidStructure",),
    "token_confidence": ("TokenConfidence",),
    "uncertainty": ("NotUncertain",),
    "verdicts": ("Asking", "Draft", "Signal", "Verdict"),
    "verification": ("JudgedBy", "SelfVerification"),
    "calibrating": ("Example", "Row"),
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
