"""How one way of deciding is judged: on random splits, by the half it did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from langchain_costguard.cascade import QualityTarget, calibrate
from langchain_costguard.exceptions import InfeasibleTargetError, LosingCascadeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cascade_data import Pair
    from numpy.typing import NDArray

    from langchain_costguard.cascade.targets import AnyTarget

SEED = 20_261


@dataclass(frozen=True)
class Row:
    """One line of the table: means over the splits, all of them shares."""

    pair: str
    method: str
    cut: float
    quality: float
    p10: float
    regret: float
    net: float
    escalated: float
    missed: float | None = None
    """Splits that miss what the method names, on the held-out half."""
    refused: float = 0.0
    """Splits on which no threshold was found."""


Decide = Any
"""A function from the rows to calibrate on and the rows to decide on to what is escalated; `None` where refused."""


def by_threshold(target: AnyTarget) -> Decide:
    """The library's own decision."""

    def decide(known: Pair, asked: Pair) -> NDArray[Any] | None:
        try:
            report = calibrate(
                known.confidence,
                known.mini,
                known.full,
                mini_cost=known.mini_cost,
                full_cost=known.full_cost,
                signal_cost=known.signal_cost,
                target=target,
            )
        except (InfeasibleTargetError, LosingCascadeError):
            return None
        return report.escalates(asked.confidence)

    return decide


def replay(
    pair: Pair,
    method: str,
    decide: Decide,
    *,
    splits: int,
    known_rows: int | None = None,
    is_missed: Callable[[Row], bool] | None = None,
) -> Row:
    """One line of the table."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(splits):
        order = rng.permutation(len(pair))
        size = known_rows or len(pair) // 2
        known, asked = pair.rows(order[:size]), pair.rows(order[size:])
        escalated = decide(known, asked)
        found.append(outcome(pair.name, method, asked, escalated))
    means = {
        name: float(np.mean([getattr(row, name) for row in found]))
        for name in ("cut", "quality", "regret", "net", "escalated", "refused")
    }
    return Row(
        pair=pair.name,
        method=method,
        p10=float(np.quantile([row.quality for row in found], 0.1)),
        missed=None if is_missed is None else float(np.mean([is_missed(row) for row in found])),
        **means,
    )


def outcome(pair: str, method: str, asked: Pair, escalated: NDArray[Any] | None) -> Row:
    """What one decision did on the questions it was not made on."""
    if escalated is None:
        return Row(pair, method, cut=0, quality=1, p10=1, regret=0, net=0, escalated=1, refused=1)
    score = asked.score(escalated)
    quality = float(score.sum() / asked.full.sum())
    return Row(
        pair,
        method,
        cut=1 - asked.cost(escalated),
        quality=quality,
        p10=quality,
        regret=float(np.maximum(asked.full - score, 0).mean()),
        net=float((asked.full - score).mean()),
        escalated=float(escalated.mean()),
    )


def below(share: float) -> Callable[[Row], bool]:
    """Whether the quality is below a share."""
    return lambda row: row.quality < share - 1e-9


def above(alpha: float) -> Callable[[Row], bool]:
    """Whether the regret is above alpha."""
    return lambda row: row.regret > alpha + 1e-9


def net_above(alpha: float) -> Callable[[Row], bool]:
    """Whether the accuracy lost is above alpha."""
    return lambda row: row.net > alpha + 1e-9


def apgr(pair: Pair, splits: int) -> float:
    """The area under gap closed over share escalated, on the held-out halves, by the library's curve."""
    rng = np.random.default_rng(SEED)
    areas = []
    for _ in range(splits):
        asked = pair.rows(rng.permutation(len(pair))[len(pair) // 2 :])
        costs = {"mini_cost": 0.01, "full_cost": 1.0}
        areas.append(calibrate(asked.confidence, asked.mini, asked.full, target=QualityTarget(0.5), **costs).curve.apgr)
    return float(np.mean(areas))
