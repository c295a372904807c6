"""TokenConfidence: how probable the model found its own tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from langchain_costguard.cascade.judging import LocalSignal, checked_threshold, compared, is_enough
from langchain_costguard.cascade.logprobs import logprobs_of, tokens_of, why_no_logprobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.logprobs import Token
    from langchain_costguard.cascade.verdicts import Draft, Verdict

How = Literal["mean", "min", "quantile", "margin"]
_TWO = 2


@dataclass(frozen=True, repr=False)
class TokenConfidence(LocalSignal):
    """Accepts an answer whose tokens the model found probable; it costs nothing beside the answer.

    The model is asked for log-probabilities. Where the provider has none, building the cascade fails; where an answer
    comes without them, as the call of a tool may, it is not accepted.

    Attributes:
        threshold: the least confidence that is accepted, from 0 to 1; `None` to have it found by calibration.
        how: `"mean"`, the geometric mean of the tokens' probabilities; `"min"`, the least of them; `"quantile"`, the
            probability that so many of the tokens lie below, which long answers distort less; `"margin"`, by how much
            the likeliest token exceeded the next, on average.
        quantile: for `"quantile"`: which, from 0 (as `"min"`) to 1.
    """

    threshold: float | None = None
    how: How = "mean"
    quantile: float = 0.1

    def __post_init__(self) -> None:
        """Refuse settings that are not probabilities."""
        checked_threshold(self.threshold, "TokenConfidence")
        if self.how not in get_args(How):
            msg = f"TokenConfidence does not know how={self.how!r}: use one of {', '.join(get_args(How))}."
            raise ValueError(msg)
        if not 0 <= self.quantile <= 1:
            msg = f"A quantile lies from 0 to 1, not at {self.quantile!r}: give another `quantile`."
            raise ValueError(msg)

    def settings(self, model: Runnable[Any, Any]) -> Mapping[str, Any]:
        """Log-probabilities, and for the margin those of the two likeliest tokens.

        Raises:
            ValueError: the model's provider has none.
        """
        why = why_no_logprobs(model)
        if why is not None:
            msg = (
                f"TokenConfidence cannot judge this model: {why}. Use a signal that needs none: SelfVerification() "
                "asks the model once more, SampleAgreement(k) asks it k times."
            )
            raise ValueError(msg)
        return {"logprobs": True, "top_logprobs": _TWO} if self.how == "margin" else {"logprobs": True}

    def judge(self, draft: Draft) -> Verdict:
        """Compare the answer's confidence with the threshold."""
        confidence = self.confidence(draft.answer)
        if confidence is None:
            is_enough(math.nan, self.threshold, "TokenConfidence")
            reason = f"the answer has no usable log-probabilities ({self._label})"
            return self._verdict(accepts=False, reason=reason)
        accepts = is_enough(confidence, self.threshold, "TokenConfidence")
        return self._verdict(accepts, f"{self._label} {compared(confidence, self.threshold)}", confidence=confidence)

    def confidence(self, answer: AIMessage) -> float | None:
        """How probable the model found an answer's tokens, from 0 to 1.

        Returns:
            The confidence that is compared with the threshold; `None` where the answer has no log-probabilities, or
            one of them is not a number.
        """
        value = _mean_margin(tokens_of(answer)) if self.how == "margin" else self._probability(logprobs_of(answer))
        return None if math.isnan(value) else value

    def _probability(self, logprobs: Sequence[float]) -> float:
        """The probability that stands for all of them; NaN if one of them is, or there is none."""
        if not logprobs or any(map(math.isnan, logprobs)):
            return math.nan
        if self.how == "mean":
            return math.exp(math.fsum(logprobs) / len(logprobs))
        return math.exp(min(logprobs) if self.how == "min" else _quantile(sorted(logprobs), self.quantile))

    @property
    def _label(self) -> str:
        named = f"{self.quantile:g} quantile of" if self.how == "quantile" else self.how
        return f"{named} token probability" if self.how != "margin" else "mean margin of token probability"


def _mean_margin(tokens: Sequence[Token]) -> float:
    """The mean of how much more probable the likeliest token was than the next; NaN if that is not known of all."""
    margins: list[float] = []
    for token in tokens:
        if len(token.likeliest) < _TWO:
            return math.nan
        (_, first), (_, second) = token.likeliest[:_TWO]
        margins.append(math.exp(first) - math.exp(second))
    return math.fsum(margins) / len(margins) if margins else math.nan


def _quantile(ordered: Sequence[float], share: float) -> float:
    """A quantile of rising numbers, linear between two of them."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
