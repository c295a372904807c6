"""What a cache learns of the answers it served: what to evict, how far to tighten, and how sure it still is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._bounds import broken_share_p_value, clopper_pearson_upper

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEP: Final = 0.002
_HIGHEST: Final = 0.999
_RISK: Final = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one user's word on one hit.

    Attributes:
        evict: whether the served entry is to be dropped.
        threshold: the least similarity of a hit from now on.
        state: what is known from now on.
    """

    evict: bool
    threshold: float
    state: FeedbackState


@dataclass(frozen=True, slots=True)
class FeedbackState:
    """Every word on served hits, counted; a value, so that a store can keep it.

    Attributes:
        threshold: the least similarity of a hit now.
        max_false_hit: the share of wrong answers among the judged ones that is accepted.
        good: hits said to be right since the threshold last changed.
        bad: hits said to be wrong since then.
        all_good: hits ever said to be right.
        all_bad: hits ever said to be wrong.
    """

    threshold: float
    max_false_hit: float = 0.02
    good: int = 0
    bad: int = 0
    all_good: int = 0
    all_bad: int = 0

    def judged(self, similarity: float, *, good: bool) -> Verdict:
        """What follows from the word on a hit.

        A wrong answer's entry is dropped. The threshold rises just above the similarity of a wrong hit once the
        wrong ones are more than `max_false_hit` explains, at a risk of 10 %: one complaint among thousands of hits
        changes nothing, two in a row do.

        Args:
            similarity: of the hit, from 0 to 1; an exact hit has 1 and never moves the threshold.
            good: whether the answer was right.
        """
        counted = replace(
            self,
            good=self.good + good,
            bad=self.bad + (not good),
            all_good=self.all_good + good,
            all_bad=self.all_bad + (not good),
        )
        if good:
            return Verdict(evict=False, threshold=self.threshold, state=counted)
        if similarity < _HIGHEST and counted.is_broken:
            counted = replace(counted, threshold=max(self.threshold, min(_HIGHEST, similarity + _STEP)), good=0, bad=0)
        return Verdict(evict=True, threshold=counted.threshold, state=counted)

    @property
    def is_broken(self) -> bool:
        """Whether there are more wrong answers than the accepted share explains."""
        count, rows = self.bad, self.good + self.bad
        return (
            count > 0
            and count / rows > self.max_false_hit
            and (broken_share_p_value(count, rows, self.max_false_hit) <= _RISK)
        )

    @property
    def upper_bound(self) -> float | None:
        """The largest share of wrong answers the words since the last change still allow, at 90 %; `None` without any.

        A bound on what was judged: where only complaints are reported it says nothing of the hits nobody spoke of.
        """
        rows = self.good + self.bad
        return clopper_pearson_upper(self.bad, rows, _RISK) if rows else None

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> FeedbackState:
        """The state that `as_dict` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            return cls(**kept)
        except TypeError as error:
            msg = f"This is no feedback state ({error}): give what `as_dict()` returned."
            raise ValueError(msg) from error


@dataclass(frozen=True, slots=True)
class ShadowState:
    """What a cache that serves nothing would have done.

    Attributes:
        lookups: how many questions were looked up.
        would_serve: how many would have been served.
        agreed: how many of these got the same answer from the model.
        disagreed: how many got another one.
    """

    lookups: int = 0
    would_serve: int = 0
    agreed: int = 0
    disagreed: int = 0

    def looked_up(self, *, hit: bool) -> ShadowState:
        """One more lookup."""
        return replace(self, lookups=self.lookups + 1, would_serve=self.would_serve + hit)

    def compared(self, *, same: bool) -> ShadowState:
        """The model answered a question that would have been served."""
        return replace(self, agreed=self.agreed + same, disagreed=self.disagreed + (not same))

    @property
    def hit_ratio(self) -> float | None:
        """The share of lookups that would have been served; `None` before the first."""
        return self.would_serve / self.lookups if self.lookups else None

    @property
    def upper_bound(self) -> float | None:
        """The largest share of disagreement that the comparisons still allow, at 90 %; `None` without any."""
        rows = self.agreed + self.disagreed
        return clopper_pearson_upper(self.disagreed, rows, _RISK) if rows else None

    def __str__(self) -> str:
        """The counts in one line."""
        bound = "nothing compared yet" if self.upper_bound is None else f"at most {self.upper_bound:.1%} wrong at 90 %"
        return f"{self.would_serve} of {self.lookups} would have been served, {self.agreed} agreed: {bound}"
