"""When a call is worth another attempt, how long to wait before it, and how one rate limit slows the whole pool."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from langchain_core.exceptions import ModelError, ModelRateLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenacity import RetryCallState

_PASSING_STATUSES: Final = frozenset({429, 503, 529})
"""Too many requests, unavailable, overloaded."""
_PASSING_CODES: Final = frozenset(
    {
        "overloaded_error",
        "rate_limit_error",
        "RESOURCE_EXHAUSTED",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "UNAVAILABLE",
    }
)
"""The same where a provider says it by a name: Anthropic within a stream, Google, AWS."""
_STANDING_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Told with the status of a rate limit, and no wait helps: the account has no money left."""
_MAX_CAUSES: Final = 5
_SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How calls that met a rate limit or an overload (429, 503, 529) are tried again.

    Nothing else is: a refused budget, a wrong key and a bad request stay what they are. The waits double from
    `first_seconds` to `longest_seconds`, with jitter, and are never shorter than the provider asks for
    (`retry-after`, `retry-after-ms`); while one call waits, no other begins. The provider's client may have retried
    before (`max_retries` of the model); these attempts come on top.

    Args:
        attempts: how often a call is tried altogether; 1 means no retry.
        first_seconds: the wait before the second attempt.
        longest_seconds: the longest wait that is not asked for.
        longest_asked_seconds: the longest `retry-after` that is waited for; a longer one fails the item at once.

    Raises:
        ValueError: `attempts` is below one, or a time is not positive.

    Example:
        >>> Retries(attempts=3).attempts
        3
    """

    attempts: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    longest_asked_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.attempts < 1:
            msg = f"attempts={self.attempts} makes no call: give 1 or more"
            raise ValueError(msg)
        for name in ("first_seconds", "longest_seconds", "longest_asked_seconds"):
            if not getattr(self, name) > 0:
                msg = f"{name}={getattr(self, name)} is no time to wait: give more than 0"
                raise ValueError(msg)

    def is_worth_it(self, error: BaseException) -> bool:
        """Whether another attempt may succeed, after a wait that is not too long."""
        return will_pass(error) and (asked_seconds(error) or 0.0) <= self.longest_asked_seconds

    def policy(self) -> dict[str, Any]:
        """The arguments of `tenacity.Retrying` and `AsyncRetrying`, but for how to sleep."""
        from tenacity import retry_if_exception, stop_after_attempt, wait_exponential, wait_random

        jittered = wait_exponential(self.first_seconds, max=self.longest_seconds) + wait_random(0, self.first_seconds)
        return {
            "retry": retry_if_exception(self.is_worth_it),
            "stop": stop_after_attempt(self.attempts),
            "wait": _not_shorter_than_asked(jittered),
            "reraise": True,
        }


class Pause:
    """The time before which no call of a pool begins."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a pause."""
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def extend(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def wait_seconds(self) -> float:
        """How long to wait now: zero without a pause, for some a little more than it, so that not all go at once."""
        if not self._until:
            return 0.0
        left = self._until - self._clock()
        return 0.0 if left <= 0 else left + random.uniform(0, min(_SPREAD * left, 1.0))  # noqa: S311 - no secret


def will_pass(error: BaseException) -> bool:
    """Whether an error is a rate limit or an overload, as far as its attributes tell.

    Args:
        error: whatever a chain raised; what it was raised from counts too, because integrations wrap.
    """
    for one in _causes(error):
        codes = set(_codes(one))
        if codes & _STANDING_CODES:
            return False
        if isinstance(one, ModelRateLimitError) or _status(one) in _PASSING_STATUSES or codes & _PASSING_CODES:
            return True
        if isinstance(one, ModelError) and not one.is_retryable:
            return False
    return False


def asked_seconds(error: BaseException) -> float | None:
    """How long the provider asks to wait (`retry-after-ms`, `retry-after` in seconds or as a date); `None` if not."""
    for one in _causes(error):
        headers = _headers(one)
        milliseconds = _number(headers.get("retry-after-ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        told = headers.get("retry-after")
        if told is not None:
            seconds = _number(told)
            return _seconds_until(str(told)) if seconds is None else seconds
    return None


def _not_shorter_than_asked(jittered: Callable[[RetryCallState], float]) -> Callable[[RetryCallState], float]:
    def wait(state: RetryCallState) -> float:
        error = None if state.outcome is None else state.outcome.exception()
        asked = None if error is None else asked_seconds(error)
        return max(asked or 0.0, jittered(state))

    return wait


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, nearest first."""
    one: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if one is None:
            return
        yield one
        one = one.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status an error carries, by the names its integration gives it."""
    response = getattr(error, "response", None)
    places = (
        getattr(error, "status_code", None),
        getattr(error, "http_status", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
        _aws(error).get("HTTPStatusCode"),
    )
    return next((place for place in places if isinstance(place, int)), None)


def _codes(error: BaseException) -> Iterator[str]:
    """The names an error carries for its kind."""
    response, body = getattr(error, "response", None), getattr(error, "body", None)
    parts: list[Any] = [response.get("Error") if isinstance(response, dict) else None, body]
    if isinstance(body, dict):
        parts.append(body.get("error"))
    for name in ("code", "type", "status"):
        yield from (found for found in (getattr(error, name, None),) if isinstance(found, str))
    for part in parts:
        if isinstance(part, dict):
            yield from (
                found for name in ("code", "type", "status", "Code") if isinstance(found := part.get(name), str)
            )


def _headers(error: BaseException) -> Mapping[str, Any]:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        headers = _aws(error).get("HTTPHeaders")
    items = getattr(headers, "items", None)
    return {str(name).lower(): value for name, value in items()} if callable(items) else {}


def _aws(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    told = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return told if isinstance(told, dict) else {}


def _number(told: object) -> float | None:
    try:
        number = float(str(told))
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
