"""What the threads and tasks of a soak do: one kind of call each, as an application makes them and as they go wrong."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import openai
from langchain_openai import ChatOpenAI

from langchain_costguard import (
    BudgetExceededError,
    BudgetStoreError,
    Cascade,
    SemanticCache,
    cached,
    guarded,
    track_costs,
)
from langchain_costguard.stores import InMemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

_QUESTIONS = 40
_THINGS = ("book", "ticket", "parcel", "password", "invoice", "library", "garden", "bicycle", "window", "engine")
_WORDINGS = ("How do I change my {}?", "How can I change my {}?", "Where is the {}?", "What does a {} cost?")
_FAULTS = ("drop", "reset", "slow", "json", "html", "usage", "dirty", "empty", "end")
_STATUSES = (429, 500, 503, 400)
_PATIENCE_SECONDS = 0.15
_EXPECTED = (BudgetExceededError, BudgetStoreError, openai.OpenAIError, httpx.HTTPError)
"""What a call may end with: a refusal, a budget that could not be checked (a hook on an event loop waits a second for
this process's threads), what the client says of a provider's fault."""
_OF_SHREDS = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What LangChain says of an answer in shreds; of a whole one nobody has a reason to say it."""


class Load:
    """Everything that is used at once: models, techniques, and what has become of the calls.

    Args:
        url: the provider's address.
        cache_path: where the semantic cache is kept.
    """

    def __init__(self, url: str, cache_path: Path) -> None:
        """Make the models; they are shared by all threads and tasks."""
        settings: dict[str, Any] = {"base_url": url, "api_key": "loopback", "max_tokens": 60, "max_retries": 0}
        settings |= {"stream_usage": True}
        self.chat = ChatOpenAI(model="gpt-4o-mini", **settings)
        self.impatient = ChatOpenAI(model="gpt-4o-mini", **settings | {"timeout": _PATIENCE_SECONDS})
        self.retrying = ChatOpenAI(model="gpt-4o-mini", **settings | {"max_retries": 1})
        self.guarded = guarded(self.chat, max_output_tokens=60, timeout_seconds=2)
        self.cascade = Cascade([self.chat, ChatOpenAI(model="gpt-4o", **settings)])
        self.cache = SemanticCache(store=cache_path, tenant="user", ttl_seconds=5, max_entries=60)
        self.cached = cached(ChatOpenAI(model="gpt-4o-mini", cache=self.cache, **settings))
        self.outcomes: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.is_over = False

    def work(self, seed: int) -> None:
        """Make calls in a thread until the soak is over."""
        dice = random.Random(seed)
        while not self.is_over:
            move = dice.choices(_SYNC, _SYNC_WEIGHTS)[0]
            try:
                move(self, dice)
                self.outcomes[move.__name__] += 1
            except _expected_of(move) as error:
                self.outcomes[f"{move.__name__} {type(error).__name__}"] += 1
            except Exception as error:  # noqa: BLE001 - whatever else comes is what a soak looks for
                self.surprises.append(f"{move.__name__}: {error!r}")

    async def work_async(self, seed: int) -> None:
        """Make calls in a task until the soak is over."""
        dice = random.Random(seed)
        while not self.is_over:
            move = dice.choices(_ASYNC, _ASYNC_WEIGHTS)[0]
            try:
                await move(self, dice)
                self.outcomes[move.__name__] += 1
            except _expected_of(move) as error:
                self.outcomes[f"{move.__name__} {type(error).__name__}"] += 1
                await asyncio.sleep(0.01)  # a refused task must not starve the loop
            except Exception as error:  # noqa: BLE001 - whatever else comes is what a soak looks for
                self.surprises.append(f"{move.__name__}: {error!r}")


def _expected_of(move: Callable[[Load, random.Random], object]) -> tuple[type[Exception], ...]:
    return (*_EXPECTED, *_OF_SHREDS) if move in (a_fault, afault) else _EXPECTED


def told(dice: random.Random, kind: str = "told") -> tuple[str, Any]:
    """A question whose answer arrives whole, and its config: ledger and bill must agree on it to the last digit."""
    mark = f"{kind}:q{dice.randrange(_QUESTIONS)}"
    return f"[{mark}] {dice.choice(_WORDINGS).format(dice.choice(_THINGS))}", config(dice, mark)


def config(dice: random.Random, mark: str = "other") -> Any:
    """Whose call it is, and under which mark the provider bills it."""
    return {"metadata": {"user": f"u{dice.randrange(6)}", "mark": mark}, "tags": [f"team-{dice.randrange(3)}"]}


def one(load: Load, dice: random.Random) -> None:
    """One answer."""
    load.chat.invoke(*told(dice))


def a_stream(load: Load, dice: random.Random) -> None:
    """A stream, read to its end."""
    _read(load.chat.stream(*told(dice)))


def a_batch(load: Load, dice: random.Random) -> None:
    """Several at once, on threads of LangChain's."""
    questions, configs = zip(*(told(dice) for _ in range(3)), strict=True)
    answers: list[Any] = load.chat.batch(list(questions), list(configs), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    for error in sorted(errors, key=lambda error: isinstance(error, _EXPECTED)):  # what nobody expects is told first
        raise error


def fitted(load: Load, dice: random.Random) -> None:
    """A call that waits for room in its budgets."""
    load.guarded.invoke(*told(dice))


def from_cache(load: Load, dice: random.Random) -> None:
    """A call the semantic cache may answer; entries expire and are evicted all the time."""
    load.cached.invoke(*told(dice))


def through_cascade(load: Load, dice: random.Random) -> None:
    """A small model, and where it is unsure a large one."""
    load.cascade.invoke(*told(dice, dice.choice(("told", "unsure"))))


def in_a_block(load: Load, dice: random.Random) -> None:
    """A call in a `track_costs` block of its own, with memory of its own."""
    with track_costs(InMemoryStore(max_entries=10)):
        load.chat.invoke(*told(dice))


def closed_early(load: Load, dice: random.Random) -> None:
    """A stream whose reader leaves."""
    pieces = load.chat.stream(f"[cut:closed] {dice.random()}", config(dice))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined] # it is a generator


def a_fault(load: Load, dice: random.Random) -> None:
    """A provider that breaks off, is late, or answers in shreds."""
    prompt = f"[cut:{dice.choice(_FAULTS)}] {dice.random()}"
    if dice.random() < 0.5:
        load.impatient.invoke(prompt, config(dice))
    else:
        _read(load.impatient.stream(prompt, config(dice)))


def an_error(load: Load, dice: random.Random) -> None:
    """A provider that refuses, with and without a second try."""
    dice.choice((load.chat, load.retrying)).invoke(f"[err:{dice.choice(_STATUSES)}] q", config(dice))


async def aone(load: Load, dice: random.Random) -> None:
    """One answer."""
    await load.chat.ainvoke(*told(dice))


async def astreamed(load: Load, dice: random.Random) -> None:
    """A stream, read to its end."""
    async for _ in load.chat.astream(*told(dice)):
        pass


async def afrom_cache(load: Load, dice: random.Random) -> None:
    """A call the semantic cache may answer."""
    await load.cached.ainvoke(*told(dice))


async def afitted(load: Load, dice: random.Random) -> None:
    """A call that waits for room in its budgets."""
    await load.guarded.ainvoke(*told(dice))


async def athrough_cascade(load: Load, dice: random.Random) -> None:
    """A small model, and where it is unsure a large one."""
    await load.cascade.ainvoke(*told(dice, dice.choice(("told", "unsure"))))


async def cancelled(load: Load, dice: random.Random) -> None:
    """A task that is cancelled at any moment, its answer under way."""
    task = asyncio.ensure_future(load.chat.ainvoke(f"[cut:cancelled] {dice.random()}", config(dice)))
    await asyncio.sleep(dice.random() * 0.05)  # any moment of a call
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def aclosed_early(load: Load, dice: random.Random) -> None:
    """A stream whose reader leaves."""
    pieces: Any = load.chat.astream(f"[cut:closed] {dice.random()}", config(dice))
    await anext(pieces)
    await pieces.aclose()


async def afault(load: Load, dice: random.Random) -> None:
    """A provider that breaks off, is late, or answers in shreds."""
    prompt = f"[cut:{dice.choice(_FAULTS)}] {dice.random()}"
    if dice.random() < 0.5:
        await load.impatient.ainvoke(prompt, config(dice))
    else:
        async for _ in load.impatient.astream(prompt, config(dice)):
            pass


def _read(pieces: Iterable[Any]) -> None:
    for _ in pieces:
        pass


_SYNC: tuple[Callable[[Load, random.Random], None], ...] = (
    *(one, a_stream, a_batch, fitted, from_cache),
    *(through_cascade, in_a_block, closed_early, a_fault, an_error),
)
_SYNC_WEIGHTS = (4, 3, 1, 2, 4, 1, 1, 2, 2, 1)
_ASYNC: tuple[Callable[[Load, random.Random], Awaitable[None]], ...] = (
    *(aone, astreamed, afrom_cache, afitted),
    *(athrough_cascade, cancelled, aclosed_early, afault),
)
_ASYNC_WEIGHTS = (4, 3, 4, 2, 1, 2, 2, 2)
SUCCEEDING = frozenset(move.__name__ for move in (*_SYNC, *_ASYNC)) - {an_error.__name__}
"""The moves that get an answer, sometimes or always; under these names their successes are counted."""
