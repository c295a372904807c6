"""How many faults labelled rows may show before a rate can no longer be called small enough: exact binomial bounds."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, floor, log, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BISECTIONS = 60
_ROUNDING = 1e-9
"""What a product such as `0.07 * 100` may be off by before it is rounded down."""


def binomial_tail(count: int, rows: int, rate: float) -> float:
    """The probability of at most `count` faults in `rows` rows when each has one with probability `rate`."""
    if count < 0:
        return 0.0
    if count >= rows or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    import numpy as np

    hits = np.arange(count + 1)
    log_ways = _log_factorials(rows)[rows] - _log_factorials(rows)[hits] - _log_factorials(rows)[rows - hits]
    return float(min(1.0, np.exp(log_ways + hits * log(rate) + (rows - hits) * np.log1p(-rate)).sum()))


def clopper_pearson_upper(count: int, rows: int, risk: float) -> float:
    """The largest rate at which `count` faults or fewer in `rows` rows still happen with probability `risk`.

    Args:
        count: the faults seen.
        rows: out of how many rows.
        risk: the probability that the true rate lies above the bound, 0.1 for a confidence of 90 %.

    Returns:
        The one-sided upper limit of Clopper and Pearson, exact for independent rows.
    """
    if count >= rows:
        return 1.0
    low, high = count / rows, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(count, rows, middle) > risk else (low, middle)
    return high


def rows_needed(rate: float, risk: float) -> int:
    """The fewest rows with which a rate of at most `rate` can be shown, when not one of them has a fault."""
    return ceil(log(risk) / log(1 - rate) - _ROUNDING)


@lru_cache(maxsize=512)
def most_faults(rows: int, rate: float, risk: float) -> int:
    """The most faults in `rows` rows that still show a rate of at most `rate`, wrongly with probability `risk`.

    Returns:
        The largest count whose Clopper-Pearson upper limit is not above `rate`; -1 where even none is not enough.
    """
    return _largest(lambda count: binomial_tail(count, rows, rate) <= risk, floor(rate * rows) + 1)


@lru_cache(maxsize=512)
def most_faults_for_next(rows: int, following: int, rate: float, risk: float) -> int:
    """The most faults in `rows` rows that still show a rate of at most `rate` on the next `following` rows.

    Here the next rows vary as well, so that fewer faults are allowed. Exact when labelled and next rows could have
    changed places: walking down the confidences of both together, the threshold stops at the labelled fault number
    `count + 1`; too many of the next rows' faults lie before it with a (negative) hypergeometric probability.

    Returns:
        The largest such count; -1 where even none is not enough.
    """
    too_many = floor(rate * following + _ROUNDING) + 1
    if too_many > following:
        return rows
    return _largest(
        lambda count: _hypergeometric_tail(count, rows, following, too_many + count) <= risk, floor(rate * rows) + 1
    )


def excess_p_value(losses: int, gains: int, rows: int, rate: float) -> float:
    """How likely so few losses less gains would be if their true difference were `rate` of the rows.

    Rows are losses, gains or neither. The share of gains is not known; it is taken at its most likely value under
    that difference, and the probability of the sum is then exact. Without gains it is the binomial tail.

    Args:
        losses: rows lost.
        gains: rows won.
        rows: all rows.
        rate: the difference of the two shares that is to be ruled out, above 0.
    """
    return _difference_tail(losses - gains, rows, rate, _likeliest_gain_rate(losses, gains, rows, rate))


def excess_is_shown(losses: int, gains: int, rows: int, rate: float, risk: float) -> bool:
    """Whether `excess_p_value` is at most `risk`; where Bernstein's inequality shows it, nothing is transformed."""
    gain_rate = _likeliest_gain_rate(losses, gains, rows, rate)
    missing = rate * rows - (losses - gains)
    if missing > 0:
        variance = rows * (rate + 2 * gain_rate - rate * rate)
        if exp(-missing * missing / (2 * variance + missing * (1 + rate) * 2 / 3)) <= risk:
            return True
    return _difference_tail(losses - gains, rows, rate, gain_rate) <= risk


