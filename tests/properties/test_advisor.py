"""Advice on ledgers with planted opportunities: found, sized, never more together than an oracle could save."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.advisor import judged
from benchmarks.advisor_ledgers import KINDS, oracle, planted
from langchain_costguard.advisor import advise
from langchain_costguard.pricing import PriceBook

BOOK = PriceBook()
SEEDS = st.integers(min_value=0, max_value=10**6)


@pytest.mark.parametrize("seed", range(8))
def test_every_planted_opportunity_is_found_and_sized(seed: int) -> None:
    """Mixed and overlapping, of sizes nobody chose; `benchmarks/advisor.py` does this for 50 seeds."""
    for plant in judged(seed, BOOK)["plants"]:
        assert plant["is_found"], plant
        assert plant["is_in_range"] or plant["is_within_a_tenth"], plant


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, kinds=st.sets(st.sampled_from(KINDS)))
def test_all_together_never_exceeds_the_oracle_nor_the_sum(seed: int, kinds: set[str]) -> None:
    """Double counting is what makes advice unbelievable."""
    made = planted(seed, BOOK, kinds=kinds, scale=0.5)
    found = advise(made.entries, prices=BOOK)
    alone = [each.saving for each in found.findings]
    assert found.combined.expected <= Decimal(oracle(made, BOOK, KINDS)) / 10**9
    for end in range(3):
        assert found.combined[end] <= sum(saving[end] for saving in alone)
    assert found.combined.high <= found.billed_cost


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_clean_ledgers_get_no_advice_above_a_hundredth_of_the_bill(seed: int) -> None:
    """Everyday traffic has a few repeats and long answers; they are no opportunity."""
    found = advise(planted(seed, BOOK, kinds=(), scale=0.5).entries, prices=BOOK)
    assert found.combined.expected <= found.billed_cost / 100
    assert all(each.saving.expected <= found.billed_cost / 100 for each in found.findings)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_ranges_are_ranges(seed: int) -> None:
    """What is sure is never more than what is expected, and that never more than what is possible."""
    found = advise(planted(seed, BOOK, scale=0.3).entries, prices=BOOK)
    for low, expected, high in (*(each.saving for each in found.findings), found.combined):
        assert 0 <= low <= expected <= high
