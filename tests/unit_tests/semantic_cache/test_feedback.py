"""What follows from a word on a served hit, and what shadow mode and near misses keep."""

from __future__ import annotations

import json

import pytest

from langchain_costguard.semantic_cache.feedback import FeedbackState, ShadowState


def test_a_wrong_answer_is_evicted_and_a_right_one_stays() -> None:
    """The same wrong answer must not be served twice."""
    state = FeedbackState(0.9)
    assert state.judged(0.95, good=False).evict
    assert not state.judged(0.95, good=True).evict


def test_one_complaint_among_many_hits_does_not_move_the_threshold() -> None:
    """A promise of 2 % allows some wrong answers."""
    state = FeedbackState(0.9, good=500)
    assert state.judged(0.95, good=False).threshold == 0.9


def test_complaints_beyond_the_accepted_share_tighten() -> None:
    """Two wrong in a row are not 2 %: what was that similar is no longer served."""
    verdict = FeedbackState(0.9).judged(0.92, good=False)
    assert verdict.threshold == pytest.approx(0.922)
    assert (verdict.state.good, verdict.state.bad, verdict.state.all_bad) == (0, 0, 1)


def test_an_exact_hit_never_tightens() -> None:
    """A wrong answer to the very same question is the answer's fault, not the threshold's."""
    assert FeedbackState(0.9).judged(1.0, good=False).threshold == 0.9


def test_the_bound_runs_with_the_words() -> None:
    """Clopper-Pearson: 0 of 114 is at most 2 % at 90 %."""
    assert FeedbackState(0.9).upper_bound is None
    assert FeedbackState(0.9, good=114).upper_bound == pytest.approx(0.02, abs=2e-4)


def test_a_state_can_be_stored() -> None:
    """What was learned survives the process."""
    state = FeedbackState(0.9).judged(0.92, good=False).state
    assert FeedbackState.from_dict(json.loads(json.dumps(state.as_dict()))) == state
    with pytest.raises(ValueError, match="no feedback state"):
        FeedbackState.from_dict({"limit": 1})


def test_shadow_mode_counts_what_would_have_been() -> None:
    """One sees what a cache would serve before it serves anything."""
    state = ShadowState().looked_up(hit=True).looked_up(hit=False).compared(same=True)
    assert (state.lookups, state.would_serve, state.agreed) == (2, 1, 1)
    assert state.hit_ratio == 0.5
    assert "1 of 2 would have been served, 1 agreed" in str(state)
    assert "nothing compared yet" in str(ShadowState())
