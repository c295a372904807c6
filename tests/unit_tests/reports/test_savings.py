"""The waterfall goes from what calls would have cost to what is owed, claims nothing twice and hides nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from langchain_costguard import CostReport, InMemoryStore
from langchain_costguard.reports.savings import COUNTERFACTUALS
from langchain_costguard.savings import Savings
from langchain_costguard.testing.lines import make_entry


def report(*lines: Any) -> CostReport:
    """A report over these lines."""
    store = InMemoryStore()
    for line in lines:
        store.append(replace(line, run_id=uuid4()))
    return CostReport(store)


def test_every_step_has_its_counterfactual_in_words() -> None:
    """A saving against an unnamed baseline is an advertisement."""
    assert set(COUNTERFACTUALS) == set(Savings._fields)


def test_the_baseline_less_the_steps_is_the_bill() -> None:
    """Finance adds it up again."""
    waterfall = report(
        make_entry(billed_nano=100, savings=Savings(routing=400, prompt_caching=-20)),
        make_entry(billed_nano=50, savings=Savings(batch=50)),
        make_entry(billed_nano=7),
    ).savings()
    assert waterfall.billed_cost == Decimal("0.000000157")
    assert waterfall.baseline_cost == Decimal("0.000000587")
    assert waterfall.saved_cost == Decimal("0.00000043")
    assert {step.technique: step.saved_cost for step in waterfall.steps} == {
        "routing": Decimal("0.0000004"),
        "prompt_caching": Decimal("-0.00000002"),
        "batch": Decimal("0.00000005"),
    }
    assert waterfall.saved_share == pytest.approx(430 / 587)


def test_a_technique_whose_saving_is_not_known_is_named_and_not_counted() -> None:
    """Nobody knows how long an answer would have been without its limit."""
    waterfall = report(make_entry(billed_nano=100, techniques=("output_limit",))).savings()
    (step,) = waterfall.steps
    assert (step.technique, step.saved_cost, step.unmeasured_calls) == ("output_limit", None, 1)
    assert waterfall.baseline_cost == waterfall.billed_cost == Decimal("0.0000001")
    assert "unknown" in str(waterfall)


def test_a_batch_without_a_price_is_not_passed_over() -> None:
    """It has a saving; what it is cannot be said."""
    waterfall = report(make_entry(batch=True, billed_nano=None)).savings()
    assert [(step.saved_cost, step.unmeasured_calls) for step in waterfall.steps] == [(None, 1)]
    assert (waterfall.baseline_cost, waterfall.billed_cost, waterfall.unpriced_calls) == (None, None, 1)


def test_without_techniques_it_says_so() -> None:
    """Most reports; an empty table would be a riddle."""
    text = str(report(make_entry(billed_nano=210_000)).savings())
    assert text == "Baseline $0.00021, billed $0.00021: no technique had a part in these calls."
    assert "Savings" not in str(report(make_entry()))


def test_a_report_shows_it_in_every_form() -> None:
    """Text, JSON, a notebook and a figure say the same."""
    made = report(make_entry(billed_nano=1_000_000, savings=Savings(cascade=4_000_000)))
    assert "Without any technique   $0.005" in str(made)
    assert made.to_dict()["savings"]["steps"][0]["saved_cost"] == "0.004"
    json.loads(made.savings().to_json())
    html = made.savings()._repr_html_()
    assert "data:image/png" in html
    assert "cascade" in html


def test_pruned_lines_keep_their_savings() -> None:
    """Last year's savings are a part of last year's report."""
    store = InMemoryStore()
    line = make_entry(billed_nano=100, savings=Savings(batch=100))
    store.append(line)
    before = CostReport(store).savings().to_dict()
    store.prune(line.started_at_utc.replace(year=line.started_at_utc.year + 1))
    assert CostReport(store).savings().to_dict() == before
