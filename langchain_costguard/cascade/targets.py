"""What a user may ask of a cascade, and which threshold is the cheapest that meets it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Protocol

from langchain_costguard._bounds import (
    broken_excess_p_value,
    broken_share_p_value,
    excess_is_shown,
    excess_p_value_for_next,
    most_faults,
    most_faults_for_next,
    rows_needed,
)
from langchain_costguard.exceptions import InfeasibleTargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from langchain_costguard.cascade.curve import Curve

FEWEST_ROWS: Final = 20
"""With fewer labelled rows every estimate is a guess."""
_ROUNDING: Final = 1e-9


class Target(Protocol):
    """What the choice of a threshold needs of a target."""

    def choose(self, curve: Curve) -> int:
        """The point of the curve that meets the target and cuts most; 0 where no answer may be kept."""

    def fewest_rows(self, full_score: float) -> int:
        """The fewest rows with which it can be met."""

    def promise(self, curve: Curve, point: int) -> str:
        """What is known of that point, in words."""

    def broken_p_value(self, curve: Curve, point: int) -> float:
        """How likely rows like these would be if the target still held: small means it is broken."""


@dataclass(frozen=True)
class QualityTarget:
    """At least this share of the full model's quality.

    Without a `confidence` the threshold is the one at which the labelled rows themselves reach the share: new questions
    then fall short of it about every other time, by a little. With one, the quality lies below the share with at most
    the remaining probability. An answer that the mini model gets right and the full model wrong makes up for one the
    other way round; how often that happens is estimated, so that the confidence is nearly, not strictly, exact, and
    with a horizon an approximation. `RegretBound` is exact.

    Attributes:
        share: of the mean score of the full model, 0.95 for 95 %.
        confidence: how sure it must be, such as 0.9; `None` for the estimate alone.
        horizon: the number of coming questions on which the share is to be reached; `None` for the long run. Few
            questions vary more than many, so that a short horizon costs some of the cut. Only with a `confidence`.

    Raises:
        ValueError: a number lies outside its range.
    """

    share: float
    confidence: float | None = None
    horizon: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be met or means nothing."""
        if not self.share > 0 or (self.confidence is not None and not self.share < 1):
            msg = f"A share of {self.share} cannot be promised: give `share` above 0 and, with a confidence, below 1."
            raise ValueError(msg)
        _check_confidence(self.confidence)
        _check_horizon(self.horizon, self.confidence)

    def choose(self, curve: Curve) -> int:
        """The point of the curve that meets the target and cuts most; 0 where no answer may be kept."""
        if self.confidence is None:
            return _last(curve.quality >= self.share - _ROUNDING)
        return _last_with_excess(curve, self._allowed(curve), _risk(self.confidence), self.horizon)

    def fewest_rows(self, full_score: float) -> int:
        """The fewest rows with which it can be met."""
        if self.confidence is None:
            return FEWEST_ROWS
        return max(FEWEST_ROWS, rows_needed((1 - self.share) * full_score, _risk(self.confidence)))

    def promise(self, curve: Curve, point: int) -> str:
        """What is known of that point, in words."""
        reached = f"on the {curve.rows} labelled rows it is {curve.quality[point]:.1%}"
        if self.confidence is None:
            return (
                f"The quality is estimated to be at least {self.share:.4g} of the full model's: {reached}. This is an "
                "estimate without a margin, which new questions miss about every other time; give "
                "`QualityTarget(..., confidence=0.9)` for a promise."
            )
        return (
            f"With {self.confidence:.4g} confidence the quality is at least {self.share:.4g} of the full model's, "
            f"{_where(self.horizon)}: {reached} (fixed sequence of tests on paired differences)."
        )

    def broken_p_value(self, curve: Curve, point: int) -> float:
        """How likely rows like these would be if the target still held: small means it is broken."""
        losses, gains = int(curve.losses[point]), int(curve.gains[point])
        return broken_excess_p_value(losses, gains, curve.rows, max(0.0, self._allowed(curve)))

    def _allowed(self, curve: Curve) -> float:
        return (1 - self.share) * curve.full_score


