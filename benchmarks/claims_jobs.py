"""Real batch jobs to a provider on this machine, which bills them itself, beside the same calls at once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from claims_rows import Row, row
from claims_workloads import Workload, workloads

from langchain_costguard import track_costs
from langchain_costguard.batching import submit_batch
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = 12
"""Of each workload, the first."""
MODEL = "gpt-4o"
ANSWERED = "items that came back with an answer"


def measure(folder: Path) -> Iterator[Row]:
    """One job for each workload; its ledger must be the provider's bill."""
    for workload in workloads(folder):
        with TemporaryDirectory(prefix="costguard-") as place, LoopbackProvider() as provider:
            yield job(workload, provider, Path(place) / "batches.db")


def job(workload: Workload, provider: LoopbackProvider, store: Path) -> Row:
    """The same requests at once and as a job."""
    model, inputs = provider.chat_model(model=MODEL), [one.messages() for one in workload.sent[:REQUESTS]]
    model.batch(list(inputs), {"max_concurrency": 2})
    at_once = provider.billed
    with track_costs() as costs:
        made = submit_batch(model, inputs, store=str(store), provider="openai")
        made.wait(first_pause_seconds=0.05)
        results = made.collect()
    as_batch = provider.billed - at_once
    assert results.cost == costs.total_cost == as_batch, "the ledger is the provider's bill"
    done = sum(result is not None for result in results)
    return row(
        "batch", "submit_batch to a provider that caches calls at once", workload.name, MODEL,
        calls=len(inputs), baseline=at_once, billed=as_batch, quality=done / len(inputs), quality_is=ANSWERED,
    )  # fmt: skip
