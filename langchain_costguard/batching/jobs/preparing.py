"""How inputs become files of requests on disk, before anything is sent: one after the other, never held as a whole."""

from __future__ import annotations

import hashlib
import os
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from langchain_costguard.batching.jobs.bodies import as_bytes
from langchain_costguard.batching.jobs.bounding import Bounder
from langchain_costguard.batching.jobs.job_errors import BatchInputError, BatchStateError
from langchain_costguard.batching.jobs.rows import ItemRow, PartRow
from langchain_costguard.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from langchain_core.messages import BaseMessage

    from langchain_costguard.batching.jobs.context import ChainContext, JobContext
    from langchain_costguard.batching.jobs.providers import BatchProvider, Request

_INPUTS_AT_ONCE: Final = 64
_ROWS_AT_ONCE: Final = 1_000
_DIGEST_LENGTH: Final = 12


class Limits(NamedTuple):
    """Into what files requests are split."""

    requests: int
    bytes: int
    tokens: int | None
    """The most input tokens of one file, and of all that are under way; `None` for no limit."""

    @classmethod
    def of(cls, provider: BatchProvider, requests: int, size: int, tokens: int | None) -> Limits:
        """The caller's limits, and never more than the provider's.

        Raises:
            ValueError: a limit is below one.
        """
        given = {
            "max_requests_per_file": requests,
            "max_bytes_per_file": size,
            "max_enqueued_tokens": 1 if tokens is None else tokens,
        }
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                msg = f"{name}={value!r} leaves room for nothing: give a whole number, 1 or more"
                raise ValueError(msg)
        return cls(min(requests, provider.max_requests), min(size, provider.max_bytes), tokens)


class Made(NamedTuple):
    """One request, ready to be written."""

    position: int
    request: Request
    body: bytes
    messages: list[BaseMessage]


def make_requests(
    chain: ChainContext,
    step: int,
    values: Iterable[tuple[int, Any]],
    on_fault: Callable[[int, Exception], object],
) -> Iterator[Made]:
    """Run what is before a model over values, a few at a time, and make the requests.

    Args:
        chain: the chain.
        step: which of its models.
        values: positions, and what the step is given.
        on_fault: told of values of which no request can be made.
    """
    rest = iter(values)
    before = chain.step(step).before
    while chunk := list(islice(rest, _INPUTS_AT_ONCE)):
        inputs = [value for _, value in chunk]
        made = inputs if before is None else before.batch(inputs, chain.config, return_exceptions=True)
        for (position, _), value in zip(chunk, made, strict=True):
            if isinstance(value, Exception):
                on_fault(position, value)
                continue
            try:
                messages = chain.messages(step, value)
                request = chain.wires[step].request(messages)
                body = as_bytes(request.body)
            except Exception as error:  # noqa: BLE001 - whatever an integration makes of an input it cannot take
                on_fault(position, error)
            else:
                yield Made(position, request, body, messages)


def refuse_input(position: int, error: Exception) -> None:
    """What becomes of an input of the first step of which no request can be made.

    Raises:
        BatchInputError: always; nothing was sent.
    """
    if isinstance(error, BatchInputError):
        raise error
    msg = (
        f"input {position} cannot be made into a request ({type(error).__name__}: {error}): mend it or leave it out; "
        "nothing was sent"
    )
    raise BatchInputError(msg, index=position) from error


class _Open(NamedTuple):
    part: PartRow
    file: BinaryIO


