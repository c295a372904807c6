"""The support desk of an invented shop: its handbook, what its customers ask, and whether an answer is right.

All texts were written for this notebook. Shop, products and prices do not exist.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.semantic_cache import Explanation

FOLDER: Final = Path(__file__).parent
HANDBOOK: Final = (FOLDER / "handbook.md").read_text(encoding="utf-8").strip()
VERBOSE_PROMPT: Final = (FOLDER / "verbose_prompt.txt").read_text(encoding="utf-8").strip()

_HELD_OUT_EVERY: Final = 3
_USERS: Final = 25
_REWORDED: Final = 0.45
_FLATTER: Final = 6
_BY_MAIL: Final = 0.3


class Wording(NamedTuple):
    """One way of asking something."""

    text: str
    """The question."""
    phrase: str
    """What a right answer holds."""
    subject: int
    """Which question it is, whatever its words."""


class Ask(NamedTuple):
    """A question that a customer asks."""

    wording: Wording
    user: str
    channel: str
    """`"chat"`: somebody waits. `"mail"`: nobody does."""

    @property
    def metadata(self) -> dict[str, str]:
        """What goes with the call into the ledger."""
        return {"user": self.user, "channel": self.channel}


def subjects() -> list[list[Wording]]:
    """Everything that can be asked, each with all its wordings; look-alikes are subjects of their own."""
    lines = (FOLDER / "questions.txt").read_text(encoding="utf-8").splitlines()
    rows = [[part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#")]
    return [[Wording(text, phrase, number) for text in texts] for number, (phrase, *texts) in enumerate(rows)]


def labelled() -> list[Wording]:
    """The wordings of every third subject, for calibrating: none of them is asked by a customer."""
    return [wording for wordings in subjects()[::_HELD_OUT_EVERY] for wording in wordings]


def asked(count: int = 300, seed: int = 13) -> list[Ask]:
    """What customers ask: a few things often, most of them seldom, and not always in the same words."""
    draw = random.Random(seed)  # noqa: S311 - drawn, not secret
    known = [wordings for number, wordings in enumerate(subjects()) if number % _HELD_OUT_EVERY]
    draw.shuffle(known)
    return list(_drawn(draw, known, count))


def is_right(wording: Wording, answer: str) -> bool:
    """Whether an answer holds the phrase that it must hold."""
    return wording.phrase.lower() in answer.lower()


def is_of_another(wording: Wording, lookup: Explanation) -> bool:
    """Whether a cache served the answer to another question than the one that was asked."""
    return lookup.is_hit and _subjects_by_text().get(lookup.stored or "") != wording.subject


@cache
def _subjects_by_text() -> dict[str, int]:
    return {wording.text: wording.subject for wordings in subjects() for wording in wordings}


def _drawn(draw: random.Random, known: list[list[Wording]], count: int) -> Iterator[Ask]:
    for wordings in draw.choices(known, _zipf(len(known)), k=count):
        usual, *others = wordings
        wording = draw.choice(others or wordings) if draw.random() < _REWORDED else usual
        user = draw.choices(range(_USERS), _zipf(_USERS))[0]
        yield Ask(wording, f"u{user:02}", "mail" if draw.random() < _BY_MAIL else "chat")


def _zipf(count: int) -> list[float]:
    return [1 / rank for rank in range(_FLATTER, count + _FLATTER)]
