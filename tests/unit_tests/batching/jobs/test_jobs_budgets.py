"""The money of a batch: held for the whole job before it is sent, settled by what its items have used."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.batching import list_batches, open_batch, submit_batch
from langchain_costguard.exceptions import UntrackedStoreWarning
from tests.unit_tests.batching.jobs.job_helpers import chain_of, inputs_of, wait

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.testing import LoopbackProvider


def held(costs: CostCallbackHandler) -> tuple[Decimal | int, Decimal | int]:
    """What is spent of the only budget, and what is reserved."""
    (status,) = costs.budgets()
    return status.spent, status.reserved


def test_a_budget_holds_the_whole_job_and_is_settled(
    slow_provider: LoopbackProvider, store: Path, tmp_path: Path
) -> None:
    """While a day passes nobody else may spend what the job can cost; afterwards only its bill is gone."""
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        job = submit_batch(
            chain_of(slow_provider), inputs_of(10), store=store, provider="openai", max_requests_per_file=4
        )
        spent, reserved = held(costs)
        assert spent == 0
        assert Decimal(reserved) > Decimal("0.002")
        wait(job)
        job.collect()
        assert held(costs) == (slow_provider.billed, 0)
        job.collect()
        assert held(costs) == (slow_provider.billed, 0)


def test_a_budget_smaller_than_the_job_refuses_it_before_anything_is_sent(
    provider: LoopbackProvider, store: Path, tmp_path: Path
) -> None:
    """Half a job that stops at the limit is worse than an error which says how much fits."""
    budgets = Budget("0.001", per="day")
    with (
        track_costs(store=tmp_path / "ledger.db", budgets=budgets) as costs,
        pytest.raises(BudgetExceededError, match="the first 3 items fit") as refused,
    ):
        submit_batch(chain_of(provider), inputs_of(10), store=store, provider="openai")
    assert provider.files == ()
    assert held(costs)[1] == 0 if costs.budgets() else True
    assert list_batches(store) == []
    assert refused.value.requested is not None
    assert not list(store.with_name("batches.db.files").glob("*"))


def test_so_many_items_as_it_says_do_fit(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """The remedy of an error must mend it."""
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget("0.001", per="day")):
        results = submit_batch(chain_of(provider), inputs_of(3), store=store, provider="openai").collect()
    assert not results.errors


def test_budgets_of_the_job_itself(provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`budgets=` needs no handler around it."""
    monkeypatch.setenv("COSTGUARD_STORE", str(store.with_name("ledger.db")))
    chain = chain_of(provider)
    with pytest.raises(BudgetExceededError, match="refuses the batch"):
        submit_batch(chain, inputs_of(10), store=store, provider="openai", budgets=Budget(calls=9, per="day"))
    job = submit_batch(chain, inputs_of(9), store=store, provider="openai", budgets=Budget(calls=9, per="day"))
    assert not job.collect().errors


def test_a_model_without_a_limit_of_its_output_is_refused_by_a_hard_budget(
    provider: LoopbackProvider, store: Path, tmp_path: Path
) -> None:
    """Without a price there is no bound, and a hard budget keeps its word."""
    with (
        track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")),
        pytest.raises(BudgetExceededError) as refused,
    ):
        submit_batch(chain_of(provider, model="our-own-model"), inputs_of(2), store=store, provider="openai")
    assert refused.value.reason == "unpriced"
    assert provider.files == ()


def test_what_ends_unbilled_gives_its_hold_back(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """Expired items cost nothing, and must not go on blocking the budget."""
    provider.next_batch(expires_after_share=0.5)
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        job = submit_batch(chain_of(provider), inputs_of(4), store=store, provider="openai")
        job.collect()
        assert held(costs) == (provider.billed, 0)
        job.resubmit_failed()
        assert Decimal(held(costs)[1]) > 0
        job.collect()
        assert held(costs) == (provider.billed, 0)


def test_what_is_not_known_stays_charged_as_reserved(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """An item that no file has may have been billed: a budget may stand too high, never too low."""
    provider.next_batch(missing_lines=2)
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        submit_batch(chain_of(provider), inputs_of(4), store=store, provider="openai").collect()
        spent, reserved = held(costs)
    assert reserved == 0
    assert Decimal(spent) > provider.billed


_SUBMIT = """
import sys
from langchain_costguard import Budget, track_costs
from langchain_costguard.batching import submit_batch
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

url, store, ledger = sys.argv[1:]
model = ChatOpenAI(model="gpt-4o", max_tokens=50, base_url=url, api_key="loopback")
chain = ChatPromptTemplate.from_template("Say {x}.") | model | StrOutputParser()
with track_costs(store=ledger, budgets=Budget(1, per="day")):
    print(submit_batch(chain, [{"x": number} for number in range(4)], store=store, provider="openai").id)
"""


def test_the_hold_outlives_the_process_that_submitted(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """A job of a day is submitted by a script that ends: its budget must not think that the money is free again."""
    ledger = str(tmp_path / "ledger.db")
    given = [sys.executable, "-c", _SUBMIT, provider.base_url, str(store), ledger]
    job_id = subprocess.run(given, check=True, capture_output=True, text=True).stdout.strip()
    with track_costs(store=ledger, budgets=Budget(1, per="day")) as costs:
        assert costs.guard is not None
        assert costs.guard.store is not None
        costs.guard.store.expire()
        spent, reserved = held(costs)
        assert Decimal(spent) + Decimal(reserved) > Decimal("0.001")
        open_batch(job_id, chain_of(provider), store=store).collect()
        assert held(costs) == (provider.billed, 0)


def test_a_budget_that_came_later_is_charged_once(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """Who puts a budget around the collection alone sees the spending there; collecting again spends nothing."""
    job = submit_batch(chain_of(provider), inputs_of(4), store=store, provider="openai")
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        job.collect()
        job.collect()
        assert held(costs) == (provider.billed, 0)


def test_a_second_step_that_does_not_fit_keeps_what_was_answered(
    provider: LoopbackProvider, store: Path, tmp_path: Path
) -> None:
    """The answers of the first step are paid; with more money the job goes on from them."""
    chain = chain_of(provider) | (lambda text: {"x": text}) | chain_of(provider)
    ledger = tmp_path / "ledger.db"
    with track_costs(store=ledger, budgets=Budget(calls=5, per="day")):
        job = submit_batch(chain, inputs_of(3), store=store, provider="openai")
        with pytest.raises(BudgetExceededError, match="the first 2 items fit"):
            job.wait(20)
        assert len(provider.batches) == 1
    with track_costs(store=ledger, budgets=Budget(calls=6, per="day")) as costs:
        results = open_batch(job.id, chain, store=store).collect()
        assert not results.errors
        assert held(costs) == (6, 0)
    assert len(provider.batch_items) == 6


def test_a_hold_that_cannot_be_settled_is_told(
    slow_provider: LoopbackProvider, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that needs a password cannot be opened again from the file of jobs: the hold stays, and is said to."""
    monkeypatch.setattr("langchain_costguard.batching.jobs.holding.store_at", lambda _: None)
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        job = submit_batch(chain_of(slow_provider), inputs_of(2), store=store, provider="openai")
    wait(job)
    with pytest.warns(UntrackedStoreWarning, match="collect\\(\\) again with the handler"):
        job.collect()
    with track_costs(store=tmp_path / "ledger.db", budgets=Budget(1, per="day")) as costs:
        job.collect()
        assert held(costs) == (slow_provider.billed, 0)
