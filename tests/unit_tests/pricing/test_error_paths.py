"""Every refusal of a price, a plan or usage names the argument that mends it, and points at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import PayAsYouGo, Prepaid, PriceBook, Subscription, gpu_hour, per_call, per_token
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import Credit, UsageRecord
from langchain_costguard.pricing.quotes import price_from

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BAD: Any = "-1"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: per_token(BAD), "input_usd_per_mtok"),
        (lambda: per_token(1, BAD), "output_usd_per_mtok"),
        (lambda: per_token(1, usd_per_call=BAD), "usd_per_call"),
        (lambda: per_call(BAD), "usd_per_call"),
        (lambda: gpu_hour(BAD), "usd_per_gpu_hour"),
        (lambda: gpu_hour(1, usd_per_call=BAD), "usd_per_call"),
        (lambda: gpu_hour(1, gpus=0), "gpus"),
        (lambda: price_from({}, path="prices['m']"), "prices['m']"),
        (lambda: price_from(3, path="prices['m']"), "prices['m']"),
        (lambda: price_from({"input": 3}, path="prices['m']"), "prices['m'].input"),
        (lambda: price_from({"zzz": 3}, path="prices['m']"), "prices['m'].zzz"),
        (lambda: per_token("2." + "1" * 5000), "input_usd_per_mtok"),
        (lambda: per_call("1e9999999"), "usd_per_call"),
        (lambda: gpu_hour("1e-9999999"), "usd_per_gpu_hour"),
        (lambda: per_token("2.5", "0e-400000"), "output_usd_per_mtok"),
        (lambda: per_token("0.0000001"), "input_usd_per_mtok"),
        (lambda: gpu_hour(1, usd_per_call="1e-13"), "usd_per_call"),
        (lambda: PriceBook(discount=2), "discount"),
        (lambda: PriceBook(discount={"openai": 2}), "discount['openai']"),
        (lambda: PayAsYouGo(usd_per_gpu_hour=BAD), "usd_per_gpu_hour"),
        (lambda: PayAsYouGo(usd_per_call=BAD), "usd_per_call"),
        (lambda: Subscription(BAD), "fee"),
        (lambda: Subscription(1, allowance=BAD, unit="calls"), "allowance"),
        (lambda: Subscription(1, allowance=1, unit="calls", overage=BAD), "overage"),
        (lambda: Credit(BAD, NOW), "amount"),
        (lambda: Credit(1, NOW, price=BAD), "price"),
        (lambda: Prepaid([]), "credits"),
        (lambda: UsageRecord(NOW, BAD), "cost"),
        (lambda: UsageRecord(NOW, 1, gpu_hours=BAD), "gpu_hours"),
    ],
)
def test_a_wrong_amount_is_refused_with_the_argument_it_was_given_for(make: Callable[[], object], path: str) -> None:
    """An error without a place sends its reader through the whole configuration."""
    with pytest.raises(PriceFormatError) as caught:
        make()
    assert caught.value.path == path
    assert path.rpartition(".")[2].partition("[")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Credit(1, datetime(2026, 1, 1)), "valid_from"),  # noqa: DTZ001 - wrong on purpose
        (lambda: UsageRecord(datetime(2026, 1, 1), 1), "at"),  # noqa: DTZ001 - wrong on purpose
    ],
)
def test_a_moment_without_a_time_zone_is_refused_by_its_argument(make: Callable[[], object], argument: str) -> None:
    """Taken for local time, credit would begin hours early."""
    with pytest.raises(ValueError, match=rf"^{argument}="):
        make()


def test_a_price_says_what_it_is_charged_by() -> None:
    """The line of a call keeps it, so that it can be explained later."""
    assert (per_call("0.01").source.context, gpu_hour(1).source.context) == ("per call", "GPU-hour")


def test_the_nearest_key_is_named_for_a_slip() -> None:
    """Whoever wrote `input_per_mtok` meant one key, not three."""
    with pytest.raises(PriceFormatError, match=r"use 'input_usd_per_mtok'") as caught:
        price_from({"input_usd_per_mtk": 1}, path="p")
    assert "output_usd_per_mtok" not in str(caught.value)
