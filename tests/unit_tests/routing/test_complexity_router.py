"""ComplexityRouter: labels are obeyed, scores decide, and a rule for the beginning says that it is one."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from langchain_costguard.routing import (
    ComplexityRouter,
    ComplexityScorer,
    NoRouteError,
    Route,
    TaskClassifier,
    TaskRouter,
    choose_threshold,
)
from langchain_costguard.testing import ScriptedChatModel

EASY = [f"What is the capital of country {number}?" for number in range(60)]
HARD = [f"Prove by induction that the sum over {number} terms converges, step by step." for number in range(40)]
PROMPTS, NEEDS = EASY + HARD, [0] * 60 + [1] * 40


def models() -> dict[str, Any]:
    """A small and a full model that say which they are."""
    return {
        "local": ScriptedChatModel(responses="I am local", model="qwen2.5:7b", provider="ollama"),
        "cloud": ScriptedChatModel(responses="I am cloud", model="gpt-4o", provider="openai"),
    }


def test_the_measured_face_gives_probabilities() -> None:
    """Whoever measures it from outside needs no models."""
    router = ComplexityRouter.fit(PROMPTS, NEEDS)
    scores = router.score(PROMPTS)
    assert isinstance(scores, np.ndarray)
    assert scores.shape == (100,)
    assert 0 <= scores.min() <= scores.max() <= 1
    assert scores[60:].min() > scores[:60].max()
    with pytest.raises(NoRouteError, match="has no models"):
        router.invoke("What?")


def test_a_fitted_router_sends_each_where_it_belongs() -> None:
    """On questions it has not seen."""
    router = ComplexityRouter.fit(PROMPTS, NEEDS, **models())
    assert router.invoke("What is the capital of France?").text == "I am local"
    decision = router.decide("Prove that the sum over 99 terms diverges, step by step.")
    assert decision.route == "cloud"
    assert asyncio.run(router.adecide("Prove that the sum over 99 terms diverges, step by step.")) == decision
    assert decision.confidence is not None
    assert decision.confidence > 0.5
    assert "score" in decision.reason


def test_a_label_is_obeyed() -> None:
    """Complexity "low" goes to the local model; the caller's word is worth more than a score."""
    router = ComplexityRouter.fit(PROMPTS, NEEDS, **models())
    assert router.invoke({"query": HARD[0], "complexity": "low"}).text == "I am local"
    assert router.decide(EASY[0], {"metadata": {"complexity": "HIGH"}}).route == "cloud"
    assert router.decide(EASY[0], {"configurable": {"complexity": "high"}}).route == "cloud"
    with pytest.raises(NoRouteError, match="give 'low' or 'high'"):
        router.decide({"query": "x", "complexity": "middling"})


def test_the_rule_for_the_beginning_says_that_it_is_one() -> None:
    """Nobody is to take a guess by length for a measured one."""
    router = ComplexityRouter(**models(), cold_start_characters=50)
    short, long = router.decide("What?"), router.decide([("human", "x" * 60), ("ai", "yes"), ("human", "And?")])
    assert (short.route, short.confidence) == ("local", None)
    assert (long.route, long.confidence) == ("cloud", None)
    assert "cold-start rule, nothing is fitted" in short.reason
    with pytest.raises(ValueError, match=r"ComplexityRouter\.fit"):
        router.score(["x"])


def test_a_function_may_score() -> None:
    """A user's own scorer, or one of another library."""
    router = ComplexityRouter(**models(), scorer=lambda text: 0.7 if "hard" in text else 0.2, threshold=0.7)
    assert router.decide("hard").route == "cloud"
    assert router.decide("easy").confidence == pytest.approx(0.8)


def test_a_model_given_as_local_is_booked_as_local_and_a_route_as_it_says() -> None:
    """A small model in the cloud is no local one."""
    assert ComplexityRouter(**models()).routes["local"].local
    mini = Route(ScriptedChatModel(model="gpt-4o-mini"))
    assert not ComplexityRouter(mini, models()["cloud"]).routes["local"].local


def test_the_threshold_keeps_to_a_share_and_to_a_quality_on_rows_it_was_not_learned_from() -> None:
    """A threshold out of the air is a guess."""
    by_share = ComplexityRouter.fit(PROMPTS, NEEDS, share=0.2).choice
    assert by_share is not None
    assert by_share.share <= 0.2
    assert by_share.rows == 100
    by_quality = ComplexityRouter.fit(PROMPTS, NEEDS, quality=0.95).choice
    assert by_quality is not None
    assert by_quality.quality >= 0.95
    assert ComplexityRouter.fit(PROMPTS, NEEDS, threshold=0.3).choice is None


