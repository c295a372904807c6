"""Which answers are far longer than is typical for their chain, and what a limit would leave of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from langchain_costguard.advisor.changes import Changes
from langchain_costguard.advisor.proposals import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.advisor.calls import Calls

_FEWEST: Final = 50
_TIMES_P90: Final = 2
_DEVIATIONS: Final = 4.0
"""An answer is far from typical beyond so many robust standard deviations of the logarithm of lengths."""
_NORMAL: Final = 1.4826
"""The standard deviation of a normal distribution for a median absolute deviation of one."""
_COMMON: Final = 0.9
_NO_LIMIT: Final = np.iinfo(np.int64).max


def long_outputs(calls: Calls) -> Iterator[Proposal]:
    """Answers beyond any length that is typical for their model and chain.

    Yields:
        One proposal per model and chain. Low: none, for an answer that is cut off may be asked for again. Expected: the
        tokens beyond the limit. High: those beyond the median length.
    """
    chains: dict[tuple[str, str], list[int]] = {}
    for number, group in enumerate(calls.groups):
        chains.setdefault((group.question.model, group.chain), []).append(number)
    for (model, chain), numbers in chains.items():
        where = calls.in_groups(numbers)
        proposal = _of_chain(calls, where, model, chain) if len(where) >= _FEWEST else None
        if proposal is not None:
            yield proposal


def _of_chain(calls: Calls, where: np.ndarray, model: str, chain: str) -> Proposal | None:
    lengths = calls.output_tokens[where]
    logs = np.log(np.maximum(lengths, 1))
    middle = float(np.median(logs))
    spread = _NORMAL * float(np.median(np.abs(logs - middle)))
    median, common = round(float(np.median(lengths))), round(float(np.quantile(lengths, _COMMON)))
    limit = round(max(_TIMES_P90 * common, float(np.exp(middle + _DEVIATIONS * spread))))
    far = where[lengths > limit]
    if len(far) == 0 or median == 0:
        # so many are long that the ninetieth percentile is one of them: ask the robust spread alone
        limit = round(float(np.exp(middle + _DEVIATIONS * spread)))
        far = where[lengths > max(limit, 2 * median)]
        if not (median and len(far) and spread):
            return None
    caps = {"low": _NO_LIMIT, "expected": limit, "high": max(median, 1)}
    changes = {}
    for name, cap in caps.items():
        column = np.full(len(calls), _NO_LIMIT, dtype=np.int64)
        column[far] = cap
        changes[name] = Changes(cap=column)
    longest = int(calls.output_tokens[far].max())
    return Proposal(
        technique="output_limit",
        target=chain or model,
        title="Limit the length of answers",
        where=far,
        changes=changes,  # type: ignore[arg-type] # the keys are the scenarios
        evidence=(
            f"{len(far):,} of {len(where):,} answers of {model}{f' in {chain}' if chain else ''} have more than "
            f"{limit:,} tokens; half have at most {median:,}, nine of ten at most {common:,}, the longest {longest:,}"
        ),
        figures={"outliers": len(far), "of": len(where), "median": median, "p90": common, "limit": limit},
        code=f"model = limit_output(model, max_tokens={limit})",
    )
