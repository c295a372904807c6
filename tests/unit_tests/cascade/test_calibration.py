"""Which threshold `calibrate` finds, and which rows and cascades it refuses."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from langchain_costguard import Cascade
from langchain_costguard.cascade import (
    CostTarget,
    Draft,
    ExpectedRegret,
    QualityTarget,
    RegretBound,
    Signal,
    Verdict,
    calibrate,
)
from langchain_costguard.exceptions import CostGuardError, InfeasibleTargetError, LosingCascadeError
from langchain_costguard.testing import ScriptedChatModel

COSTS = {"mini_cost": 1.0, "full_cost": 10.0}


class Boundless(Signal):
    """Is surer than can be."""

    def judge(self, draft: Draft) -> Verdict:
        return Verdict(accepts=True, reason="sure", confidence=math.inf)

    async def ajudge(self, draft: Draft) -> Verdict:
        return self.judge(draft)


def questions(rows: int, *, seed: int = 1, mini: float = 0.75, full: float = 0.85) -> tuple[np.ndarray, ...]:
    """Confidences that tell something, and labels of two models."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(rows)
    mini_correct = rng.random(rows) < np.clip(2 * mini * confidence, 0, 1)
    return confidence, mini_correct, rng.random(rows) < full


def ladder() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hundred rows of which the mini model has the twenty least sure ones wrong and the full model none."""
    confidence = np.arange(100) / 100
    return confidence, confidence >= 0.2, np.ones(100)


def test_the_default_target_is_five_points_of_regret_with_ninety_percent_confidence() -> None:
    """Code that names no target must know what it is promised."""
    report = calibrate(*questions(300), **COSTS)
    assert report.target == RegretBound(0.05, confidence=0.9)


def test_a_regret_bound_keeps_as_many_losses_as_clopper_and_pearson_allow() -> None:
    """Of 100 rows two losses show a rate below 6 % at 90 %, three do not: the threshold lies between them."""
    report = calibrate(*ladder(), **COSTS, target=RegretBound(0.06, confidence=0.9))
    assert report.threshold == pytest.approx(0.175)
    assert report.escalated == pytest.approx(0.18)
    assert report.expected_cut == pytest.approx(1 - 0.1 - 0.18)
    assert report.quality == pytest.approx(0.98)


def test_plug_in_quality_keeps_until_the_rows_themselves_reach_the_share() -> None:
    """The estimate is the loosest threshold, not a cautious one."""
    report = calibrate(*ladder(), **COSTS, target=QualityTarget(0.95))
    assert report.quality == pytest.approx(0.95)
    assert report.escalated == pytest.approx(0.15)
    assert "estimate" in report.guarantee


def test_a_stated_confidence_costs_some_of_the_cut() -> None:
    """A promise is never looser than the estimate it rests on, and one for few questions never looser than for all."""
    rows = questions(600)
    estimated = calibrate(*rows, **COSTS, target=QualityTarget(0.9))
    promised = calibrate(*rows, **COSTS, target=QualityTarget(0.9, confidence=0.9))
    soon = calibrate(*rows, **COSTS, target=QualityTarget(0.9, confidence=0.9, horizon=300))
    assert estimated.expected_cut > promised.expected_cut > soon.expected_cut > 0


def test_gains_count_only_where_the_regret_is_net() -> None:
    """A mini model that is right where the full one is wrong earns nothing against a plain bound."""
    rows = questions(600)
    plain = calibrate(*rows, **COSTS)
    net = calibrate(*rows, **COSTS, target=RegretBound(0.05, net=True))
    assert net.expected_cut > plain.expected_cut


def test_without_gains_the_net_bound_is_the_plain_one() -> None:
    """Where the reference is the full model's own answer nothing can be gained, and both must agree."""
    plain = calibrate(*ladder(), **COSTS)
    net = calibrate(*ladder(), **COSTS, target=RegretBound(0.05, net=True))
    assert net.threshold == plain.threshold


def test_expected_regret_spends_the_one_row_that_conformal_risk_control_reserves() -> None:
    """(100 * 0.05 + 1) / 101 is above 5 %: four losses are kept, not five."""
    report = calibrate(*ladder(), **COSTS, target=ExpectedRegret(0.05))
    assert report.escalated == pytest.approx(0.16)


def test_a_cost_target_takes_the_best_quality_within_it() -> None:
    """40 % of the cost buys 30 escalations, of which only 20 help: ten are not paid for."""
    report = calibrate(*ladder(), **COSTS, target=CostTarget(0.4))
    assert report.quality == 1
    assert report.escalated == pytest.approx(0.2)
    with pytest.raises(InfeasibleTargetError):
        calibrate(*ladder(), **COSTS, target=CostTarget(0.05))


