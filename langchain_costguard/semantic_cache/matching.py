"""Whether the answer to one question is served for another: similar enough, no veto, and verified if one wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.language_models import BaseChatModel

    from langchain_costguard.semantic_cache.guards import Guards, Veto

    Verifier = Callable[[str, str], bool]
    """Takes the stored and the asked text and says whether they have the same answer."""


@dataclass(frozen=True, slots=True)
class Match:
    """The decision on one pair of questions.

    Attributes:
        similarity: of their vectors, from 0 to 1; larger is closer.
        vetoes: what the guards say against it; empty too where the similarity was too low for them to be asked.
        hit: whether the stored answer is served.
        reason: why, or why not, in words.
    """

    similarity: float
    vetoes: tuple[Veto, ...]
    hit: bool
    reason: str

    def __bool__(self) -> bool:
        """Whether it is a hit."""
        return self.hit

    def __str__(self) -> str:
        """The decision in one line."""
        return f"{'hit' if self.hit else 'miss'} at {self.similarity:.3f}: {self.reason}"


def decide(
    similarity: float,
    stored_text: str,
    asked_text: str,
    threshold: float,
    guards: Guards,
    verifier: Verifier | None = None,
) -> Match:
    """Decide on one candidate; each step is taken only when the one before it says yes.

    Args:
        similarity: of the two texts' vectors, from 0 to 1.
        stored_text: the question whose answer is kept.
        asked_text: the question to be answered.
        threshold: the least similarity of a hit.
        guards: asked about the texts once the threshold is reached.
        verifier: asked last; one that raises is a miss, with its error as the reason.
    """
    similarity = min(1.0, max(0.0, similarity))
    if not similarity >= threshold:
        return Match(similarity, (), hit=False, reason=f"similarity {similarity:.3f} is below {threshold:.3f}")
    return _judged(similarity, stored_text, asked_text, guards, verifier)


def as_verifier(verifier: object) -> Verifier | None:
    """A verifier as `decide` takes it.

    Args:
        verifier: a function of the stored and the asked text, a chat model, or `None`.

    Raises:
        TypeError: it is neither.
    """
    from langchain_core.language_models import BaseChatModel

    if isinstance(verifier, BaseChatModel):
        return _asking(verifier)
    if verifier is not None and not callable(verifier):
        msg = (
            f"{type(verifier).__name__} is no verifier: give verifier= a function of the stored and the asked text "
            "that says whether they have the same answer, or a chat model"
        )
        raise TypeError(msg)
    return cast("Verifier | None", verifier)


def _asking(model: BaseChatModel) -> Verifier:
    """Ask a model, never its cache: one question about two others reads much like the next."""
    from langchain_costguard.semantic_cache.proposals import read_yes_no, same_answer_prompt

    uncached = model.model_copy(update={"cache": False})

    def is_same(stored: str, asked: str) -> bool:
        return read_yes_no(str(uncached.invoke(same_answer_prompt(stored, asked)).text)) is True

    return is_same


async def adecide(
    similarity: float,
    stored_text: str,
    asked_text: str,
    threshold: float,
    guards: Guards,
    verifier: Callable[[str, str], Awaitable[bool]] | None = None,
) -> Match:
    """`decide` with a verifier that is awaited."""
    match = decide(similarity, stored_text, asked_text, threshold, guards)
    if not match.hit or verifier is None or stored_text == asked_text:
        return match
    try:
        same = await verifier(stored_text, asked_text)
    except Exception as error:  # noqa: BLE001 - a verifier may fail in any way, and then nothing is verified
        return _failed(match, error)
    return _verified(match, same=same)


def _judged(similarity: float, stored: str, asked: str, guards: Guards, verifier: Verifier | None) -> Match:
    vetoes = guards.vetoes(stored, asked)
    if vetoes:
        return Match(similarity, vetoes, hit=False, reason="; ".join(map(str, vetoes)))
    match = Match(similarity, (), hit=True, reason="similar, and nothing speaks against it")
    if verifier is None or stored == asked:
        return match
    try:
        same = verifier(stored, asked)
    except Exception as error:  # noqa: BLE001 - a verifier may fail in any way, and then nothing is verified
        return _failed(match, error)
    return _verified(match, same=same)


def _verified(match: Match, *, same: bool) -> Match:
    said = "the verifier agrees" if same else "the verifier says that the answers differ"
    return Match(match.similarity, (), hit=bool(same), reason=said)


def _failed(match: Match, error: Exception) -> Match:
    return Match(match.similarity, (), hit=False, reason=f"the verifier failed: {type(error).__name__}: {error}")
