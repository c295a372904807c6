"""Ledger lines and questions for tests of stores."""

# ruff: noqa: ANN401 - a line's fields are of any type

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from langchain_costguard.cost import PriceSource
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.savings import Savings
from langchain_costguard.usage import TokenUsage

MORNING: Final = datetime(2026, 3, 29, 8, 0, tzinfo=UTC)
"""The day on which clocks go forward in Europe: when `make_entry` says a call began."""

_ROOTS: Final = [UUID(int=number) for number in range(1, 4)]


def make_entry(*, at: datetime = MORNING, **fields: Any) -> LedgerEntry:
    """A finished line for tests: 1,000 input and 100 output tokens of `gpt-4o-mini` for 210,000 nano-USD.

    Args:
        at: when the call began; must know its time zone.
        fields: the fields of `LedgerEntry` that shall be different.

    Returns:
        A line with a run id of its own.
    """
    usual = {
        "run_id": uuid4(),
        "started_at_us": int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)),
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "usage": TokenUsage(uncached_input=1000, output_text=100),
        "billed_nano": 210_000,
        "list_nano": 210_000,
        "latency_us": 1500,
    }
    return LedgerEntry(**{**usual, **fields})


def full_entry() -> LedgerEntry:
    """A line in which every field has a value of its own."""
    return LedgerEntry(
        run_id=uuid4(),
        started_at_us=1_774_771_200_123_456,
        kind="llm",
        status="error",
        parent_run_id=uuid4(),
        root_run_id=uuid4(),
        chain="RunnableSequence > Router",
        provider="azure",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        service_tier="flex",
        batch=True,
        calls=19,
        busy_ns=20,
        usage=TokenUsage(1, 2, 3, 4, 5, 6, 7, 8, ("reasoning was negative (-1)", "another")),
        estimate_method="tiktoken",
        billed_nano=11,
        list_nano=12,
        reported_nano=13,
        avoided_nano=14,
        baseline_model="gpt-4-turbo",
        baseline_nano=15,
        saved_input_tokens=21,
        savings=Savings(22, 23, 24, -25, 26, 27, 28, 29, -30, 31, 32),
        price=PriceSource("genai-prices", "2026-03-01", "openai", "gpt-4o", "flex,input>200000", "2025-01-01"),
        unpriced_reason="no price",
        latency_us=16,
        first_token_us=17,
        tags=("a", "b"),
        metadata={"text": "x", "whole": 1, "part": 0.1, "flag": True},
        user="u1",
        session="s1",
        thread="t1",
        techniques=("cascade", "cache"),
        error="RateLimitError",
        input_bytes=18,
        prompt_digest=bytes(range(16)),
        prefix_digests=(b"\x00" * 16, b"\xff" * 16, b"short"),
    )


def random_lines(count: int) -> list[LedgerEntry]:
    """Lines over a few days in which every field varies; the same ones each time."""
    draw = random.Random(20260329)  # noqa: S311 - test data
    names = [None, "a", "b", "B", "Ä"]
    return [
        make_entry(
            run_id=UUID(int=draw.getrandbits(128)),
            at=MORNING + timedelta(seconds=draw.randrange(-250_000, 250_000)),
            kind=kind,
            calls=draw.choice([0, 1, 1, 7]),
            busy_ns=draw.choice([None, draw.randrange(10**12)]),
            status=draw.choice(["ok", "cached", "error", "cancelled", "lost"]),
            root_run_id=draw.choice(_ROOTS),
            chain=draw.choice(["", "a", "a > b", "ab > b"]),
            provider=draw.choice(names),
            request_model=draw.choice(names),
            response_model=draw.choice(names),
            service_tier=draw.choice(names),
            usage=draw.choice([None, TokenUsage._make((*(draw.randrange(1000) for _ in range(8)), ()))]),
            estimate_method=draw.choice([None, "bytes"]),
            billed_nano=draw.choice([None, 0, draw.randrange(-(10**8) if kind == "adjustment" else 0, 10**9)]),
            list_nano=draw.choice([None, draw.randrange(10**9)]),
            avoided_nano=draw.choice([None, draw.randrange(10**9)]),
            baseline_nano=draw.choice([None, draw.randrange(10**9)]),
            savings=draw.choice([None, Savings._make(draw.randrange(-(10**8), 10**9) for _ in Savings._fields)]),
            latency_us=draw.choice([None, draw.randrange(10**6)]),
            tags=tuple(sorted(draw.sample("abc", draw.randrange(4)))),
            techniques=tuple(draw.sample("xyz", draw.randrange(3))),
            metadata=draw.choice([{}, {"customer": draw.choice([1, 1.5, True, "1", "a"])}]),
            user=draw.choice(names),
            session=draw.choice(names),
            thread=draw.choice(names),
        )
        for kind in draw.choices(["chat", "llm", "embedding", "adjustment"], k=count)
    ]


def queries() -> list[LedgerQuery]:
    """One question per condition, and some with several."""
    return [
        LedgerQuery(),
        LedgerQuery(limit=7),
        LedgerQuery(since=MORNING),
        LedgerQuery(until=MORNING),
        LedgerQuery(since=MORNING - timedelta(hours=9), until=MORNING + timedelta(hours=9), limit=3),
        LedgerQuery(model="a"),
        LedgerQuery(provider="B"),
        LedgerQuery(tag="a"),
        LedgerQuery(user="Ä"),
        LedgerQuery(session="b"),
        LedgerQuery(thread="b"),
        LedgerQuery(chain="b"),
        LedgerQuery(chain=""),
        LedgerQuery(technique="y"),
        LedgerQuery(status="error"),
        LedgerQuery(metadata={"customer": True}),
        LedgerQuery(metadata={"customer": 1}),
        LedgerQuery(root_run_id=_ROOTS[0]),
        LedgerQuery(run_id=random_lines(1)[0].run_id),
        LedgerQuery(run_id=uuid4()),
        LedgerQuery(model="a", tag="b", technique="x", metadata={"customer": "a"}),
    ]
