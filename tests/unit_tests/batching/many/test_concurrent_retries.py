"""Rate limits and overloads are waited out by the whole pool; nothing else is tried again."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.exceptions import ModelAuthenticationError
from langchain_core.runnables import RunnableLambda

from langchain_costguard.batching import Retries, run_many, run_many_as_completed
from langchain_costguard.batching.retries import Pause, asked_seconds, will_pass
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from tests.unit_tests.batching.many.many_runners import Many

QUICK = Retries(attempts=4, first_seconds=0.01, longest_seconds=0.02)


class FakeResponse:
    """An HTTP response as errors carry it."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.headers = headers


class WireError(Exception):
    """An error with the attributes some client gives it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("from the wire")
        self.__dict__.update(attributes)


def caused_by(cause: Exception) -> Exception:
    """An integration's own error, raised from another."""
    error = RuntimeError("wrapped")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("status", [429, 503, 529])
def test_real_clients_are_tried_again_until_the_provider_answers(many: Many, status: int) -> None:
    """Losing one in a hundred items to a busy minute would mean running the job twice."""
    with LoopbackProvider() as provider:
        provider.script(status, status, status)
        results = many(provider.chat_model(max_retries=0), ["a", "b", "c", "d"], 2, retries=QUICK)
        assert not results.errors
        assert len(provider.requests) == 7
        assert sum(outcome.attempts for outcome in results.outcomes) == 7
        assert results.cost is not None
        assert results.cost == provider.billed or status > 500  # whose requests the ledger takes to be billed
        assert results.cost >= provider.billed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_what_waiting_does_not_mend_fails_at_once(many: Many, status: int) -> None:
    """Six attempts with a wrong key are six times the wait for the same answer."""
    with LoopbackProvider() as provider:
        provider.script(status)
        results = many(provider.chat_model(max_retries=0), ["a"], retries=QUICK)
        assert list(results.errors) == [0]
        assert len(provider.requests) == 1


def test_attempts_end(many: Many) -> None:
    """A provider that is down for the day must not hold the job for ever."""
    with LoopbackProvider() as provider:
        provider.script(*[503] * 9)
        results = many(provider.chat_model(max_retries=0), ["a"], retries=QUICK)
        assert results.errors[0].status_code == 503
        assert results.outcomes[0].attempts == len(provider.requests) == 4


def test_one_attempt_is_no_retry(many: Many) -> None:
    """Whoever retries elsewhere must be able to turn it off here."""
    with LoopbackProvider() as provider:
        provider.script(429)
        assert many(provider.chat_model(max_retries=0), ["a"], retries=Retries(attempts=1)).errors
        assert len(provider.requests) == 1


def test_the_providers_own_wait_is_kept(many: Many) -> None:
    """Asking sooner prolongs the limit at some providers."""
    with LoopbackProvider() as provider:
        provider.next(status=429, retry_after_seconds=1)
        began = time.monotonic()
        many(provider.chat_model(max_retries=0), ["a"], retries=QUICK)
        assert time.monotonic() - began >= 1  # a wait that is kept, not a speed
        assert len(provider.requests) == 2


def test_a_wait_of_an_hour_fails_the_item_instead(many: Many) -> None:
    """Nobody expects a loop to stand still for an hour; the checkpoint continues it."""
    with LoopbackProvider() as provider:
        provider.next(status=429, retry_after_seconds=3600)
        results = many(provider.chat_model(max_retries=0), ["a"], retries=QUICK)
        assert (len(results.errors), len(provider.requests)) == (1, 1)


def test_while_one_call_waits_no_other_begins() -> None:
    """Sixty-four workers that each find out for themselves are sixty-four more refusals."""
    began: list[tuple[int, float]] = []
    limited = threading.Event()

    def limited_once(number: int) -> int:
        began.append((number, time.monotonic()))
        if number == 0 and not limited.is_set():
            limited.set()
            raise WireError(status_code=429, response=FakeResponse(429, {"retry-after-ms": "300"}))
        limited.wait(5)
        time.sleep(0.02)  # so that the other worker would be at it all the while
        return number

    results = run_many(RunnableLambda(limited_once), range(40), 2, retries=QUICK)
    assert list(results) == list(range(40))
    told = next(moment for number, moment in began if number == 0)
    too_early = [number for number, moment in began if told + 0.1 < moment < told + 0.3]
    assert not too_early


def test_a_wait_is_broken_off_when_the_run_is() -> None:
    """Ctrl-C must not wait for a rate limit."""

    def limited(number: int) -> int:
        if number:
            raise WireError(status_code=429, response=FakeResponse(429, {"retry-after": "200"}))
        return number

    outcomes = run_many_as_completed(RunnableLambda(limited), range(2), 2)
    assert next(outcomes).index == 0
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 60  # of the 200 it was asked to wait


@pytest.mark.parametrize(
    "error",
    [
        WireError(status_code=429),
        WireError(response=FakeResponse(503, {})),
        WireError(code=429),
        WireError(status_code=200, body={"type": "error", "error": {"type": "overloaded_error"}}),
        WireError(response={"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}),
        WireError(status="RESOURCE_EXHAUSTED"),
        caused_by(WireError(status_code=529)),
    ],
    ids=["status", "response", "google", "stream", "aws", "grpc", "cause"],
)
def test_limits_are_known_by_the_attributes_of_many_clients(error: Exception) -> None:
    """The loop must not know a provider's package to know its limits."""
    assert will_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("429"),
        WireError(status_code=429, code="insufficient_quota"),
        WireError(status_code=429, body={"error": {"code": "insufficient_quota"}}),
        WireError(status_code=400),
        WireError(code="429 is in here"),
        ModelAuthenticationError("no"),
        BudgetExceededError("no", budget="b"),
        BudgetStoreError("no"),
    ],
)
def test_an_empty_account_and_a_refused_budget_are_no_limits_that_pass(error: Exception) -> None:
    """OpenAI says 429 for an account without money, and no wait helps."""
    assert not will_pass(error)


def test_waits_are_read_in_every_form_they_are_sent_in() -> None:
    """Seconds, milliseconds, a date; anything else is no wait."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert asked_seconds(WireError(response=FakeResponse(429, {"Retry-After": "7"}))) == 7
    assert asked_seconds(WireError(response=FakeResponse(429, {"retry-after-ms": "250", "retry-after": "9"}))) == 0.25
    dated = asked_seconds(WireError(response=FakeResponse(429, {"retry-after": soon})))
    assert dated is not None
    assert 60 < dated <= 90
    for told in ("soon", "-3", "inf", ""):
        assert asked_seconds(WireError(response=FakeResponse(429, {"retry-after": told}))) is None
    aws = {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "4"}}}
    assert asked_seconds(WireError(response=aws)) == 4
    assert asked_seconds(ValueError()) is None


def test_a_pause_is_as_long_as_the_longest_that_was_asked_for() -> None:
    """A short wait that is told later must not shorten it."""
    now = [100.0]
    pause = Pause(lambda: now[0])
    assert pause.wait_seconds() == 0
    pause.extend(10)
    pause.extend(2)
    assert 10 <= pause.wait_seconds() <= 11
    now[0] = 110.0
    assert pause.wait_seconds() == 0
