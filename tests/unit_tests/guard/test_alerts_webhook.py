"""Alerts to a web server: repeated until it takes them, signed, and silent about where they go."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.guard.alerts import AlertDispatcher
from langchain_costguard.guard.budget_alert import BudgetAlert
from langchain_costguard.guard.webhook import WebhookAlert, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PATIENCE_SECONDS = 30
ALERT = BudgetAlert(
    budget="usd/day",
    counter="user=alice",
    kind="threshold",
    threshold=Decimal("0.8"),
    limit=Decimal(10),
    spent=Decimal("8.03"),
    reserved=Decimal("0.4"),
    unit="usd",
    at=NOON,
    resets_at=NOON + timedelta(hours=12),
    message="Budget usd/day (user=alice) has reached 80 % of its $10.00.",
)


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """A web server that answers with the statuses it is given, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = [(204, {})]
        self.received: list[Received] = []
        self.open = threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.server.open.wait(PATIENCE_SECONDS)
        self.server.received.append(Received(self.path, dict(self.headers), body))
        status, headers = self.server.answers[0]
        if len(self.server.answers) > 1:
            del self.server.answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server on this machine."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.open.set()
    server.shutdown()
    thread.join()
    server.server_close()


def webhook(url: str, **arguments: Any) -> tuple[WebhookAlert, list[float]]:
    """A webhook that does not sleep, and how long it would have slept."""
    made, slept = WebhookAlert(url, **arguments), []
    made._sleep = slept.append
    return made, slept


def test_an_alert_arrives_as_the_documented_json(receiver: Receiver) -> None:
    """Receivers are written against this body."""
    post, _ = webhook(f"{receiver.url}/alerts?key=k", headers={"Authorization": "Bearer t"})
    assert post(ALERT)
    (request,) = receiver.received
    body = json.loads(request.body)
    delivery = body.pop("id")
    assert body == {
        "version": 1,
        "type": "budget_alert",
        "kind": "threshold",
        "budget": "usd/day",
        "counter": "user=alice",
        "unit": "usd",
        "threshold": "0.8",
        "limit": "10",
        "spent": "8.03",
        "reserved": "0.4",
        "at": "2026-11-21T12:00:00+00:00",
        "resets_at": "2026-11-22T00:00:00+00:00",
        "message": "Budget usd/day (user=alice) has reached 80 % of its $10.00.",
    }
    assert request.path == "/alerts?key=k"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["Idempotency-Key"] == delivery
    assert "X-Costguard-Signature" not in request.headers


def test_tokens_and_calls_arrive_as_whole_numbers(receiver: Receiver) -> None:
    """They are no money, and a receiver that adds them up must not parse text."""
    told = ALERT._replace(unit="calls", limit=100, spent=80, reserved=1, counter=None, resets_at=None)
    assert webhook(receiver.url)[0](told)
    body = json.loads(receiver.received[0].body)
    assert (body["limit"], body["spent"], body["reserved"]) == (100, 80, 1)
    assert (body["counter"], body["resets_at"]) == (None, None)


def test_the_signature_is_that_of_the_bytes_sent(receiver: Receiver) -> None:
    """A receiver on the open internet must know who speaks."""
    assert webhook(receiver.url, secret="s3cret")[0](ALERT)  # noqa: S106 - made up
    (request,) = receiver.received
    expected = hmac.new(b"s3cret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Costguard-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_fails_twice_gets_the_same_delivery_again(receiver: Receiver, status: int) -> None:
    """Servers are restarted; the third attempt must be recognisable as the first."""
    receiver.answers = [(status, {}), (status, {}), (200, {})]
    post, slept = webhook(receiver.url, secret=b"s")
    assert post(ALERT)
    assert len(receiver.received) == 3
    assert len({(request.body, request.headers["X-Costguard-Signature"]) for request in receiver.received}) == 1
    assert len(slept) == 2
    assert all(0.5 <= seconds <= 30 for seconds in slept)


def test_two_alerts_are_two_deliveries(receiver: Receiver) -> None:
    """A receiver that refuses ids it has seen must not refuse the second alert."""
    post, _ = webhook(receiver.url)
    assert post(ALERT)
    assert post(ALERT)
    assert len({json.loads(request.body)["id"] for request in receiver.received}) == 2


def test_the_server_s_retry_after_is_honoured(receiver: Receiver) -> None:
    """Who comes back earlier than told is shut out for longer."""
    receiver.answers = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "0"}), (200, {})]
    post, slept = webhook(receiver.url)
    assert post(ALERT)
    assert slept == [7.0, 0.0]


