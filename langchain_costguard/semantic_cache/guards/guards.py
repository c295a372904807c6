"""Whether two similar questions ask for the same answer: guards that each may say no, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from langchain_costguard.semantic_cache.guards import arrangement, english
from langchain_costguard.semantic_cache.guards.comparison import Comparison
from langchain_costguard.semantic_cache.guards.reading import language_of, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    CustomGuard = Callable[[str, str], str | bool | None]
    """Takes the stored and the asked text; a reason, or `True`, is a veto."""

BUILT_IN: Final[Mapping[str, Callable[[Comparison], str | None]]] = {
    "numbers": english.numbers,
    "units": english.units,
    "dates": english.dates,
    "negation": english.negation,
    "antonyms": english.antonyms,
    "bounds": english.bounds,
    "scope": english.scope,
    "proper_names": english.proper_names,
    "direction": english.direction,
    "order": english.order,
    "formulas": arrangement.formulas,
    "alternatives": arrangement.alternatives,
    "roles": arrangement.roles,
    "questions": english.questions,
    "modality": english.modality,
    "tense": english.tense,
    "substitution": english.substitution,
    "additions": english.additions,
}
"""Every guard by its name, cheap and certain ones first."""

_ANY_LANGUAGE: Final = ("numbers", "units")
_FULLY_READ: Final = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Veto:
    """Why a similar question is not the same one.

    Attributes:
        guard: the guard that says so.
        reason: what it found, in words.
    """

    guard: str
    reason: str

    def __str__(self) -> str:
        """The guard and its reason."""
        return f"{self.guard}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Guards:
    """A choice of guards, to be asked about pairs of questions whose vectors are near each other.

    Nothing here knows vectors or thresholds: a guard compares texts. English is read in full, of Chinese the numbers,
    weekdays, negations and the words in Latin letters, of any other language the numbers.

    Attributes:
        names: the built-in guards that are asked, in this order; see `BUILT_IN`.
        custom: further guards by name, asked after them.
        language: tells a text's language as two letters; found from its characters when `None`.

    Example:
        ```python
        guards = Guards.default().without("additions")
        guards.vetoes("Transfer from savings to current", "Transfer from current to savings")
        ```
    """

    names: tuple[str, ...] = tuple(BUILT_IN)
    custom: tuple[tuple[str, CustomGuard], ...] = ()
    language: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        """Refuse names that no guard has."""
        unknown = [name for name in self.names if name not in BUILT_IN]
        if unknown:
            msg = f"There is no guard {', '.join(map(repr, unknown))}: use some of {', '.join(BUILT_IN)}."
            raise ValueError(msg)

    @classmethod
    def default(cls) -> Guards:
        """Every built-in guard."""
        return cls()

    @classmethod
    def none(cls) -> Guards:
        """No guard: similarity decides alone, as where the same intent is always the same answer."""
        return cls(names=())

    @classmethod
    def lenient(cls) -> Guards:
        """The guards that look for one kind of difference each; other words alone are no veto.

        For open questions, where the same is asked in many words. Of traps in which one noun stands for another they
        let more through.
        """
        return cls().without("substitution", "additions", "dates")

    def without(self, *names: str) -> Guards:
        """These guards but some.

        Raises:
            ValueError: one of the names is no guard among these.
        """
        self._check(names)
        return self._where(lambda name: name not in names)

    def only(self, *names: str) -> Guards:
        """Of these guards only some.

        Raises:
            ValueError: one of the names is no guard among these.
        """
        self._check(names)
        return self._where(lambda name: name in names)

    def with_guard(self, name: str, guard: CustomGuard) -> Guards:
        """These guards and one of your own.

        Args:
            name: what its vetoes are called.
            guard: takes the stored and the asked text; a reason or `True` says that their answers differ.

        Raises:
            ValueError: a guard has this name already.
        """
        if name in self.all_names or name in BUILT_IN:
            msg = f"There is a guard {name!r} already: give yours another name."
            raise ValueError(msg)
        return replace(self, custom=(*self.custom, (name, guard)))

    def with_language(self, language: Callable[[str], str]) -> Guards:
        """These guards, asking `language` for a text's language as two letters, such as `"de"`."""
        return replace(self, language=language)

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names of all guards asked, in their order."""
        return (*self.names, *(name for name, _ in self.custom))

    @property
    def are_all(self) -> bool:
        """Whether every built-in guard is asked, of languages found as built in: what default thresholds rest on."""
        return self.language is None and set(BUILT_IN) <= set(self.names)

    def vetoes(self, stored: str, asked: str) -> tuple[Veto, ...]:
        """What speaks against serving the answer to one question for another, none if nothing does.

        Args:
            stored: the question whose answer is kept; what is read of it is remembered.
            asked: the question to be answered.
        """
        if stored == asked or not (self.names or self.custom):
            return ()
        found = [Veto(name, reason) for name, reason in self._built_in(stored, asked)]
        for name, guard in self.custom:
            said = guard(stored, asked)
            if said:
                found.append(Veto(name, said if isinstance(said, str) else "the texts differ"))
        return tuple(found)

    def _built_in(self, stored: str, asked: str) -> list[tuple[str, str]]:
        if not self.names:
            return []
        find = self.language or language_of
        languages = find(stored), find(asked)
        if languages[0] != languages[1]:
            return [("language", f"{languages[0]} against {languages[1]}")]
        known = languages[0] in _FULLY_READ
        pair = Comparison(read(stored, languages[0]), read(asked, languages[1]))
        return [
            (name, reason)
            for name in self.names
            if (known or name in _ANY_LANGUAGE) and (reason := BUILT_IN[name](pair)) is not None
        ]

    def _where(self, wanted: Callable[[str], bool]) -> Guards:
        return replace(
            self,
            names=tuple(filter(wanted, self.names)),
            custom=tuple((name, guard) for name, guard in self.custom if wanted(name)),
        )

    def _check(self, names: tuple[str, ...]) -> None:
        missing = [name for name in names if name not in self.all_names]
        if missing:
            msg = (
                f"{', '.join(map(repr, missing))} is not among these guards: name some of {', '.join(self.all_names)}."
            )
            raise ValueError(msg)
