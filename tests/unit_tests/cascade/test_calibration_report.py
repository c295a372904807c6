"""What a calibration report says, and that it can be kept, read again and checked against new labels."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from langchain_costguard.cascade import (
    CalibrationReport,
    CostTarget,
    ExpectedRegret,
    QualityTarget,
    RegretBound,
    calibrate,
)

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.cascade.targets import AnyTarget


def labelled(rows: int, *, seed: int, skill: float = 0.0, sureness: float = 0.0) -> tuple[np.ndarray, ...]:
    """Questions whose confidence is the chance of the mini model to be right, less `skill` and plus `sureness`."""
    rng = np.random.default_rng(seed)
    chance = rng.random(rows) ** 0.4
    return chance + sureness, rng.random(rows) < chance - skill, rng.random(rows) < 0.9


@pytest.fixture(scope="module")
def report() -> CalibrationReport:
    """A calibration on 500 rows at the default target."""
    return calibrate(*labelled(500, seed=4), mini_cost=1, full_cost=15)


def test_the_report_agrees_with_the_rows_it_was_fitted_to(report: CalibrationReport) -> None:
    """What `escalates` does and what the report says it does must be one."""
    confidence, mini, full = labelled(500, seed=4)
    escalated = report.escalates(confidence)
    assert escalated.dtype == bool
    assert report.escalated == pytest.approx(escalated.mean())
    assert report.expected_cut == pytest.approx(1 - (500 + 15 * escalated.sum()) / (15 * 500))
    assert report.quality == pytest.approx(np.where(escalated, full, mini).mean() / full.mean())


def test_confidences_that_say_nothing_escalate(report: CalibrationReport) -> None:
    """A signal that failed must not save money: NaN and plus infinity go to the full model."""
    assert report.escalates([np.nan, np.inf, -np.inf, report.threshold]).tolist() == [True, True, True, False]
    assert bool(report.escalates(0.0)) is True
    assert report.escalates([[0.0], [1.0]]).shape == (2, 1)


def test_the_curve_runs_from_always_full_to_always_mini(report: CalibrationReport) -> None:
    """The figure and the break-even are read from it."""
    curve = report.curve
    assert len(curve) == len(curve.threshold) == len(curve.cut) == len(curve.quality) == 501
    assert curve.cut[0] == pytest.approx(-1 / 15)
    assert curve.cut[-1] == pytest.approx(14 / 15) == report.break_even
    assert curve.quality[0] == 1
    assert (np.diff(curve.threshold) < 0).all()
    assert (np.diff(curve.cut) > 0).all()


def test_the_area_under_the_curve_ranks_signals() -> None:
    """A signal that knows everything closes more than the gap, one that knows nothing half of it."""
    rng = np.random.default_rng(3)
    mini, full = rng.random(20_000) < 0.6, np.ones(20_000)
    costs = {"mini_cost": 1, "full_cost": 10, "target": QualityTarget(0.5)}
    assert calibrate(rng.random(20_000), mini, full, **costs).curve.apgr == pytest.approx(0.5, abs=0.02)
    assert calibrate(mini + rng.random(20_000) / 2, mini, full, **costs).curve.apgr == pytest.approx(0.8, abs=0.02)


def test_confidence_becomes_the_chance_to_be_right(report: CalibrationReport) -> None:
    """A confidence on any scale is only worth what the labels say."""
    chances = report.chance_right(np.linspace(0.2, 1, 50))
    assert (np.diff(chances) >= 0).all()
    assert report.chance_right(0.75) == pytest.approx(0.75, abs=0.1)
    assert np.isnan(report.chance_right(np.nan))
    assert report.chance_right(-9) == chances.min()


def test_equal_confidences_get_one_chance() -> None:
    """Pooling must not depend on the order of rows that share a confidence."""
    confidence, mini = [0.5, 0.5, 0.5, 0.5, 0.9] * 10, [0, 1, 1, 0, 1] * 10
    report = calibrate(confidence, mini, [1] * 50, mini_cost=1, full_cost=10, target=QualityTarget(0.5))
    assert report.chance_right([0.5, 0.9]).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (RegretBound(0.05), ("0.9 confidence", "at most 0.05", "long run", "Clopper-Pearson")),
        (RegretBound(0.06, horizon=200), ("next 200 questions", "hypergeometric")),
        (RegretBound(0.05, net=True), ("lower than the full model's by at most 0.05",)),
        (QualityTarget(0.9), ("at least 0.9 of the full model's", "estimate")),
        (QualityTarget(0.9, confidence=0.8), ("0.8 confidence", "at least 0.9")),
        (ExpectedRegret(0.05), ("on average", "conformal")),
        (CostTarget(0.5), ("at most 0.5", "Nothing is promised about quality")),
    ],
)
def test_the_guarantee_says_what_is_promised_and_survives_being_kept(
    target: AnyTarget, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Whoever reads the report must not have to know the method to know the promise."""
    made = calibrate(*labelled(500, seed=4), mini_cost=1, full_cost=15, target=target)
    assert all(word in made.guarantee for word in words), made.guarantee
    made.save(tmp_path / "cascade.json")
    kept = CalibrationReport.load(tmp_path / "cascade.json")
    assert kept.target == target
    assert str(kept) == str(made)
    assert kept.threshold == made.threshold
    assert kept.expected_cut_interval == made.expected_cut_interval
    assert np.array_equal(kept.curve.threshold, made.curve.threshold)
    assert np.array_equal(kept.curve.losses, made.curve.losses)
    assert kept.chance_right(0.5) == made.chance_right(0.5)


