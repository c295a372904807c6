"""Doing what a course asks for: one question or many, with or without an event loop, at once or piece by piece."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.runnables.config import get_executor_for_config
from langchain_core.runnables.utils import gather_with_concurrency

from langchain_costguard.cascade.course import Ask, Judge, Tell, ajudge, judge
from langchain_costguard.tags import CASCADE_RECORD

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.cascade.course import Command, Given, Question


class Progress:
    """A question under way: what is to be done next, and the answer once there is nothing left to do."""

    def __init__(self, question: Question) -> None:
        """Begin."""
        self.question = question
        self.command: Command | None = None
        self.answer: Given | None = None
        self._course = question.course()
        self.send(None)

    @property
    def given(self) -> Given:
        """The answer; there is one once there is no command left."""
        assert self.answer is not None  # noqa: S101 - a course ends with its answer, or raises
        return self.answer

    def send(self, result: Any) -> None:
        """Go on with what came of the command."""
        try:
            self.command = self._course.send(result)
        except StopIteration as ended:
            self.command, self.answer = None, ended.value

    def throw(self, error: Exception) -> None:
        """Go on with what the command failed with.

        Raises:
            Exception: the same, or another one, where the course ends with it.
        """
        try:
            self.command = self._course.throw(error)
        except StopIteration as ended:
            self.command, self.answer = None, ended.value


# -- one question -----------------------------------------------------------------------------------------------------


def conduct(question: Question) -> Given:
    """Answer a question."""
    progress = Progress(question)
    while progress.command is not None:
        _step(progress, progress.command)
    return progress.given


async def aconduct(question: Question) -> Given:
    """Answer a question without holding up the event loop."""
    progress = Progress(question)
    while progress.command is not None:
        await _astep(progress, progress.command)
    return progress.given


def _step(progress: Progress, command: Command) -> None:
    try:
        result = _done(progress.question, command)
    except Exception as error:  # noqa: BLE001 - the course decides what a failure means
        progress.throw(error)
    else:
        progress.send(result)


async def _astep(progress: Progress, command: Command) -> None:
    try:
        result = await _adone(progress.question, command)
    except Exception as error:  # noqa: BLE001 - the course decides what a failure means
        progress.throw(error)
    else:
        progress.send(result)


def _done(question: Question, command: Command) -> Any:
    if isinstance(command, Ask):
        return question.runs.invoke(command.runnable, command.given, command.leg, **question.settings)
    if isinstance(command, Judge):
        return judge(command)
    question.runs.tell(command.data)
    return None


async def _adone(question: Question, command: Command) -> Any:
    if isinstance(command, Ask):
        return await question.runs.ainvoke(command.runnable, command.given, command.leg, **question.settings)
    if isinstance(command, Judge):
        return await ajudge(command)
    await question.runs.atell(command.data)
    return None


# -- piece by piece ---------------------------------------------------------------------------------------------------


def conduct_stream(question: Question) -> Iterator[Any]:
    """Answer a question piece by piece.

    Only the last tier's answer is shown as it comes; an accepted draft is shown in one piece.
    """
    progress, shown = Progress(question), False
    while progress.command is not None:
        command = progress.command
        if not isinstance(command, Ask) or not command.is_shown or question.plan.is_structured:
            _step(progress, command)
            continue
        merged: Any = None
        try:
            pieces = question.runs.stream(command.runnable, command.given, command.leg, **question.settings)
            with closing(pieces):
                for piece in pieces:
                    merged, shown = piece if merged is None else merged + piece, True
                    yield open_ended(piece)
        except Exception as error:  # noqa: BLE001 - the course decides what a failure means
            progress.throw(error)
        else:
            progress.send(whole(merged))
    yield from _rest(progress.given, shown=shown)


async def aconduct_stream(question: Question) -> AsyncGenerator[Any]:
    """The same without holding up the event loop."""
    progress, shown = Progress(question), False
    while progress.command is not None:
        command = progress.command
        if not isinstance(command, Ask) or not command.is_shown or question.plan.is_structured:
            await _astep(progress, command)
            continue
        merged: Any = None
        try:
            pieces = question.runs.astream(command.runnable, command.given, command.leg, **question.settings)
            async with aclosing(pieces):
                async for piece in pieces:
                    merged, shown = piece if merged is None else merged + piece, True
                    yield open_ended(piece)
        except Exception as error:  # noqa: BLE001 - the course decides what a failure means
            progress.throw(error)
        else:
            progress.send(whole(merged))
    for piece in _rest(progress.given, shown=shown):
        yield piece


def _rest(given: Given, *, shown: bool) -> Iterator[Any]:
    """What is left to show: the answer, or, where its pieces were shown, only how it came about."""
    output = given.output
    if not isinstance(output, AIMessage):
        if not shown:
            yield output
    elif shown:
        yield closing_chunk(output, given.record)
    else:
        yield as_chunk(output)


def whole(merged: Any) -> Any:
    """The answer that pieces add up to; messages as they would have been without streaming."""
    return message_chunk_to_message(merged) if isinstance(merged, AIMessageChunk) else merged


def open_ended(piece: Any) -> Any:
    """A piece after which another one comes."""
    if isinstance(piece, AIMessageChunk) and piece.chunk_position is not None:
        return piece.model_copy(update={"chunk_position": None})
    return piece


def closing_chunk(answer: AIMessage, record: Any) -> AIMessageChunk:
    """The last piece of an answer whose others were shown: how it came about."""
    return AIMessageChunk(
        content="" if isinstance(answer.content, str) else [],
        id=answer.id,
        response_metadata={CASCADE_RECORD: record},
        chunk_position="last",
    )


def as_chunk(answer: AIMessage) -> AIMessageChunk:
    """A whole answer as the only piece of a stream."""
    if isinstance(answer, AIMessageChunk):
        return answer.model_copy(update={"chunk_position": "last"})
    fields = {name: getattr(answer, name) for name in type(answer).model_fields if name != "type"}
    return AIMessageChunk(**fields, chunk_position="last")


# -- many questions ---------------------------------------------------------------------------------------------------


def conduct_all(questions: Sequence[Question], config: RunnableConfig) -> list[Given | Exception]:
    """Answer many questions: each tier gets all that reach it as one batch, then its answers are judged at once.

    Args:
        questions: the questions, all of one cascade.
        config: says how much may be done at the same time.

    Returns:
        What became of each.
    """
    many = [_Entry(question) for question in questions]
    with get_executor_for_config(config) as executor:
        while True:
            list(executor.map(_Entry.judge, many))
            batch = _lowest(many)
            if not batch:
                return [entry.outcome for entry in many]
            outputs = batch[0][1].runnable.batch(
                [ask.given for _, ask in batch],
                [_config(entry, ask, config) for entry, ask in batch],
                return_exceptions=True,
                **batch[0][0].question.settings,
            )
            _hand_out(batch, outputs)


async def aconduct_all(questions: Sequence[Question], config: RunnableConfig) -> list[Given | Exception]:
    """The same without holding up the event loop."""
    many = [_Entry(question) for question in questions]
    while True:
        await gather_with_concurrency(config.get("max_concurrency"), *(entry.ajudge() for entry in many))
        batch = _lowest(many)
        if not batch:
            return [entry.outcome for entry in many]
        await gather_with_concurrency(config.get("max_concurrency"), *(entry.aask(ask) for entry, ask in batch))


class _Entry:
    """One of many questions, which fails alone."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.progress: Progress | None = None
        self.error: Exception | None = None
        try:
            self.progress = Progress(question)
        except Exception as error:  # noqa: BLE001 - the other questions are answered all the same
            self.error = error

    @property
    def command(self) -> Command | None:
        """What is to be done for it next."""
        return None if self.progress is None or self.error is not None else self.progress.command

    @property
    def outcome(self) -> Given | Exception:
        """Its answer, or what it failed with."""
        if self.error is not None:
            return self.error
        assert self.progress is not None  # noqa: S101 - otherwise there is an error
        return self.progress.given

    def judge(self) -> None:
        """Do everything up to the next tier."""
        try:
            while self.progress is not None and isinstance(self.command, Judge | Tell):
                _step(self.progress, self.command)
        except Exception as error:  # noqa: BLE001 - likewise
            self.error = error

    async def ajudge(self) -> None:
        """Do everything up to the next tier, without holding up the event loop."""
        try:
            while self.progress is not None and isinstance(self.command, Judge | Tell):
                await _astep(self.progress, self.command)
        except Exception as error:  # noqa: BLE001 - likewise
            self.error = error

    async def aask(self, ask: Ask) -> None:
        """Ask a tier without holding up the event loop."""
        assert self.progress is not None  # noqa: S101 - it asks
        try:
            await _astep(self.progress, ask)
        except Exception as error:  # noqa: BLE001 - likewise
            self.error = error

    def take(self, output: Any) -> None:
        """Go on with what a tier said."""
        assert self.progress is not None  # noqa: S101 - it asked the tier
        try:
            if isinstance(output, Exception):
                self.progress.throw(output)
            else:
                self.progress.send(output)
        except Exception as error:  # noqa: BLE001 - likewise
            self.error = error


def _lowest(many: Sequence[_Entry]) -> list[tuple[_Entry, Ask]]:
    """Those that wait for the lowest tier that anybody waits for."""
    waiting = [(entry, entry.command) for entry in many if isinstance(entry.command, Ask)]
    lowest = min((ask.leg.tier for _, ask in waiting), default=None)
    return [(entry, ask) for entry, ask in waiting if ask.leg.tier == lowest]


def _config(entry: _Entry, ask: Ask, config: RunnableConfig) -> RunnableConfig:
    """The config of one leg in a batch; the limit is that of the whole batch."""
    own = entry.question.runs.config(ask.leg)
    return {**own, "max_concurrency": config.get("max_concurrency")}


def _hand_out(batch: Sequence[tuple[_Entry, Ask]], outputs: Sequence[Any]) -> None:
    for (entry, _), output in zip(batch, outputs, strict=True):
        entry.take(output)
