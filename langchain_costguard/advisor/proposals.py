"""What a detector found: a technique for some calls, and what would be changed about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from langchain_costguard.advisor.changes import SCENARIOS, Changes, saved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_costguard.advisor.calls import Calls, Ints
    from langchain_costguard.advisor.changes import CachedInput, Scenario

    Held = Mapping[Scenario, tuple[Ints, CachedInput]]


@dataclass(eq=False, kw_only=True)
class Proposal:
    """A technique for some calls.

    Args:
        technique: one of `Savings._fields`.
        target: which calls, in words.
        title: what to do, in a few words.
        where: the calls, by position.
        changes: what is changed about them in each scenario.
        evidence: what in the ledger says so.
        figures: the figures of the evidence.
        code: the line of code that does it.
        held_without: for cached input: what would be held if some calls were not sent at all.
    """

    technique: str
    target: str
    title: str
    where: Ints
    changes: Mapping[Scenario, Changes]
    evidence: str
    figures: Mapping[str, int | str]
    code: str
    held_without: Callable[[Ints], Held] | None = None
    saved: dict[Scenario, int] = field(default_factory=dict)

    def sized(self, calls: Calls) -> Proposal:
        """The same with what it saves alone, in nano-USD; never more than its calls cost."""
        most = calls.most(self.where)
        self.saved = {name: min(saved(calls, self.changes[name], name, self.where), most) for name in SCENARIOS}
        return self


def combined(calls: Calls, proposals: Sequence[Proposal]) -> dict[Scenario, int]:
    """What all proposals save together, in nano-USD; never more than the bill or the sum of what each saves.

    Every call is taken once through all of its changes: what a cache of one's own answers is not sent, so that it
    neither reads nor warms a provider's cache; the rest is priced as in `changes.costs`.
    """
    if not proposals:
        return dict.fromkeys(SCENARIOS, 0)
    everything = np.arange(len(calls))
    found, most = {}, calls.most(everything)
    for scenario in SCENARIOS:
        together = saved(calls, _merged(proposals, scenario), scenario, everything)
        found[scenario] = min(max(together, 0), most, sum(max(each.saved[scenario], 0) for each in proposals))
    return found


def _merged(proposals: Sequence[Proposal], scenario: Scenario) -> Changes:
    merged = Changes()
    for proposal in proposals:
        changes = proposal.changes[scenario]
        merged.served = _either(merged.served, changes.served)
        merged.batched = _either(merged.batched, changes.batched)
        if changes.cap is not None:
            merged.cap = changes.cap if merged.cap is None else np.minimum(merged.cap, changes.cap)
        merged.models = {**changes.models, **merged.models}
    for proposal in proposals:
        held = proposal.changes[scenario].cached
        if proposal.held_without is not None and merged.served is not None and held:
            held = [proposal.held_without(merged.served)[scenario]]
        merged.cached = [*merged.cached, *held]
    return merged


def _either(one: Ints | None, other: Ints | None) -> Ints | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other
