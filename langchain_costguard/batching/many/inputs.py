"""What may be run over many inputs, and reading them one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable

from langchain_costguard.batching.many.course import Item
from langchain_costguard.batching.retries import Retries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_costguard.batching.many.checkpoints import Keeper


def check_call(chain: object, max_concurrency: object, on_error: object, retries: object, config: object) -> None:
    """Refuse what cannot be run, before anything is opened or paid.

    Raises:
        TypeError: the chain is no Runnable, or an argument is of the wrong kind.
        ValueError: an argument has no meaning.
    """
    if not isinstance(chain, Runnable):
        msg = (
            f"a {type(chain).__name__} is no chain: give a Runnable, such as prompt | model or RunnableLambda(function)"
        )
        raise TypeError(msg)
    if not isinstance(max_concurrency, int) or isinstance(max_concurrency, bool) or max_concurrency < 1:
        msg = f"max_concurrency={max_concurrency!r} runs nothing: give a whole number from 1"
        raise ValueError(msg)
    if on_error not in {"keep", "raise"}:
        msg = f"on_error={on_error!r} is not known: give 'keep' or 'raise'"
        raise ValueError(msg)
    if not isinstance(retries, Retries):
        msg = f"retries={retries!r} says too little: give Retries(attempts=...)"
        raise TypeError(msg)
    if config is not None and not isinstance(config, Mapping):
        msg = f"config is a {type(config).__name__}: give one config, which goes for every item"
        raise TypeError(msg)
    if config is not None and config.get("run_id") is not None:
        msg = "config names one run_id for many runs: leave it out, and put ids of yours into config['metadata']"
        raise ValueError(msg)


class Reader:
    """Reads inputs one at a time and numbers them; none is held after it was handed out."""

    def __init__(self, inputs: Iterable[Any] | AsyncIterable[Any]) -> None:
        """Read nothing yet."""
        self.total: int | None = len(inputs) if isinstance(inputs, Sized) else None
        """How many there are; `None` when they do not say."""
        self.taken: int = 0
        """How many were read."""
        self.is_at_end: bool = False
        """Whether there are no more."""
        self._inputs = inputs
        self._rest: Iterator[Any] | None = None
        self._later: AsyncIterator[Any] | None = None
        self._keeper: Keeper | None = None
        self._keys: Sequence[str] | None = None

    def open(self, keeper: Keeper | None) -> None:
        """Make ready to read; of inputs that are all there, the checkpoint is asked now whether it can know them again.

        Raises:
            CheckpointError: it cannot.
        """
        if isinstance(self._inputs, Iterable):
            self._rest = iter(self._inputs)
        else:
            self._later = aiter(self._inputs)
        self._keeper = keeper
        if keeper is not None and isinstance(self._inputs, Sequence):
            self._keys = [keeper.key_of(index, given) for index, given in enumerate(self._inputs)]

    def read(self) -> Item | None:
        """The next item; `None` at the end.

        Raises:
            CheckpointError: its checkpoint could not know it again.
        """
        for given in self._rest or ():
            return self._item(given)
        self.is_at_end = True
        return None

    async def aread(self) -> Item | None:
        """The same for inputs that are waited for."""
        if self._later is None:
            return self.read()
        async for given in self._later:
            return self._item(given)
        self.is_at_end = True
        return None

    def unread(self) -> range:
        """The positions of inputs that were not read, as far as it is known how many there are."""
        return range(self.taken, self.total or 0)

    def _item(self, given: Any) -> Item:  # noqa: ANN401 - whatever goes into a chain
        index, self.taken = self.taken, self.taken + 1
        if self._keeper is None:
            return Item(index, given)
        return Item(index, given, self._keeper.key_of(index, given) if self._keys is None else self._keys[index])
