"""How a provider is asked: its errors told apart, passing ones waited for, downloads fetched whole."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from langchain_costguard.batching.jobs.job_errors import BatchProviderError
from langchain_costguard.batching.retries import Retries, will_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_T = TypeVar("_T")

_UNDECIDED: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may be repeated."""
_LAST_BYTES: Final = 1 << 20
RETRIES: Final = Retries(attempts=5, first_seconds=0.5, longest_seconds=20.0)
"""How often the provider is asked again while a job is submitted or fetched."""


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn the errors of a provider's client into ours.

    Args:
        what: what was asked, for the message.

    Raises:
        BatchProviderError: the provider refused, or did not answer.
    """
    try:
        yield
    except Exception as error:  # clients raise classes of their own; what is not theirs is raised again
        if not _is_of_client(error):
            raise
        status = getattr(error, "status_code", None)
        is_refused = isinstance(status, int) and 400 <= status < 500 and status not in _UNDECIDED  # noqa: PLR2004 - HTTP
        remedy = (
            "mend what it says, and resume_batch(job_id, chain)"
            if is_refused
            else "it may pass: resume_batch(job_id, chain) goes on without submitting twice"
        )
        msg = f"the provider could not {what} ({type(error).__name__}: {error}): {remedy}"
        raise BatchProviderError(msg, is_certain=is_refused or status == 429) from error  # noqa: PLR2004 - HTTP


def patiently(step: Callable[[], _T], retries: Retries = RETRIES) -> _T:
    """Do a step, and again while the provider is busy or does not answer.

    Raises:
        BatchProviderError: it refused, or does not answer still.
    """
    from tenacity import Retrying, retry_if_exception

    policy = {**retries.policy(), "retry": retry_if_exception(_is_passing)}
    for attempt in Retrying(**policy, sleep=time.sleep):
        with attempt:
            return step()
    raise AssertionError  # tenacity re-raises the last error before it comes here


def _is_passing(error: BaseException) -> bool:
    if not isinstance(error, BatchProviderError):
        return False
    status = getattr(error.__cause__, "status_code", None)
    is_refused = isinstance(status, int) and 400 <= status < 500 and status not in _UNDECIDED  # noqa: PLR2004 - HTTP
    return not is_refused and (status != 429 or will_pass(error))  # noqa: PLR2004 - HTTP


def save_stream(response: Any, path: Path, expected_bytes: int | None) -> None:  # noqa: ANN401 - of either client
    """Write a streamed response to a file, whole or not at all.

    Raises:
        BatchProviderError: it broke off.
    """
    part = path.with_suffix(".part")
    with open(part, "wb", opener=_for_its_user) as file:
        file.writelines(response.iter_bytes())
    length = part.stat().st_size
    if expected_bytes is not None and length < expected_bytes:
        msg = f"the download broke off after {length:,} of {expected_bytes:,} bytes: collect() again"
        raise BatchProviderError(msg)
    if expected_bytes is None and not _ends_well(part):
        msg = f"the download broke off after {length:,} bytes, in the middle of a line: collect() again"
        raise BatchProviderError(msg)
    part.replace(path)


def _for_its_user(path: str, flags: int) -> int:
    """Open a file that nobody else may read."""
    return os.open(path, flags, 0o600)


def _ends_well(path: Path) -> bool:
    """Whether a file of JSON lines ends with a whole line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _LAST_BYTES))
        end = file.read()
    if not end or end.endswith(b"\n"):
        return True
    try:
        json.loads(end.rpartition(b"\n")[2])
    except (ValueError, RecursionError):  # the second where it is nested deeper than Python reads
        return False
    return True


def _is_of_client(error: BaseException) -> bool:
    """Whether an error is of a provider's client or of the HTTP client below it."""
    return any(one.__module__.partition(".")[0] in _CLIENTS for one in type(error).__mro__)


_CLIENTS: Final = frozenset({"openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2"})