def test_a_server_that_wants_to_be_left_alone_for_long_is(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Other alerts wait behind this one."""
    receiver.answers = [(503, {"Retry-After": "3600"})]
    post, slept = webhook(receiver.url)
    assert not post(ALERT)
    assert (len(receiver.received), slept) == (1, [])
    assert caplog.messages == [
        f"the webhook at {receiver.url} did not take an alert: status 503, to be asked again only in 3600 seconds"
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_both_forms_of_retry_after_are_understood_and_nonsense_is_not(
    header: str | None, seconds: float | None
) -> None:
    """Servers send seconds or dates, and proxies send anything."""
    assert retry_after_seconds(header, NOON) == seconds


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404])
def test_what_another_attempt_would_not_mend_is_tried_once(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong key is still wrong the fifth time; and an alert goes nowhere but where it was configured to go."""
    receiver.answers = [(status, {"Location": f"{receiver.url}/elsewhere"})]
    post, slept = webhook(f"{receiver.url}/alerts")
    assert not post(ALERT)
    assert ([request.path for request in receiver.received], slept) == (["/alerts"], [])
    assert caplog.messages == [f"the webhook at {receiver.url} did not take an alert: status {status}"]


def test_nothing_but_the_host_is_ever_logged(caplog: pytest.LogCaptureFixture, receiver: Receiver) -> None:
    """Chat rooms put their key into the path; logs are read by many."""
    caplog.set_level(logging.DEBUG)
    receiver.answers = [(200, {}), (500, {}), (404, {})]
    url = f"http://user:hidden1@127.0.0.1:{receiver.server_port}/hidden2?key=hidden3"
    post, _ = webhook(url, headers={"X-Key": "hidden4"}, secret="hidden5")  # noqa: S106 - made up
    for _attempt in range(3):
        post(ALERT)
    assert len(receiver.received) == 4
    assert "hidden" not in caplog.text + repr(post)
    assert repr(post) == f"WebhookAlert('{receiver.url}')"


def test_other_threads_may_go_on_logging_their_requests(caplog: pytest.LogCaptureFixture, receiver: Receiver) -> None:
    """The application has httpx, and logs, of its own."""
    caplog.set_level(logging.INFO, logger="httpx")
    receiver.open.clear()
    post, _ = webhook(receiver.url)
    thread = threading.Thread(target=post, args=(ALERT,))
    thread.start()
    logging.getLogger("httpx").info("mine, during")
    receiver.open.set()
    thread.join()
    logging.getLogger("httpx").info("mine, after")
    assert caplog.messages == ["mine, during", "mine, after"]


def test_a_server_that_is_not_there_is_tried_and_then_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """The chain whose budget it is about must not see an exception."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    post, slept = webhook(url, attempts=3)
    assert not post(ALERT)
    assert len(slept) == 2
    assert caplog.messages == [f"the webhook at {url} did not take an alert: ConnectError, after 3 attempts"]


def test_a_server_that_does_not_answer_in_time_is_tried_again(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """It may have taken the alert; that is what the id is for."""
    receiver.open.clear()
    post, _ = webhook(receiver.url, attempts=1, timeout_seconds=0.05)
    assert not post(ALERT)
    assert caplog.messages == [f"the webhook at {receiver.url} did not take an alert: ReadTimeout, after 1 attempt"]


def test_a_slow_server_keeps_neither_the_sender_nor_other_receivers_waiting(receiver: Receiver) -> None:
    """The log of this process must not depend on a server elsewhere."""
    receiver.open.clear()
    seen = threading.Event()
    dispatcher = AlertDispatcher([WebhookAlert(receiver.url), lambda _: seen.set()])
    dispatcher.send([ALERT])
    assert seen.wait(PATIENCE_SECONDS)
    assert receiver.received == []
    receiver.open.set()
    assert dispatcher.flush(PATIENCE_SECONDS)
    assert len(receiver.received) == 1


def test_alerts_arrive_in_their_order_though_the_first_had_to_be_repeated(receiver: Receiver) -> None:
    """80 % after 100 % would read as if spending had fallen."""
    receiver.answers = [(500, {}), (500, {}), (200, {})]
    post, _ = webhook(receiver.url)
    dispatcher = AlertDispatcher(post)
    dispatcher.send([ALERT._replace(message=str(number)) for number in range(3)])
    assert dispatcher.flush(PATIENCE_SECONDS)
    assert [json.loads(request.body)["message"] for request in receiver.received] == ["0", "0", "0", "1", "2"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/alerts",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://example.com:port",
        "https://exa mple.com",
        "https://example.com/\nHost: other",
        b"https://example.com",
        None,
    ],
)
def test_what_is_no_web_server_is_refused_at_once_and_without_repeating_it(url: Any) -> None:
    """A mistyped URL may hold a key, and must not be found out when the money is gone."""
    with pytest.raises(ValueError, match=r"give one such as 'https://example.com/alerts'$"):
        WebhookAlert(url)


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ({"headers": {"X-Key": "hidden\r\nHost: other"}}, "as ASCII text without line breaks"),
        ({"headers": {"X-Key": 3}}, "as ASCII text without line breaks"),
        ({"timeout_seconds": 0}, "give a number above zero"),
        ({"timeout_seconds": float("nan")}, "give a number above zero"),
        ({"timeout_seconds": "5"}, "give a number above zero"),
        ({"attempts": 0}, "give 1 or more"),
        ({"attempts": True}, "give 1 or more"),
        ({"attempts": 2.5}, "give 1 or more"),
        ({"secret": ""}, "give secret=None for no signature"),
        ({"secret": 5}, "give secret=None for no signature"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, Any], mend: str) -> None:
    """The error says what to give, and repeats no secret."""
    with pytest.raises(ValueError, match=mend) as refused:
        WebhookAlert("https://example.com", **arguments)
    assert "hidden" not in str(refused.value)


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out when the application starts, not when the first alert is due."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(OptionalDependencyError, match=r"pip install 'langchain-costguard\[alerts\]'"):
        WebhookAlert("https://example.com")