@pytest.mark.parametrize(
    ("wish", "threshold", "share", "quality"),
    [
        ({"share": 0.5}, 0.4, 0.4, 0.8),
        ({"share": 0.0}, None, 0.0, 0.4),
        ({"share": 1.0}, 0.0, 1.0, 1.0),
        ({"quality": 0.8}, 0.4, 0.4, 0.8),
        ({"quality": 0.7}, 0.4, 0.4, 0.8),
        ({"quality": 1.0}, 0.15, 0.8, 1.0),
        ({}, 0.4, 0.4, 0.8),
    ],
)
def test_rows_of_one_score_are_never_parted(
    wish: dict[str, float], threshold: float | None, share: float, quality: float
) -> None:
    """No threshold can part them, so a promise that does would be broken in service."""
    scores = [0.9, 0.9, 0.6, 0.6, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1]
    needs = [1, 1, 1, 1, 1, 0, 1, 0, 0, 0]
    choice = choose_threshold(scores, needs, **wish)
    assert choice.share == pytest.approx(share)
    assert choice.quality == pytest.approx(quality)
    assert choice.threshold > 1 if threshold is None else choice.threshold == pytest.approx(threshold)


def test_embeddings_take_the_place_of_words() -> None:
    """Any embedder does: of LangChain, or a function."""

    def embed(texts: list[str]) -> list[list[float]]:
        return [[float("Prove" in text), 1.0] for text in texts]

    scorer = ComplexityScorer.fit(PROMPTS, NEEDS, embed=embed)
    assert scorer.score(["Prove it"])[0] > scorer.score(["Say it"])[0]
    with pytest.raises(TypeError, match="give LangChain Embeddings"):
        ComplexityScorer.fit(PROMPTS, NEEDS, embed=3)


def test_a_measure_that_never_varied_decides_nothing() -> None:
    """Sums of floats make it vary by their rounding, and a division by that outweighs every word."""
    scorer = ComplexityScorer.fit(PROMPTS, NEEDS)  # each has one number
    assert scorer.score(["Prove by induction that it converges."])[0] > scorer.score(["What is the capital?"])[0]


def test_only_the_beginning_and_the_end_of_a_long_prompt_are_read() -> None:
    """A decision must not take longer the longer the prompt is."""
    scorer = ComplexityScorer.fit(PROMPTS, NEEDS)
    middle = "x" * 5_000
    assert scorer.score([f"{'a' * 700}{middle}{'b' * 700}"]) == scorer.score([f"{'a' * 700}{middle * 9}{'b' * 700}"])


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        (lambda: ComplexityRouter(local=models()["local"]), "give both `local` and `cloud`"),
        (lambda: ComplexityRouter(**models(), threshold=1.5), "give 0 to 1"),
        (lambda: ComplexityRouter.fit(PROMPTS, NEEDS[:-1]), "give one `needs_full` for each"),
        (lambda: ComplexityRouter.fit(EASY, [0] * 60), "two or more"),
        (lambda: ComplexityRouter.fit([], []), "two or more"),
        (lambda: ComplexityRouter.fit(PROMPTS, [0.5] * 100), "0 and 1"),
        (lambda: ComplexityRouter.fit("one text", [1]), "list of texts"),
        (lambda: ComplexityRouter.fit(EASY, [0] * 59 + [1]), "or a `threshold`"),
        (lambda: ComplexityRouter.fit(PROMPTS, NEEDS, share=0.2, quality=0.9), "give one of them"),
        (lambda: ComplexityRouter.fit(PROMPTS, NEEDS, share=0.2, threshold=0.9), "give one of them"),
        (lambda: ComplexityRouter.fit(PROMPTS, NEEDS, share=2), "give 0 to 1"),
        (lambda: ComplexityRouter.fit(PROMPTS, NEEDS).score("text") and None, "give a list"),
    ],
)
def test_bad_labels_and_wishes_are_refused_with_what_mends_them(fault: Any, fix: str) -> None:
    """A router fitted to nothing looks like one that works."""
    with pytest.raises((ValueError, TypeError), match=fix):
        fault()


def test_a_classifier_learns_tasks_and_routes_by_them() -> None:
    """Labelled prompts instead of keywords."""
    classifier = TaskClassifier.fit(PROMPTS, ["simple_qa"] * 60 + ["complex_reasoning"] * 40)
    assert classifier.tasks == ("complex_reasoning", "simple_qa")
    found = classifier("What is the capital of Peru?")
    assert found.task == "simple_qa"
    assert 0.5 < found.confidence <= 1
    made = models()
    routed = TaskRouter({"simple_qa": made["local"], "complex_reasoning": made["cloud"]}, classifier=classifier)
    assert routed.invoke("Prove by induction that it converges.").text == "I am cloud"
    with pytest.raises(ValueError, match="give one `tasks`"):
        TaskClassifier.fit(PROMPTS, ["a"])


def test_a_score_that_is_not_a_number_is_refused() -> None:
    """NaN is below every threshold: whatever the scorer could not read would go to the small model."""
    routed = ComplexityRouter(**models(), scorer=lambda _: float("nan"))
    with pytest.raises(ValueError, match="let the classifier or the scorer give 0 to 1"):
        routed.decide("Why?")


@pytest.mark.parametrize("scores", [[], [0.1], [0.1, float("nan")]])
def test_a_threshold_is_found_for_one_number_for_each_label(scores: list[float]) -> None:
    """Scores of other rows than the labels give a threshold that means nothing."""
    with pytest.raises(ValueError, match="give one number, not NaN, for each"):
        choose_threshold(scores, [0, 1] if scores else [])
