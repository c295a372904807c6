"""Checkpoint: where finished items are kept, what tells them apart, and which classes their results may have."""

from __future__ import annotations

import os
import typing
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence
from pydantic import BaseModel

from langchain_costguard.batching.many.checkpoint_file import CheckpointFile
from langchain_costguard.batching.many.errors import CheckpointError
from langchain_costguard.batching.many.values import UnkeptValueError, Values, digest_of, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from langchain_costguard.batching.many.checkpoint_file import Kept


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A file in which `run_many` keeps every result, so that a second run does only what is missing.

    Usually a path is enough: `run_many(chain, inputs, checkpoint="answers.jsonl")`.

    Args:
        path: the file, which is made if it is not there; its folder must exist.
        chain_name: a name that stands for the chain; `None` derives it from the chain's prompts, models and settings,
            so that another chain is refused. With a name you may change the chain and keep what is done.
        key: a function of an input that gives the text it is known by; `None` takes the input's whole content.
        allowed_classes: Pydantic classes among the results, beside those that the chain's own parsers name.
        fsync_seconds: the disk is told to write at least so often. Every result is handed to the operating system at
            once, which a killed process cannot undo; a power cut can lose the last `fsync_seconds`.

    Raises:
        ValueError: `fsync_seconds` is below zero.

    Example:
        ```python
        run_many(chain, rows, checkpoint=Checkpoint(path="answers.jsonl", key=lambda row: row["id"]))
        ```
    """

    path: str | os.PathLike[str]
    chain_name: str | None = None
    key: Callable[[Any], str] | None = None
    allowed_classes: Sequence[type[BaseModel]] = ()
    fsync_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not self.fsync_seconds >= 0:
            msg = f"fsync_seconds={self.fsync_seconds} is no time: give 0 to write to the disk at once, or more"
            raise ValueError(msg)


class Keeper:
    """A checkpoint in use: what an item is known by, what is kept of it, and keeping more."""

    def __init__(self, settings: Checkpoint, chain: Runnable[Any, Any]) -> None:
        """Open the file.

        Raises:
            CheckpointError: it is used by another run, damaged, of another chain, or no checkpoint at all.
        """
        self._settings = settings
        self._identity = identity_of(chain) if settings.chain_name is None else f"name:{settings.chain_name}"
        self._values = Values([*models_of(chain), *settings.allowed_classes])
        self._seen: Counter[str] = Counter()
        self.path: Path = Path(settings.path)
        self._file = CheckpointFile(self.path, self._identity, fsync_seconds=settings.fsync_seconds)

    def key_of(self, index: int, given: Any) -> str:  # noqa: ANN401 - whatever goes into a chain
        """What an item is known by: its content, and how often the same came before it.

        Equal inputs are thus items of their own, and an input that is put before others costs them nothing.

        Raises:
            CheckpointError: nothing in the input tells it from others in a later run.
        """
        try:
            named = given if self._settings.key is None else self._settings.key(given)
            digest = digest_of(named, after=self._identity)
        except UnkeptValueError as error:
            msg = (
                f"input {index} holds {error}, by which a later run could not know it again: "
                "give checkpoint=Checkpoint(path=..., key=<a function of the input that gives a text>)"
            )
            raise CheckpointError(msg, path=self.path) from error
        self._seen[digest] += 1
        return f"{digest}-{self._seen[digest]}"

    def __contains__(self, key: str) -> bool:
        """Whether an item is kept."""
        return key in self._file

    def find(self, key: str) -> tuple[Any, Decimal | None]:
        """What is kept of an item: its output, and what it had cost in US dollars.

        Raises:
            CheckpointError: it is damaged, or its class is not allowed.
        """
        kept = self._file.find(key)
        return self._read(kept), kept.cost

    def add(self, key: str, index: int, output: Any, cost: Decimal | None) -> None:  # noqa: ANN401 - whatever a chain gives
        """Keep the result of an item; it is safe from this process's death when this returns.

        Raises:
            CheckpointError: the result has no form from which it could be read back, or the file cannot be written.
        """
        try:
            written = self._values.dump(output)
        except UnkeptValueError as error:
            msg = (
                f"the result of input {index} holds {error}, which the checkpoint cannot keep: name its class with "
                "checkpoint=Checkpoint(path=..., allowed_classes=[...]) if it is a Pydantic model, else end the chain "
                "in plain values: chain | (lambda result: ...)"
            )
            raise CheckpointError(msg, path=self.path) from error
        self._file.add(key, index, written, cost)

    def close(self) -> None:
        """Have everything on the disk, and let others use the file."""
        self._file.close()

    def _read(self, kept: Kept) -> Any:  # noqa: ANN401 - whatever a chain gave
        try:
            return self._values.load(kept.output)
        except UnkeptValueError as error:
            msg = (
                f"line {kept.line} of {self.path} holds {error}: name the class with "
                "checkpoint=Checkpoint(path=..., allowed_classes=[...]), or take the line out to have the item run anew"
            )
            raise CheckpointError(msg, path=self.path, line=kept.line) from error


def open_keeper(checkpoint: object, chain: Runnable[Any, Any]) -> Keeper | None:
    """The checkpoint in use; `None` for none.

    Args:
        checkpoint: a `Checkpoint`, a path, or `None`.
        chain: what its results are of.

    Raises:
        TypeError: it is no path and no `Checkpoint`.
        CheckpointError: see `Keeper`.
    """
    if checkpoint is None:
        return None
    if isinstance(checkpoint, Checkpoint):
        return Keeper(checkpoint, chain)
    if isinstance(checkpoint, (str, os.PathLike)):
        return Keeper(Checkpoint(path=checkpoint), chain)
    msg = f"checkpoint={checkpoint!r} is no file: give a path, or Checkpoint(path=...)"
    raise TypeError(msg)


def models_of(chain: object) -> list[type[BaseModel]]:
    """The Pydantic classes that a chain's own steps say they give: what structured output and parsers are made of."""
    found: list[type[BaseModel]] = []
    for step in _steps(chain):
        named = [getattr(step, "pydantic_object", None), getattr(step, "custom_output_type", None)]
        tools = getattr(step, "tools", None)
        named += tools if isinstance(tools, list) else []
        for one in named:
            found += [model for model in _models_in(one) if model not in found]
    return found


def _steps(chain: object) -> Iterator[object]:
    yield chain
    if isinstance(chain, RunnableSequence):
        parts: Sequence[object] = chain.steps
    elif isinstance(chain, RunnableParallel):
        parts = list(chain.steps__.values())
    elif isinstance(chain, RunnableBinding):
        parts = [chain.bound, *chain.kwargs.values()]
    else:
        mapper = getattr(chain, "mapper", None)  # RunnableAssign's
        parts = [part for part in (mapper, getattr(chain, "runnable", None)) if part is not None]
        parts += getattr(chain, "fallbacks", None) or []
    for part in parts:
        yield from _steps(part) if isinstance(part, Runnable) else iter((_Named(part),))


class _Named:
    """A value that is bound to a step, such as a response format."""

    def __init__(self, value: object) -> None:
        self.pydantic_object = value


def _models_in(one: object) -> Iterator[type[BaseModel]]:
    """A Pydantic class, or those inside a type such as `list[Answer] | None`."""
    if isinstance(one, type) and issubclass(one, BaseModel):
        yield one
        return
    for part in typing.get_args(one):
        yield from _models_in(part)
