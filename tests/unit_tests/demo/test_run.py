"""The demo from start to end, on the loopback provider and on the real model."""

from __future__ import annotations

import io
import os
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from langchain_costguard import CostReport, open_store
from langchain_costguard.cli import main
from langchain_costguard.demo import endpoints
from langchain_costguard.demo.chain import QUESTIONS
from langchain_costguard.demo.endpoints import Endpoint, scripted
from langchain_costguard.demo.run import run
from langchain_costguard.demo.server import INSTALL_LINE, MODEL_NAME, DemoError, find_model
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from pathlib import Path

WAYS = ("invoke", "stream", "batch", "async")
CALLS = sum(map(len, QUESTIONS.values()))


@pytest.fixture
def console() -> Console:
    """A terminal of 100 columns that remembers."""
    return Console(file=io.StringIO(), width=100)


def shown_on(console: Console) -> str:
    """What was printed so far."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.required
def test_a_real_chain_on_a_real_model_is_asked_four_ways_and_priced(console: Console, tmp_path: Path) -> None:
    """The main job: nothing between the user's chain and the bill is faked."""
    if find_model() is None:
        pytest.skip("the model is not installed: make setup")
    ledger = tmp_path / "costs.db"
    costs = run(console, gpu_price="3600", store=str(ledger))

    lines = costs.entries()
    assert sorted(tag for line in lines for tag in line.tags) == sorted(
        way for way, questions in QUESTIONS.items() for _ in questions
    )
    assert {line.status for line in lines} == {"ok"}
    assert {line.request_model for line in lines} == {MODEL_NAME}
    assert not any(line.is_estimated for line in lines), "the server reports usage, in streams too"
    assert all(line.usage is not None and line.usage.output_tokens > 0 for line in lines)
    (streamed,) = [line for line in lines if "stream" in line.tags]
    assert streamed.time_to_first_token_ms is not None

    total = costs.total_cost
    latencies = [line.latency_ms for line in lines]
    assert total is not None
    assert all(latency is not None for latency in latencies)
    serial = sum(Decimal(str(latency)) for latency in latencies if latency is not None) / 1000
    assert Decimal(0) < total <= serial + Decimal("0.01"), "at 1 $/s the bill is at most the time spent waiting"
    assert CostReport(open_store(ledger)).total_cost == total

    report = costs.report()
    mini, full = report.at_model("gpt-4o-mini"), report.at_model("gpt-4o")
    assert mini is not None
    assert full is not None
    assert full > mini > 0
    shown = shown_on(console)
    assert "Paris" in shown
    assert f"${mini:f}" in shown
    assert f"${full:f}" in shown
    assert "NO MODEL ANSWERS HERE" not in shown


def test_without_a_model_the_demo_says_so_before_and_after(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invented answers must never pass for a model's."""
    monkeypatch.setattr(endpoints, "find_model", lambda: None)
    costs = run(console)
    shown = shown_on(console)
    assert shown.count("NO MODEL ANSWERS HERE") == 2
    assert shown.count(INSTALL_LINE) == 2
    assert costs.calls == CALLS


def test_the_bill_is_the_provider_s_own(console: Console) -> None:
    """The loopback provider bills by a table of its own, so the two can disagree."""
    with LoopbackProvider() as provider:
        endpoint = Endpoint(title="loopback", model="gpt-4o-mini", base_url=provider.base_url)
        costs = run(console, endpoint=endpoint)
        assert costs.total_cost == provider.billed
    assert costs.unpriced_calls == 0


def test_every_way_of_calling_has_its_row_in_the_order_of_asking(console: Console) -> None:
    """A reader compares the ways; sorting by cost would shuffle them from run to run."""
    with scripted() as endpoint:
        run(console, endpoint=endpoint)
    _, _, table = shown_on(console).partition("How it was called")
    first_words = [words[0] for line in table.splitlines() if (words := line.split())]
    assert [word for word in first_words if word in WAYS] == list(WAYS)


def test_a_server_of_your_own_is_asked_without_a_proxy(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company proxy the demo would otherwise ask the proxy for 127.0.0.1."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted() as endpoint:
        costs = run(console, endpoint=endpoint)
    assert costs.calls == CALLS
    assert os.environ["NO_PROXY"] == "intranet.example"
    assert "no_proxy" not in os.environ


def test_a_refusing_server_ends_the_demo_with_what_to_check(console: Console) -> None:
    """A wrong model name is the likeliest mistake with --base-url."""
    with LoopbackProvider() as provider:
        endpoint = Endpoint(title="loopback", model="no-such-model", base_url=provider.base_url)
        with pytest.raises(DemoError, match=r"no-such-model did not answer .*\(--base-url\) and name \(--model\)"):
            run(console, endpoint=endpoint)


def test_the_command_line_runs_it_on_any_server(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What the README promises to users of Ollama and vLLM."""
    ledger = tmp_path / "costs.db"
    with LoopbackProvider() as provider, pytest.raises(SystemExit) as end:
        main(["demo", "--base-url", provider.base_url, "--model", "gpt-4o", "--store", str(ledger)])
    assert end.value.code == 0
    assert "gpt-4o, $0.10 per GPU-hour" in capsys.readouterr().out
    assert ledger.exists()
