"""A connection to PostgreSQL that gives up on a server that does not answer: the driver alone would wait for ever."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ANSWER_SECONDS: Final = 1.0
"""How much longer than for a lock a step waits for the answer, which tells that the lock was not to be had."""


@lru_cache(maxsize=1)
def connection_class() -> Any:  # noqa: ANN401 - a class of an optional package
    """`psycopg.Connection` with a limit on waiting; it is closed once that has passed."""
    from psycopg import Connection, OperationalError

    class NoAnswerError(OperationalError):
        """The server took a statement and gave no answer to it in time."""

    class PatientConnection(Connection[Any]):
        """A connection whose waiting can be limited."""

        answer_by: float | None = None
        """When it gives up, by the monotonic clock; `None` for never."""
        gave_up: bool = False

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the driver's own
            """Wait for an answer, which the driver does by running a generator until it ends."""
            if self.answer_by is None:
                return super().wait(gen, *args, **kwargs)
            try:
                return super().wait(_until(gen, self.answer_by, NoAnswerError), *args, **kwargs)
            except NoAnswerError:
                self.gave_up = True
                self.pgconn.finish()
                raise

    return PatientConnection


@contextmanager
def answering_within(connection: Any, seconds: float) -> Iterator[None]:  # noqa: ANN401 - psycopg's own connection
    """Give up if what is asked inside the block is not answered by then."""
    connection.answer_by = time.monotonic() + seconds + ANSWER_SECONDS
    try:
        yield
    finally:
        connection.answer_by = None


def has_given_up(connection: Any) -> bool:  # noqa: ANN401 - psycopg's own connection
    """Whether a connection was closed because the server did not answer."""
    return bool(getattr(connection, "gave_up", False))


def is_no_answer(error: Exception) -> bool:
    """Whether an error says that the server did not answer in time."""
    return type(error).__name__ == "NoAnswerError"


def _until(gen: Generator[Any, Any, Any], end: float, error: type[Exception]) -> Generator[Any, Any, Any]:
    """The driver's generator, which is told every tenth of a second that there is nothing new, until a moment."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > end:
                msg = "no answer in time"
                raise error(msg)
            wanted = gen.send(ready)
    except StopIteration as stop:
        return stop.value