def test_a_kept_report_is_strict_json_that_names_its_version(report: CalibrationReport, tmp_path: Path) -> None:
    """The first threshold is infinite, and `Infinity` is not JSON."""
    report.save(tmp_path / "cascade.json")
    text = (tmp_path / "cascade.json").read_text(encoding="utf-8")
    kept = json.loads(text, parse_constant=pytest.fail)
    assert kept["version"] == 1
    assert kept["curve"]["threshold"][0] == "inf"


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("{}", "save"),
        ("not JSON", "save"),
        ("[1]", "save"),
        ('{"version": 99}', "calibrate again"),
        ('{"version": 1, "target": {"kind": "Guess"}}', "calibrate again"),
        ('{"version": 1, "target": {"kind": "RegretBound", "alpha": 0.05, "surprise": 1}}', "save"),
    ],
)
def test_a_file_that_is_no_report_is_refused(text: str, fix: str, tmp_path: Path) -> None:
    """A wrong file read as a threshold would be trusted."""
    (tmp_path / "wrong.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=fix):
        CalibrationReport.load(tmp_path / "wrong.json")


@pytest.mark.parametrize("target", [5, None, "RegretBound", {"kind": "RegretBound", "wrong": 1}])
def test_a_kept_report_whose_target_was_changed_is_refused(
    report: CalibrationReport, tmp_path: Path, target: object
) -> None:
    """Somebody edited the file: the error names it and says what to do."""
    path = tmp_path / "report.json"
    report.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target": target}))
    with pytest.raises(ValueError, match=r"report\.save"):
        CalibrationReport.load(path)


def test_the_same_questions_show_no_drift(report: CalibrationReport) -> None:
    """A false alarm costs another afternoon of labelling."""
    found = report.drift(*labelled(400, seed=6))
    assert not found.has_drifted
    assert found.rows == 400
    assert str(found).startswith("No drift is seen.")


def test_a_mini_model_that_got_worse_breaks_the_promise(report: CalibrationReport) -> None:
    """The provider changed the model: confidences stay, answers do not."""
    found = report.drift(*labelled(400, seed=6, skill=0.3))
    assert found.is_broken
    assert not found.has_shifted
    assert "no longer holds" in str(found)
    assert found.quality < found.quality_then


def test_surer_answers_are_seen_as_a_shift_before_the_promise_breaks(report: CalibrationReport) -> None:
    """Other questions arrive: the share of escalations moves, which costs no labels to see."""
    found = report.drift(*labelled(400, seed=6, sureness=-0.2))
    assert found.has_shifted
    assert not found.is_broken
    assert "other questions" in str(found)


def test_drift_can_be_asked_where_every_answer_is_kept_or_escalated(report: CalibrationReport) -> None:
    """The first labels after a change may all lie on one side."""
    full = np.ones(50)
    assert report.drift(np.full(50, 2.0), full, full).escalated == 0
    assert report.drift(np.full(50, -2.0), full, full).escalated == 1
    with pytest.raises(ValueError, match="no labelled rows"):
        report.drift([], [], [])


def test_the_figure_shows_the_chosen_threshold(report: CalibrationReport) -> None:
    """The point in the figure must be the one in the text."""
    axes = report.figure().axes[0]
    chosen = next(line for line in axes.lines if line.get_label() == "this threshold")
    assert chosen.get_xdata()[0] == pytest.approx(100 * report.expected_cut)
    assert chosen.get_ydata()[0] == pytest.approx(100 * report.quality)


def test_the_notebook_view_escapes_and_says_what_the_text_says(report: CalibrationReport) -> None:
    """A `<` in a sentence would break the page."""
    page = report._repr_html_()
    assert page.count("<tr>") == 4
    assert "model&#x27;s" in page
    assert f"{report.expected_cut:.1%}" in page
    assert f"{report.expected_cut:.1%}" in str(report)


def test_naming_the_parts_of_a_cascade_loads_no_numpy() -> None:
    """Importing must stay cheap for whoever only runs a cascade."""
    code = (
        "import sys\n"
        "from langchain_costguard.cascade import CalibrationReport, QualityTarget, RegretBound, calibrate\n"
        "sys.exit('numpy' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "change",
    [{"threshold": "nan"}, {"threshold": [1]}, {"rows": "many"}, {"curve": {"threshold": [[1], 2]}}, {"quality": "x"}],
)
def test_a_report_whose_figures_are_none_is_refused(
    report: CalibrationReport, change: dict[str, object], tmp_path: Path
) -> None:
    """With a threshold that is no number every answer would be escalated, or an error come up in the first run."""
    path = tmp_path / "report.json"
    report.save(path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError, match=r"report\.json holds no calibration"):
        CalibrationReport.load(path)
