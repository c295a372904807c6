"""A command line that was run and ended, and a ledger for it to read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest
from typer.testing import CliRunner

from langchain_costguard.cli import app
from langchain_costguard.cost import NANO_PER_USD, PriceSource
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.stores import SQLStore
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRICED_RUN = UUID("7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a11")
UNPRICED_RUN = UUID("7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a12")
MIDNIGHT_US = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp() * 1_000_000)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as values."""
        return json.loads(self.out)


@pytest.fixture
def run() -> Callable[..., Ended]:
    """Runs the command line in this process; `typed` is its standard input."""

    def now(*arguments: str, typed: str | None = None) -> Ended:
        ended = CliRunner().invoke(app, list(arguments), input=typed)
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    return now


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A file with a call of u1 for a quarter dollar, tagged, and a minute later one of u2 whose price is not known."""
    path = tmp_path / "costs.db"
    usage = TokenUsage.from_langchain({"input_tokens": 60_000, "output_tokens": 10_000, "total_tokens": 70_000})
    with SQLStore(path) as store:
        store.append(
            LedgerEntry(
                run_id=PRICED_RUN,
                started_at_us=MIDNIGHT_US - 30_000_000,
                provider="openai",
                request_model="gpt-4o",
                usage=usage,
                billed_nano=NANO_PER_USD // 4,
                list_nano=NANO_PER_USD // 4,
                price=PriceSource("genai-prices", "0.2.3", "openai", "gpt-4o"),
                tags=("checkout",),
                user="u1",
            )
        )
        store.append(
            LedgerEntry(
                run_id=UNPRICED_RUN,
                started_at_us=MIDNIGHT_US + 30_000_000,
                request_model="house-model",
                usage=usage,
                unpriced_reason="no price is known",
                user="u2",
            )
        )
    return path
