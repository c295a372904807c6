"""Whether a claim counts what its counter counts: dollars, tokens and calls make no sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Claim


def check_unit(claim: Claim, counted: str) -> None:
    """Refuse a claim on a counter of another unit.

    Args:
        claim: the claim.
        counted: the unit of its counter.

    Raises:
        StoreError: they differ; two budgets of one name are the cause.
    """
    if claim.unit != counted:
        msg = (
            f"The counter {claim.counter!r} counts {counted}, and a claim on it counts {claim.unit}: give one of the "
            "two budgets another name="
        )
        raise StoreError(msg)
