"""Which calls a budget is for: conditions on tags, metadata, model, provider and chain, joined by `&`, `|`, `~`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_costguard.budgets.identity import escaped, text_of
from langchain_costguard.budgets.served import are_different, readings_of, spellings, warn_of_slip
from langchain_costguard.pricing.names import candidates, catalogue_provider

if TYPE_CHECKING:
    from langchain_costguard.budgets.facts import CallFacts

_CHAIN_SEPARATOR: Final = " > "


class Scope(ABC):
    """A condition on calls; made by `Scope.tag` and its siblings, joined by `&` (and), `|` (or) and `~` (not).

    Two scopes are equal if their `key` is.

    Example:
        >>> Scope.tag("checkout") & ~Scope.provider("ollama")
        Scope.tag('checkout') & ~Scope.provider('ollama')
    """

    __slots__ = ("key",)

    key: str
    """The scope as part of a budget's key: the same for conditions that say the same in another order."""

    @staticmethod
    def tag(name: str) -> Scope:
        """Calls with a tag.

        Raises:
            ValueError: it is blank.
            TypeError: it is no text.
        """
        return _Tag(_text(name, "tag"))

    @staticmethod
    def metadata(key: str, value: object) -> Scope:
        """Calls with a metadata value; `1` and `"1"` are the same.

        Raises:
            ValueError: the key or the value is blank or `None`, or the value is neither a text nor a whole number.
            TypeError: the key is no text.
        """
        return _Metadata(_text(key, "metadata"), value)

    @staticmethod
    def model(name: str) -> Scope:
        """Calls that ask for a model, under whichever usual name.

        Args:
            name: `"gpt-4o"` means the model wherever it is served, and its dated versions, but not `"gpt-4o-mini"`;
                `"azure/gpt-4o"` means it at one provider. `*` stands for any characters: `"gpt-4o*"`.

        Raises:
            ValueError: it is blank.
            TypeError: it is no text.
        """
        return _Model(_text(name, "model").strip().lower())

    @staticmethod
    def provider(name: str) -> Scope:
        """Calls that a provider serves, by LangChain's or any usual name of it (`"azure_openai"` is `"azure"`).

        A name that is not known may be that of your own server; one that looks like a known one is warned about.

        Raises:
            ValueError: it is blank.
            TypeError: it is no text.
        """
        served_by = catalogue_provider(_text(name, "provider")) or name
        warn_of_slip(served_by)
        return _Provider(served_by)

    @staticmethod
    def chain(name: str) -> Scope:
        """Calls inside a run of this name, at any depth.

        Raises:
            ValueError: it is blank, or no name of one run.
            TypeError: it is no text.
        """
        if _CHAIN_SEPARATOR in _text(name, "chain"):
            msg = f"Scope.chain({name!r}) is a path, and one name of it is meant: join names with &"
            raise ValueError(msg)
        return _Chain(name)

    @abstractmethod
    def matches(self, facts: CallFacts) -> bool:
        """Whether a call is meant."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The calls it means, in words that follow "calls"."""

    def __and__(self, other: Scope) -> Scope:
        """Calls that both mean.

        Raises:
            ValueError: no call can be meant by both.
        """
        if not isinstance(other, Scope):
            return NotImplemented
        return _joined(_All, self, other)

    def __or__(self, other: Scope) -> Scope:
        """Calls that either means."""
        return _joined(_Any, self, other) if isinstance(other, Scope) else NotImplemented

    def __invert__(self) -> Scope:
        """Calls that it does not mean."""
        return _Not(self)

    def __eq__(self, other: object) -> bool:
        """Whether both mean the same calls in the same words."""
        return self.key == other.key if isinstance(other, Scope) else NotImplemented

    def __hash__(self) -> int:
        """Hash of the key."""
        return hash(self.key)


def scope_of(given: object) -> Scope | None:
    """What a user gives as a scope.

    Args:
        given: a `Scope`; a mapping of metadata keys to values, all of which must hold; `None` for every call.

    Raises:
        TypeError: it is something else; a text is refused, because it may be a tag as well as a model.
        ValueError: the mapping is empty or has a blank key or value.
    """
    if given is None or isinstance(given, Scope):
        return given
    if isinstance(given, Mapping):
        if not given:
            msg = "scope={} means no call: give scope={'tenant': 'acme'}, or leave it out for every call"
            raise ValueError(msg)
        conditions = [Scope.metadata(key, value) for key, value in given.items()]
        return conditions[0] if len(conditions) == 1 else _All(conditions)
    if isinstance(given, str):
        msg = (
            f"scope={given!r} may be a tag or a model: say scope=Scope.tag({given!r}) or scope=Scope.model({given!r}) "
            "(from langchain_costguard.budgets import Scope)"
        )
        raise TypeError(msg)
    msg = f"scope={given!r} is no scope: give scope=Scope.tag('checkout') or scope={{'tenant': 'acme'}}"
    raise TypeError(msg)


class _One(Scope):
    """A condition on one fact."""

    __slots__ = ("name",)

    kind: ClassVar[str]

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.key = f"{self.kind}={escaped(name)}"

    @property
    def words(self) -> str:
        return f"with {self.kind} {self.name!r}"

    def excludes(self, other: _One) -> bool:  # noqa: ARG002 - most facts can hold together
        """Whether no call can meet both conditions."""
        return False

    def __repr__(self) -> str:
        return f"Scope.{self.kind}({self.name!r})"


class _Tag(_One):
    __slots__ = ()

    kind = "tag"

    def matches(self, facts: CallFacts) -> bool:
        return self.name in facts.tags


