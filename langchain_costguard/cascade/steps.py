"""The course of one question through the tiers of a cascade: try, judge, accept or escalate, until an answer is given.

A pure state machine: it is told what happened and says what to do next. It asks no model, and knows neither messages
nor signals, only numbers of tiers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Do: TypeAlias = Literal["try", "judge", "give", "raise"]
"""What is to be done: ask a tier, judge its answer, give a tier's answer to the user, or raise the error."""

Ending: TypeAlias = Literal["accepted", "exhausted", "refused"]
"""Why an answer is given: its signal accepted it, there is no higher tier, or a budget refused the higher tier."""

OnRefused: TypeAlias = Literal["best", "raise"]
"""What becomes of a question whose escalation a budget refuses: the best answer so far is given, or the refusal
raised."""

OnError: TypeAlias = Literal["escalate", "raise"]
"""What becomes of a question when a tier fails: the next tier is asked, or the error raised."""

FEWEST_TIERS = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every question of a cascade.

    Attributes:
        tiers: how many tiers there are, two or more.
        on_refused: what becomes of a question whose escalation a budget refuses.
        on_error: what becomes of a question when a tier other than the last fails.
        is_last_judged: whether the last tier's answer is judged as well. It is given whatever the verdict.
    """

    tiers: int
    on_refused: OnRefused = "best"
    on_error: OnError = "escalate"
    is_last_judged: bool = False

    def __post_init__(self) -> None:
        """Refuse a cascade that cannot escalate.

        Raises:
            ValueError: there are fewer than two tiers.
        """
        if self.tiers < FEWEST_TIERS:
            found = "no tier" if not self.tiers else "one tier"
            msg = f"A cascade with {found} has nowhere to escalate to: give two or more models as `tiers`."
            raise ValueError(msg)

    def begin(self) -> State:
        """The state of a question that nobody has been asked yet: the first tier is to be tried."""
        return State(self)


@dataclass(frozen=True, slots=True)
class State:
    """Where a question stands, and what to do next.

    Attributes:
        rules: what holds for it.
        do: what to do next.
        tier: with or for which tier, from 0.
        best: the highest tier whose answer was not accepted but could be given; `None` if there is none.
        ending: why the answer is given, once one is.
        error: what is to be raised.
    """

    rules: Rules
    do: Do = "try"
    tier: int = 0
    best: int | None = None
    ending: Ending | None = None
    error: Exception | None = None

    @property
    def is_last(self) -> bool:
        """Whether there is no higher tier."""
        return self.tier == self.rules.tiers - 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is left but to give the answer or raise the error."""
        return self.do in {"give", "raise"}

    def answered(self) -> State:
        """The tier has answered: the answer is judged; that of the last tier only where the rules say so."""
        self._expect("try")
        if self.is_last and not self.rules.is_last_judged:
            return replace(self, do="give", ending="exhausted")
        return replace(self, do="judge")

    def judged(self, *, accepts: bool, presentable: bool = True) -> State:
        """The answer has been judged.

        Args:
            accepts: whether it is accepted.
            presentable: whether it is an answer at all that could be given although it is not accepted.
        """
        self._expect("judge")
        if accepts:
            return replace(self, do="give", ending="accepted")
        if self.is_last:
            return replace(self, do="give", ending="exhausted")
        return self._escalate(self.tier if presentable else self.best)

    def failed(self, error: Exception) -> State:
        """The tier has failed: the next one is asked, if there is one and the rules allow it."""
        self._expect("try")
        if self.is_last or self.rules.on_error == "raise":
            return replace(self, do="raise", error=error)
        return self._escalate(self.best)

    def refused(self, error: Exception) -> State:
        """A budget has refused the tier: higher ones are not tried, because they cost more."""
        self._expect("try")
        if self.best is None or self.rules.on_refused == "raise":
            return replace(self, do="raise", error=error)
        return replace(self, do="give", tier=self.best, ending="refused", error=error)

    def _escalate(self, best: int | None) -> State:
        return replace(self, do="try", tier=self.tier + 1, best=best)

    def _expect(self, do: Do) -> None:
        if self.do != do:
            msg = f"the question is at {self.do!r}, not at {do!r}: tell each state only what it asked for"
            raise RuntimeError(msg)
