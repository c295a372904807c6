"""What may make two similar questions different ones: each guard looks for one kind and says what it found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from langchain_costguard.semantic_cache.guards import chinese, lexicon
from langchain_costguard.semantic_cache.guards.quantities import Quantity, same
from langchain_costguard.semantic_cache.guards.words import stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_costguard.semantic_cache.guards.comparison import Comparison
    from langchain_costguard.semantic_cache.guards.reading import Reading
    from langchain_costguard.semantic_cache.guards.words import Word

_FIELDS: Final = tuple(line.partition(":")[0] for line in lexicon.FIELDS.strip().splitlines())
_TIMES: Final = tuple(
    f"#{number}." for number, name in enumerate(_FIELDS)
    if name in {"parts of a day", "days", "days of the week", "kinds of days", "months", "seasons", "how often"}
)  # fmt: skip
_ANSWERS: Final = {
    asked: frozenset(map(stem, words.split()))
    for asked, _, words in (row.partition(": ") for row in lexicon.ANSWERS.strip().splitlines())
}
_EXACT_QUESTIONS: Final = frozenset({"when", "where", "who", "why"})
_WAYS: Final = {("do",), ("can",), ("to",), ("could",), ("would",), ("should",)}
_MEASURES: Final = frozenset({"cost", "duration", "frequency"})
_BOUNDS: Final = frozenset(map(stem, lexicon.BOUNDS.split()))
_LINKS: Final = frozenset({"and", "or", "vs", "versus", "between", "with", "both", ","})
_ONLY: Final = frozenset({"only", "solely", "exclusively"})
_PREFIXES: Final = ("un", "non", "dis", "in", "im", "ir", "il", "de", "anti", "hyper", "hypo", "over", "under")
_PREPOSITIONS: Final = frozenset(lexicon.PREPOSITIONS.split())
_DETERMINERS: Final = frozenset({"my", "the", "a", "an", "our", "your", "account"})
_PAST: Final = frozenset({"did", "was", "were", "had"})
_FUTURE: Final = frozenset({"will", "shall"})
_EVERYDAY_OPPOSITES: Final = tuple(
    tuple(frozenset(side.split()) for side in line.split("|"))
    for line in lexicon.EVERYDAY_OPPOSITES.strip().splitlines()
)
_WORD: Final = re.compile(r"[a-z]+")
_ASKED_FOR: Final = re.compile(r"\bgive (?:me|us)\b")
_SEVERAL: Final = 2


def numbers(pair: Comparison) -> str | None:
    """A number of one text that the other does not have."""
    mine, yours = _unmatched(pair)
    if (not mine and not yours) or _same_in_other_units(mine, yours):
        return None
    return f"{_listed(number.written for number in mine)} against {_listed(number.written for number in yours)}"


def units(pair: Comparison) -> str | None:
    """The same numbers, but of another unit or currency."""
    mine, yours = _unmatched(pair)
    if not _same_in_other_units(mine, yours):
        return None
    return f"{_listed(number.written for number in mine)} against {_listed(number.written for number in yours)}"


def dates(pair: Comparison) -> str | None:
    """A weekday, month, season or part of a day that only one text names, or names differently."""
    mine, yours = (tuple(word for word in words if _is_time(word)) for words in pair.leftovers)
    if pair.stored.language == pair.asked.language == "zh":
        days, others = chinese.weekdays(pair.stored.text), chinese.weekdays(pair.asked.text)
        return None if days == others else f"weekday {_listed(days)} against {_listed(others)}"
    return f"{_spoken(mine)} against {_spoken(yours)}" if mine or yours else None


def negation(pair: Comparison) -> str | None:
    """A denial in one text that has no counterpart in the other."""
    if bool(pair.stored.negations) != bool(pair.asked.negations):
        return f"only the {'stored' if pair.stored.negations else 'asked'} text denies"
    mine, yours = pair.leftovers
    for word in (*mine, *yours):
        if word.negated:
            return f"not {word.text!r}"
    return _prefixed(mine, yours)


def antonyms(pair: Comparison) -> str | None:
    """Opposites: `increase` in one text, `decrease` in the other."""
    if pair.stored.language == pair.asked.language == "zh":
        return chinese.opposites(pair.stored.text, pair.asked.text)
    return _opposed(pair, lambda word, key: key[0] != "#" and word.stem not in _BOUNDS) or _everyday_opposites(pair)


def bounds(pair: Comparison) -> str | None:
    """Another side of a limit: over and under, within and after, at least and at most; or a limit in one text alone."""
    found = _opposed(pair, lambda word, key: key[0] != "#" and word.stem in _BOUNDS)
    if found is None:
        mine, yours = (tuple(word for word in words if word.stem in _BOUNDS) for words in pair.leftovers)
        if (mine or yours) and pair.stored.quantities and pair.asked.quantities:
            return f"{_spoken(mine)} against {_spoken(yours)}"
    return found


def scope(pair: Comparison) -> str | None:
    """Another member of a family of which only one can be meant: adults and children, full-time and part-time."""
    for one, other, key in pair.opposed:
        if key[0] == "#":
            return f"{_FIELDS[int(key[1:].partition('.')[0])]}: {one.text!r} against {other.text!r}"
    mine, yours = (set(reading.spoken) & _ONLY for reading in (pair.stored, pair.asked))
    return "only one of them says 'only'" if bool(mine) != bool(yours) else None


def proper_names(pair: Comparison) -> str | None:
    """A name or an acronym of one text that the other does not mention."""
    mine = _unmentioned(pair.stored, pair.asked, pair.leftovers[0])
    yours = _unmentioned(pair.asked, pair.stored, pair.leftovers[1])
    return f"{_listed(mine)} against {_listed(yours)}" if mine or yours else None


def direction(pair: Comparison) -> str | None:
    """From here to there, and from there to here."""
    mine, yours = pair.stored.spoken, pair.asked.spoken
    if _right_after(mine, "from") & _right_after(yours, "to") or _right_after(mine, "to") & _right_after(yours, "from"):
        return "from and to are exchanged"
    if "to" not in mine or "to" not in yours:
        return None
    (start, end), (other_start, other_end) = _ends(pair.stored), _ends(pair.asked)
    if start and end and (start & other_end or end & other_start) and not (start & other_start or end & other_end):
        return "from and to are exchanged"
    return None


def order(pair: Comparison) -> str | None:
    """The same words with two of them in each other's place: who does what to whom."""
    mine, yours = pair.stored.order, pair.asked.order
    if len(mine) != len(yours):
        return None
    moved = [place for place, (one, other) in enumerate(zip(mine, yours, strict=True)) if one.stem != other.stem]
    if len(moved) != _SEVERAL:
        return None
    first, last = moved
    if mine[first].stem != yours[last].stem or mine[last].stem != yours[first].stem:
        return None
    next_to = last - first == 1 and not _apart(pair, mine[first], mine[last]) and not _asks_who_did(pair)
    if next_to or _linked(pair.stored, mine[first], mine[last]):
        return None
    return f"{mine[first].text!r} and {mine[last].text!r} have changed places"


