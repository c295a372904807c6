"""The file of a checkpoint: a line of JSON for each finished item, appended at once, whole or not at all."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.batching.many.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = 1
"""The format this release writes and reads."""
_BEGINNING: Final = b'{"costguard_checkpoint": '


class Kept(NamedTuple):
    """One finished item, as its line has it."""

    output: Any
    """The output, as `Values` writes it."""
    cost: Decimal | None
    """What it had cost, in US dollars; `None` when unknown."""
    line: int
    """The line's number, from 1."""


class _Place(NamedTuple):
    """Where a line lies."""

    offset: int
    length: int
    line: int


class CheckpointFile:
    """An open checkpoint; nobody else can open it until it is closed.

    A line is written by one call and never changed. What a dead process left of a line is cut off when the file is
    opened; its item is run anew. A damaged line anywhere else is an error, and the file is left as it is.
    """

    def __init__(self, path: Path, identity: str, *, fsync_seconds: float) -> None:
        """Open a file, or make it.

        Args:
            path: the file.
            identity: what the chain is known by.
            fsync_seconds: the disk is told to write at least so often.

        Raises:
            CheckpointError: the file cannot be opened, is used by another run, is damaged, or is not of this chain.
        """
        self.path: Path = path
        self._fsync_seconds = fsync_seconds
        self._synced_at = time.monotonic()
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._header: dict[str, Any] = {}
        self._lines = 0
        self._end = 0
        self._is_closed = False
        self._file = _opened(path)
        try:
            _lock(self._file, path)
            torn = self._read_all()
            if self._header:
                self._check_header(identity)
            if torn:
                self._mend(torn)
            if not self._lines:
                self._append(_line({"costguard_checkpoint": VERSION, "chain": identity}))
        except BaseException:  # closed whatever happens, and raised again
            os.close(self._file)
            raise

    def __len__(self) -> int:
        """How many items are kept."""
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        """Whether an item is kept."""
        return key in self._places

    def find(self, key: str) -> Kept:
        """What is kept of an item.

        Raises:
            CheckpointError: the file cannot be read any more.
        """
        place = self._places[key]
        with self._lock:
            os.lseek(self._file, place.offset, os.SEEK_SET)
            data = os.read(self._file, place.length)
        item = self._parsed(data, place.line)
        return Kept(item["output"], _decimal(item.get("cost")), place.line)

    def add(self, key: str, index: int, output: Any, cost: Decimal | None) -> None:  # noqa: ANN401 - JSON
        """Keep an item.

        Raises:
            CheckpointError: the file cannot be written.
        """
        line = _line({"key": key, "index": index, "output": output, "cost": None if cost is None else str(cost)})
        with self._lock:
            if self._is_closed:  # the run was given up before this call came back
                return
            offset = self._end
            self._append(line)
            self._places[key] = _Place(offset, len(line), self._lines)

    def close(self) -> None:
        """Have everything on the disk, and let others use the file."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                with suppress(OSError):  # a pipe or a filesystem without it
                    os.fsync(self._file)
                os.close(self._file)

    def _append(self, line: bytes) -> None:
        try:
            os.lseek(self._file, self._end, os.SEEK_SET)
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            now = time.monotonic()
            if now - self._synced_at >= self._fsync_seconds:
                os.fsync(self._file)
                self._synced_at = now
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            msg = (
                f"{self.path} cannot be written ({error.strerror}); what it holds is safe: "
                "make room or give checkpoint= another path"
            )
            raise CheckpointError(msg, path=self.path) from error
        self._end += len(line)
        self._lines += 1

    def _read_all(self) -> bytes:
        """Note where each item's line lies; what a dead process left of a line behind them. Nothing is changed."""
        with os.fdopen(os.dup(self._file), "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    if number == 1:
                        self._note_torn_header(line)
                    return line
                self._note(line, self._end, number)
                self._end += len(line)
                self._lines = number
        return b""

    def _note_torn_header(self, line: bytes) -> None:
        if not (_BEGINNING.startswith(line) or line.startswith(_BEGINNING)):
            raise self._foreign()
        with suppress(CheckpointError):
            self._header = self._parsed(line, 1)

    def _mend(self, torn: bytes) -> None:
        """Cut off what a dead process left of a line, or add its end where only that is missing."""
        os.ftruncate(self._file, self._end)
        with suppress(CheckpointError):  # only its end is missing: the item was paid, and is kept
            self._note(torn, self._end, self._lines + 1)
            self._append(torn + b"\n")

    def _note(self, line: bytes, offset: int, number: int) -> None:
        if number == 1:
            if not line.startswith(_BEGINNING):
                raise self._foreign()
            self._header = self._parsed(line, 1)
            return
        self._places[self._parsed(line, number)["key"]] = _Place(offset, len(line), number)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            item = json.loads(line)
            is_whole = isinstance(item, dict) and (number == 1 or ("output" in item and isinstance(item["key"], str)))
        except (ValueError, KeyError, RecursionError):  # the last where it is nested deeper than Python reads
            is_whole = False
        if not is_whole:
            msg = (
                f"line {number} of the checkpoint {self.path} is damaged; nothing was changed and no call was made: "
                f"take that line out (its item is run anew), such as with: sed -i.bak {number}d {self.path}"
            )
            raise CheckpointError(msg, path=self.path, line=number)
        return item  # type: ignore[no-any-return] # a dict, as was just seen

    def _check_header(self, identity: str) -> None:
        version, chain = self._header.get("costguard_checkpoint"), self._header.get("chain")
        if version != VERSION:
            msg = (
                f"{self.path} is a checkpoint of format {version}, and this release reads {VERSION}: "
                "update langchain-costguard, or give checkpoint= another path"
            )
            raise CheckpointError(msg, path=self.path, line=1)
        if chain != identity:
            msg = (
                f"{self.path} is the checkpoint of another chain: its prompts, models, settings or steps differ. "
                "Give checkpoint= another path to begin anew; to keep one checkpoint through changes of the chain, "
                "begin it with Checkpoint(path=..., chain_name='...')"
            )
            raise CheckpointError(msg, path=self.path, line=1)

    def _foreign(self) -> CheckpointError:
        msg = f"{self.path} is not a checkpoint, and is left as it is: give checkpoint= the path of a new file"
        return CheckpointError(msg, path=self.path, line=1)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        msg = f"the checkpoint {path} cannot be opened ({error.strerror}): give a path in a folder you may write to"
        raise CheckpointError(msg, path=path) from error


def _lock(file: int, path: Path) -> None:
    """Keep others out, until the file is closed or this process dies."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 1 << 40, os.SEEK_SET)  # far behind every line: locks there keep nobody from reading
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        msg = f"the checkpoint {path} is in use by another run: wait for it to end, or give checkpoint= another path"
        raise CheckpointError(msg, path=path) from error


def _line(item: dict[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=True).encode() + b"\n"


def _decimal(text: object) -> Decimal | None:
    try:
        amount = None if text is None else Decimal(str(text))
    except (InvalidOperation, ValueError):  # the second for a whole number of thousands of digits
        return None
    return amount if amount is not None and amount.is_finite() and amount >= 0 else None
