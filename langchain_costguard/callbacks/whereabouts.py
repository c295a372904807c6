"""Where a call is made: the task that asks for it, or the thread; and whether that has ended without having sent it.

LangChain runs hooks that may wait in threads of the event loop's pool, where nothing tells whose call it is. But it
copies the context there, so the task is noted in a context variable when it configures the run, on the loop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from uuid import UUID

    from langchain_costguard.recorder import StartedCall

_MAX_ERRORS: Final = 32
_START_HOOKS: Final = frozenset({"on_chat_model_start", "on_llm_start"})
_HOOKS_MODULE: Final = "langchain_core.callbacks.manager"
_PASSING_ON: Final = frozenset({"invoke", "ainvoke", "batch", "abatch", "generate_prompt", "agenerate_prompt"})
"""Methods that only hand a call on, to one that a subclass may have put its own in front of."""
_TEXT_STARTS: Final = frozenset({"AsyncCallbackManager.on_llm_start", "ahandle_event"})
_MODEL_MODULES: Final = ("langchain_core.language_models", "langchain_costguard.callbacks.embeddings")


class Asker:
    """A task that asks models: called, it is the task while that exists."""

    __slots__ = ("__weakref__", "_refused", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        """Look after a task until it ends."""
        self._task = weakref.ref(task)
        self._refused: tuple[tuple[UUID | None, object], ...] = ()
        task.add_done_callback(self._ended)

    def __call__(self) -> asyncio.Task[Any] | None:
        """The task; `None` once it is gone."""
        return self._task()

    def never_sent(self, call: StartedCall) -> bool:
        """Whether the task ended by an error out of the very hooks that announced the call."""
        task = self._task()
        if task is not None and task.done() and not self._refused:
            self._ended(task)
        return _is_among(call, self._refused)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        # `task.exception()` would keep asyncio from reporting an error that nobody has asked for
        error = None if task.cancelled() else getattr(task, "_exception", None)
        if error is not None:
            self._refused = tuple(_failed_starts(error))


_ASKER: Final[ContextVar[Asker | None]] = ContextVar("langchain_costguard_asker", default=None)


def note_asker() -> None:
    """Note which task configures a run now, for hooks that are called elsewhere."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - exported for this; the public twin raises instead
    task = None if loop is None else asyncio.current_task(loop)
    known = _ASKER.get()
    if task is None:
        if known is not None:
            _ASKER.set(None)
    elif known is None or known() is not task:
        _ASKER.set(Asker(task))


def locate(call: StartedCall, *, is_inline: bool) -> None:
    """Note where a call is made.

    Args:
        call: the call, which begins.
        is_inline: whether the running code is where it is made. It is not in a thread, nor in a task that LangChain
            made to announce the call: there goes what was noted when the run was configured.
    """
    if (asyncio._get_running_loop() is not None or is_inline) and not _is_in_start_task():  # noqa: SLF001 - the same
        note_asker()
    call.task = _ASKER.get()
    if call.task is None and asyncio._get_running_loop() is None:  # noqa: SLF001 - the same
        call.thread = threading.get_ident()
        call.worker = weakref.ref(threading.current_thread())


def _is_in_start_task() -> bool:
    """Whether the running task is one that LangChain made to announce a text run, which ends before the run does."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the same
    task = None if loop is None else asyncio.current_task(loop)
    return task is not None and getattr(task.get_coro(), "__qualname__", "") in _TEXT_STARTS


def here() -> tuple[object, int]:
    """The task that runs, `None` outside an event loop, and the thread."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the same
    return (None if loop is None else asyncio.current_task(loop)), threading.get_ident()


def place_of(call: StartedCall) -> tuple[object, int]:
    """The same of a call that begins."""
    return (None if call.task is None else call.task()), threading.get_ident()


def has_ended(call: StartedCall) -> bool:
    """Whether the thread a call was made in has ended."""
    if call.worker is None:
        return False
    thread = call.worker()
    return thread is None or not thread.is_alive()


def failed_at_start(call: StartedCall, error: BaseException) -> bool:
    """Whether an error came out of the hooks that announced the call: it was then never sent."""
    return _is_among(call, tuple(_failed_starts(error)))


def is_inside_model_call() -> bool:
    """Whether the running code was called by a model that is at work, as a model that wraps another one is."""
    return any(True for _ in _model_frames())


def models_at_work() -> int:
    """How many calls of models are at work on this thread, one inside the other, even if they are of one model.

    LangChain's frames of one call stand together; where code of somebody else comes between, another call begins.
    """
    entries = 0
    last: FrameType | None = None
    for frame in _model_frames():
        if frame.f_code.co_name in _PASSING_ON:
            continue
        if last is None or not _stand_together(last, frame):
            entries += 1
        last = frame
    return entries


def _model_frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to a caller's module
    while frame is not None:
        if _is_of_models(frame):
            yield frame
        frame = frame.f_back


def _is_of_models(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(_MODEL_MODULES)


def _stand_together(inner: FrameType, outer: FrameType) -> bool:
    frame = inner.f_back
    while frame is not None and frame is not outer:
        if not _is_of_models(frame):
            return False
        frame = frame.f_back
    return True


def _is_among(call: StartedCall, starts: tuple[tuple[UUID | None, object], ...]) -> bool:
    """Whether these starts are of the call, or of one that was to be sent with it."""
    return any(
        run_id == call.run_id or (call.batch_group is not None and params is call.batch_group)
        for run_id, params in starts
    )


def _failed_starts(error: BaseException) -> Iterator[tuple[UUID | None, object]]:
    """The runs whose start hooks an error went through, by its traceback: their ids, and what their prompts share."""
    for one in _errors_in(error):
        trace = one.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_code.co_name in _START_HOOKS and frame.f_globals.get("__name__") == _HOOKS_MODULE:
                given = frame.f_locals
                yield given.get("run_id_"), given.get("kwargs", {}).get("invocation_params")
            trace = trace.tb_next


def _errors_in(error: BaseException) -> list[BaseException]:
    """An error and those that it holds, was caused by, or came up in the handling of."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MAX_ERRORS:
        one = waiting.pop()
        if one is None or any(one is other for other in found):
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return found
