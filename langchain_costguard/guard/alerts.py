"""Who is told of alerts, and how they are reached: off the hot path, in order, each one once."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from langchain_costguard._worker import COUNTER, WORKER, Worker
from langchain_costguard.guard.budget_alert import BudgetAlert, alert_of
from langchain_costguard.guard.webhook import WebhookAlert

__all__ = ["AlertDispatcher", "AlertSink", "BudgetAlert", "LoggingAlert", "OnAlert", "WebhookAlert", "alert_of"]

_LOGGER: Final = "langchain_costguard"

_logger = logging.getLogger(_LOGGER)

_ALERTS: Final = Worker("costguard-alerts")
"""Calls functions and writes logs."""

_WEBHOOKS: Final = Worker("costguard-webhooks")
"""Waits for servers, so that nobody else has to."""

_EXIT_SECONDS: Final = 5.0


AlertSink = Callable[[BudgetAlert], object]
"""Takes alerts; it may be a coroutine function."""

OnAlert = AlertSink | Iterable[AlertSink]
"""What may be given as `on_alert=`: something that takes alerts, or several of them."""


class LoggingAlert:
    """Writes alerts to a log; the record's attribute `budget_alert` is the `BudgetAlert`.

    Args:
        level: the level of the records.
        logger: a logger or its name.

    Example:
        >>> LoggingAlert(logger="billing")
        LoggingAlert(level='WARNING', logger='billing')
    """

    def __init__(self, *, level: int = logging.WARNING, logger: logging.Logger | str = _LOGGER) -> None:
        """Note where to write."""
        self._level: int = level
        self._logger: logging.Logger = logging.getLogger(logger) if isinstance(logger, str) else logger

    def __call__(self, alert: BudgetAlert) -> None:
        """Write one record."""
        self._logger.log(self._level, "%s", alert.message, extra={"budget_alert": alert})

    def __repr__(self) -> str:
        """Where it writes."""
        return f"LoggingAlert(level={logging.getLevelName(self._level)!r}, logger={self._logger.name!r})"


class AlertDispatcher:
    """Hands alerts to everybody who wants them.

    A receiver gets alerts in the order in which they were sent, one at a time. It is called on a thread of its own
    kind, never on the caller's: functions and logs share one thread, webhooks another. A coroutine function is run
    there on an event loop of its own. What a receiver raises is logged by class; the others still get the alert.

    That an alert is sent once per threshold and window is decided by the store of the budgets, across processes. Here
    each is handed over once; it is lost if the process is killed first, or if receivers are not done five seconds
    after the interpreter began to end.

    Args:
        on_alert: who is told: a function of one `BudgetAlert`, a coroutine function, `LoggingAlert()`,
            `WebhookAlert(url)`, or several of them; `None` for a warning in the log of this package, and an empty list
            for nobody.

    Raises:
        TypeError: it is none of these.
    """

    def __init__(self, on_alert: OnAlert | None = None) -> None:
        """Note who is told."""
        self._sinks: tuple[AlertSink, ...] = _sinks_of(on_alert)

    def send(self, alerts: Iterable[BudgetAlert]) -> None:
        """Have alerts delivered; it neither waits nor raises."""
        try:
            for alert in alerts:
                for sink in self._sinks:
                    worker = _worker_of(sink)
                    worker.submit(partial(_deliver, worker, sink, alert))
        except Exception as error:  # noqa: BLE001 - an alert must never end the call it is about
            _logger.error("an alert could not be handed over: %s", type(error).__name__)  # noqa: TRY400 - its text may hold a secret

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything that was sent has been delivered, by any dispatcher of this process.

        Args:
            timeout_seconds: how long to wait; `None` waits as long as it takes.

        Returns:
            Whether it has.
        """
        return _drain(_ALERTS, _WEBHOOKS, timeout_seconds=timeout_seconds)


def _sinks_of(on_alert: OnAlert | None) -> tuple[AlertSink, ...]:
    if on_alert is None:
        return (LoggingAlert(),)
    given: Any = on_alert
    sinks = (given,) if callable(given) or not isinstance(given, Iterable) else tuple(given)
    for sink in sinks:
        if not callable(sink) or isinstance(sink, type):
            msg = (
                f"on_alert={_name_of(sink)} takes no alerts: give a function of one BudgetAlert, LoggingAlert(), "
                "WebhookAlert(url), or a list of them"
            )
            raise TypeError(msg)
    return sinks


def _worker_of(sink: AlertSink) -> Worker:
    return _WEBHOOKS if isinstance(sink, WebhookAlert) else _ALERTS


def _deliver(worker: Worker, sink: AlertSink, alert: BudgetAlert) -> None:
    if not worker.is_current:  # so many wait that the worker gave the job back, and a call must not do it
        _logger.error("too many alerts wait for their receivers, so one was dropped: %s", alert.message)
        return
    try:
        answer = sink(alert)
        if asyncio.iscoroutine(answer):
            asyncio.run(answer)
    except BaseException as error:  # noqa: BLE001 - whatever a user's code raises, the thread serves others as well
        _logger.error("an alert could not be delivered by %s: %s", _name_of(sink), type(error).__name__)  # noqa: TRY400 - its text may hold a secret


def _name_of(sink: AlertSink) -> str:
    """Its name, not its value: that may hold a secret, and so may what it raises."""
    return getattr(sink, "__qualname__", type(sink).__qualname__)


def _drain(*workers: Worker, timeout_seconds: float | None) -> bool:
    """Wait for several workers, all together no longer than so many seconds."""
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    done = [worker.drain(None if end is None else max(end - time.monotonic(), 0)) for worker in workers]
    return all(done)


def _drain_all() -> None:
    """What is still being settled may send alerts, so it ends first."""
    _drain(COUNTER, WORKER, timeout_seconds=_EXIT_SECONDS)
    _drain(_ALERTS, _WEBHOOKS, timeout_seconds=_EXIT_SECONDS)


def _forget_all() -> None:
    _ALERTS.forget_thread()
    _WEBHOOKS.forget_thread()


atexit.register(_drain_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