def excess_p_value_for_next(losses: int, gains: int, rows: int, following: int, rate: float) -> float:
    """The same for the difference on the next `following` rows, which vary as well.

    An approximation: the labelled rows count for as many fewer as makes their scatter that of the difference between
    labelled and next rows.
    """
    effective = max(1, round(rows * following / (rows + following)))
    won = round(gains * effective / rows)
    difference = (losses - gains) * effective / rows
    below = floor(difference + _ROUNDING)
    beyond = max(0.0, difference - below)
    at_most = [excess_p_value(max(0, whole + won), won, effective, rate) for whole in (below, below + 1)]
    return (1 - beyond) * at_most[0] + beyond * at_most[1]


def broken_share_p_value(count: int, rows: int, rate: float) -> float:
    """How likely so many faults would be if their true share were only `rate`: small means it is larger."""
    return 1 - binomial_tail(count - 1, rows, rate)


def broken_excess_p_value(losses: int, gains: int, rows: int, rate: float) -> float:
    """How likely so many losses less gains would be if their true difference were only `rate`: small means broken."""
    gain_rate = _likeliest_gain_rate(losses, gains, rows, rate)
    return 1 - _difference_tail(losses - gains - 1, rows, rate, gain_rate)


def same_share_p_value(count: int, rows: int, other_count: int, other_rows: int) -> float:
    """How likely two shares would lie so far apart if they were the same: Fisher's exact test, twice the smaller side.

    Args:
        count: the rows counted in the first sample.
        rows: all of its rows.
        other_count: the rows counted in the second sample.
        other_rows: all of its rows.
    """
    every = count + other_count
    below = _hypergeometric_tail(count, rows, other_rows, every)
    above = 1 - _hypergeometric_tail(count - 1, rows, other_rows, every)
    return min(1.0, 2 * min(below, above))


def _difference_tail(difference: int, rows: int, rate: float, gain_rate: float) -> float:
    """The probability that losses less gains are at most `difference`, when they differ by `rate` of the rows."""
    if gain_rate <= 0:
        return binomial_tail(difference, rows, rate)
    import numpy as np

    size = 1 << (2 * rows + 1).bit_length()
    one_row = np.zeros(size)
    one_row[0], one_row[1], one_row[-1] = max(0.0, 1 - rate - 2 * gain_rate), rate + gain_rate, gain_rate
    chances = np.roll(np.fft.irfft(np.fft.rfft(one_row) ** rows, size), rows)
    return float(min(1.0, max(0.0, chances[: max(0, rows + difference + 1)].sum())))


def _likeliest_gain_rate(losses: int, gains: int, rows: int, rate: float) -> float:
    """The most likely share of gains if losses exceed them by `rate`: the root of the score equation (Tango, 1998)."""
    slope = (losses + gains) * (1 - rate) - 2 * rate * (rows - losses)
    root = (slope + sqrt(slope * slope + 8 * rows * gains * rate * (1 - rate))) / (4 * rows)
    return min(root, (1 - rate) / 2)


def _hypergeometric_tail(count: int, rows: int, following: int, faults: int) -> float:
    """The probability that at most `count` of `faults` faults in `rows + following` rows fall on the first `rows`."""
    import numpy as np

    every = rows + following
    logs = _log_factorials(every)
    hits = np.arange(max(0, faults - following), min(count, rows, faults) + 1)
    log_ways = (
        logs[faults]
        - logs[hits]
        - logs[faults - hits]
        + logs[every - faults]
        - logs[rows - hits]
        - logs[every - faults - rows + hits]
        - (logs[every] - logs[rows] - logs[following])
    )
    return float(np.exp(log_ways).sum())


def _largest(is_allowed: Callable[[int], bool], above: int) -> int:
    """The largest count below `above` that is allowed, where all smaller ones are; -1 if none is."""
    low, high = -1, max(above, 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_allowed(middle) else (low, middle)
    return low


@lru_cache(maxsize=64)
def _log_factorials(up_to: int) -> NDArray[Any]:
    """The logarithms of 0! to `up_to`!."""
    import numpy as np

    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, up_to + 1)))))