class PartWriter:
    """Writes the requests of one step into parts, and their items into the file of jobs."""

    def __init__(self, context: JobContext, step: int, *, is_bounded: bool) -> None:
        """Write nothing yet.

        Args:
            context: the job.
            step: which model step.
            is_bounded: whether the most that each request can cost is to be noted, because budgets are in force.
        """
        self._context = context
        self._step = step
        self._provider = context.chain.providers[step]
        self._limits = Limits(*context.job.options["limits"])
        self._bounder: Bounder | None = None
        if is_bounded:
            prices = context.chain.watchers(step).recorder.prices
            self._bounder = Bounder(context.chain.calls(context.job.id, step), prices)
        self._next = max((part.number for part in context.file.parts(context.job.id)), default=-1) + 1
        self._open: dict[tuple[object, ...], _Open] = {}
        self._items: list[ItemRow] = []
        self._resent: list[tuple[object, ...]] = []
        self._digest = hashlib.sha256()
        self.parts: list[PartRow] = []
        """The parts that are on disk."""

    @property
    def content(self) -> str:
        """A digest of all that was written, in order."""
        return self._digest.hexdigest()

    def add(self, made: Made, attempt: int = 0) -> None:
        """Write one request.

        Raises:
            BatchInputError: it is longer than a whole file may be.
        """
        position, request, body, messages = made
        digest = hashlib.sha256(body).hexdigest()
        self._digest.update(f"{position} {request.url} {request.betas} {digest}\n".encode())
        job = self._context.job
        custom_id = f"{job.nonce}-{self._step}-{position}-{attempt}-{digest[:_DIGEST_LENGTH]}"
        line = self._provider.line(custom_id, request.url, body)
        tokens = 0 if self._limits.tokens is None else count_tokens(body.decode(), request.model).tokens
        self._refuse_too_long(position, len(line), tokens)
        opened = self._room(request, len(line), tokens)
        part = opened.part
        bound = None if self._bounder is None else self._bounder.of(messages)
        nano, most = (None, None) if bound is None else (bound.nano_usd, bound.tokens)
        if attempt:
            self._resent.append((part.number, part.bytes, len(line), nano, most, job.id, self._step, position))
        else:
            self._items.append(
                ItemRow(
                    job.id, self._step, position, attempt, part.number, part.bytes, len(line), "sent",
                    bound_nano=nano, bound_tokens=most,
                )
            )  # fmt: skip
        opened.file.write(line)
        key = _group(request)
        self._open[key] = opened._replace(
            part=part._replace(requests=part.requests + 1, bytes=part.bytes + len(line), tokens=part.tokens + tokens)
        )
        if len(self._items) >= _ROWS_AT_ONCE:
            self._save_items()

    def add_fault(self, position: int, error: Exception) -> None:
        """Note an item that failed here before it was sent."""
        self._items.append(
            ItemRow(
                self._context.job.id, self._step, position, 0, None, 0, 0, "error",
                cause="local", message=str(error), code=type(error).__name__, is_booked=True,
            )
        )  # fmt: skip

    def close(self) -> list[PartRow]:
        """Finish all files; the parts are on disk then, still in state `preparing`."""
        for opened in list(self._open.values()):
            self._finish(opened)
        self._open.clear()
        self._save_items()
        return self.parts

    def resent(self) -> list[tuple[object, ...]]:
        """The values of `RESEND` for the items that were written anew."""
        return self._resent

    def abandon(self) -> None:
        """Close files that are not finished; what is in them is never sent."""
        for opened in self._open.values():
            opened.file.close()
        self._open.clear()

    def _refuse_too_long(self, position: int, length: int, tokens: int) -> None:
        if length > self._limits.bytes:
            msg = (
                f"input {position} makes a request of {length:,} bytes, and a file may have {self._limits.bytes:,}: "
                "shorten it, or raise max_bytes_per_file"
            )
            raise BatchInputError(msg, index=position)
        if self._limits.tokens is not None and tokens > self._limits.tokens:
            msg = (
                f"input {position} has {tokens:,} tokens, and {self._limits.tokens:,} may be enqueued at once: shorten "
                "it, or raise max_enqueued_tokens"
            )
            raise BatchInputError(msg, index=position)

    def _room(self, request: Request, length: int, tokens: int) -> _Open:
        """The file that a request goes to: one for each model and endpoint, and a new one where that is full."""
        key = _group(request)
        opened = self._open.get(key)
        if opened is not None:
            part, limits = opened.part, self._limits
            is_full = part.requests >= limits.requests or part.bytes + length > limits.bytes
            if not is_full and (limits.tokens is None or part.tokens + tokens <= limits.tokens):
                return opened
            self._finish(opened)
        opened = self._begin(request)
        self._open[key] = opened
        return opened

    def _begin(self, request: Request) -> _Open:
        number, self._next = self._next, self._next + 1
        part = PartRow(
            self._context.job.id, number, self._step, request.model, request.url, request.betas,
            f"part-{number}.jsonl", 0, 0, 0, "preparing",
        )  # fmt: skip
        self._context.file.add_part(part)
        path = self._context.path(part)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise cannot_write(path, error) from error
        return _Open(part, os.fdopen(descriptor, "wb"))

    def _finish(self, opened: _Open) -> None:
        part = opened.part
        try:
            opened.file.flush()
            os.fsync(opened.file.fileno())
            opened.file.close()
        except OSError as error:
            raise cannot_write(self._context.path(part), error) from error
        self._save_items()
        self.parts.append(
            self._context.file.update_part(part, requests=part.requests, bytes=part.bytes, tokens=part.tokens)
        )

    def _save_items(self) -> None:
        self._context.file.add_items(self._items)
        self._items = []


def _group(request: Request) -> tuple[object, ...]:
    return (request.model, request.url, request.betas)


def cannot_write(path: Path, error: OSError) -> BatchStateError:
    """The error of a file that cannot be written."""
    msg = f"{path} cannot be written ({error.strerror}): make room, or give another path with store="
    return BatchStateError(msg)