class _Metadata(_One):
    __slots__ = ("value",)

    kind = "metadata"

    def __init__(self, name: str, value: object) -> None:
        super().__init__(name)
        text = text_of(value)
        if text is None:
            msg = f"Scope.metadata({name!r}, {value!r}) means no call: give a text or a whole number, such as 'acme'"
            raise ValueError(msg)
        self.value: str = text
        self.key = f"metadata:{escaped(name)}={escaped(text)}"

    def matches(self, facts: CallFacts) -> bool:
        return text_of(facts.metadata.get(self.name)) == self.value

    @property
    def words(self) -> str:
        return f"with {self.name} {self.value!r}"

    def excludes(self, other: _One) -> bool:
        return isinstance(other, _Metadata) and other.name == self.name and other.value != self.value

    def __repr__(self) -> str:
        return f"Scope.metadata({self.name!r}, {self.value!r})"


class _Model(_One):
    __slots__ = ("_pattern", "_reading")

    kind = "model"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._reading: tuple[str | None, str] = candidates(name, None)[0]
        self._pattern: re.Pattern[str] | None = (
            re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL) if "*" in name else None
        )

    def matches(self, facts: CallFacts) -> bool:
        if not facts.model:
            return False
        asked = readings_of(facts.model, facts.provider)
        if self._pattern is None:
            return self._reading in asked
        return any(self._pattern.fullmatch(name) for name in spellings(asked))

    def excludes(self, other: _One) -> bool:
        if not isinstance(other, _Model) or "*" in self.name + other.name:
            return False
        return are_different(self.name, other.name)


class _Provider(_One):
    __slots__ = ()

    kind = "provider"

    def matches(self, facts: CallFacts) -> bool:
        if facts.provider:
            return catalogue_provider(facts.provider) == self.name
        return bool(facts.model) and any(at == self.name for at, _ in readings_of(str(facts.model), None))

    @property
    def words(self) -> str:
        return f"served by {self.name}"

    def excludes(self, other: _One) -> bool:
        return isinstance(other, _Provider) and other.name != self.name


class _Chain(_One):
    __slots__ = ()

    kind = "chain"

    def matches(self, facts: CallFacts) -> bool:
        return self.name in facts.chain.split(_CHAIN_SEPARATOR)

    @property
    def words(self) -> str:
        return f"inside {self.name!r}"


class _Joined(Scope):
    """Several conditions, in the order of their keys, each once."""

    __slots__ = ("parts",)

    sign: ClassVar[str]
    word: ClassVar[str]

    def __init__(self, parts: list[Scope]) -> None:
        by_key = {part.key: part for part in parts}
        self.parts: tuple[Scope, ...] = tuple(by_key[key] for key in sorted(by_key))
        self.key = f"({self.sign.join(part.key for part in self.parts)})"

    @property
    def words(self) -> str:
        return f" {self.word} ".join(
            f"({part.words})" if isinstance(part, _Joined) else part.words for part in self.parts
        )

    def __repr__(self) -> str:
        sign = " & " if self.sign == "&" else " | "
        return sign.join(f"({part!r})" if isinstance(part, _Joined) else repr(part) for part in self.parts)


class _All(_Joined):
    __slots__ = ()

    sign = "&"
    word = "and"

    def __init__(self, parts: list[Scope]) -> None:
        super().__init__(parts)
        for part in self.parts:
            for other in self.parts:
                if _exclude(part, other):
                    msg = f"no call is both {part!r} and {other!r}: leave one out, or join them with |"
                    raise ValueError(msg)
            if isinstance(part, _Any) and all(any(_contradict(one, each) for each in self.parts) for one in part.parts):
                msg = f"no call is {part!r} and what is joined to it with &: leave one of the conditions out"
                raise ValueError(msg)

    def matches(self, facts: CallFacts) -> bool:
        return all(part.matches(facts) for part in self.parts)


class _Any(_Joined):
    __slots__ = ()

    sign = ","
    word = "or"

    def matches(self, facts: CallFacts) -> bool:
        return any(part.matches(facts) for part in self.parts)


class _Not(Scope):
    __slots__ = ("part",)

    def __init__(self, part: Scope) -> None:
        self.part: Scope = part
        self.key = f"~{part.key}"

    def matches(self, facts: CallFacts) -> bool:
        return not self.part.matches(facts)

    @property
    def words(self) -> str:
        return f"not {self.part.words}" if isinstance(self.part, _One) else f"not ({self.part.words})"

    def __invert__(self) -> Scope:
        return self.part

    def __repr__(self) -> str:
        return f"~({self.part!r})" if isinstance(self.part, _Joined) else f"~{self.part!r}"


def _joined(kind: type[_Joined], one: Scope, other: Scope) -> Scope:
    """Both conditions as one, without brackets inside brackets of the same kind."""
    parts = [part for side in (one, other) for part in (side.parts if isinstance(side, kind) else (side,))]
    both = kind(parts)
    return both if len(both.parts) > 1 else both.parts[0]


def _exclude(one: Scope, other: Scope) -> bool:
    if isinstance(one, _Not):
        return one.part == other
    return isinstance(one, _One) and isinstance(other, _One) and one.excludes(other)


def _contradict(one: Scope, other: Scope) -> bool:
    return _exclude(one, other) or _exclude(other, one)


def _text(given: Any, argument: str) -> str:  # noqa: ANN401 - whatever was given
    if not isinstance(given, str):
        msg = f"Scope.{argument}({given!r}) is no text: give a name, such as Scope.{argument}('checkout')"
        raise TypeError(msg)
    if not given.strip():
        msg = f"Scope.{argument}({given!r}) means no call: give a name, such as Scope.{argument}('checkout')"
        raise ValueError(msg)
    return given
