"""guarded: a model whose answers are capped to what its budgets still allow, and which waits for calls under way."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence

from langchain_costguard.callbacks.output_caps import capped, own_cap
from langchain_costguard.callbacks.room import chat_model_of, room_for, unwrapped
from langchain_costguard.callbacks.streams import closed_with
from langchain_costguard.exceptions import BudgetExceededError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool

WhenFull = Literal["wait", "raise"]
_POLICIES: Final = ("wait", "raise")
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.5


def guarded(
    model: Runnable[Any, Any],
    *,
    when_full: WhenFull = "wait",
    min_output_tokens: int = 64,
    max_output_tokens: int | None = None,
    timeout_seconds: float = 600.0,
) -> GuardedModel:
    """Fit a model's calls into the budgets in force, instead of having them refused for what they might cost.

    Before each call the most output tokens that still fit are found, and bound as the call's limit. Where too few fit
    because other calls have reserved what they may need, it waits for them. So `.batch()` of twenty on a small budget
    makes every call it can pay for. The budgets themselves stay hard: this only asks them better.

    Args:
        model: a chat model, or one with tools or settings bound, or with another technique around it.
        when_full: `"wait"` for calls under way to end where that helps, or `"raise"` at once.
        min_output_tokens: answers that would have to be shorter are not asked for; give reasoning models a few
            thousand, because their thinking counts as output.
        max_output_tokens: answers need not be longer; `None` leaves the model's own limit.
        timeout_seconds: the longest to wait.

    Returns:
        A Runnable with the model's `bind_tools` and `with_structured_output`.

    Raises:
        TypeError: it is no chat model.
        ValueError: `when_full` is unknown, a limit is below one, or the timeout below zero.

    Example:
        ```python
        model = guarded(ChatOpenAI(model="gpt-4o-mini"))
        with track_costs(budgets=[Budget("0.10", per="day")]):
            answers = model.batch(questions, return_exceptions=True)
        ```
    """
    if when_full not in _POLICIES:
        msg = f"when_full={when_full!r} is not known: give 'wait' or 'raise'"
        raise ValueError(msg)
    for name, value in (("min_output_tokens", min_output_tokens), ("max_output_tokens", max_output_tokens)):
        if value is not None and value < 1:
            msg = f"{name}={value} allows no answer: give 1 or more"
            raise ValueError(msg)
    if not timeout_seconds >= 0:
        msg = f"timeout_seconds={timeout_seconds} is no time to wait: give 0 or more"
        raise ValueError(msg)
    chat_model_of(model)
    return GuardedModel(model, when_full, min_output_tokens, max_output_tokens, timeout_seconds)


class GuardedModel(Runnable[Any, Any]):
    """A model whose calls are fitted into the budgets in force; made by `guarded`."""

    def __init__(
        self,
        model: Runnable[Any, Any],
        when_full: WhenFull,
        min_output_tokens: int,
        max_output_tokens: int | None,
        timeout_seconds: float,
    ) -> None:
        """Keep the model and how it is to be asked."""
        self.model: Runnable[Any, Any] = model
        self.when_full: WhenFull = when_full
        self.min_output_tokens: int = min_output_tokens
        self.max_output_tokens: int | None = max_output_tokens
        self.timeout_seconds: float = timeout_seconds

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002, ANN401 - LangChain's signature
        """Ask the model, with the longest answer that fits."""
        refusals: list[BudgetExceededError] = []
        for pause, settings, is_last in self._turns(input, config, kwargs):
            time.sleep(pause)  # nothing yet in the first turn; then longer each time
            if settings is None:
                continue
            try:
                return cast("AIMessage", self.model.invoke(input, config, **settings))
            except BudgetExceededError as error:
                _raise_if_vain(error, refusals, is_last=is_last)
        raise AssertionError  # the turns end by an error of their own

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> AIMessage:
        """Ask the model, with the longest answer that fits; other tasks go on while this one waits."""
        turns, refusals = self._turns(input, config, kwargs), list[BudgetExceededError]()
        while True:
            pause, settings, is_last = await asyncio.to_thread(next, turns)
            await asyncio.sleep(pause)  # nothing yet in the first turn; then longer each time
            if settings is None:
                continue
            try:
                return cast("AIMessage", await self.model.ainvoke(input, config, **settings))
            except BudgetExceededError as error:
                _raise_if_vain(error, refusals, is_last=is_last)

    def stream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002, ANN401 - LangChain's signature
        """Stream the model's answer, the longest that fits."""
        refusals: list[BudgetExceededError] = []
        for pause, settings, is_last in self._turns(input, config, kwargs):
            time.sleep(pause)  # nothing yet in the first turn; then longer each time
            if settings is None:
                continue
            chunks = self.model.stream(input, config, **settings)
            try:
                first = next(chunks, None)
            except BudgetExceededError as error:
                _raise_if_vain(error, refusals, is_last=is_last)
                continue
            if first is not None:
                yield first
            yield from chunks
            return

    async def astream(  # noqa: D102 - see `stream`
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> AsyncIterator[Any]:
        turns, refusals = self._turns(input, config, kwargs), list[BudgetExceededError]()
        while True:
            pause, settings, is_last = await asyncio.to_thread(next, turns)
            await asyncio.sleep(pause)  # nothing yet in the first turn; then longer each time
            if settings is None:
                continue
            async with closed_with(self.model.astream(input, config, **settings)) as chunks:
                try:
                    first = await anext(chunks, None)
                except BudgetExceededError as error:
                    _raise_if_vain(error, refusals, is_last=is_last)
                    continue
                if first is not None:
                    yield first
                async for chunk in chunks:
                    yield chunk
                return

    def bind(self, **kwargs: Any) -> Runnable[Any, Any]:  # noqa: ANN401 - LangChain's signature
        """The model with more settings, still guarded."""
        return self._around(self.model.bind(**kwargs))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> GuardedModel:
        """The model with tools, still guarded."""
        return self._around(self.model.bind_tools(tools, **kwargs))  # type: ignore[attr-defined] # a chat model has it

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:  # noqa: ANN401 - LangChain's signature
        """The model whose answers are parsed into a schema, still guarded."""
        chain = self.model.with_structured_output(schema, **kwargs)  # type: ignore[attr-defined] # a chat model has it
        if not isinstance(chain, RunnableSequence):
            msg = f"{type(self.model).__name__}.with_structured_output() is no sequence: guard the model in it instead"
            raise TypeError(msg)
        first: Runnable[Any, Any] = chain.first
        if isinstance(first, RunnableParallel):
            first = RunnableParallel({"raw": self._around(first.steps__["raw"])})
        else:
            first = self._around(first)
        return RunnableSequence(first, *chain.middle, chain.last)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the model has
        """Anything else is the model's."""
        if name.startswith("__") or name == "model":  # not there yet while an instance is being copied
            raise AttributeError(name)
        return getattr(self.model, name)

    def _around(self, model: Runnable[Any, Any]) -> GuardedModel:
        return GuardedModel(model, self.when_full, self.min_output_tokens, self.max_output_tokens, self.timeout_seconds)

    def _turns(
        self,
        given: LanguageModelInput,
        config: RunnableConfig | None,
        kwargs: Mapping[str, Any],
    ) -> Iterator[tuple[float, dict[str, Any] | None, bool]]:
        """How long to pause, the settings to ask with then (`None`: measure again), and whether that is the end."""
        deadline = time.monotonic() + self.timeout_seconds
        pause = 0.0
        while True:
            room = room_for(self.model, given, config, kwargs)
            is_late = time.monotonic() > deadline
            if room.output_tokens is None or room.output_tokens >= self.min_output_tokens:
                yield pause, self._settings(room.output_tokens, kwargs), is_late
            else:
                can_wait = room.after_waiting is None or room.after_waiting >= self.min_output_tokens
                if self.when_full == "raise" or not can_wait or is_late:
                    yield pause, dict(kwargs), True  # refused by its budget, with everything that it says
                yield pause, None, False
            pause = min(max(pause * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1)  # noqa: S311 - no secret

    def _settings(self, fitting: int | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The call's settings with the limit that fits, unless it has a lower one of its own."""
        limits = [limit for limit in (fitting, self.max_output_tokens) if limit is not None]
        if not limits:
            return dict(kwargs)
        chat, settings, _ = unwrapped(self.model, kwargs, None)
        own = own_cap(chat, settings)
        cap = min([*limits, *([] if own is None else [own])])
        return {**kwargs, **capped(chat, settings, cap)}


def _raise_if_vain(error: BudgetExceededError, refusals: list[BudgetExceededError], *, is_last: bool) -> None:
    """Another call was faster, and the next turn measures anew; unless nothing can come of it."""
    refusals.append(error)
    standing = {(one.spent, one.reserved) for one in refusals[-_IN_VAIN:]}
    if is_last or error.reason != "limit" or (len(refusals) >= _IN_VAIN and len(standing) == 1):
        raise error


_IN_VAIN: Final = 3
"""So many refusals in a row, while nothing changed, are not due to other calls."""
