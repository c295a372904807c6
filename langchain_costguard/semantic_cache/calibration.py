"""The lowest similarity at which a cache may serve, so that a stated share of false hits is not exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard._bounds import clopper_pearson_upper, most_faults, most_faults_for_next, rows_needed
from langchain_costguard.exceptions import InfeasibleTargetError
from langchain_costguard.semantic_cache.calibration_report import CacheCalibration, HitCurve, hit_curve
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.pairs import checked_scores, read_pairs, score_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike

    from langchain_costguard.semantic_cache.pairs import AnyEmbedder, ScoredPairs

FalseHitsOf = Literal["different", "served"]
"""Out of what false hits are counted: the asked questions that differ from the stored one, or the answers served."""

_LOWEST: Final = 0.5
_RATE: Final = 0.02
_CONFIDENCE: Final = 0.9


def calibrate(
    pairs: Iterable[Any],
    *,
    max_false_hit: float = _RATE,
    confidence: float = _CONFIDENCE,
    of: FalseHitsOf = "different",
    embedder: AnyEmbedder | None = None,
    similarity: Callable[[str, str], float] | None = None,
    guards: Guards | None = None,
    lowest_threshold: float = _LOWEST,
) -> CacheCalibration:
    """Fit a cache's threshold to labelled pairs.

    A false hit is a question that is served the answer to a different one. What is bounded is their share

    - `of="different"`: among questions that differ from the stored one they are compared with. This does not depend on
      how many of the pairs are the same, and needs the fewest pairs.
    - `of="served"`: among the answers served. It holds for traffic in which same and different questions come up as
      often as in the pairs: calibrate on pairs out of your own traffic.

    Args:
        pairs: tuples `(stored, asked, same)`, or mappings or objects with these names. The pairs that matter are those
            that a cache compares: each question with its nearest one.
        max_false_hit: the largest share of false hits that is accepted, above 0 and below 1.
        confidence: how sure the bound is to be, above 0 and below 1.
        of: out of what false hits are counted.
        embedder: makes the vectors, as `SemanticCache` takes it; the local one when neither this nor `similarity` is
            given.
        similarity: the similarity of two texts, from 0 to 1, in the embedder's place.
        guards: refuse pairs that are similar enough; all built-in guards when `None`.
        lowest_threshold: how low the threshold may be, however few false hits there are.

    Returns:
        The threshold, what it serves, and the bound in words.

    Raises:
        InfeasibleTargetError: the pairs are too few to show the bound, or no threshold that keeps it serves anything.
        OptionalDependencyError: the local embedder is not installed.
        ValueError: an argument is out of range, or the pairs are all the same or all different.
    """
    guards = Guards.default() if guards is None else guards
    labelled = read_pairs(pairs)
    scored = score_pairs(labelled, guards=guards, embedder=embedder, similarity=similarity)
    return _fitted(scored, max_false_hit, confidence, of, lowest_threshold, guards.all_names)


def calibrate_scores(
    similarity: ArrayLike,
    same: ArrayLike,
    vetoed: ArrayLike | None = None,
    *,
    max_false_hit: float = _RATE,
    confidence: float = _CONFIDENCE,
    of: FalseHitsOf = "different",
    lowest_threshold: float = _LOWEST,
) -> CacheCalibration:
    """Fit a cache's threshold to pairs whose similarities and vetoes are known already; else as `calibrate`.

    Args:
        similarity: of each pair, from 0 to 1.
        same: of each pair, whether one answer serves both questions.
        vetoed: of each pair, whether a guard refuses it; nothing is refused when `None`.
        max_false_hit: the largest share of false hits that is accepted.
        confidence: how sure the bound is to be.
        of: out of what false hits are counted.
        lowest_threshold: how low the threshold may be.

    Raises:
        InfeasibleTargetError: the pairs are too few to show the bound, or no threshold that keeps it serves anything.
        ValueError: an argument is out of range, or the pairs are all the same or all different.
    """
    return _fitted(checked_scores(similarity, same, vetoed), max_false_hit, confidence, of, lowest_threshold, None)


def _fitted(
    scored: ScoredPairs,
    rate: float,
    confidence: float,
    of: FalseHitsOf,
    lowest: float,
    guards: tuple[str, ...] | None,
) -> CacheCalibration:
    _check(scored, rate, confidence, of, lowest)
    curve = hit_curve(scored)
    different = int((~scored.same).sum())
    point = (
        _point_of_different(curve, different, rate, 1 - confidence)
        if of == "different"
        else _point_of_served(curve, rate, 1 - confidence)
    )
    while point and curve.threshold[point] < lowest:
        point -= 1
    served, wrong = int(curve.served[point]), int(curve.wrong[point])
    if served == wrong:
        msg = (
            f"No threshold keeps false hits at or below {rate:.1%} and serves anything: {len(scored)} pairs, the most "
            "similar of them different questions. Add guards, use a better embedder, or raise `max_false_hit`."
        )
        raise InfeasibleTargetError(msg, rows=len(scored))
    rows = different if of == "different" else served
    threshold = float(curve.threshold[point])
    if of == "different":
        threshold = _with_margin(curve, point, _allowed(rows, rate, 1 - confidence))
    point = int((curve.threshold >= threshold).sum()) - 1
    served, wrong = int(curve.served[point]), int(curve.wrong[point])
    return CacheCalibration(
        threshold=threshold,
        max_false_hit=rate,
        confidence=confidence,
        of=of,
        pairs=len(scored),
        same=len(scored) - different,
        different=different,
        served=served,
        wrong=wrong,
        upper_bound=clopper_pearson_upper(wrong, different if of == "different" else served, 1 - confidence),
        guards=guards,
        curve=curve,
    )


def _point_of_different(curve: HitCurve, different: int, rate: float, risk: float) -> int:
    """The last point of the curve with no more wrong pairs than show the bound."""
    import numpy as np

    allowed = _allowed(different, rate, risk)
    if allowed < 0:
        _raise_too_few(different, "pairs of different questions", rate, risk)
    return int(np.flatnonzero(curve.wrong <= allowed)[-1])


def _point_of_served(curve: HitCurve, rate: float, risk: float) -> int:
    """The last point before the first that does not show the bound.

    One goes down from twice the fewest served that could show it: there a single wrong answer does not end the search.
    """
    fewest = rows_needed(rate, risk)
    start = 2 * fewest if curve.served[-1] >= 2 * fewest else fewest
    last = 0
    for point in range(len(curve)):
        if curve.served[point] < start:
            continue
        if curve.wrong[point] > _allowed(int(curve.served[point]), rate, risk):
            break
        last = point
    if last == 0:
        if curve.served[-1] < fewest:
            _raise_too_few(int(curve.served[-1]), "pairs that could be served", rate, risk)
        msg = (
            f"No threshold is known to keep wrong answers at or below {rate:.1%} of those served: add guards or pairs, "
            "use a better embedder, or raise `max_false_hit`."
        )
        raise InfeasibleTargetError(msg, rows=len(curve))
    return last


def _with_margin(curve: HitCurve, point: int, allowed: int) -> float:
    """The threshold, a tenth of its way to 1 higher where no false hit is allowed and a single one has set it.

    The bound itself needs no margin; the share among the next few pairs, which is as coarse, does.
    """
    threshold = float(curve.threshold[point])
    raised = threshold + (1 - threshold) / 10
    rests_on_one = allowed == 0 < curve.wrong[-1] and curve.wrong[point] == 0
    return raised if rests_on_one and raised <= curve.threshold[1] else threshold


def _allowed(rows: int, rate: float, risk: float) -> int:
    """The most false hits that show the bound, on these rows and on as many that are still to come if they can."""
    return max(most_faults_for_next(rows, rows, rate, risk), min(0, most_faults(rows, rate, risk)))


def _raise_too_few(rows: int, what: str, rate: float, risk: float) -> None:
    fewest = rows_needed(rate, risk)
    msg = (
        f"There are {rows} {what}; a bound of {rate:.1%} with a confidence of {1 - risk:.0%} needs at least {fewest}, "
        "even without one false hit: give more pairs, or a larger `max_false_hit` or smaller `confidence`."
    )
    raise InfeasibleTargetError(msg, rows=rows, rows_needed=fewest)


def _check(scored: ScoredPairs, rate: float, confidence: float, of: str, lowest: float) -> None:
    for name, value in (("max_false_hit", rate), ("confidence", confidence)):
        if not 0 < value < 1:
            such = _RATE if name == "max_false_hit" else _CONFIDENCE
            msg = f"`{name}` is {value}: give a share between 0 and 1, such as {such}."
            raise ValueError(msg)
    if of not in {"different", "served"}:
        msg = f"`of` is {of!r}: give 'different' or 'served'."
        raise ValueError(msg)
    if not 0 <= lowest <= 1:
        msg = f"`lowest_threshold` is {lowest}: give a similarity from 0 to 1."
        raise ValueError(msg)
    if not len(scored) or scored.same.all() or not scored.same.any():
        which = "no pairs" if not len(scored) else "only pairs of the same" if scored.same.all() else "only different"
        msg = f"There are {which} questions: give pairs of both kinds, labelled True and False."
        raise ValueError(msg)
