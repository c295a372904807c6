"""LimitedModel: asks a model within an output limit, sees where an answer was cut off, and says so."""

# ruff: noqa: A002, ANN401 - LangChain's names; answers are of any kind

from __future__ import annotations

import logging
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables.config import ensure_config

from langchain_costguard.callbacks.wrapping import ModelWrapper, inner_models
from langchain_costguard.output_limits.concise import messages_of, with_instruction
from langchain_costguard.output_limits.errors import OutputTruncatedError
from langchain_costguard.output_limits.limits import CallLimits, OutputLimit, call_limits, is_held_out
from langchain_costguard.output_limits.truncation import (
    has_ended,
    is_truncated,
    marked,
    partial_answer,
    would_fit_with_more,
)
from langchain_costguard.tags import BASELINE_ADDED, BASELINE_BOOKED, BASELINE_MODEL, TECHNIQUE, with_technique

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.output_limits.limits import OnTruncation

_logger: Final = logging.getLogger("langchain_costguard")

OUTPUT_LIMIT: Final = "output_limit"
"""The technique under which the calls are booked."""
RETRY_TAG: Final = "output_limit:retry"
"""The tag of second tries."""
LIMITED_TAG: Final = "output_limit:limited"
"""The tag of limited calls, where others are held out."""
HOLDOUT_TAG: Final = "output_limit:holdout"
"""The tag of calls that are left alone for comparison."""


class _Call(NamedTuple):
    """One call, as it is made."""

    given: Any
    config: RunnableConfig
    limits: CallLimits
    on_truncation: OnTruncation


class _CutShort(NamedTuple):
    """An answer that came as an error, because it was cut off where a schema should have been filled."""

    answer: AIMessage
    error: Exception