def test_rows_of_equal_confidence_are_never_parted() -> None:
    """Saturated confidences are the rule: 46 % of the answers of a model may share one."""
    confidence = np.repeat([0.0, -1.0, -2.0], [46, 34, 20])
    mini = np.concatenate((np.ones(45), [0], np.ones(30), np.zeros(4), np.zeros(20)))
    report = calibrate(confidence, mini, np.ones(100), **COSTS, target=RegretBound(0.09))
    assert report.curve.escalated.tolist() == pytest.approx([1, 0.54, 0.2, 0])
    assert report.threshold == -0.5
    assert report.escalates(confidence).sum() == 54


def test_no_number_between_two_neighbours_still_gives_a_threshold_that_keeps_the_upper_one() -> None:
    """Halfway between two adjacent floats is one of them; the lower one must not slip in."""
    upper = np.nextafter(0.5, 1)
    confidence = np.repeat([upper, 0.5], 50)
    mini = np.repeat([1, 0], 50)
    report = calibrate(confidence, mini, np.ones(100), **COSTS)
    assert report.escalates([upper, 0.5]).tolist() == [False, True]


def test_minus_infinity_is_the_least_sure_of_all() -> None:
    """The logarithm of a probability that rounds to zero is a fact, not a fault."""
    confidence, mini, full = ladder()
    logarithms = np.log(np.where(confidence < 0.05, 0, confidence), where=confidence >= 0.05, out=np.full(100, -np.inf))
    report = calibrate(logarithms, mini, full, **COSTS)
    assert report.escalates(-np.inf)
    assert np.isfinite(report.threshold)


def test_a_mini_model_that_never_costs_quality_is_always_kept_down_to_the_lowest_confidence_seen() -> None:
    """Below what was labelled nothing is known, so that stranger answers are escalated."""
    confidence, _, full = ladder()
    mini = np.ones(100)
    mini[3], full[3] = 0, 0
    report = calibrate(confidence, mini, full, **COSTS)
    assert report.escalated == 0
    assert report.threshold == 0
    assert report.escalates(-0.1)


def test_signals_and_costs_per_row_count_against_the_cut() -> None:
    """Escalating the dear rows costs more than their number says, and a verification call is paid on every row."""
    full_cost = np.where(np.arange(100) < 20, 30.0, 10.0)
    report = calibrate(*ladder(), mini_cost=1, full_cost=full_cost, signal_cost=0.5, target=QualityTarget(1.0))
    assert report.expected_cut == pytest.approx(1 - (150 + 20 * 30) / (20 * 30 + 80 * 10))
    assert report.break_even == pytest.approx(1 - 150 / 1400)
    low, high = report.expected_cut_interval
    assert low < report.expected_cut < high


def test_decimal_costs_and_plain_lists_are_taken() -> None:
    """Prices are Decimal everywhere else in the package."""
    columns = [column.tolist() for column in ladder()]
    report = calibrate(*columns, mini_cost=Decimal("0.0001"), full_cost=Decimal("0.001"))
    assert report.expected_cut > 0


def test_grades_are_taken_as_well_as_right_and_wrong() -> None:
    """A judge gives half points; quality is then the share of points kept."""
    confidence, mini, full = ladder()
    report = calibrate(confidence, np.where(mini, 1, 0.5), full, **COSTS, target=QualityTarget(0.95))
    assert report.quality == pytest.approx(0.95)
    assert report.escalated == pytest.approx(0.1)
    bounded = calibrate(confidence, np.where(mini, 1, 0.5), full, **COSTS, target=RegretBound(0.05))
    assert 0 < bounded.escalated < 0.2


def test_two_hundred_rows_are_enough_for_a_promise_that_saves() -> None:
    """The guarantee must not need more labels than a person makes in an afternoon."""
    report = calibrate(*questions(200), **COSTS)
    assert report.expected_cut > 0.2


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (RegretBound(0.05), 45),
        (RegretBound(0.02, confidence=0.95), 149),
        (ExpectedRegret(0.02), 49),
        (CostTarget(0.5), 20),
    ],
)
def test_too_few_rows_are_refused_with_the_number_that_is_needed(target: RegretBound, needed: int) -> None:
    """Who has labelled 19 rows wants to know how many are missing; with as many as asked for it must work."""
    confidence = np.arange(needed) / needed
    mini, full = (confidence > 0).astype(float), np.ones(needed)
    with pytest.raises(InfeasibleTargetError, match=f"at least {needed}") as refused:
        calibrate(confidence[1:], mini[1:], full[1:], **COSTS, target=target)
    assert refused.value.rows_needed == needed
    assert calibrate(confidence, mini, full, **COSTS, target=target).expected_cut > 0


def test_a_bare_number_as_a_target_is_refused_before_anybody_is_asked() -> None:
    """0.95 of what? The models' answers would have been paid for before the question came up."""
    with pytest.raises(TypeError, match=r"QualityTarget\(0\.95\)"):
        calibrate(*ladder(), mini_cost=0.06, full_cost=1, target=0.95)
    mini, full = ScriptedChatModel(responses="a"), ScriptedChatModel(responses="a")
    with pytest.raises(TypeError, match=r"QualityTarget\(0\.95\)"):
        Cascade.calibrated([mini, full], ["?"] * 200, target=0.95, signal=lambda _: 0.5)
    assert not mini.calls


