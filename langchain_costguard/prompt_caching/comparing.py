"""Where two requests that follow each other differ, how far they are the same, and what they share behind that."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_costguard.prompt_caching.rendering import Part

_BLOCKS: Final = re.compile(r"\s+|\S+")
_MOST_BLOCKS: Final = 4_000
"""Beyond so many different words a text is taken to be another one: comparing them costs the square of it."""
_MOST_OBJECTS: Final = 50


class Change(NamedTuple):
    """One place in which two requests differ."""

    part: Part
    """The part of the later request; of the earlier one where the later has none."""
    character: int
    """Where in its text."""
    before: str
    """What stood there in the earlier request."""
    after: str
    """What stands there in the later one."""
    kind: str = ""
    """`"reordered_tools"`, `"reordered_keys"`, `"changed_tools"`; empty where the words themselves have to tell."""


class Comparison(NamedTuple):
    """What two requests have in common."""

    whole_parts: int
    """How many parts at the beginning are the same."""
    characters: int
    """How far the next part is the same."""
    changes: tuple[Change, ...]
    """Every difference, in order."""
    shared_behind: tuple[str, ...]
    """For each change, the text behind it that both requests have, up to the next change."""
    grows: bool
    """Whether the later request begins with all of the earlier one."""


def compare(before: Sequence[Part], after: Sequence[Part]) -> Comparison:
    """Compare two rendered requests, part by part and word by word."""
    if [part.text for part in before if part.kind == "tool"] != [part.text for part in after if part.kind == "tool"]:
        return _with_other_tools(before, after)
    whole = next(
        (place for place, (one, other) in enumerate(zip(before, after, strict=False)) if not _same(one, other)),
        min(len(before), len(after)),
    )
    if whole == min(len(before), len(after)):
        grows = whole == len(before) < len(after)
        return Comparison(whole, 0, (), (), grows)
    changes: list[Change] = []
    behind: list[str] = []
    for one, other in zip(before[whole:], after[whole:], strict=False):
        _add_part(one, other, changes, behind)
    characters = changes[0].character if changes and changes[0].part == after[whole] else 0
    return Comparison(whole, characters, tuple(changes), tuple(behind), grows=False)


def _same(one: Part, other: Part) -> bool:
    return (one.kind, one.role, one.text) == (other.kind, other.role, other.text)


def _add_part(one: Part, other: Part, changes: list[Change], behind: list[str]) -> None:
    """Note the differences of two parts, and what is shared behind each."""
    if _same(one, other):
        behind[-1] += other.text
        return
    if (one.kind, one.role) != (other.kind, other.role):
        changes.append(Change(other, 0, one.text, other.text))
        behind.append("")
        return
    reordered = _reordered_keys(one.text, other.text)
    if reordered is not None:
        changes.append(Change(other, _common(one.text, other.text), *reordered, "reordered_keys"))
        behind.append(other.text)
        return
    for place, was, now, shared in _spans(one.text, other.text):
        if was or now:
            changes.append(Change(other, place, was, now))
            behind.append(shared)
        elif changes and behind:
            behind[-1] += shared


def _with_other_tools(before: Sequence[Part], after: Sequence[Part]) -> Comparison:
    """Two requests with different tools: nothing behind the first difference is the same prefix any more."""
    old, new = (_only(parts, "tool") for parts in (before, after))
    whole = next(
        (place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one.text != other.text),
        min(len(old), len(new)),
    )
    names = [[part.role for part in tools] for tools in (old, new)]
    texts = [sorted(_canonical(part.text) for part in tools) for tools in (old, new)]
    kind = "reordered_tools" if names[0] != names[1] else "reordered_keys"
    if texts[0] != texts[1]:
        kind = "changed_tools"
    here = (new if whole < len(new) else old)[whole]
    rest = compare(_only(before, "schema", "system", "message"), _only(after, "schema", "system", "message"))
    known = {_canonical(part.text) for part in old}
    shared = [part.text for part in new[whole:] if _canonical(part.text) in known] + _beginning(after[len(new) :], rest)
    return Comparison(
        whole,
        0,
        (Change(here, 0, ", ".join(names[0]), ", ".join(names[1]), kind), *rest.changes),
        ("".join(shared), *rest.shared_behind),
        grows=False,
    )


def _only(parts: Sequence[Part], *kinds: str) -> list[Part]:
    return [part for part in parts if part.kind in kinds]


def _beginning(parts: Sequence[Part], comparison: Comparison) -> list[str]:
    """The texts that parts begin with, as far as another request begins with them too."""
    whole = [part.text for part in parts[: comparison.whole_parts]]
    return [*whole, *(part.text[: comparison.characters] for part in parts[comparison.whole_parts :][:1])]


def _reordered_keys(one: str, other: str) -> tuple[str, str] | None:
    """The first object whose keys are only in another order, where that is all that differs between two texts."""
    if _canonical(one) != _canonical(other):
        return None
    for was, now in zip(_objects(one), _objects(other), strict=False):
        if was != now:
            return was, now
    return None


def _canonical(text: str) -> str:
    """A text with the keys of its JSON objects in the order of the alphabet."""
    for found in _objects(text):
        text = text.replace(found, json.dumps(json.loads(found), sort_keys=True), 1)
    return text


def _objects(text: str) -> Iterator[str]:
    """The JSON objects in a text, outermost first."""
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(_MOST_OBJECTS):
        if start < 0:
            return
        try:
            _, end = decoder.raw_decode(text, start)
        except ValueError:
            end = start + 1
        else:
            yield text[start:end]
        start = text.find("{", end)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


def _spans(one: str, other: str) -> list[tuple[int, str, str, str]]:
    """The differences of two texts: where in the later one, what was, what is, and what both have behind it."""
    old, new = _BLOCKS.findall(one), _BLOCKS.findall(other)
    start = _common_blocks(old, new)
    end = _common_blocks(old[start:][::-1], new[start:][::-1])
    tail = "".join(new[len(new) - end :]) if end else ""
    old, new, place = old[start : len(old) - end], new[start : len(new) - end], len("".join(new[:start]))
    if max(len(old), len(new)) > _MOST_BLOCKS:
        return [(place, "".join(old), "".join(new), tail)]
    spans: list[tuple[int, str, str, str]] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        text = "".join(new[k:m])
        if tag != "equal":
            spans.append((place, "".join(old[i:j]), text, ""))
        elif text.strip() or not spans:
            spans[-1] = (*spans[-1][:3], text) if spans else (place, "", "", text)
        place += len(text)
    if spans:
        spans[-1] = (*spans[-1][:3], spans[-1][3] + tail)
    return spans


def _common_blocks(old: Sequence[str], new: Sequence[str]) -> int:
    return next(
        (place for place, (mine, theirs) in enumerate(zip(old, new, strict=False)) if mine != theirs),
        min(len(old), len(new)),
    )