@dataclass(frozen=True)
class RegretBound:
    """At most so much regret, with a stated confidence: the exact bound of Clopper and Pearson.

    Regret is the share of all questions that the cascade answers wrong with the mini model and the full model would
    have answered right (for grades, the mean score lost on them). Accuracy falls by no more than that.

    Attributes:
        alpha: the most regret, 0.05 for five questions in a hundred.
        confidence: the probability with which it holds.
        horizon: the number of coming questions on which it is to hold; `None` for the long run. Few questions vary
            more than many, so that a short horizon costs some of the cut.
        net: count answers that the mini model gets right and the full model wrong against the regret. It then bounds
            the accuracy lost, and cuts more. How many there are is estimated, so that the confidence is nearly, not
            strictly, exact; with a horizon it is an approximation. Without gains and horizon it is the same bound.

    Raises:
        ValueError: a number lies outside its range.
    """

    alpha: float
    confidence: float = 0.9
    horizon: int | None = None
    net: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be met or means nothing."""
        _check_alpha(self.alpha)
        _check_confidence(self.confidence)
        _check_horizon(self.horizon, self.confidence)

    def choose(self, curve: Curve) -> int:
        """The point of the curve that meets the target and cuts most; 0 where no answer may be kept."""
        risk = _risk(self.confidence)
        if self.net:
            return _last_with_excess(curve, self.alpha, risk, self.horizon)
        return _last(curve.losses <= _most_faults(curve.rows, self.horizon, self.alpha, risk))

    def fewest_rows(self, full_score: float) -> int:  # noqa: ARG002 - other targets depend on it
        """The fewest rows with which it can be met."""
        return max(FEWEST_ROWS, rows_needed(self.alpha, _risk(self.confidence)))

    def promise(self, curve: Curve, point: int) -> str:
        """What is known of that point, in words."""
        what = (
            "the share of right answers is lower than the full model's by at most"
            if self.net
            else "the mini model's worse answer is kept in place of the full model's better one for at most"
        )
        exact = "Clopper-Pearson, fixed sequence" if self.horizon is None else "hypergeometric, fixed sequence"
        how = "fixed sequence of tests on paired differences" if self.net else exact
        seen = f"{curve.losses[point]} lost and {curve.gains[point]} won of {curve.rows} labelled rows"
        return (
            f"With {self.confidence:.4g} confidence {what} {self.alpha:.4g} of all questions, {_where(self.horizon)}: "
            f"{seen} ({how})."
        )

    def broken_p_value(self, curve: Curve, point: int) -> float:
        """How likely rows like these would be if the target still held: small means it is broken."""
        losses, gains = int(curve.losses[point]), int(curve.gains[point])
        if self.net:
            return broken_excess_p_value(losses, gains, curve.rows, self.alpha)
        return broken_share_p_value(losses, curve.rows, self.alpha)


@dataclass(frozen=True)
class ExpectedRegret:
    """At most so much regret on average over calibrations: conformal risk control.

    The mean is kept exactly at or below `alpha`, and a single calibration may lie on either side of it. It cuts more
    than a `RegretBound` of the same `alpha`.

    Attributes:
        alpha: the most mean regret, as in `RegretBound`.

    Raises:
        ValueError: `alpha` does not lie between 0 and 1.
    """

    alpha: float

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        _check_alpha(self.alpha)

    def choose(self, curve: Curve) -> int:
        """The point of the curve that meets the target and cuts most; 0 where no answer may be kept."""
        return _last(curve.regret * curve.rows + 1 <= self.alpha * (curve.rows + 1) + _ROUNDING)

    def fewest_rows(self, full_score: float) -> int:  # noqa: ARG002 - other targets depend on it
        """The fewest rows with which it can be met."""
        return max(FEWEST_ROWS, ceil(1 / self.alpha - 1 - _ROUNDING))

    def promise(self, curve: Curve, point: int) -> str:
        """What is known of that point, in words."""
        return (
            f"The regret is at most {self.alpha:.4g} of all questions on average over calibrations (conformal risk "
            f"control); on the {curve.rows} labelled rows it is {curve.regret[point]:.2%}."
        )

    def broken_p_value(self, curve: Curve, point: int) -> float:
        """How likely rows like these would be if the target still held: small means it is broken."""
        return broken_share_p_value(int(curve.losses[point]), curve.rows, self.alpha)


@dataclass(frozen=True)
class CostTarget:
    """The best quality for at most this share of the full model's cost.

    Attributes:
        max_cost_share: the most the cascade may cost, signals included, 0.4 for 40 % of the full model alone.

    Raises:
        ValueError: the share does not lie between 0 and 1.
    """

    max_cost_share: float

    def __post_init__(self) -> None:
        """Refuse what cannot be met or saves nothing."""
        if not 0 < self.max_cost_share < 1:
            msg = f"A cost share of {self.max_cost_share} is not possible: give `max_cost_share` between 0 and 1."
            raise ValueError(msg)

    def choose(self, curve: Curve) -> int:
        """The point of the best quality within the cost, the cheapest of equals; 0 where none is within."""
        import numpy as np

        within = np.flatnonzero(curve.cut >= 1 - self.max_cost_share - _ROUNDING)
        within = within[within > 0]
        if not len(within):
            return 0
        quality = curve.quality[within]
        return int(within[np.flatnonzero(quality == quality.max())[-1]])

    def fewest_rows(self, full_score: float) -> int:  # noqa: ARG002 - other targets depend on it
        """The fewest rows with which it can be met."""
        return FEWEST_ROWS

    def promise(self, curve: Curve, point: int) -> str:
        """What is known of that point, in words."""
        return (
            f"The cost is estimated to be at most {self.max_cost_share:.4g} of the full model's: on the {curve.rows} "
            f"labelled rows it is {1 - curve.cut[point]:.1%}, with {curve.quality[point]:.1%} of its quality. "
            "Nothing is promised about quality; give a `RegretBound` for that."
        )

    def broken_p_value(self, curve: Curve, point: int) -> float:  # noqa: ARG002 - labels say nothing of the cost
        """Always 1, because labels without costs cannot break it."""
        return 1.0


AnyTarget = QualityTarget | RegretBound | ExpectedRegret | CostTarget
_KINDS: Final = {kind.__name__: kind for kind in (QualityTarget, RegretBound, ExpectedRegret, CostTarget)}


def target_as_dict(target: AnyTarget) -> dict[str, Any]:
    """A target as JSON can hold it."""
    return {"kind": type(target).__name__, **asdict(target)}


_USUAL_ROWS: Final = 200


def target_from_dict(fields: Mapping[str, Any]) -> AnyTarget:
    """The target that `target_as_dict` wrote.

    Raises:
        ValueError: it is of no kind known here.
    """
    kind = _KINDS.get(fields.get("kind", ""))
    if kind is None:
        msg = f"The target {fields.get('kind')!r} is not known here: calibrate again with `calibrate(...)`."
        raise ValueError(msg)
    return kind(**{name: value for name, value in fields.items() if name != "kind"})


def check_target(target: object) -> None:
    """Refuse what is no target.

    Raises:
        TypeError: it is none.
    """
    if not callable(getattr(target, "choose", None)):
        shown = f"QualityTarget({target})" if isinstance(target, float) else "QualityTarget(0.95)"
        msg = f"{target!r} says not what of: give a target such as `{shown}` or `RegretBound(0.05)` as `target`."
        raise TypeError(msg)


def check_rows(target: AnyTarget, curve: Curve) -> None:
    """Refuse too few rows, saying how many are needed.

    Raises:
        InfeasibleTargetError: the target cannot be shown with so few rows.
    """
    needed = target.fewest_rows(curve.full_score)
    if curve.rows < needed:
        better = ", better 200" if needed < _USUAL_ROWS else ""
        msg = f"{curve.rows} labelled rows are too few for {target}: give at least {needed}{better}."
        raise InfeasibleTargetError(msg, rows=curve.rows, rows_needed=needed)


def _last(is_met: NDArray[Any]) -> int:
    """The last point at which something is met; 0, which keeps no answer, where it never is."""
    import numpy as np

    return int(np.flatnonzero(is_met)[-1]) if is_met.any() else 0


def _last_with_excess(curve: Curve, rate: float, risk: float, horizon: int | None) -> int:
    """The last point before the first at which losses less gains are not shown to be at most `rate`.

    Points are tested from the strictest on, each at the full risk, which is allowed because the first failure ends it.
    """
    surely = _most_faults(curve.rows, horizon, rate, risk)
    shown: dict[tuple[int, int], bool] = {}
    for point in range(1, len(curve)):
        losses, gains = int(curve.losses[point]), int(curve.gains[point])
        if losses <= surely:
            continue
        if (losses, gains) not in shown:
            shown[losses, gains] = _is_shown(losses, gains, curve.rows, horizon, rate, risk)
        if not shown[losses, gains]:
            return point - 1
    return len(curve) - 1


def _most_faults(rows: int, horizon: int | None, rate: float, risk: float) -> int:
    return most_faults(rows, rate, risk) if horizon is None else most_faults_for_next(rows, horizon, rate, risk)


def _is_shown(losses: int, gains: int, rows: int, horizon: int | None, rate: float, risk: float) -> bool:
    if horizon is None:
        return excess_is_shown(losses, gains, rows, rate, risk)
    return excess_p_value_for_next(losses, gains, rows, horizon, rate) <= risk


def _risk(confidence: float) -> float:
    """What remains of a confidence, without the dust of binary fractions."""
    return round(1 - confidence, 12)


def _where(horizon: int | None) -> str:
    return (
        "in the long run of questions like these" if horizon is None else f"on the next {horizon} questions like these"
    )


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        msg = f"A regret of {alpha} cannot be bounded: give `alpha` between 0 and 1, such as 0.05."
        raise ValueError(msg)


def _check_confidence(confidence: float | None) -> None:
    if confidence is not None and not 0 < confidence < 1:
        msg = f"{confidence} is not a confidence: give `confidence` between 0 and 1, such as 0.9."
        raise ValueError(msg)


def _check_horizon(horizon: int | None, confidence: float | None) -> None:
    if horizon is None:
        return
    if horizon < 1 or confidence is None:
        msg = f"A horizon of {horizon} means nothing here: give `horizon` from 1, together with a `confidence`."
        raise ValueError(msg)
