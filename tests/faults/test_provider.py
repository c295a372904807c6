"""Every fault of a provider, by every door of LangChain, through OpenAI's and Anthropic's real clients.

A row of the table in docs/when-things-fail.md that speaks of the provider is held by the cell of the same name here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget, CostCallbackHandler
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.exceptions import CostGuardError
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour, LoopbackProvider
from tests.faults.asking import MODES, ask, check_books

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IS_LONG = os.environ.get("LONG") == "1"
LIMIT = Decimal("1.00")
_LONG_AGO = 3600.0
_PATIENCE = 0.2
_ARRIVAL_SECONDS = 5.0


@dataclass(frozen=True)
class Cell:
    """One fault, and what it must come to."""

    script: tuple[Behaviour, ...]
    """How the next requests are served."""
    is_answered: bool | None = False
    """Whether the caller gets the answer; `None` where an empty answer is an error to some clients."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the model."""
    is_covered: bool = True
    """Whether a hard budget promises to be charged at least the bill."""
    loses_answers: bool = False
    """Whether the connection ends after the request was served, before a byte of the answer."""
    is_exact: bool = False
    """Whether the ledger has the bill, to the last digit, although something went wrong."""


def cell(*, answered: bool | None = False, exact: bool = False, **kwargs: Any) -> Cell:
    """A cell of one behaviour, whose fields are among the arguments."""
    about = {name: kwargs.pop(name) for name in ("settings", "is_covered", "loses_answers") if name in kwargs}
    script = kwargs.pop("script", None) or (Behaviour(**kwargs),)
    return Cell(script, answered, is_exact=exact, **about)


_RETRY = {"max_retries": 1}
_FAULTS: dict[str, Cell] = {
    "healthy": cell(answered=True, exact=True),
    "timeout": cell(latency_seconds=_LONG_AGO, settings={"timeout": _PATIENCE}),
    "every attempt times out": cell(
        script=(Behaviour(latency_seconds=_LONG_AGO),) * 2, settings={"timeout": _PATIENCE, **_RETRY}
    ),
    "an attempt times out": cell(
        answered=True,
        script=(Behaviour(latency_seconds=_LONG_AGO), Behaviour()),
        settings={"timeout": _PATIENCE, **_RETRY},
    ),
    "429": cell(status=429, exact=True),
    "429 with Retry-After": cell(status=429, retry_after_seconds=0),
    "429, then an answer": cell(
        answered=True, exact=True, script=(Behaviour(status=429, retry_after_seconds=0), Behaviour()), settings=_RETRY
    ),
    "429 without Retry-After, then an answer": cell(
        answered=True, exact=True, script=(Behaviour(status=429), Behaviour()), settings=_RETRY
    ),
    "400": cell(status=400, exact=True),
    "401": cell(status=401, exact=True),
    "500": cell(status=500),
    "500, billed": cell(status=500, billed=True),
    "503": cell(status=503, billed=True),
    "500, billed, then an answer": cell(
        answered=True,
        script=(Behaviour(status=500, billed=True, retry_after_seconds=0), Behaviour()),
        settings=_RETRY,
        is_covered=False,  # "attempts that fail fast, are billed, and are repeated by the client"
    ),
    "500, billed, to the end": cell(
        script=(Behaviour(status=500, billed=True, retry_after_seconds=0),) * 2, settings=_RETRY
    ),
    "closed before headers": cell(loses_answers=True),
    "reset before headers": cell(resets=True, loses_answers=True),
    "closed after headers": cell(drop_after_chunks=0),
    "closed in mid-stream": cell(drop_after_chunks=4),
    "reset in mid-stream": cell(drop_after_chunks=4, resets=True),
    "slow-loris": cell(answered=True, exact=True, chunk_seconds=0.005),
    "slow-loris beyond the client's patience": cell(chunk_seconds=_LONG_AGO, settings={"timeout": _PATIENCE}),
    "malformed JSON": cell(damage="malformed_json"),
    "wrong content type": cell(damage="wrong_content_type"),
    "no usage": cell(damage="no_usage", answered=True),
    "dirty usage": cell(damage="dirty_usage", answered=True),
    "zero usage": cell(damage="zero_usage", answered=True),
    "usage twice": cell(damage="usage_twice", answered=True, exact=True),
    "empty choices": cell(damage="no_choices", answered=None),
    "SSE without end": cell(damage="no_end", answered=True),
    "hidden retries": cell(hidden_retries=1, answered=True, is_covered=False),  # a gateway's own
}

