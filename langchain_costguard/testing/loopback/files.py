"""The files the provider holds: `/v1/files`, uploaded as forms, read back as they are."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.testing.loopback.errors import RequestRefused
from langchain_costguard.testing.loopback.pages import page
from langchain_costguard.testing.loopback.server import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.testing.loopback.server import Incoming

_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_NAME: Final = re.compile(rb'[ ;]name="([^"]*)"')
_FILE_NAME: Final = re.compile(rb'filename="([^"]*)"')
_PURPOSES: Final = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_MAX_PAGE: Final = 10_000
_MIN_LIFE_SECONDS: Final = 3600
_MAX_LIFE_SECONDS: Final = 2_592_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file the provider holds."""

    id: str
    """Such as `"file-loopback-1"`."""
    filename: str
    """The name it was given."""
    purpose: str
    """What it is for: `"batch"`, `"batch_output"` ..."""
    content: bytes = field(repr=False)
    """What is in it."""
    created_at: int
    """Unix time, in seconds."""
    expires_at: int | None = None
    """Unix time, in seconds; `None`: it is kept."""

    @property
    def object(self) -> dict[str, Any]:
        """The file as the API tells it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """The files of the provider. Whoever uses them sees to it that one thread does at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._files: dict[str, StoredFile] = {}
        self._numbers = count(1)

    @property
    def all(self) -> tuple[StoredFile, ...]:
        """Every file, oldest first."""
        return tuple(self._files.values())

    def handle(self, incoming: Incoming, parts: list[str]) -> Delivery:
        """Serve a request for a path under `/v1/files`.

        Raises:
            RequestRefused: it cannot be served.
        """
        match (incoming.method, *parts):
            case ("POST",):
                return Delivery(body=self._upload(incoming).object)
            case ("GET",):
                return Delivery(body=self._list(incoming))
            case ("GET", file_id):
                return Delivery(body=self.find(file_id).object)
            case ("GET", file_id, "content"):
                return Delivery(content=self.find(file_id).content)
            case ("DELETE", file_id):
                del self._files[self.find(file_id).id]
                return Delivery(body={"id": file_id, "object": "file", "deleted": True})
        raise RequestRefused(HTTPStatus.NOT_FOUND, f"Nothing is served at {incoming.method} {incoming.path}.")

    def find(self, file_id: str) -> StoredFile:
        """A file by its id.

        Raises:
            RequestRefused: there is none.
        """
        found = self._files.get(file_id)
        if found is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"No such File object: {file_id}", param="id")
        return found

    def keep(self, filename: str, purpose: str, content: bytes, life_seconds: int | None = None) -> StoredFile:
        """Hold a new file."""
        now = int(time.time())
        stored = StoredFile(
            id=f"file-loopback-{next(self._numbers)}",
            filename=filename,
            purpose=purpose,
            content=content,
            created_at=now,
            expires_at=None if life_seconds is None else now + life_seconds,
        )
        self._files[stored.id] = stored
        return stored

    def _upload(self, incoming: Incoming) -> StoredFile:
        fields = {name: (filename, value) for name, filename, value in _form(incoming)}
        for required in ("file", "purpose"):
            if required not in fields:
                message = f"'{required}' is a required property"
                raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param=required)
        filename, content = fields["file"]
        purpose = fields["purpose"][1].decode()
        if purpose not in _PURPOSES:
            message = f"'{purpose}' is not one of {list(_PURPOSES)} - 'purpose'"
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="purpose")
        if purpose == "batch" and "." in filename and not filename.endswith(".jsonl"):
            message = f"Invalid file format for Batch API: {filename!r}. Must be .jsonl"
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="file")
        if not content:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "File is empty.", param="file")
        return self.keep(filename, purpose, content, _life(fields.get("expires_after[seconds]", ("", b""))[1]))

    def _list(self, incoming: Incoming) -> dict[str, Any]:
        purpose = incoming.query.get("purpose")
        found = [file for file in self._files.values() if purpose in (None, file.purpose)]
        if incoming.query.get("order", "desc") == "desc":
            found.reverse()
        return page([file.object for file in found], incoming.query, largest=_MAX_PAGE, usual=_MAX_PAGE)


def _form(incoming: Incoming) -> Iterator[tuple[str, str, bytes]]:
    """The fields of a form: name, file name and value."""
    boundary = _BOUNDARY.search(incoming.content_type)
    if boundary is None or not incoming.content_type.startswith("multipart/form-data"):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "A file is uploaded as multipart/form-data.")
    for part in incoming.content.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILE_NAME.search(head)
        if name is not None:
            yield name[1].decode(), filename[1].decode() if filename else "", value.removesuffix(b"\r\n")


def _life(seconds: bytes) -> int | None:
    """How long a file is kept, in seconds."""
    if not seconds:
        return None
    if not seconds.isdigit() or not _MIN_LIFE_SECONDS <= int(seconds) <= _MAX_LIFE_SECONDS:
        message = f"expires_after.seconds must be between {_MIN_LIFE_SECONDS} and {_MAX_LIFE_SECONDS}."
        raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="expires_after.seconds")
    return int(seconds)
