"""Thresholds fitted to labelled pairs: the bound, what is refused, what is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from langchain_costguard.exceptions import InfeasibleTargetError
from langchain_costguard.semantic_cache.calibration import calibrate, calibrate_scores
from langchain_costguard.semantic_cache.calibration_report import CacheCalibration
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.proposals import judge_pairs, propose_pairs, read_yes_no

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def _world(seed: int, pairs: int = 2000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    same = generator.random(pairs) < 0.5
    near = np.where(same, generator.beta(12, 2, pairs), generator.beta(5, 5, pairs))
    return near, same


@pytest.mark.parametrize("of", ["different", "served"])
def test_the_promise_is_kept_on_pairs_that_were_not_seen(of: str) -> None:
    """A bound that does not hold on tomorrow's questions is no bound; 20 worlds, at least 16 kept."""
    kept = 0
    for seed in range(20):
        near, same = _world(seed)
        report = calibrate_scores(near[:1000], same[:1000], max_false_hit=0.05, of=of)
        hit = near[1000:] >= report.threshold
        wrong = (hit & ~same[1000:]).sum()
        kept += wrong <= 0.05 * (hit.sum() if of == "served" else (~same[1000:]).sum())
        assert report.hit_rate > 0.01
        assert report.upper_bound <= 0.05
    assert kept >= 16


def test_a_vetoed_pair_is_never_counted_as_served() -> None:
    """Guards let the threshold go down: what they refuse does no harm."""
    near, same = _world(1)
    plain = calibrate_scores(near, same)
    guarded = calibrate_scores(near, same, vetoed=~same)
    assert guarded.threshold < plain.threshold
    assert guarded.wrong == 0


def test_calibrating_on_texts_uses_the_guards() -> None:
    """The whole way: texts, similarities, vetoes, threshold."""
    pairs = [(f"How do I pay bill {n}?", f"How can I pay bill {n}?", True) for n in range(150)]
    pairs += [(f"How do I pay bill {n}?", f"How do I pay bill {n + 1}?", False) for n in range(150)]
    report = calibrate(pairs, similarity=lambda *_: 0.9)
    assert report.threshold == pytest.approx(0.9)
    assert (report.served, report.wrong) == (150, 0)
    assert "substitution" in (report.guards or ())
    with pytest.raises(InfeasibleTargetError, match="serves anything"):
        calibrate(pairs, similarity=lambda *_: 0.9, guards=Guards.none())


def test_too_few_pairs_are_refused_with_the_number_needed() -> None:
    """Twenty pairs cannot show 2 %: better an error than a number."""
    near, same = _world(2, 40)
    with pytest.raises(InfeasibleTargetError, match="needs at least 114") as raised:
        calibrate_scores(near, same)
    assert raised.value.rows_needed == 114


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_false_hit": 0.0}, "`max_false_hit` is 0.0"),
        ({"confidence": 1.0}, "`confidence` is 1.0"),
        ({"of": "all"}, "give 'different' or 'served'"),
        ({"lowest_threshold": 2.0}, "`lowest_threshold` is 2.0"),
    ],
)
def test_an_argument_out_of_range_is_named(change: dict[str, float], message: str) -> None:
    """The message says which argument to mend."""
    near, same = _world(3)
    with pytest.raises(ValueError, match=message):
        calibrate_scores(near, same, **change)  # type: ignore[arg-type]  # wrong on purpose


def test_pairs_of_one_kind_are_refused() -> None:
    """Without different questions nothing is known of false hits."""
    with pytest.raises(ValueError, match="pairs of both kinds"):
        calibrate([("a b", "a c", True)] * 200, similarity=lambda *_: 0.9)
    with pytest.raises(ValueError, match="There are no pairs"):
        calibrate([])
    with pytest.raises(ValueError, match="Pair 0 is labelled 'maybe'"):
        calibrate([("a", "b", "maybe")])


def test_a_report_is_kept_and_read_back(tmp_path: Path) -> None:
    """A calibration is done once and used for months."""
    near, same = _world(4)
    report = calibrate_scores(near, same)
    report.save(tmp_path / "report.json")
    again = CacheCalibration.load(tmp_path / "report.json")
    assert str(again) == str(report)
    assert again.curve.area == report.curve.area
    assert "at most 2.0%" in report.guarantee
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no calibration"):
        CacheCalibration.load(tmp_path / "other.json")


def test_the_curve_is_drawn() -> None:
    """Precision against hit ratio, with the chosen threshold marked."""
    near, same = _world(5)
    (axes,) = calibrate_scores(near, same).figure().axes
    assert len(axes.lines) == 2


class _Letters:
    """Vectors that count letters."""

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        counted = [np.array([text.count(letter) for letter in "abcdefgh"], np.float32) for text in texts]
        return [vector / max(float(np.linalg.norm(vector)), 1e-9) for vector in counted]


def test_pairs_are_proposed_from_real_questions_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question meets the nearest one before it, as it would in the cache; undecided pairs are left out."""
    monkeypatch.setattr("langchain_costguard.semantic_cache.proposals.as_embedder", lambda given: given)
    pairs = propose_pairs(["aab", "cd", "aabb", "aab", "ccd"], embedder=_Letters())
    assert [(pair.stored, pair.asked) for pair in pairs] == [("aab", "aabb"), ("cd", "ccd")]
    labelled = judge_pairs(pairs, lambda stored, _: None if stored == "cd" else True)
    assert [(pair.stored, pair.same) for pair in labelled] == [("aab", True)]


def test_a_judges_answer_is_read() -> None:
    """Models decorate a yes; what is neither yes nor no is no label."""
    assert [read_yes_no(said) for said in ("Yes.", "**no**", "It depends")] == [True, False, None]


@pytest.mark.parametrize("change", [{"threshold": "nan"}, {"threshold": -1}, {"threshold": "a"}, {"same": 0}])
def test_a_saved_calibration_whose_figures_are_none_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """A threshold below zero would serve any answer to any question."""
    path = tmp_path / "calibration.json"
    calibrate_scores(*_world(3)).save(path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError, match=r"calibration\.json holds no calibration"):
        CacheCalibration.load(path)