def questions(pair: Comparison) -> str | None:
    """Another question about the same thing: when and where, why and who, how and how often."""
    mine, yours = pair.stored.asks & _EXACT_QUESTIONS, pair.asked.asks & _EXACT_QUESTIONS
    if len(mine) == len(yours) == 1 and mine != yours:
        return f"one asks {min(mine)}, the other {min(yours)}"
    how_much, other = pair.stored.asks & _MEASURES, pair.asked.asks & _MEASURES
    if len(how_much) == len(other) == 1 and how_much != other:
        return f"one asks for {min(how_much)}, the other for {min(other)}"
    for asks, reading in ((how_much, pair.asked), (other, pair.stored)):
        if len(asks) == 1 and not reading.asks and reading.spoken[:1] == ("how",) and reading.spoken[1:2] in _WAYS:
            return f"one asks for {min(asks)}, the other for the way"
    return None


def modality(pair: Comparison) -> str | None:
    """What one must do, and what one may."""
    mine, yours = pair.stored.modality, pair.asked.modality
    if mine and yours and mine != yours:
        return f"one says {mine!r}, the other {yours!r}"
    return None


def tense(pair: Comparison) -> str | None:
    """What was, and what will be."""
    mine, yours = (set(reading.spoken) for reading in (pair.stored, pair.asked))
    for past, future in ((mine, yours), (yours, mine)):
        if past & _PAST and future & _FUTURE and not past & _FUTURE and not future & _PAST:
            return f"{_listed(past & _PAST)} against {_listed(future & _FUTURE)}"
    return None


