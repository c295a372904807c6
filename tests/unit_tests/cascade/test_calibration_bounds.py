"""The exact bounds against published values and against counting every outcome."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from langchain_costguard._bounds import (
    binomial_tail,
    broken_excess_p_value,
    broken_share_p_value,
    clopper_pearson_upper,
    excess_p_value,
    excess_p_value_for_next,
    most_faults,
    most_faults_for_next,
    rows_needed,
    same_share_p_value,
)


@pytest.mark.parametrize(
    ("count", "rows", "risk", "upper"),
    [
        (0, 10, 0.025, 0.3085),
        (5, 100, 0.025, 0.1128),
        (10, 20, 0.025, 0.7280),
        (0, 300, 0.05, 0.0099),
        (7, 7, 0.1, 1.0),
    ],
)
def test_clopper_pearson_gives_the_published_limits(count: int, rows: int, risk: float, upper: float) -> None:
    """The guarantee is only as good as this number."""
    assert clopper_pearson_upper(count, rows, risk) == pytest.approx(upper, abs=6e-5)


@pytest.mark.parametrize(("count", "rows", "rate"), [(3, 20, 0.3), (0, 50, 0.02), (70, 80, 0.9), (90, 2000, 0.05)])
def test_the_binomial_tail_is_the_sum_of_exact_fractions(count: int, rows: int, rate: float) -> None:
    """Logarithms of factorials lose digits where they are not summed carefully."""
    exact = Fraction(str(rate))
    wanted = sum(comb(rows, hit) * exact**hit * (1 - exact) ** (rows - hit) for hit in range(count + 1))
    assert binomial_tail(count, rows, rate) == pytest.approx(float(wanted), rel=1e-9)


def test_the_binomial_tail_holds_at_its_edges() -> None:
    """Counts below none and rates of 0 and 1 occur on the way to a bound."""
    assert binomial_tail(-1, 10, 0.5) == 0
    assert binomial_tail(10, 10, 0.5) == 1
    assert binomial_tail(0, 10, 0) == 1
    assert binomial_tail(9, 10, 1) == 0


def test_as_many_faults_are_allowed_as_the_limit_lets_through() -> None:
    """The count and the limit are two views of one bound."""
    for rows in (45, 200, 765):
        most = most_faults(rows, 0.05, 0.1)
        assert clopper_pearson_upper(most, rows, 0.1) <= 0.05 < clopper_pearson_upper(most + 1, rows, 0.1)
    assert most_faults(44, 0.05, 0.1) == -1
    assert rows_needed(0.05, 0.1) == 45
    assert rows_needed(0.1, 0.1) == 22


def test_faults_allowed_for_the_next_rows_are_counted_exactly() -> None:
    """Of all ways to deal so many faults over labelled and next rows, at most the risk must deceive."""
    rows, following, rate, risk = 60, 40, 0.1, 0.1
    most = most_faults_for_next(rows, following, rate, risk)

    def deceived(count: int) -> Fraction:
        faults = count + 5
        ways = sum(comb(faults, hit) * comb(100 - faults, rows - hit) for hit in range(count + 1))
        return Fraction(ways, comb(100, rows))

    assert deceived(most) <= Fraction(1, 10) < deceived(most + 1)


def test_a_longer_horizon_allows_more_and_the_longest_allows_what_the_long_run_does() -> None:
    """The horizon must join the bound of Clopper and Pearson without a gap."""
    allowed = [most_faults_for_next(765, horizon, 0.05, 0.1) for horizon in (100, 765, 100_000)]
    assert allowed == sorted(allowed)
    assert allowed[0] < allowed[1] < allowed[2] == most_faults(765, 0.05, 0.1)
    assert most_faults_for_next(50, 1, 1.0, 0.1) == 50


def test_losses_less_gains_have_the_tail_that_counting_gives() -> None:
    """The probability comes from a Fourier transform; twenty rows can be counted."""
    losses, gains, rows, rate = 3, 2, 20, 0.2
    gain_rate = max(
        (step / 10_000 for step in range(1, 4000)),
        key=lambda g: (rate + g) ** losses * g**gains * (1 - rate - 2 * g) ** (rows - losses - gains),
    )
    wanted = sum(
        comb(rows, lost) * comb(rows - lost, won)
        * (rate + gain_rate) ** lost * gain_rate**won * (1 - rate - 2 * gain_rate) ** (rows - lost - won)
        for lost in range(rows + 1)
        for won in range(rows + 1 - lost)
        if lost - won <= losses - gains
    )  # fmt: skip
    assert excess_p_value(losses, gains, rows, rate) == pytest.approx(wanted, rel=1e-3)


def test_without_gains_losses_have_the_binomial_tail() -> None:
    """The net bound must fall back to the plain one exactly."""
    assert excess_p_value(4, 0, 200, 0.05) == binomial_tail(4, 200, 0.05)


def test_next_rows_make_the_same_difference_less_sure() -> None:
    """What is shown for the long run need not be shown for the next hundred questions."""
    long_run = excess_p_value(20, 10, 500, 0.05)
    assert excess_p_value_for_next(20, 10, 500, 100, 0.05) > excess_p_value_for_next(20, 10, 500, 10**7, 0.05)
    assert excess_p_value_for_next(20, 10, 500, 10**7, 0.05) == pytest.approx(long_run, rel=0.05)


def test_a_broken_promise_is_seen_from_the_other_side() -> None:
    """Drift asks whether losses are too many, with the count itself on the guilty side."""
    assert broken_share_p_value(10, 100, 0.05) == pytest.approx(1 - binomial_tail(9, 100, 0.05))
    assert broken_share_p_value(0, 100, 0.05) == 1
    assert broken_excess_p_value(30, 5, 200, 0.05) < 0.01
    assert broken_excess_p_value(15, 5, 200, 0.05) > 0.2


def test_shares_are_compared_by_fishers_exact_test() -> None:
    """The table 8 of 10 against 1 of 6 has a one-sided probability of 0.0245 in the textbooks."""
    assert same_share_p_value(8, 10, 1, 6) == pytest.approx(2 * 0.0245, abs=1e-4)
    assert same_share_p_value(5, 10, 50, 100) == 1
