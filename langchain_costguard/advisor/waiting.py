"""Which calls nobody seems to wait for: chains that run in bursts or at night and never stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from langchain_costguard.advisor.calls import US_PER_SECOND
from langchain_costguard.advisor.changes import Changes
from langchain_costguard.advisor.proposals import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_costguard.advisor.calls import Calls, Ints

_FEWEST: Final = 50
_BUCKET_US: Final = 600 * US_PER_SECOND
_FEWEST_IN_BURST: Final = 30
_TIMES_MEAN: Final = 20
_MOST: Final = 0.8
_NIGHT_ENDS: Final = 6
_FEWEST_NIGHTS: Final = 3
_HOUR_US: Final = 3600 * US_PER_SECOND


def waiting(calls: Calls, can_wait: Sequence[str], tz: str) -> Iterator[Proposal]:
    """Calls for which a batch has a price and nobody seems to wait.

    Args:
        calls: all calls.
        can_wait: names of runs whose calls may wait, as the user says.
        tz: the IANA time zone whose nights are meant.

    Yields:
        One proposal per chain (a bare model counts as one). A chain that may wait is sure; another one has a low of
        zero, and an expected saving where its calls come in bursts or at night: a job, as it seems.
    """
    chains: dict[str, list[int]] = {}
    for number, group in enumerate(calls.groups):
        if group.batch is not None:
            chains.setdefault(group.chain or group.question.model, []).append(number)
    for chain, numbers in chains.items():
        where = calls.in_groups(numbers)
        if not set(can_wait).isdisjoint(chain.split(" > ")):
            yield _proposal(calls, chain, where, where, f"you said that calls of {chain} can wait", is_sure=True)
        elif len(where) >= _FEWEST and not calls.streamed[where].any():
            job, why = _as_a_job(calls, where, tz)
            if why:
                yield _proposal(calls, chain, where, where[job], why, is_sure=False)


def _as_a_job(calls: Calls, where: Ints, tz: str) -> tuple[Ints, str]:
    """Which of a chain's calls look like a job, and why; nothing where most of them do not."""
    at = calls.at[where]
    buckets = (at - calls.at[0]) // _BUCKET_US
    counts = np.bincount(buckets.astype(np.int64))
    mean = len(where) / max(1, int(calls.at[-1] - calls.at[0]) // _BUCKET_US + 1)
    in_burst = counts[buckets] >= max(_FEWEST_IN_BURST, _TIMES_MEAN * mean)
    if in_burst.mean() >= _MOST:
        bursts = int((counts >= max(_FEWEST_IN_BURST, _TIMES_MEAN * mean)).sum())
        return in_burst, f"{int(in_burst.sum()):,} of them came in {bursts:,} bursts of at least 30 in ten minutes"
    hours, nights = _local(at, tz)
    by_night = hours < _NIGHT_ENDS
    if by_night.mean() >= _MOST and len(np.unique(nights[by_night])) >= _FEWEST_NIGHTS:
        return by_night, f"{int(by_night.sum()):,} of them came between midnight and six ({tz})"
    return in_burst, ""


def _local(at: Ints, tz: str) -> tuple[Ints, Ints]:
    """The local hour of day and the local day of moments; offsets are looked up once an hour."""
    from datetime import UTC, datetime

    zone = ZoneInfo(tz)
    hours, which = np.unique(at // _HOUR_US, return_inverse=True)
    shifts = []
    for hour in hours.tolist():
        offset = datetime.fromtimestamp(hour * 3600, tz=UTC).astimezone(zone).utcoffset()
        shifts.append(0 if offset is None else int(offset.total_seconds()))
    local = at // US_PER_SECOND + np.array(shifts, dtype=np.int64)[which]
    return local // 3600 % 24, local // 86_400


def _proposal(calls: Calls, chain: str, all_of_it: Ints, job: Ints, why: str, *, is_sure: bool) -> Proposal:
    def batched(where: Ints) -> Changes:
        column = np.zeros(len(calls), dtype=bool)
        column[where] = True
        return Changes(batched=column)

    nobody = np.zeros(0, dtype=np.int64)
    return Proposal(
        technique="batch",
        target=chain,
        title="Send in a batch what can wait",
        where=all_of_it,
        changes={
            "low": batched(all_of_it if is_sure else nobody),
            "expected": batched(all_of_it if is_sure else job),
            "high": batched(all_of_it),
        },
        evidence=f"{len(all_of_it):,} calls of {chain} were not batched{'' if is_sure else ', none streamed'}: {why}",
        figures={"calls": len(all_of_it), "like_a_job": len(job)},
        code="job = submit_batch(chain, inputs)",
    )
