"""The decision on one pair: threshold, guards, verifier, in this order."""

from __future__ import annotations

from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.matching import adecide, decide

STORED, ASKED = "How do I lock my card?", "How can I lock my card?"


def test_similar_texts_without_a_veto_are_a_hit() -> None:
    """The plain case."""
    match = decide(0.95, STORED, ASKED, 0.9, Guards.default())
    assert match.hit
    assert match.similarity == 0.95
    assert match.vetoes == ()


def test_below_the_threshold_no_guard_is_asked() -> None:
    """Guards run only on candidates that clear the threshold: most lookups must not pay for them."""
    asked: list[str] = []

    def spy(_: str, text: str) -> None:
        asked.append(text)

    guards = Guards.none().with_guard("spy", spy)
    assert not decide(0.899, STORED, ASKED, 0.9, guards).hit
    assert asked == []
    assert decide(0.9, STORED, ASKED, 0.9, guards).hit
    assert asked == [ASKED]


def test_a_veto_is_a_miss_with_its_reason() -> None:
    """Whoever looks at a miss must see why."""
    match = decide(0.99, "How do I lock my card?", "How do I unlock my card?", 0.9, Guards.default())
    assert not match.hit
    assert "lock" in match.reason
    assert match.vetoes


def test_a_verifier_is_asked_last_and_decides() -> None:
    """A verifier costs money: it is not asked where the guards already refused."""
    asked: list[tuple[str, str]] = []

    def verifier(stored: str, text: str) -> bool:
        asked.append((stored, text))
        return False

    assert not decide(0.99, "lock my card", "unlock my card", 0.9, Guards.default(), verifier).hit
    assert asked == []
    assert not decide(0.99, STORED, ASKED, 0.9, Guards.default(), verifier).hit
    assert asked == [(STORED, ASKED)]


def test_a_verifier_that_fails_is_a_miss() -> None:
    """An unverified answer is not served, and the call itself must go on."""

    def verifier(stored: str, text: str) -> bool:
        raise ConnectionError(stored, text)

    match = decide(0.99, STORED, ASKED, 0.9, Guards.default(), verifier)
    assert not match.hit
    assert "ConnectionError" in match.reason


async def test_a_verifier_can_be_awaited() -> None:
    """On an event loop a model must not be asked in a blocking way."""

    async def verifier(stored: str, text: str) -> bool:
        return stored != text

    assert (await adecide(0.99, STORED, ASKED, 0.9, Guards.default(), verifier)).hit


def test_a_similarity_that_is_no_number_is_a_miss() -> None:
    """A broken vector must not open the cache."""
    assert not decide(float("nan"), STORED, ASKED, 0.9, Guards.default()).hit
