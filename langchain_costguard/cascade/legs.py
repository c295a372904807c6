"""One call within a cascade: what it is for, what it cost, and what stands about it in the answer's metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard import tags
from langchain_costguard._settings import is_disabled
from langchain_costguard.callbacks.scopes import Scope
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.recorder import Recorder
from langchain_costguard.recorder.lines import LineMaker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.messages import AIMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.runnables import Runnable

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.recorder import StartedCall

TECHNIQUE: Final = "cascade"
DRAFT: Final = "draft"
ANSWER: Final = "answer"
HIDDEN_TAG: Final = "nostream"
"""LangGraph shows no messages of runs with this tag: nobody has judged them yet."""

_DECIMALS: Final = 9
_SERVED_STEPS: Final = ("exact_cache", "semantic_cache")
"""The steps by which answers from a cache are claimed."""


class LegWatcher(Scope):
    """Sees the lines of one leg's calls, and watches them on behalf of everybody who watches the cascade.

    It alone is told of the leg: where several inline handlers are told of a refused call, LangChain leaves those behind
    the refusing one with coroutines that are never awaited.
    """

    stands_for_all = True

    def __init__(self, around: Sequence[CallView]) -> None:
        """Watch one leg.

        Args:
            around: who watches the cascade.
        """
        super().__init__((self, *around))
        self.recorder: Recorder = recorder_of(around)
        self.lines: list[LedgerEntry] = []
        self.is_closed: bool = False
        self.is_disabled: bool = is_disabled()

    @property
    def guard(self) -> None:
        """None: it has no budgets of its own."""

    def see(self, entry: LedgerEntry) -> None:
        """Take note of a finished call."""
        self.lines.append(entry)

    def flush(self) -> bool:
        """True: it writes nothing itself."""
        return True


def recorder_of(around: Sequence[CallView]) -> Recorder:
    """The recorder of the first who watches; one that keeps nothing where nobody does."""
    return around[0].recorder if around else _own_recorder()


def views_of(handlers: Iterable[BaseCallbackHandler]) -> list[CallView]:
    """Who watches a run with these handlers, each of them once."""
    found: list[CallView] = []
    for handler in handlers:
        if isinstance(handler, CallWatcher):
            found += [view for view in handler.open_views() if view not in found]
    return found


@dataclass(slots=True)
class Leg:
    """One call within a cascade.

    Attributes:
        tier: which tier it belongs to, from 0.
        model: the name of the model that is asked.
        purpose: `"draft"`, `"answer"`, or what a signal asks for.
        baseline: the model that would have been asked without the cascade; empty where nobody would have been.
        booked_nano: what earlier legs have booked, and is to be taken off its baseline, in nano-USD.
        added_nano: what its baseline holds for what a signal adds to its prompt, in nano-USD.
        served_nano: how much of that earlier legs had from a cache, by the name of its step.
        others_nano: how much of that other techniques saved on earlier legs.
        watcher: what sees its lines, once it has begun.
        usage: the usage its answer reported.
        verdict: `"accepted"`, `"rejected"` or `"failed"`; empty where nothing was judged.
        reason: why.
        confidence: how sure the signal was.
        error: the class of what it failed with.
        asked: what is run.
    """

    tier: int
    model: str
    purpose: str
    baseline: str = ""
    booked_nano: int = 0
    added_nano: int = 0
    others_nano: int = 0
    watcher: LegWatcher | None = None
    usage: UsageMetadata | None = None
    verdict: str = ""
    reason: str = ""
    confidence: float | None = None
    error: str = ""
    asked: Runnable[Any, Any] | None = None
    served_nano: Mapping[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> Sequence[LedgerEntry]:
        """The ledger's lines of its calls."""
        return () if self.watcher is None else self.watcher.lines

    @property
    def is_hidden(self) -> bool:
        """Whether nobody is to see what it says, at least not yet."""
        return self.purpose != ANSWER

    def metadata(self, outer: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What its runs tell the recorder, beside what the runs around them do."""
        found = tags.with_technique(outer, TECHNIQUE)
        if found.get(tags.BASELINE_MODEL) == "":  # all around is the cost of another technique, and saves nothing
            return {**found, tags.BASELINE_BOOKED: None, tags.BASELINE_ADDED: None, tags.BASELINE_SERVED: None}
        booked, added, served = self.booked_nano, self.added_nano, self.served_nano
        if self.baseline:  # the cascade may itself be a tier of one around, whose drafts have booked as well
            booked += found.get(tags.BASELINE_BOOKED) or 0
            added += found.get(tags.BASELINE_ADDED) or 0
            served = _added(served, found.get(tags.BASELINE_SERVED) or {})
        else:  # a signal's call is the cascade's cost, whatever stands around the cascade
            found[tags.TECHNIQUE] = [TECHNIQUE, *(name for name in found[tags.TECHNIQUE] if name != TECHNIQUE)]
        return {
            **found,
            tags.BASELINE_MODEL: self.baseline,
            tags.BASELINE_BOOKED: booked or None,
            tags.BASELINE_ADDED: added or None,
            tags.BASELINE_SERVED: served or None,
        }

    def tags(self) -> list[str]:
        """The tags of its runs."""
        mark = f"cascade:tier:{self.tier}"
        return [mark, HIDDEN_TAG] if self.is_hidden else [mark]

    @property
    def cost_nano(self) -> int | None:
        """What it cost in nano-USD; `None` where that is not known."""
        return _sum(line.billed_nano for line in self.lines) if self.lines else None

    @property
    def baseline_nano(self) -> int | None:
        """What its lines say of the baseline, in nano-USD; `None` where that is not known."""
        found = (None if line.status == "cached" else line.baseline_nano for line in self.lines)
        return _sum(found) if self.lines else None

    @property
    def claimed_nano(self) -> int:
        """What its lines have booked as the cost without any technique, in nano-USD, as far as it is known."""
        return sum(_claimed(line) for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """What stands about it in an answer's metadata: texts and whole numbers."""
        found: dict[str, Any] = {"tier": self.tier, "model": self.model, "purpose": self.purpose}
        if self.verdict:
            found |= {"verdict": self.verdict, "reason": self.reason, "confidence": confidence_text(self.confidence)}
        if self.error:
            found["error"] = self.error
        if self.usage is not None:
            found |= {"input_tokens": self.usage["input_tokens"], "output_tokens": self.usage["output_tokens"]}
        return found | {"cost_usd": usd_text(self.cost_nano), "run_ids": [str(line.run_id) for line in self.lines]}


@dataclass(slots=True)
class Legs:
    """All calls of one question, in the order in which they began."""

    legs: list[Leg] = field(default_factory=list)

    def open(self, leg: Leg) -> Leg:
        """Add a leg."""
        self.legs.append(leg)
        return leg

    @property
    def booked_nano(self) -> int:
        """What their lines have booked as the cost without any technique so far, in nano-USD, as far as it is known."""
        return sum(leg.claimed_nano for leg in self.legs)

    @property
    def others_nano(self) -> int:
        """How much of that other techniques saved, such as a provider's cache."""
        return self.booked_nano - sum(leg.baseline_nano or 0 for leg in self.legs)

    @property
    def served_nano(self) -> dict[str, int]:
        """How much of it answers from a cache have booked, by the name of its step."""
        found: dict[str, int] = {}
        for line in (line for leg in self.legs for line in leg.lines if line.savings is not None):
            steps = {step: getattr(line.savings, step) for step in _SERVED_STEPS}
            found = _added(found, {step: nano for step, nano in steps.items() if nano})
        return found

    def money(self) -> dict[str, str | None]:
        """What the question cost, what the last tier alone would have cost, and what was saved, in US dollars."""
        cost = _sum(leg.cost_nano for leg in self.legs)
        baseline = _sum(leg.baseline_nano for leg in self.legs)
        if baseline is not None:
            baseline += next((leg.others_nano for leg in reversed(self.legs) if leg.booked_nano), 0)
        saved = None if cost is None or baseline is None else baseline - cost
        return {"cost_usd": usd_text(cost), "baseline_usd": usd_text(baseline), "saved_usd": usd_text(saved)}


def usage_in(answer: AIMessage) -> UsageMetadata | None:
    """What a tier's answer reports; where the tier is itself a cascade, what all of its legs did."""
    usage, inner = answer.usage_metadata, answer.response_metadata.get(tags.CASCADE_RECORD)
    legs = inner.get("legs") if isinstance(inner, dict) else None
    if usage is None or not isinstance(legs, list) or not legs or not all(map(_is_leg, legs)):
        return usage  # nothing, or something of the provider's own under this name
    given = sum(leg.get("input_tokens", 0) for leg in legs)
    answered = sum(leg.get("output_tokens", 0) for leg in legs)
    return {**usage, "input_tokens": given, "output_tokens": answered, "total_tokens": given + answered}


def _is_leg(entry: Any) -> bool:  # noqa: ANN401 - whatever stands in an answer's metadata
    """Whether this is what `Leg.as_dict` makes."""
    if not isinstance(entry, dict) or "purpose" not in entry:
        return False
    return all(isinstance(entry.get(name, 0), int) for name in ("input_tokens", "output_tokens"))


def usd_text(nano: int | None) -> str | None:
    """An amount in US dollars as text, such as `"0.000123"`; `None` where it is not known."""
    if nano is None:
        return None
    whole, rest = divmod(abs(nano), NANO_PER_USD)
    shown = f"{whole}.{rest:0{_DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{shown}" if nano < 0 else shown


def confidence_text(confidence: float | None) -> str | None:
    """A confidence as text, which chunks of a stream can carry."""
    return None if confidence is None else f"{confidence:.6g}"


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _claimed(line: LedgerEntry) -> int:
    if line.savings is None or line.billed_nano is None:
        return line.baseline_nano or 0
    return line.billed_nano + line.savings.total


def _sum(amounts: Iterable[int | None]) -> int | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


class _UnkeptLines(LineMaker):
    """Makes lines that nobody keeps: without digests, whose cost grows with the prompt."""

    def _digests(self, call: StartedCall) -> tuple[bytes, tuple[bytes, ...]]:
        del call
        return b"", ()


@cache
def _own_recorder() -> Recorder:
    """Who prices legs that nobody else watches: at list prices, and into no ledger."""
    prices = PriceBook()
    prices.warm()
    recorder = Recorder(None, prices)
    recorder.lines = _UnkeptLines(prices)
    return recorder
