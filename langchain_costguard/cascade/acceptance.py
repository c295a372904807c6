"""What a cascade takes as a judge of answers: a signal, or any callable that looks at a draft."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import copy_context
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor

from langchain_costguard.cascade.judging import ValueSignal, ajudged, judged
from langchain_costguard.cascade.verdicts import Draft, Signal, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["AnySignal", "Calls", "ajudged", "as_signal", "judged"]

AnySignal: TypeAlias = "Signal | Callable[[Draft], Any]"
"""A signal, or a callable that `Calls` understands."""

_PAIR = 2


@dataclass(frozen=True, repr=False)
class Calls(ValueSignal):
    """Accepts what a function of yours accepts.

    Attributes:
        function: is given the draft; returns whether to accept, or that and the reason, or a whole `Verdict`. It may
            be async; in `judge` a coroutine is then run to its end. A sync one is run in a thread by `ajudge`.

    Example:
        ```python
        Cascade([mini, full], accept=NotUncertain() & (lambda draft: "I think" not in draft.answer.text))
        ```
    """

    function: Callable[[Draft], Any]

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        function: object = self.function
        if not callable(function):
            msg = f"Calls takes a function of the draft, not {function!r}: give one as `function`."
            raise TypeError(msg)

    def judge(self, draft: Draft) -> Verdict:
        """Call the function."""
        result = self.function(draft)
        return self._read(_completed(result) if inspect.isawaitable(result) else result)

    async def ajudge(self, draft: Draft) -> Verdict:
        """Call the function without holding up the event loop."""
        if _is_async(self.function):
            return self._read(await self.function(draft))
        result = await run_in_executor(None, self.function, draft)
        return self._read(await result if inspect.isawaitable(result) else result)

    def _read(self, result: object) -> Verdict:
        """What the function returned, as a verdict in its name."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if isinstance(result, Verdict):
            return result if result.signal else result._replace(signal=name)
        accepts, reason = result if isinstance(result, tuple) and len(result) == _PAIR else (result, None)
        if not _is_truth(accepts):
            msg = (
                f"{name} returned {result!r}: return True or False, such with a reason, `(False, 'too short')`, "
                "or a Verdict."
            )
            raise TypeError(msg)
        said = f"{name} accepts" if accepts else f"{name} does not accept"
        return Verdict(bool(accepts), said if reason is None else str(reason), name)


def as_signal(judge: AnySignal | object) -> Signal:
    """The judge as a signal.

    Raises:
        TypeError: it is neither a signal nor a function.
    """
    if isinstance(judge, Signal):
        return judge
    if isinstance(judge, type) and issubclass(judge, Signal):
        msg = f"{judge.__name__} is a class of signals: call it, `{judge.__name__}()`."
        raise TypeError(msg)
    if isinstance(judge, Runnable):
        msg = f"{type(judge).__name__} is a model, not a signal: let it judge as `JudgedBy(model)`."
        raise TypeError(msg)
    if not callable(judge):
        msg = f"{judge!r} is not a signal: give a Signal such as `NotUncertain()`, or a function of the draft."
        raise TypeError(msg)
    return Calls(judge)


def _is_truth(value: object) -> bool:
    """Whether a value is meant as yes or no: a number or a text is not."""
    return isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}  # NumPy has a boolean of its own


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object with an async `__call__`


def _completed(awaitable: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the user's coroutine returns
    """Run an awaitable to its end, also where this thread's event loop is busy."""

    async def wait() -> Any:  # noqa: ANN401 - likewise
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    outcome: list[Any] = []
    context = copy_context()

    def run() -> None:
        try:
            outcome.append((context.run(asyncio.run, wait()), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            outcome.append((None, error))

    thread = Thread(target=run, name="costguard-signal")
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