class LimitedModel(ModelWrapper):
    """A model whose answers are bounded; made by `limit_output`."""

    def __init__(self, model: Runnable[Any, Any], limit: OutputLimit) -> None:
        """Keep the model and its limit."""
        self.model: Runnable[Any, Any] = model
        self.limit: OutputLimit = limit

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Ask the model.

        Raises:
            OutputTruncatedError: the answer was cut off, and `on_truncation` is `"raise"`.
        """
        call = self._call(input, config, kwargs)
        answer = self._ask(call)
        if call.limits.larger is not None and _asks_for_more(answer):
            call = call._replace(config=_for_retry(call.config), limits=call.limits.larger)
            answer = self._ask(call)
        return _finished(call, answer)

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Ask the model without holding up the event loop; see `invoke`."""
        call = self._call(input, config, kwargs)
        answer = await self._aask(call)
        if call.limits.larger is not None and _asks_for_more(answer):
            call = call._replace(config=_for_retry(call.config), limits=call.limits.larger)
            answer = await self._aask(call)
        return _finished(call, answer)

    def stream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream the model's answer; the chunk that ends it says whether it was cut off.

        What is out cannot be taken back: `"retry"` is the same as `"keep"` here.

        Raises:
            OutputTruncatedError: at the end, where the answer was cut off and `on_truncation` is `"raise"`.
        """
        call = self._call(input, config, kwargs)
        stream = _Stream(call)
        chunks = cast("Generator[Any]", self.model.stream(call.given, call.config, **call.limits.settings))
        with closing(chunks):
            for chunk in chunks:
                yield stream.seen(chunk)
        stream.end()

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream the model's answer without holding up the event loop; see `stream`."""
        call = self._call(input, config, kwargs)
        stream = _Stream(call)
        chunks = cast("AsyncGenerator[Any]", self.model.astream(call.given, call.config, **call.limits.settings))
        async with aclosing(chunks):
            async for chunk in chunks:
                yield stream.seen(chunk)
        stream.end()

    def asked_with(self, settings: dict[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """The settings of a call with the limit; without it where some calls are left alone.

        Raises:
            ValueError: the limit is below the floor of a model that thinks.
        """
        if self.limit.holdout:
            return settings
        return call_limits(self.limit, inner_models(self.model, settings, config), settings).settings

    def _around(self, model: Runnable[Any, Any]) -> LimitedModel:
        return LimitedModel(model, self.limit)

    def _call(self, given: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> _Call:
        """What is to be asked, and how."""
        limit, config = self.limit, ensure_config(config)
        if limit.holdout and is_held_out(limit, messages_of(given)):
            return _Call(given, _with_tag(config, HOLDOUT_TAG), CallLimits(None, kwargs), "keep")
        config = _with_tag(config, LIMITED_TAG) if limit.holdout else config
        config = {**config, "metadata": with_technique(config.get("metadata"), OUTPUT_LIMIT)}
        limits = call_limits(limit, inner_models(self.model, kwargs, config), kwargs)
        if limit.instruction is not None:
            given = with_instruction(messages_of(given), limit.instruction)
        return _Call(given, config, limits, limit.on_truncation)

    def _ask(self, call: _Call) -> Any:
        try:
            return self.model.invoke(call.given, call.config, **call.limits.settings)
        except Exception as error:  # noqa: BLE001 - whatever a client raises; all but one kind is raised again
            return _cut_short(error)

    async def _aask(self, call: _Call) -> Any:
        try:
            return await self.model.ainvoke(call.given, call.config, **call.limits.settings)
        except Exception as error:  # noqa: BLE001 - whatever a client raises; all but one kind is raised again
            return _cut_short(error)


class _Stream:
    """Follows a stream: marks the chunk that ends it, and keeps the others where an error would need them."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._whole: AIMessageChunk | None = None
        self._cut: bool | None = None

    def seen(self, chunk: Any) -> Any:
        """A chunk, as it is passed on."""
        if not isinstance(chunk, AIMessageChunk):
            return chunk
        if self._cut is None and has_ended(chunk):
            self._cut = is_truncated(chunk)
            chunk = marked(chunk, truncated=self._cut)
        if self._call.on_truncation == "raise":
            self._whole = chunk if self._whole is None else self._whole + chunk
        return chunk

    def end(self) -> None:
        """The stream is over.

        Raises:
            OutputTruncatedError: it was cut off, and that is to be raised.
        """
        if not self._cut:
            return
        _tell(self._call)
        if self._whole is not None:
            raise _error(self._call, self._whole)


def _asks_for_more(answer: Any) -> bool:
    """Whether a larger limit may complete an answer."""
    message = answer.answer if isinstance(answer, _CutShort) else answer
    return isinstance(message, AIMessage) and would_fit_with_more(message)


def _finished(call: _Call, answer: Any) -> Any:
    """The answer as it is given out.

    Raises:
        OutputTruncatedError: it was cut off, and that is to be raised.
    """
    if isinstance(answer, _CutShort):
        _tell(call)
        if call.on_truncation == "raise":
            raise _error(call, answer.answer) from answer.error
        raise answer.error
    if not isinstance(answer, AIMessage):
        return answer  # of a chain that parses, which says nothing about its end
    truncated = is_truncated(answer)
    answer = marked(answer, truncated=truncated)
    if truncated:
        _tell(call)
        if call.on_truncation == "raise":
            raise _error(call, answer)
    return answer


def _cut_short(error: Exception) -> _CutShort:
    """The partial answer in an error; any other error is raised again."""
    answer = partial_answer(error)
    if answer is None:
        raise error
    return _CutShort(answer, error)


def _tell(call: _Call) -> None:
    _logger.warning("An answer was cut off at %s.", _limit_in_words(call))


def _error(call: _Call, answer: AIMessage) -> OutputTruncatedError:
    msg = (
        f"the answer was cut off at {_limit_in_words(call)}, and is billed: give limit_output a larger max_tokens, or "
        'on_truncation="retry"'
    )
    return OutputTruncatedError(msg, answer=answer, max_tokens=call.limits.cap)


def _limit_in_words(call: _Call) -> str:
    return "the model's own limit" if call.limits.cap is None else f"{call.limits.cap:,} output tokens"


def _with_tag(config: RunnableConfig, tag: str) -> RunnableConfig:
    return {**config, "tags": [*(config.get("tags") or ()), tag]}


def _for_retry(config: RunnableConfig) -> RunnableConfig:
    """The config of a second try: all of it is the limit's cost, for without it there would have been one call."""
    config = _with_tag(config, RETRY_TAG)
    metadata = dict(config.get("metadata") or {})
    others = [name for name in metadata[TECHNIQUE] if name != OUTPUT_LIMIT]
    metadata |= {TECHNIQUE: [OUTPUT_LIMIT, *others], BASELINE_MODEL: "", BASELINE_BOOKED: None, BASELINE_ADDED: None}
    return {**config, "metadata": metadata}
