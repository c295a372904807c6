"""One measured saving on the bill, what a call costs on the day that counts, and the median and worst of many."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from claims_data import ON

from langchain_costguard import PriceBook
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOOK = PriceBook()


@dataclass(frozen=True)
class Row:
    """What one way of saving did to the bill of one data set."""

    claim: str
    way: str
    data: str
    model: str
    calls: int
    baseline_usd: str
    billed_usd: str
    saved: float
    """The share of the baseline bill; negative where the technique cost more than it saved."""
    saved_95: tuple[float, float] | None
    """Over splits, orders or folds, where there are several."""
    quality: float | None
    """What `quality_is` says; `None` where it cannot be told from the data."""
    quality_is: str
    is_claimed: bool = True
    """Whether the data set is what the claim is about; the others are there to see what it costs where it is not."""


@lru_cache(maxsize=100_000)
def charge(usage: TokenUsage, model: str, provider: str | None = None, *, batch: bool = False) -> Decimal:
    """The price of one call in US dollars; a model without a price is an error, never free."""
    cost = BOOK.price(usage, model=model, provider=provider, batch=batch, at=ON)
    if cost is None:
        msg = f"{model} has no price: {BOOK.why_unpriced(model, provider)}"
        raise ValueError(msg)
    return cost.total


def micro_usd(model: str, read: float, written: float, provider: str | None = None) -> float:
    """The price of mean token counts in millionths of a dollar; only for models with one price for any length."""
    per_input = charge(TokenUsage(uncached_input=1_000), model, provider)
    per_output = charge(TokenUsage(output_text=1_000), model, provider)
    return float(per_input) * 1_000 * read + float(per_output) * 1_000 * written


def row(
    claim: str,
    way: str,
    data: str,
    model: str,
    *,
    calls: int,
    baseline: Decimal | float,
    billed: Decimal | float,
    quality: float | None,
    quality_is: str,
    each: Sequence[float] = (),
    is_claimed: bool = True,
) -> Row:
    """A line; `each` are the savings of single splits, orders or folds."""
    return Row(
        claim=claim,
        way=way,
        data=data,
        model=model,
        calls=calls,
        baseline_usd=f"{Decimal(baseline):.8f}",
        billed_usd=f"{Decimal(billed):.8f}",
        saved=round(1 - float(billed) / float(baseline), 4),
        saved_95=None if len(each) < 3 else tuple(np.percentile(each, [2.5, 97.5]).round(4).tolist()),
        quality=None if quality is None else round(float(quality), 4),
        quality_is=quality_is,
        is_claimed=is_claimed,
    )


def summary(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The median of each way over what it is claimed for, and its worst and best over all data sets and models."""
    ways: dict[tuple[str, str], list[Row]] = {}
    for one in rows:
        ways.setdefault((one.claim, one.way), []).append(one)
    return [
        {
            "claim": claim,
            "way": way,
            "data_sets": len({one.data for one in found}),
            "median": round(float(np.median([one.saved for one in found if one.is_claimed])), 4),
            "median_of_all": round(float(np.median([one.saved for one in found])), 4),
            "worst": min(one.saved for one in found),
            "best": max(one.saved for one in found),
            "worst_quality": min((one.quality for one in found if one.quality is not None), default=None),
            "quality_is": found[0].quality_is,
        }
        for (claim, way), found in ways.items()
    ]
