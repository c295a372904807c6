"""A ledger written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from langchain_costguard.cost import PriceSource
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.usage import TokenUsage

Book = Callable[..., LedgerEntry]


@pytest.fixture
def store() -> InMemoryStore:
    """An empty ledger."""
    return InMemoryStore()


@pytest.fixture
def book(store: InMemoryStore) -> Book:
    """Writes one line: tokens in and out, a cost in dollars (`None`: unknown), and whatever else is given."""

    def write(
        model: str | None = "gpt-4o",
        *,
        cost: str | None = "0.01",
        tokens: tuple[int, int] | None = (1000, 100),
        at: str = "2026-03-02T12:00",
        usage: TokenUsage | None = None,
        **fields: Any,
    ) -> LedgerEntry:
        moment = datetime.fromisoformat(at)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        nano = None if cost is None else int(Decimal(cost) * 10**9)
        if tokens is not None and usage is None:
            usage = TokenUsage(uncached_input=tokens[0], output_text=tokens[1])
        priced = {"billed_nano": nano, "list_nano": nano}
        if nano is None:
            priced["unpriced_reason"] = f"no price list has the model {model!r}: give overrides={{{model!r}: free()}}"
        elif fields.get("status") != "cached":
            priced["price"] = PriceSource("genai-prices", "0.2.3", "openai", str(model))
        entry = LedgerEntry(
            run_id=uuid4(),
            started_at_us=int(moment.timestamp() * 1_000_000),
            request_model=model,
            usage=usage,
            **({"provider": "openai"} | priced | fields),
        )
        store.append(entry)
        return entry

    return write