def test_no_fewer_rows_are_called_better_than_are_needed() -> None:
    """To say "at least 315, better 200" makes no sense."""
    columns = questions(100)
    with pytest.raises(InfeasibleTargetError, match=r"too few") as refused:
        calibrate(*columns, mini_cost=0.06, full_cost=1, target=RegretBound(0.005))
    assert refused.value.rows_needed > 200
    assert "better 200" not in str(refused.value)


def test_a_confidence_without_bound_is_refused_by_name() -> None:
    """A signal that says infinity accepted its draft while it was measured, and nobody asked the full model."""
    mini, full = ScriptedChatModel(responses="a"), ScriptedChatModel(responses="a")
    with pytest.raises(ValueError, match="plus infinity"):
        Cascade.calibrated([mini, full], ["?"] * 3, signal=Boundless(), mini_cost=1, full_cost=2)
    assert len(full.calls) == 3


def test_a_target_that_only_the_full_model_meets_is_infeasible() -> None:
    """A threshold that keeps no answer is no cascade; the error says what would help."""
    confidence, mini, full = ladder()
    with pytest.raises(InfeasibleTargetError, match="better `confidence`") as refused:
        calibrate(-confidence, mini, full, **COSTS, target=RegretBound(0.03))
    assert refused.value.rows_needed is None
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, CostGuardError)


def test_a_mini_model_and_signal_dearer_than_the_full_model_are_refused_whatever_the_target() -> None:
    """A price ratio under 4 with a verification call loses money however good the signal is."""
    with pytest.raises(LosingCascadeError, match=r"115\.0%") as refused:
        calibrate(*ladder(), mini_cost=3.5, signal_cost=8, full_cost=10, target=CostTarget(0.9))
    assert refused.value.break_even == pytest.approx(-0.15)


def test_a_target_that_needs_too_many_escalations_to_save_is_refused() -> None:
    """The cascade meets the target, and costs more than what it replaces."""
    with pytest.raises(LosingCascadeError, match=r"cost 104\.0%") as refused:
        calibrate(*ladder(), mini_cost=4.5, signal_cost=4, full_cost=10, target=RegretBound(0.05))
    assert refused.value.cut == pytest.approx(1 - 0.85 - 0.19)
    assert refused.value.break_even == pytest.approx(0.15)


FINE = {"confidence": [0.1, 0.9] * 50, "mini_correct": [0, 1] * 50, "full_correct": [1] * 100, **COSTS}


@pytest.mark.parametrize(
    ("changed", "fix"),
    [
        ({"confidence": [0.1, float("nan")] * 50}, "`confidence`"),
        ({"confidence": [0.1, float("inf")] * 50}, "plus infinity"),
        ({"confidence": ["high", "low"] * 50}, "one number per row"),
        ({"confidence": [[0.1, 0.9]] * 100}, "2 dimensions"),
        ({"confidence": [0.5] * 99}, "one of each"),
        ({"confidence": [], "mini_correct": [], "full_correct": []}, "no labelled rows"),
        ({"mini_correct": [1] * 100}, "labelled right"),
        ({"mini_correct": [0] * 100}, "labelled wrong"),
        ({"mini_correct": [0, 2] * 50}, "0 to 1"),
        ({"mini_correct": [0, None] * 50}, "`mini_correct`"),
        ({"full_correct": [0] * 100}, "`full_correct`"),
        ({"mini_cost": -1}, "`mini_cost`"),
        ({"mini_cost": None}, "`mini_cost`"),
        ({"signal_cost": float("inf")}, "`signal_cost`"),
        ({"full_cost": [1.0] * 3}, "each of the 100 rows"),
        ({"full_cost": 0}, "`full_cost`"),
    ],
)
def test_rows_that_mean_nothing_are_refused_and_the_fix_is_named(changed: dict[str, object], fix: str) -> None:
    """A threshold fitted to broken rows would be trusted like any other."""
    calibrate(**FINE)
    with pytest.raises(ValueError, match=fix):
        calibrate(**{**FINE, **changed})


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: RegretBound(0), "alpha"),
        (lambda: RegretBound(1.0), "alpha"),
        (lambda: RegretBound(float("nan")), "alpha"),
        (lambda: RegretBound(0.05, confidence=1), "confidence"),
        (lambda: RegretBound(0.05, horizon=0), "horizon"),
        (lambda: ExpectedRegret(-0.1), "alpha"),
        (lambda: QualityTarget(0), "share"),
        (lambda: QualityTarget(1, confidence=0.9), "share"),
        (lambda: QualityTarget(0.9, confidence=90), "confidence"),
        (lambda: QualityTarget(0.9, horizon=100), "confidence"),
        (lambda: CostTarget(1.2), "max_cost_share"),
    ],
)
def test_a_target_outside_its_range_is_refused_where_it_is_made(make: object, named: str) -> None:
    """90 for 90 % is the likely slip, and it must not surface as a strange threshold."""
    with pytest.raises(ValueError, match=named):
        make()  # type: ignore[operator]  # wrong on purpose