_CLIENTS = ("openai", "anthropic", "responses")
_CELLS = [
    pytest.param(name, client, mode, id=f"{name}-{client}-{mode}")
    for name in _FAULTS
    for client in _CLIENTS
    for mode in MODES
    if IS_LONG or (client == "openai" and mode in ("invoke", "astream")) or (client == "anthropic" and mode == "stream")
]


@pytest.fixture(scope="module")
def provider() -> Iterator[LoopbackProvider]:
    """One provider for all cells: each says how its requests are served, and no call may be left open."""
    with LoopbackProvider() as served:
        yield served


@pytest.fixture(scope="module")
def models(provider: LoopbackProvider) -> Callable[[str, dict[str, Any]], Any]:
    """Real clients whose calls are bounded, and sent once unless a cell says otherwise."""
    made: dict[str, Any] = {}

    def model_of(client: str, settings: dict[str, Any]) -> Any:
        known: dict[str, Any] = {"max_tokens": 60, "max_retries": 0, **settings}
        key = f"{client} {sorted(known.items())}"
        if key not in made and client == "anthropic":
            made[key] = provider.anthropic_model(**known)
        elif key not in made:
            made[key] = provider.chat_model(stream_usage=True, use_responses_api=client == "responses", **known)
        return made[key]

    return model_of


@pytest.mark.long
@pytest.mark.timeout(30)
@pytest.mark.parametrize(("name", "client", "mode"), _CELLS)
def test_a_fault_of_the_provider_leaves_the_books_in_order(
    provider: LoopbackProvider, models: Callable[[str, dict[str, Any]], Any], name: str, client: str, mode: str
) -> None:
    """The budget has at least the bill, the line is closed, and the error is the client's own."""
    given = _FAULTS[name]
    if given.loses_answers:
        provider.fault("POST *", answer_lost=True, resets=given.script[0].resets)
    else:
        provider.script(*given.script)
    try:
        _check(provider, models(client, given.settings), given, mode)
    finally:  # what a cell has left over must not be served to the next one
        provider._service.script.clear()
        provider._front.faults._coming.clear()


def _check(provider: LoopbackProvider, model: Any, given: Cell, mode: str) -> None:
    handler, before = CostCallbackHandler(InMemoryStore(), budgets=[Budget(LIMIT)]), provider.billed
    made = len(provider.requests)
    asked = ask(model, mode, callbacks=[handler])
    assert not isinstance(asked.error, CostGuardError)
    _wait_for(provider, made + len(given.script))
    assert len(provider.requests) - made == len(given.script), "there were more or fewer attempts than the cell says"
    (line,) = check_books(handler, provider.billed - before, calls=1, is_covered=given.is_covered)
    expected = given.is_answered
    assert line.billed_nano is None or line.billed_nano >= 0
    if given.is_exact:
        assert line.billed_cost == provider.billed - before
    if expected is not None:
        assert (asked.error is None) is expected, asked.error
    if expected:
        assert asked.text
        assert line.status == "ok"
    assert len(CALLS) == 0, "a call was left open"


def _wait_for(provider: LoopbackProvider, requests: int) -> None:
    """A client may have lost its patience before a loaded machine has given the provider its request."""
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while len(provider.requests) < requests and time.monotonic() < deadline:
        time.sleep(0.01)  # until it is there
