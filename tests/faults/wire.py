"""Servers that go wrong: the way to one can be cut, stalled or slowed down, and PostgreSQL can refuse every change."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMIT = b"COMMIT\x00"
_IDLE = b"Z\x00\x00\x00\x05I"
"""How the server says that a transaction has ended."""


class Wire:
    """The way to a server, which can be interrupted.

    Attributes:
        is_mute: whether answers are swallowed while everything else goes on.
        is_cut: whether nobody gets through any more.
        cuts_at_commit: whether the way is cut when the next commit has been answered, and the answer lost.
        delay_seconds: how late every answer is.
    """

    def __init__(self, url: str) -> None:
        """Listen, and lead to the server of this URL."""
        self.is_mute = Event()
        self.is_cut = Event()
        self.cuts_at_commit = Event()
        self.delay_seconds: float = 0
        self._port = int(urlsplit(url).port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()
        self.url = url.replace(f":{self._port}", f":{self._listener.getsockname()[1]}")

    def hang_up(self) -> None:
        """Reset every connection there is, as a firewall or a restarted server does; new ones are let through."""
        for each in [*self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """End the answers of every connection, while what is sent still arrives."""
        for each in self._sockets[1::2]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Hang up everything, and wait until everybody is gone."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += (client, server)
                if self.is_cut.is_set():
                    client.shutdown(socket.SHUT_RDWR)
                lost = Event()
                for target in (self._send, self._answer):
                    thread = Thread(target=target, args=(client, server, lost))
                    self._threads.append(thread)
                    thread.start()

    def _send(self, client: socket.socket, server: socket.socket, lost: Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if _COMMIT in data and self.cuts_at_commit.is_set():
                    lost.set()
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket, lost: Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if lost.is_set() and data.endswith(_IDLE):
                    self.is_cut.set()
                    break
                if not (self.is_mute.is_set() or lost.is_set()):
                    time.sleep(self.delay_seconds)  # the fault itself
                    client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def refused_by_rows(url: str) -> Iterator[None]:
    """Every change of a counter ends in a deadlock, or so the PostgreSQL server of this URL says."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION costguard.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"
        )
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON costguard.counters EXECUTE FUNCTION costguard.refuse()"
        )
        try:
            yield
        finally:
            other.execute("DROP FUNCTION costguard.refuse CASCADE")  # and with it the trigger
