"""What breaks a prefix, and where: every difference between requests that has text behind it which stays the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from langchain_costguard.tokens.counting import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_costguard.prompt_caching.comparing import Change, Comparison

SHORTEST_SHARED_CHARACTERS: Final = 80
"""Shorter pieces that two texts have in common are words, not a text that could be cached."""
_FEWEST_TOKENS: Final = 64
"""So few that stay the same behind a change are the change's own surroundings."""
_NEARBY: Final = 24
_LONGEST_SHOWN: Final = 60

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\b1[6-9]\d{8}(?:\d{3})?\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|年|月|日",
    re.IGNORECASE,
)
_TIME_WORDS: Final = re.compile(r"\b(?:date|time|today|now|timestamp|clock)\b|日期|时间", re.IGNORECASE)
_ID: Final = re.compile(r"(?=\S*\d)(?=\S*[a-z])[\w:#-]{6,}|\d{5,}", re.IGNORECASE)

_WHAT: Final = {
    "timestamp": "a date or time changes",
    "uuid": "a UUID changes",
    "id": "an id changes",
    "reordered_tools": "the tools come in another order",
    "reordered_keys": "the keys of a JSON object come in another order",
    "changed_tools": "the tools are others",
    "changed_system": "the system prompt changes",
    "changing_text": "text changes",
}
"""The kinds of findings, and how each is told."""
_REMEDY: Final = {
    "timestamp": "move it into the last message, or leave it out",
    "uuid": "move it into the last message, or into the run's metadata",
    "id": "move it into the last message, or into the run's metadata",
    "reordered_tools": "bind the tools in one fixed order, such as sorted by name",
    "reordered_keys": "write it with json.dumps(..., sort_keys=True)",
    "changed_tools": "bind the same tools in every call, and say in the last message which may be used",
    "changed_system": "keep what is the same in the system prompt, and move the rest into the last message",
    "changing_text": "move it behind everything that stays the same",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that keeps text behind it out of the cache.

    Args:
        kind: `"timestamp"`, `"uuid"`, `"id"`, `"reordered_tools"`, `"reordered_keys"`, `"changed_tools"`,
            `"changed_system"` or `"changing_text"`.
        where: the part of the request, such as `"message 0 (system)"`.
        message: the message's index; `None` for tools and schemas.
        character: where in the part's text it begins.
        before: what stood there in the earlier request, shortened.
        after: what stands there in the later one, shortened.
        tokens_behind: how many tokens behind it stay the same, and could be read from the cache if it stood elsewhere.
        requests: in how many of the comparisons it was found.
        variable: the template's variable that it is, where that is known.
    """

    kind: str
    where: str
    message: int | None
    character: int
    before: str
    after: str
    tokens_behind: int
    requests: int = 1
    variable: str = ""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDY[self.kind]

    def __str__(self) -> str:
        """Where, what, how dear, and what to do."""
        name = f" ({{{self.variable}}})" if self.variable else ""
        lost = (
            f"{self.tokens_behind:,} tokens behind it stay the same" if self.tokens_behind else "Nothing stays the same"
        )
        place = "" if self.where == "the tools" else f", character {self.character}{name}"
        return f"{self.where}{place}: {_WHAT[self.kind]}, {self.before!r} -> {self.after!r}. {lost}: {self.remedy}."


def find_breaks(
    comparisons: Iterable[Comparison], model: str | None, inputs: Sequence[Mapping[str, object]] = ()
) -> tuple[Finding, ...]:
    """What breaks the prefix in any of the comparisons, in the order of the request; each thing once.

    Args:
        comparisons: of each request with the one before it.
        model: whose tokens are counted.
        inputs: the variables of the template that made the requests, one mapping each, where there was one.
    """
    found: dict[tuple[str, str, int], Finding] = {}
    for number, comparison in enumerate(comparisons):
        numbers: dict[str, int] = {}
        for change, tokens in zip(comparison.changes, _tokens_behind(comparison, model), strict=True):
            place = numbers[change.part.label] = numbers.get(change.part.label, -1) + 1
            if tokens < _FEWEST_TOKENS and not _is_all_new(comparison, change):
                continue
            finding = _finding(change, tokens, inputs[number + 1] if number + 1 < len(inputs) else {})
            is_named = bool(finding.variable) or change.part.kind == "tool"
            key = (finding.where, finding.variable or finding.kind, 0 if is_named else place)
            found[key] = _with_one_more(found[key], finding) if key in found else finding
    return tuple(found.values())


def shared_tokens(comparison: Comparison, model: str | None) -> int:
    """How many tokens two requests share behind their first difference."""
    return sum(_counted(text, model) for text in comparison.shared_behind)


def _tokens_behind(comparison: Comparison, model: str | None) -> list[int]:
    """For each change, the tokens of everything shared behind it."""
    counts, total = [], 0
    for text in reversed(comparison.shared_behind):
        total += _counted(text, model)
        counts.append(total)
    return counts[::-1]


def _is_all_new(comparison: Comparison, change: Change) -> bool:
    """Whether a request begins with other tools or another system prompt, so that there is no prefix at all."""
    is_first = change is comparison.changes[0] and not comparison.whole_parts
    return is_first and change.part.kind != "message" and comparison.characters < SHORTEST_SHARED_CHARACTERS


def _counted(text: str, model: str | None) -> int:
    return count_tokens(text, model).tokens if len(text) >= SHORTEST_SHARED_CHARACTERS else 0


def _finding(change: Change, tokens: int, variables: Mapping[str, object]) -> Finding:
    part = change.part
    return Finding(
        kind=change.kind or _kind(change),
        where="the tools" if part.kind == "tool" else part.label,
        message=part.number if part.kind in {"system", "message"} else None,
        character=change.character,
        before=_shown(change.before),
        after=_shown(change.after),
        tokens_behind=tokens,
        variable=_variable(change.after, variables),
    )


def _kind(change: Change) -> str:
    """What a change is, by its words and those just before it."""
    texts = (change.before, change.after)
    if all(_UUID.search(text) for text in texts):
        return "uuid"
    near = change.part.text[max(0, change.character - _NEARBY) : change.character]
    is_short = max(map(len, texts)) <= _LONGEST_SHOWN
    has_digits = all(any(sign.isdigit() for sign in text) for text in texts)
    if is_short and (
        all(map(_TIME.search, texts)) or (has_digits and (_TIME.search(near) or _TIME_WORDS.search(near)))
    ):
        return "timestamp"
    if is_short and all(map(_ID.search, texts)):
        return "id"
    return "changed_system" if change.part.kind == "system" else "changing_text"


def _variable(text: str, variables: Mapping[str, object]) -> str:
    """The variable whose value a changed text is, or is part of."""
    stripped = text.strip()
    return next((name for name, value in variables.items() if stripped and stripped in str(value)), "")


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _with_one_more(known: Finding, again: Finding) -> Finding:
    return Finding(
        kind=known.kind, where=known.where, message=known.message, character=known.character, before=known.before,
        after=known.after, tokens_behind=min(known.tokens_behind, again.tokens_behind), requests=known.requests + 1,
        variable=known.variable,
    )  # fmt: skip
