"""Real clients, a real collector's SDK and the real LangSmith client: what is exported is what the provider billed."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_costguard import CostCallbackHandler, track_costs
from langchain_costguard.exports import (
    LangSmithCosts,
    OpenTelemetryExporter,
    write_csv,
    write_focus,
)
from langchain_costguard.testing import LoopbackProvider, ModelPrice
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LangSmithServer:
    """What LangSmith's API is to its client: keeps the runs that are sent."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for run in [*sent.get("post", []), *sent.get("patch", [])]:
                    outer.keep(run["id"], run)
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def keep(self, run_id: str, sent: dict[str, Any]) -> None:
        """Put what was sent over what was there, field by field, as the real one does."""
        known = self.runs.setdefault(run_id, {})
        known.update({name: value for name, value in sent.items() if value is not None})

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def langsmith() -> Iterator[LangSmithServer]:
    """A LangSmith on this machine."""
    server = LangSmithServer()
    yield server
    server.close()


@contextmanager
def client_of(server: LangSmithServer, **settings: Any) -> Iterator[Client]:
    """The real client, pointed at it, with plain JSON on the wire."""
    threads = {"scale_up_qsize_trigger": 1000, "scale_up_nthreads_limit": 1, "scale_down_nempty_trigger": 4}
    sizes = {"use_multipart_endpoint": False, "size_limit": 100, "size_limit_bytes": 10_000_000}
    info = {"batch_ingest_config": {**threads, **sizes}}
    client = Client(server.url, api_key="none", info=info, **settings)
    try:
        yield client
    finally:
        client.close()


def usage_of(run: dict[str, Any]) -> dict[str, Any]:
    """What LangSmith reads tokens and costs from."""
    found: dict[str, Any] = run["extra"]["metadata"]["usage_metadata"]
    return found


# -- OpenTelemetry ---------------------------------------------------------------------------------------------------


def test_every_way_to_call_is_measured_at_what_the_provider_billed(provider: LoopbackProvider) -> None:
    """Invoke, stream, batch and their async forms end in different places, and each must be told once."""
    reader, model = InMemoryMetricReader(), provider.chat_model(model="gpt-4o-mini", stream_usage=True)
    meters = MeterProvider(metric_readers=[reader])
    with track_costs() as costs:
        costs.subscribe(OpenTelemetryExporter(meters, spans="none"))
        model.invoke("one")
        list(model.stream("two"))
        model.batch(["three", "four"])
        asyncio.run(asynchronous(model))
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    measured = sum(point.value for point in metrics["costguard.cost"].data.data_points)
    assert round(Decimal(measured), 9) == provider.billed
    tokens = {}
    for point in metrics["gen_ai.client.token.usage"].data.data_points:
        kind = (point.attributes or {})["gen_ai.token.type"]
        tokens[kind] = tokens.get(kind, 0) + point.sum
    assert tokens == {
        "input": sum(request.tokens.input_tokens for request in provider.requests),
        "output": sum(request.tokens.output_tokens for request in provider.requests),
    }
    counted = sum(point.count for point in metrics["gen_ai.client.operation.duration"].data.data_points)
    assert counted == len(provider.requests) == 6
    meters.shutdown()


async def asynchronous(model: Any) -> None:
    """A call and a stream on an event loop."""
    await model.ainvoke("five")
    async for _ in model.astream("six"):
        pass


def test_the_span_around_a_call_has_its_cost_on_an_event_loop_too(provider: LoopbackProvider) -> None:
    """Parallel tasks have a span each, and must not swap their costs."""
    finished, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(finished))
    tracer, model = tracers.get_tracer("test"), provider.chat_model(model="gpt-4o-mini")

    async def ask(question: str) -> None:
        with tracer.start_as_current_span(question):
            await model.ainvoke(question)

    async def ask_all() -> None:
        await asyncio.gather(*(ask(f"question {number} " * number) for number in range(1, 6)))

    with track_costs() as costs:
        costs.subscribe(OpenTelemetryExporter(tracer_provider=tracers))
        asyncio.run(ask_all())
    told = {str((span.attributes or {})["costguard.run_id"]): span for span in finished.get_finished_spans()}
    assert len(told) == 5
    for line in costs.entries():
        attributes = told[str(line.run_id)].attributes or {}
        assert attributes["costguard.cost_usd"] == f"{line.billed_cost:f}"
        assert line.usage is not None
        assert attributes["gen_ai.usage.input_tokens"] == line.usage.input_tokens
    assert sum(Decimal(str((span.attributes or {})["costguard.cost_usd"])) for span in told.values()) == provider.billed
    tracers.shutdown()


