"""`WebhookAlert`: alerts posted to a server of the user's, repeated until it takes them, signed if it asks for that."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from langchain_costguard._optional import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenacity import RetryCallState

    from langchain_costguard.guard.budget_alert import BudgetAlert

BODY_VERSION: Final = 1
"""The `version` in the body; it changes when a field changes its meaning or goes, not when one is added."""

SIGNATURE_HEADER: Final = "X-Costguard-Signature"

_logger = logging.getLogger("langchain_costguard")
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERRORS: Final = range(500, 600)
_TAKEN: Final = range(200, 300)
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 120.0


class WebhookAlert:
    """Posts alerts as JSON to one URL, and nowhere else: redirects are not followed.

    A connection that fails or times out, a status 429 and any 5xx are tried again, with growing waits in between, or
    after what the server's `Retry-After` says (up to two minutes; a server that wants more is not asked again). So a
    server may see a delivery more than once: the `id` in its body, which is also the header `Idempotency-Key`, is the
    same then. An alert that is not taken is logged and given up.

    The body, version 1:

    ```json
    {
      "version": 1,
      "type": "budget_alert",
      "id": "0f8fad5bd9cb469fa16570867728950e",
      "kind": "threshold",
      "budget": "usd/day",
      "counter": "user=alice",
      "unit": "usd",
      "threshold": "0.8",
      "limit": "10",
      "spent": "8.03",
      "reserved": "0.4",
      "at": "2026-11-21T18:40:00+00:00",
      "resets_at": "2026-11-22T00:00:00+00:00",
      "message": "Budget usd/day (user=alice) has reached 80 % of its $10.00: ..."
    }
    ```

    Money and shares are decimal strings, tokens and calls whole numbers; `counter` and `resets_at` may be `null`. With
    `secret=` the header `X-Costguard-Signature` is `"sha256="` and the HMAC-SHA256 of the body's bytes in hexadecimal;
    a receiver compares it before it reads the body, and refuses an `id` it has seen.

    Nothing of the URL but its host, and no header or secret, is ever logged or shown.

    Args:
        url: where to post, beginning with `https://` or `http://`.
        headers: sent along, such as `{"Authorization": "Bearer ..."}`.
        timeout_seconds: how long to wait for a connection, and for each part of an answer.
        attempts: how often a delivery is tried at most.
        secret: the key of the signature; `None` for no signature.

    Raises:
        ValueError: an argument that cannot be meant.
        OptionalDependencyError: httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout_seconds: float = 5.0,
        attempts: int = 5,
        secret: str | bytes | None = None,
    ) -> None:
        """Check what was given; nothing is sent yet."""
        require("httpx", extra="alerts", purpose="WebhookAlert")
        self._url: str = url
        self._host: str = _checked_host(url)
        self._headers: dict[str, str] = _checked_headers(headers)
        self._timeout_seconds: float = _checked_timeout(timeout_seconds)
        self._attempts: int = _checked_attempts(attempts)
        self._secret: bytes | None = _checked_secret(secret)
        self._sleep: Callable[[float], None] = time.sleep

    def __call__(self, alert: BudgetAlert) -> bool:
        """Post an alert and wait until it is taken or given up; it never raises for what a server does.

        Returns:
            Whether the server took it.
        """
        from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

        body, headers = self._prepared(alert)
        repeat = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            sleep=self._sleep,
            retry=retry_if_exception_type(_TryAgainError),
        )
        try:
            status = repeat(self._post, body, headers)
        except RetryError as error:
            return self._given_up(f"{error.last_attempt.exception()}, after {_times(self._attempts)}")
        except _GiveUpError as error:
            return self._given_up(str(error))
        return status in _TAKEN or self._given_up(f"status {status}")

    def __repr__(self) -> str:
        """The server, without path, query and secrets."""
        return f"WebhookAlert({self._host!r})"

    def _prepared(self, alert: BudgetAlert) -> tuple[bytes, dict[str, str]]:
        """The bytes of a delivery and its headers, the same for every attempt."""
        delivery = uuid4().hex
        body = json.dumps(body_of(alert, delivery)).encode("ascii")
        headers = self._headers | {"Content-Type": "application/json", "Idempotency-Key": delivery}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        return body, headers

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        """One attempt: the status of the answer.

        Raises:
            _TryAgainError: it may be taken later.
            _GiveUpError: it may be taken so much later that nobody waits for it.
        """
        import httpx

        try:
            with _without_its_url_in_logs(), httpx.Client(timeout=self._timeout_seconds) as client:
                answer = client.post(self._url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise _TryAgainError(type(error).__name__) from None  # its text and its request hold the URL
        if answer.status_code == _TOO_MANY_REQUESTS or answer.status_code in _SERVER_ERRORS:
            status = f"status {answer.status_code}"
            seconds = retry_after_seconds(answer.headers.get("Retry-After"), datetime.now(UTC))
            if seconds is not None and seconds > _LONGEST_RETRY_AFTER_SECONDS:
                msg = f"{status}, to be asked again only in {seconds:.0f} seconds"
                raise _GiveUpError(msg)
            raise _TryAgainError(status, seconds)
        return answer.status_code

    def _given_up(self, why: str) -> bool:
        _logger.warning("the webhook at %s did not take an alert: %s", self._host, why)
        return False


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, why: str, wait_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wait_seconds: float | None = wait_seconds


class _GiveUpError(Exception):
    """An attempt failed and no other is worth making."""


def body_of(alert: BudgetAlert, delivery: str) -> dict[str, Any]:
    """The body of a delivery as JSON-safe values, see `WebhookAlert`.

    Args:
        alert: what is told.
        delivery: its id, the same for every attempt.
    """
    is_money = alert.unit == "usd"
    return {
        "version": BODY_VERSION,
        "type": "budget_alert",
        "id": delivery,
        "kind": alert.kind,
        "budget": alert.budget,
        "counter": alert.counter,
        "unit": alert.unit,
        "threshold": f"{alert.threshold:f}",
        "limit": f"{alert.limit:f}" if is_money else alert.limit,
        "spent": f"{alert.spent:f}" if is_money else alert.spent,
        "reserved": f"{alert.reserved:f}" if is_money else alert.reserved,
        "at": alert.at.isoformat(),
        "resets_at": None if alert.resets_at is None else alert.resets_at.isoformat(),
        "message": alert.message,
    }


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """How long a server asks to be left alone (RFC 9110, section 10.2.3).

    Args:
        header: whole seconds or a date.
        now: what the date is counted from.

    Returns:
        Seconds, zero or more; `None` where it says nothing that is understood.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - now).total_seconds(), 0.0)


def _wait(attempt: RetryCallState) -> float:
    """What the server asked for, else twice as long each time, with some chance in it."""
    from tenacity import wait_random_exponential

    error = attempt.outcome.exception() if attempt.outcome is not None else None
    if isinstance(error, _TryAgainError) and error.wait_seconds is not None:
        return error.wait_seconds
    backoff = wait_random_exponential(
        multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_BACKOFF_SECONDS, min=_FIRST_WAIT_SECONDS
    )
    return backoff(attempt)


class _FromThisThread(logging.Filter):
    """Holds back the records of one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._thread: int = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all of them
        return threading.get_ident() != self._thread


@contextmanager
def _without_its_url_in_logs() -> Iterator[None]:
    """Keep httpx, which logs the whole URL of every request, quiet on this thread."""
    quiet, logger = _FromThisThread(), logging.getLogger("httpx")
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def _checked_host(url: object) -> str:
    """Scheme, host and port of the URL, which may be shown."""
    if isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url:
        try:
            parts = urlsplit(url)
            port = "" if parts.port is None else f":{parts.port}"
        except ValueError:
            parts, port = urlsplit(""), ""
        if parts.scheme in {"http", "https"} and parts.hostname:
            return f"{parts.scheme}://{parts.hostname}{port}"
    msg = "WebhookAlert takes the URL of a web server: give one such as 'https://example.com/alerts'"
    raise ValueError(msg)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in (name, value)):
            msg = (
                f"the header {name!r} is no plain text: give headers={{name: value}} as ASCII text without line breaks"
            )
            raise ValueError(msg)
    return dict(headers)


def _checked_timeout(seconds: float) -> float:
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        msg = f"timeout_seconds={seconds!r} is no time to wait: give a number above zero, such as 5"
        raise ValueError(msg)
    return float(seconds)


def _checked_attempts(attempts: int) -> int:
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        msg = f"attempts={attempts!r} sends nothing: give 1 or more"
        raise ValueError(msg)
    return attempts


def _checked_secret(secret: str | bytes | None) -> bytes | None:
    if secret is None:
        return None
    if not secret or not isinstance(secret, str | bytes):
        msg = "the secret is no text that could sign: give secret=None for no signature, or a long random text"
        raise ValueError(msg)
    return secret.encode("utf-8") if isinstance(secret, str) else bytes(secret)


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"
