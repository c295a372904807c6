"""Whether a calibrated threshold still does what was promised, seen on newly labelled rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DriftReport:
    """New labels against those of the calibration, at the same threshold.

    Attributes:
        rows: how many new rows there are.
        quality: the share of the full model's quality on the new rows.
        quality_then: the same on the calibration's rows.
        escalated: the share of the new rows that is escalated.
        escalated_then: the same on the calibration's rows.
        broken_p_value: how likely such labels would be if the target still held.
        shifted_p_value: how likely the two shares of escalations would be if the questions had not changed.
        risk: the probability of a false alarm that is accepted, over both tests.
    """

    rows: int
    quality: float
    quality_then: float
    escalated: float
    escalated_then: float
    broken_p_value: float
    shifted_p_value: float
    risk: float

    @property
    def is_broken(self) -> bool:
        """Whether the new labels show that the target no longer holds."""
        return self.broken_p_value <= self.risk / 2

    @property
    def has_shifted(self) -> bool:
        """Whether the share of escalations shows that the questions or the mini model have changed."""
        return self.shifted_p_value <= self.risk / 2

    @property
    def has_drifted(self) -> bool:
        """Whether to calibrate again."""
        return self.is_broken or self.has_shifted

    def __str__(self) -> str:
        """The verdict, and the figures it rests on."""
        if self.is_broken:
            verdict = "The target no longer holds: calibrate again with the new rows."
        elif self.has_shifted:
            verdict = "The target may still hold, but other questions arrive: calibrate again with the new rows."
        else:
            verdict = "No drift is seen."
        return (
            f"{verdict} Quality {self.quality:.1%} of the full model's on {self.rows} new rows "
            f"({self.quality_then:.1%} at calibration, p = {self.broken_p_value:.2g}); escalated {self.escalated:.1%} "
            f"({self.escalated_then:.1%} at calibration, p = {self.shifted_p_value:.2g})."
        )