def substitution(pair: Comparison) -> str | None:
    """Words of content in each text that are no synonyms of each other, in a sentence that is else the same.

    Where most words differ the sentence was put otherwise, and the similarity of meaning alone can tell.
    """
    mine, yours = _contents(pair)
    if mine and yours and len(mine) + len(yours) <= pair.shared + _SEVERAL:
        return f"{_spoken(mine)} against {_spoken(yours)}"
    return None


def additions(pair: Comparison) -> str | None:
    """One or two words of content that only one text has and that narrow what it asks.

    A word narrows when others could stand in its place (`my colleague's password`), when it stands before a word that
    both texts have (`the extended warranty`), or after a preposition (`as a student`).
    """
    mine, yours = _contents(pair)
    if bool(mine) == bool(yours) or len(mine) + len(yours) > _SEVERAL:
        return None
    reading = pair.stored if mine else pair.asked
    narrowing = tuple(word for word in mine or yours if word.fixed or _narrows(reading, word))
    return f"only the {'stored' if mine else 'asked'} text says {_spoken(narrowing)}" if narrowing else None


def _narrows(reading: Reading, word: Word) -> bool:
    """Whether a word stands right before a word of content, or shortly after a preposition."""
    if word.text not in reading.spoken:
        return True
    place = reading.spoken.index(word.text)
    following = reading.spoken[place + 1 : place + 2]
    return any(other.text in following for other in reading.order) or not _PREPOSITIONS.isdisjoint(
        reading.spoken[max(0, place - 3) : place]
    )


def _contents(pair: Comparison) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The leftovers without the words by which the other text's question word is said otherwise."""
    mine, yours = pair.leftovers
    return _without_answers(mine, pair.asked), _without_answers(yours, pair.stored)


def _without_answers(words: tuple[Word, ...], other: Reading) -> tuple[Word, ...]:
    answers = frozenset().union(*(_ANSWERS.get(asked, ()) for asked in other.asks))
    return tuple(word for word in words if not word.soft and word.stem not in answers)


def _unmatched(pair: Comparison) -> tuple[list[Quantity], list[Quantity]]:
    mine, yours = list(pair.stored.quantities), list(pair.asked.quantities)
    for number in pair.stored.quantities:
        match = next((other for other in yours if same(number, other)), None)
        if match is not None:
            mine.remove(number)
            yours.remove(match)
    return [number for number in mine if not number.loose], [number for number in yours if not number.loose]


def _same_in_other_units(mine: list[Quantity], yours: list[Quantity]) -> bool:
    def bare(numbers: list[Quantity]) -> list[float]:
        return sorted(number.value if number.bare is None else number.bare for number in numbers)

    return (
        bool(mine)
        and all(number.kind not in {"", "clock", "date"} for number in (*mine, *yours))
        and (bare(mine) == bare(yours))
    )


def _is_time(word: Word) -> bool:
    return any(key.startswith(_TIMES) for key in word.keys)


def _prefixed(mine: tuple[Word, ...], yours: tuple[Word, ...]) -> str | None:
    for one in mine:
        for other in yours:
            short, long = sorted((one.text, other.text), key=len)
            if len(short) > 2 and long.endswith(short) and long[: -len(short)] in _PREFIXES:  # noqa: PLR2004 - a stem of three letters
                return f"{one.text!r} against {other.text!r}"
    return None


