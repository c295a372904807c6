"""What a calibration promises holds: counted exactly where that is possible, and drawn many times where it is not."""

from __future__ import annotations

from math import lgamma, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_costguard._bounds import excess_is_shown, excess_p_value, most_faults
from langchain_costguard.cascade import ExpectedRegret, QualityTarget, RegretBound, calibrate
from langchain_costguard.cascade.curve import curve_of
from langchain_costguard.cascade.labels import Labels
from langchain_costguard.exceptions import InfeasibleTargetError, LosingCascadeError

ROUNDS = 400
DELTA = 0.1
SLACK = 3 * sqrt(DELTA * (1 - DELTA) / ROUNDS)

rows_of_labels = st.lists(
    st.tuples(st.sampled_from([-np.inf, -2.5, -1.0, -0.1, 0.0, 1e-300]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=40,
)


def columns(rows: list[tuple[float, bool, bool]]) -> Labels:
    """Rows as arrays; the first full answer is right, so that there is a quality to share."""
    confidence, mini, full = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    full[0] = 1
    return Labels(confidence, mini, full)


@given(rows_of_labels)
def test_every_point_of_the_curve_is_what_its_threshold_does(rows: list[tuple[float, bool, bool]]) -> None:
    """The sums over sorted rows must equal a plain look at every row, ties and infinities included."""
    labels = columns(rows)
    one = np.ones(len(labels))
    curve = curve_of(labels, tried_cost=one, full_cost=10 * one)
    assert len(curve) == len(np.unique(labels.confidence)) + 1
    for point, threshold in enumerate(curve.threshold):
        kept = labels.confidence >= threshold
        score = np.where(kept, labels.mini, labels.full)
        assert curve.escalated[point] == pytest.approx(1 - kept.mean())
        assert curve.quality[point] == pytest.approx(score.sum() / labels.full.sum())
        assert curve.cut[point] == pytest.approx(1 - (1 + 10 * (1 - kept.mean())) / 10)
        assert curve.losses[point] == (score < labels.full).sum()
        assert curve.gains[point] == (score > labels.full).sum()


@given(rows_of_labels.filter(lambda rows: len(rows) >= 2), st.integers(0, 2**32 - 1))
def test_neither_the_order_of_rows_nor_the_scale_of_the_confidence_matters(
    rows: list[tuple[float, bool, bool]], seed: int
) -> None:
    """A probability and its logarithm rank answers alike, and must cut alike."""
    labels = columns(rows * 10)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    scale = {at: rank for rank, at in enumerate(np.unique(labels.confidence))}
    ranks = np.array([scale[at] for at in labels.confidence])[shuffled]

    def outcome(confidence: np.ndarray, order: np.ndarray) -> object:
        try:
            report = calibrate(
                confidence, labels.mini[order], labels.full[order], mini_cost=1, full_cost=9, target=RegretBound(0.2)
            )
        except (InfeasibleTargetError, LosingCascadeError, ValueError) as error:
            return type(error)
        return report.expected_cut, report.quality, report.escalated

    assert outcome(labels.confidence, np.arange(len(labels))) == pytest.approx(outcome(ranks, shuffled))


@given(
    st.integers(20, 400),
    st.floats(0.01, 0.3),
    st.integers(0, 60),
    st.integers(0, 60),
)
@settings(max_examples=150)
def test_more_losses_never_show_less_and_more_gains_never_show_more(
    rows: int, rate: float, losses: int, gains: int
) -> None:
    """A p-value that falls with another loss would reward faults; what is below 2 % only has to stay there."""
    if losses + gains + 1 > rows:
        return
    here = excess_p_value(losses, gains, rows, rate)
    assert excess_is_shown(losses, gains, rows, rate, DELTA) == (here <= DELTA)
    assert excess_p_value(losses + 1, gains, rows, rate) >= here - 1e-9
    assert excess_p_value(losses, gains + 1, rows, rate) <= max(here, 0.02) + 1e-9


@pytest.mark.parametrize("gain_rate", [0.0, 0.01, 0.05, 0.15])
@pytest.mark.parametrize(("rows", "rate"), [(60, 0.1), (120, 0.05)])
def test_the_net_bound_deceives_no_more_often_than_it_says(rows: int, rate: float, gain_rate: float) -> None:
    """The share of gains is fitted, not known: adding up every outcome shows what it costs."""
    losses_rate, still = rate + gain_rate, 1 - rate - 2 * gain_rate
    deceived = 0.0
    for gains in range(rows + 1 if gain_rate else 1):
        for losses in range(rows + 1 - gains):
            chance = lgamma(rows + 1) - lgamma(losses + 1) - lgamma(gains + 1) - lgamma(rows - losses - gains + 1)
            chance += losses * log(losses_rate) + (rows - losses - gains) * log(still)
            chance += gains * log(gain_rate) if gains else 0
            if chance > log(1e-7) and excess_p_value(losses, gains, rows, rate) <= DELTA:
                deceived += np.exp(chance)
    assert 0.3 * DELTA < deceived <= 1.1 * DELTA


def world(rng: np.random.Generator, rows: int, *, levels: int | None, full_rate: float = 0.9) -> Labels:
    """Questions of which a share of (1 - confidence) / 2 is lost when kept, and some are gained."""
    confidence = rng.random(rows)
    if levels:
        confidence = np.ceil(confidence * levels) / levels
    full = rng.random(rows) < full_rate
    lost = rng.random(rows) < (1 - confidence) / 2
    mini = np.where(full, ~lost, rng.random(rows) < 0.3)
    return Labels(confidence, mini.astype(float), full.astype(float))


def kept_regret(threshold: float, big: Labels, *, net: bool) -> float:
    """The regret of a threshold on very many questions."""
    behind = big.full - big.mini
    return float(((behind if net else np.maximum(behind, 0)) * (big.confidence >= threshold)).mean())


@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize("net", [False, True])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_the_regret_exceeds_its_bound_no_more_often_than_promised(alpha: float, net: bool, levels: int | None) -> None:
    """The guarantee itself: 400 calibrations on 200 rows, each judged on 200,000 other questions."""
    rng = np.random.default_rng(11)
    big = world(rng, 200_000, levels=levels)
    exceeded, cuts = 0, []
    for _ in range(ROUNDS):
        labels = world(rng, 200, levels=levels)
        try:
            report = calibrate(
                labels.confidence,
                labels.mini,
                labels.full,
                mini_cost=1,
                full_cost=20,
                target=RegretBound(alpha, net=net),
            )
        except (InfeasibleTargetError, LosingCascadeError):
            cuts.append(0.0)
            continue
        cuts.append(report.expected_cut)
        exceeded += kept_regret(report.threshold, big, net=net) > alpha
    assert exceeded / ROUNDS <= DELTA + SLACK
    assert np.mean(cuts) > 0.15


@pytest.mark.parametrize("levels", [None, 7])
def test_the_quality_falls_below_its_share_no_more_often_than_promised(levels: int | None) -> None:
    """The plug-in estimate falls below about every other time; the promise must not."""
    rng = np.random.default_rng(12)
    big = world(rng, 200_000, levels=levels)
    below = {"estimate": 0, "promise": 0}
    for _ in range(ROUNDS):
        labels = world(rng, 200, levels=levels)
        for name, target in (("estimate", QualityTarget(0.92)), ("promise", QualityTarget(0.92, confidence=0.9))):
            try:
                report = calibrate(
                    labels.confidence, labels.mini, labels.full, mini_cost=1, full_cost=20, target=target
                )
            except InfeasibleTargetError:
                continue
            below[name] += kept_regret(report.threshold, big, net=True) > 0.08 * big.full.mean()
    assert below["promise"] / ROUNDS <= DELTA + SLACK
    assert below["estimate"] > 2 * below["promise"]


def test_the_next_questions_exceed_the_regret_no_more_often_than_promised() -> None:
    """With a horizon the promise is about a sample, which varies like the labelled one."""
    rng = np.random.default_rng(13)
    exceeded = {"long run": 0, "next 200": 0}
    for _ in range(ROUNDS):
        labels, following = world(rng, 200, levels=None), world(rng, 200, levels=None)
        for name, horizon in (("long run", None), ("next 200", 200)):
            target = RegretBound(0.08, horizon=horizon)
            report = calibrate(labels.confidence, labels.mini, labels.full, mini_cost=1, full_cost=20, target=target)
            exceeded[name] += kept_regret(report.threshold, following, net=False) > 0.08
    assert exceeded["next 200"] / ROUNDS <= DELTA + SLACK
    assert exceeded["long run"] > exceeded["next 200"]


def test_the_expected_regret_is_kept_on_average() -> None:
    """Conformal risk control promises the mean, and comes close to it."""
    rng = np.random.default_rng(14)
    big = world(rng, 200_000, levels=None)
    regrets = []
    for _ in range(ROUNDS):
        labels = world(rng, 200, levels=None)
        report = calibrate(
            labels.confidence, labels.mini, labels.full, mini_cost=1, full_cost=20, target=ExpectedRegret(0.05)
        )
        regrets.append(kept_regret(report.threshold, big, net=False))
    assert 0.04 < np.mean(regrets) <= 0.05 + 3 * np.std(regrets) / sqrt(ROUNDS)


def test_drift_gives_no_more_false_alarms_than_it_says() -> None:
    """Labels of the same world must seldom send anyone back to calibrate."""
    rng = np.random.default_rng(15)
    alarms = 0
    for _ in range(ROUNDS):
        labels, following = world(rng, 200, levels=None), world(rng, 150, levels=None)
        report = calibrate(
            labels.confidence, labels.mini, labels.full, mini_cost=1, full_cost=20, target=RegretBound(0.08)
        )
        alarms += report.drift(following.confidence, following.mini, following.full).has_drifted
    assert alarms / ROUNDS <= 0.05 + 3 * sqrt(0.05 * 0.95 / ROUNDS)


@pytest.mark.parametrize("rows", [100, 200, 500])
def test_as_many_labels_as_asked_for_leave_room_for_losses(rows: int) -> None:
    """With 200 rows five losses are allowed, so that the promise is not bought by keeping nothing."""
    assert most_faults(rows, 0.05, DELTA) >= rows * 0.05 / 2 - 2