# -- LangSmith -------------------------------------------------------------------------------------------------------


def test_runs_are_sent_with_what_they_cost(provider: LoopbackProvider, langsmith: LangSmithServer) -> None:
    """LangSmith's own reckoning knows no discount; ours stands in the run before it leaves the process."""
    costs = LangSmithCosts()
    handler = CostCallbackHandler().subscribe(costs)
    model = provider.chat_model(model="gpt-4o-mini", stream_usage=True)
    with client_of(langsmith, process_buffered_run_ops=costs.fill, run_ops_buffer_size=100) as client:
        tracer = LangChainTracer(client=client)
        for question in ("one", "two", "three"):
            model.invoke(question, config={"callbacks": [tracer, handler], "metadata": {"team": "shop"}})
        list(model.stream("four", config={"callbacks": [handler, tracer]}))
        client.flush()
    lines = handler.entries()
    assert len(lines) == 4
    for line in lines:
        assert line.billed_cost is not None
        usage = usage_of(langsmith.runs[str(line.run_id)])
        assert usage["total_cost"] == float(line.billed_cost) > 0
        assert line.usage is not None
        assert usage["input_tokens"] == line.usage.input_tokens
    assert langsmith.runs[str(lines[0].run_id)]["extra"]["metadata"]["team"] == "shop"
    total = sum(Decimal(str(usage_of(run)["total_cost"])) for run in langsmith.runs.values())
    assert total == provider.billed


def test_a_run_that_is_sent_before_its_cost_is_known_waits_for_it() -> None:
    """A tracer before our handler may hand the run over a moment too early."""
    costs, entry, is_asked = LangSmithCosts(), make_entry(), threading.Event()

    class Run(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            is_asked.set()
            return super().get(name, default)

    run, filled = Run(id=entry.run_id, run_type="llm", end_time="2026-01-01"), []
    client = threading.Thread(target=lambda: filled.extend(costs.fill([run])))
    client.start()
    assert is_asked.wait(30)
    costs(entry)
    client.join()
    assert usage_of(filled[0])["total_cost"] == 0.00021


def test_an_unknown_cost_is_not_sent(langsmith: LangSmithServer) -> None:
    """Zero would be shown as free; without one LangSmith shows what it knows itself."""
    costs = LangSmithCosts()
    handler = CostCallbackHandler().subscribe(costs)
    with (
        LoopbackProvider(prices={"house-model-1": ModelPrice(Decimal(1), Decimal(2))}) as provider,
        client_of(langsmith, process_buffered_run_ops=costs.fill, run_ops_buffer_size=100) as client,
    ):
        config: Any = {"callbacks": [handler, LangChainTracer(client=client)]}
        provider.chat_model(model="house-model-1").invoke("one", config=config)
        client.flush()
    (line,) = handler.entries()
    assert line.billed_cost is None
    assert "total_cost" not in usage_of(langsmith.runs[str(line.run_id)])


def test_runs_that_are_no_calls_go_as_they_are() -> None:
    """A chain's run has no cost of its own: LangSmith adds those below it."""
    costs = LangSmithCosts()
    entry = make_entry()
    costs(entry)
    chain = {"id": entry.run_id, "run_type": "chain", "end_time": "2026-01-01"}
    begun = {"id": entry.run_id, "run_type": "llm", "end_time": None}
    assert costs.fill([chain, begun]) == [chain, begun]
    (ended,) = costs.fill([{**begun, "end_time": "2026-01-01", "extra": None}])
    assert ended["extra"] == {"metadata": {"usage_metadata": {"total_cost": 0.00021}}}


# -- files -----------------------------------------------------------------------------------------------------------


def test_files_add_up_to_what_the_provider_billed(provider: LoopbackProvider, tmp_path: Path) -> None:
    """The figure that finance gets is the one on the invoice."""
    pandas = pytest.importorskip("pandas", reason="frames need the extra notebook")
    with track_costs() as costs:
        for name in ("gpt-4o", "gpt-4o-mini"):
            provider.chat_model(model=name).batch(["one", "two", "three"], config={"tags": ["=HYPERLINK(1)"]})
    write_csv(costs.entries(), tmp_path / "costs.csv")
    write_focus(costs.entries(), tmp_path / "focus.csv")
    for name, column in (("costs.csv", "billed_usd"), ("focus.csv", "BilledCost")):
        cells = pandas.read_csv(tmp_path / name, dtype={column: str})[column]
        assert sum(map(Decimal, cells)) == provider.billed