def _everyday_opposites(pair: Comparison) -> str | None:
    """Opposites among words so common that they are no words of content; `give me` only asks."""
    mine, yours = (
        set(_WORD.findall(_ASKED_FOR.sub(" ", reading.text.lower()))) for reading in (pair.stored, pair.asked)
    )
    for one, other in _EVERYDAY_OPPOSITES:
        for here, there in ((mine, yours), (yours, mine)):
            if here & one and there & other and not here & other and not there & one:
                return f"{_listed(here & one)} against {_listed(there & other)}"
    return None


def _opposed(pair: Comparison, wanted: Callable[[Word, str], bool]) -> str | None:
    for one, other, key in pair.opposed:
        if wanted(one, key):
            return f"{one.text!r} against {other.text!r}"
    return None


def _unmentioned(reading: Reading, other: Reading, left: tuple[Word, ...]) -> list[str]:
    lacking = {word.text for word in left}
    return sorted(
        name for name in reading.names
        if name in lacking and name not in other.everything and not _initials(name, other)
    )  # fmt: skip


def _initials(name: str, other: Reading) -> bool:
    """Whether an acronym is made of the first letters of words that follow each other in the other text."""
    letters = "".join(word[0] for word in other.spoken)
    return len(name) > 1 and name.rstrip("s") in letters


def _ends(reading: Reading) -> tuple[frozenset[str], frozenset[str]]:
    """What stands after `from`, and what after `to`; before `to` counts as from when there is no `from`."""
    spoken = reading.spoken
    start, end = _after(spoken, "from"), _after(spoken, "to", "into", "for", "onto")
    if not start and "to" in spoken:
        place = len(spoken) - 1 - spoken[::-1].index("to")
        start = frozenset(map(stem, spoken[max(0, place - 1) : place]))
    return start, end


def _right_after(spoken: tuple[str, ...], preposition: str) -> frozenset[str]:
    """The word behind a preposition, articles and possessives left out."""
    found: set[str] = set()
    for place, word in enumerate(spoken):
        if word == preposition:
            found.update([stem(one) for one in spoken[place + 1 : place + 3] if one not in _DETERMINERS][:1])
    return frozenset(found)


def _after(spoken: tuple[str, ...], *prepositions: str) -> frozenset[str]:
    found: set[str] = set()
    for place, word in enumerate(spoken):
        if word in prepositions:
            for following in spoken[place + 1 : place + 4]:
                if following in {"from", "to", "into", "for", "onto", "and", "or", "?"}:
                    break
                if following not in _DETERMINERS:
                    found.add(stem(following))
    return frozenset(found)


def _linked(reading: Reading, one: Word, other: Word) -> bool:
    """Whether two words are joined by `and`, `or` or the like, so that their order says nothing."""
    places = [place for place, word in enumerate(reading.spoken) if stem(word) in {one.stem, other.stem}]
    between = reading.spoken[places[0] : places[-1]] if places else ()
    return any(word in _LINKS for word in between) or "between" in reading.spoken


def _asks_who_did(pair: Comparison) -> bool:
    """Whether the order of verb and name says who did it: `who beat him` and `who did he beat`, but not `by whom`."""
    return "who" in pair.stored.asks and "by" not in (*pair.stored.spoken, *pair.asked.spoken)


def _apart(pair: Comparison, one: Word, other: Word) -> bool:
    """Whether words stand between two neighbours in both texts: `savings to current`, not `reset password`."""

    def gap(reading: Reading) -> int:
        places = {stem(word): place for place, word in enumerate(reading.spoken)}
        return abs(places.get(one.stem, 0) - places.get(other.stem, 0))

    return gap(pair.stored) == gap(pair.asked) > 1


def _listed(words: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(words))) or "nothing"


def _spoken(words: Iterable[Word]) -> str:
    return _listed(word.text for word in words)
