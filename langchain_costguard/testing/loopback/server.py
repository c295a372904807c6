"""The HTTP server under the loopback provider: HTTP/1.1 on 127.0.0.1, a thread per connection, a quick clean stop."""

from __future__ import annotations

import json
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Event, Lock, Thread, current_thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl

from langchain_costguard.testing.loopback.errors import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL_SECONDS: Final = 0.02
_JOIN_SECONDS: Final = 5
_PIECES: Final = 10
_RESET: Final = struct.pack("ii", 1, 0)
"""Have `close` send a reset instead of an end."""


class Incoming(NamedTuple):
    """A request as it came in."""

    method: str
    """Such as `"POST"`."""
    path: str
    """Without its query."""
    content: bytes = b""
    """The body."""
    query: Mapping[str, str] = MappingProxyType({})
    """What stood behind the question mark."""
    content_type: str = ""
    """What the body is."""
    host: str = ""
    """Where the client thinks we are, such as `"127.0.0.1:54321"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is to be sent back for a request."""

    status: int = 200
    """The HTTP status."""
    body: Any = None
    """The JSON body of an answer that is not a stream."""
    content: bytes | None = None
    """The bytes of a file, instead of a JSON body."""
    frames: Sequence[bytes] | None = None
    """The frames of a stream of server-sent events."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""
    latency_seconds: float = 0
    """How long to wait first."""
    drop_after_frames: int | None = None
    """Break the connection after so many frames of a stream; without a stream, instead of the answer."""
    cut_after_bytes: int | None = None
    """Break the connection after so many bytes of an answer that is not a stream."""
    content_type: str | None = None
    """What the bytes are said to be; `None`: any file."""
    chunk_seconds: float = 0
    """How long to wait before each frame of a stream, and before each of ten pieces of any other answer."""
    resets: bool = False
    """Break the connection by a reset."""

    @property
    def whole(self) -> bytes:
        """The bytes of an answer that is not a stream."""
        return json.dumps(self.body).encode() if self.content is None else self.content

    @property
    def kind(self) -> str:
        """What these bytes are said to be."""
        return "application/json" if self.content is None else self.content_type or "application/octet-stream"


class LoopbackServer:
    """Serves requests on a free port of 127.0.0.1 until it is closed.

    Args:
        handle: is given each request, in the connection's thread, and says what to send back.
        keep_alive: whether a connection serves more than one request.
    """

    def __init__(self, handle: Callable[[Incoming], Delivery], *, keep_alive: bool) -> None:
        """Listen; requests wait until `start`."""
        self._server = _Server(handle, keep_alive=keep_alive)
        self._thread = Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="loopback-provider", daemon=True
        )

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving: waiting answers are given up, open connections are closed, threads are joined."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_JOIN_SECONDS)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handle: Callable[[Incoming], Delivery], *, keep_alive: bool) -> None:
        self.handle = handle
        self.keep_alive = keep_alive
        self.closing = Event()
        self._connections: dict[Thread, socket.socket] = {}
        self._lock = Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's signature
        with self._lock:
            self._connections[current_thread()] = request
        try:
            if not self.closing.is_set():
                super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._connections[current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's signature
        """A client that went away is no fault; nothing is printed, least of all a prompt."""

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            connections = list(self._connections.items())
        for thread, connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_JOIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
        """Nothing is logged."""

    def _serve(self) -> None:
        server = cast("_Server", self.server)
        self.close_connection = self.close_connection or not server.keep_alive
        delivery = server.handle(self._incoming())
        if delivery.latency_seconds and server.closing.wait(delivery.latency_seconds):
            self.close_connection = True
        elif delivery.frames is not None:
            self._send_stream(delivery)
        elif delivery.drop_after_frames is not None:
            self._break(delivery)
        else:
            self._send_whole(delivery)

    def _incoming(self) -> Incoming:
        path, _, query = self.path.partition("?")
        return Incoming(
            self.command,
            path,
            self._content(),
            dict(parse_qsl(query)),
            self.headers.get("content-type") or "",
            self.headers.get("host") or "",
        )

    def _content(self) -> bytes:
        """The body, whether its length was told or it came in chunks."""
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send_whole(self, delivery: Delivery) -> None:
        content = delivery.whole
        self.close_connection = self.close_connection or delivery.cut_after_bytes is not None
        head = f"{delivery.kind}\r\ncontent-length: {len(content)}"
        arriving = content[: delivery.cut_after_bytes]
        self._send_head(delivery, head, b"" if delivery.chunk_seconds else arriving)
        size = -(-len(arriving) // _PIECES) or 1
        for start in range(0, len(arriving) if delivery.chunk_seconds else 0, size):
            if not self._wait(delivery):
                return
            self.wfile.write(arriving[start : start + size])
        if delivery.cut_after_bytes is not None:
            self._break(delivery)

    def _send_stream(self, delivery: Delivery) -> None:
        frames = delivery.frames or ()
        self._send_head(delivery, "text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked", b"")
        for frame in frames[: delivery.drop_after_frames]:
            if not self._wait(delivery):
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        if delivery.drop_after_frames is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self._break(delivery)

    def _wait(self, delivery: Delivery) -> bool:
        """Be as slow as is asked; whether the server still runs."""
        closing = cast("_Server", self.server).closing
        if delivery.chunk_seconds and closing.wait(delivery.chunk_seconds):
            self.close_connection = True
            return False
        return True

    def _break(self, delivery: Delivery) -> None:
        """End the connection before the answer has."""
        self.close_connection = True
        if delivery.resets:
            connection = cast("socket.socket", self.connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            os.close(connection.detach())  # at once: whoever serves connections would end it in order first

    def _send_head(self, delivery: Delivery, content_type: str, content: bytes) -> None:
        """Head and content in one write: two would wait for each other's acknowledgement."""
        lines = [
            f"HTTP/1.1 {delivery.status} {phrase(delivery.status)}",
            f"content-type: {content_type}",
            f"connection: {'close' if self.close_connection else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in delivery.headers.items()),
        ]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
