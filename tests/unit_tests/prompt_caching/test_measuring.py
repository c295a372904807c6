"""What caching did is read off the ledger: what reads saved, what writes cost, and who wrote for nobody."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from langchain_costguard import LedgerEntry, PriceBook, TokenUsage
from langchain_costguard.prompt_caching import measure_caching

if TYPE_CHECKING:
    from langchain_costguard.ledger import CallStatus

NOON_US = 1_795_348_800_000_000
MINUTE_US = 60_000_000


def line(
    usage: TokenUsage | None,
    minute: float = 0,
    *,
    model: str = "claude-sonnet-5",
    chain: str = "",
    status: CallStatus = "ok",
) -> LedgerEntry:
    """A line of the ledger."""
    return LedgerEntry(
        run_id=uuid4(),
        started_at_us=int(NOON_US + minute * MINUTE_US),
        provider="anthropic" if model.startswith("claude") else "openai",
        request_model=model,
        chain=chain,
        usage=usage,
        status=status,
    )


def test_reads_writes_and_the_net_are_told_apart() -> None:
    """Ten thousand written at 2.50 instead of 2.00 and read at 0.20 dollars a million."""
    written = line(TokenUsage(uncached_input=100, cache_write_5m=10_000))
    read = line(TokenUsage(uncached_input=100, cache_read=10_000), 1)
    (found,) = measure_caching([read, written])
    assert found.paid_for_writes == Decimal("0.005")
    assert found.saved_by_reads == Decimal("0.018")
    assert found.net_saved == Decimal("0.013")
    assert found.billed == Decimal("0.0274")
    assert found.hit_share == 10_000 / 20_200
    assert round(found.bill_share or 0, 4) == round(0.013 / 0.0404, 4)
    assert found.written_unread == 0


def test_writes_that_nobody_read_are_a_loss_and_named() -> None:
    """A cache that only costs must not hide behind its hit rate elsewhere."""
    lines = [line(TokenUsage(cache_write_1h=1000), minute) for minute in range(3)]
    (found,) = measure_caching(lines)
    assert found.net_saved == Decimal("-0.006")
    assert found.written_unread == 3000
    assert "lost" in str(found)
    assert "3,000 tokens were written and never read" in str(found)


def test_a_read_an_hour_later_or_of_another_chain_is_not_of_that_write() -> None:
    """Prefixes of other chains are others."""
    late = [line(TokenUsage(cache_write_5m=1000)), line(TokenUsage(cache_read=1000), 61)]
    other = [line(TokenUsage(cache_write_5m=1000)), line(TokenUsage(cache_read=1000), 1, chain="b")]
    assert [measure_caching(lines)[0].written_unread for lines in (late, other)] == [1000, 1000]


def test_groups_come_largest_first() -> None:
    """Where the money is."""
    lines = [
        line(TokenUsage(uncached_input=10), chain="small"),
        line(TokenUsage(uncached_input=900, cache_read=100), model="gpt-4o", chain="large"),
    ]
    assert [one.group for one in measure_caching(lines, by="chain")] == ["large", "small"]
    assert [one.group for one in measure_caching(lines, by="model")] == ["gpt-4o", "claude-sonnet-5"]
    assert [one.group for one in measure_caching(lines, by="day")] == ["2026-11-22"]


def test_money_is_unknown_without_a_price_and_zero_for_a_free_model() -> None:
    """None is not nothing."""
    lines = [line(TokenUsage(uncached_input=10, cache_read=90), model="unheard-of")]
    (unknown,) = measure_caching(lines)
    (free,) = measure_caching(
        lines, prices=PriceBook({"unheard-of": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}})
    )
    assert (unknown.net_saved, unknown.unpriced_calls, unknown.bill_share) == (None, 1, None)
    assert free.net_saved == Decimal(0)
    assert "not known" in str(unknown)


def test_answers_from_langchains_cache_and_lines_without_tokens_do_not_count() -> None:
    """Nothing was sent, so nothing was read."""
    lines = [line(TokenUsage(uncached_input=100), status="cached"), line(None)]
    (found,) = measure_caching(lines)
    assert (found.calls, found.hit_share, found.net_saved) == (0, None, Decimal(0))
    assert "no call" in str(found)


def test_an_unknown_group_is_refused() -> None:
    """With those that are known."""
    with pytest.raises(ValueError, match="'model', 'chain'"):
        measure_caching([], by="colour")
