"""Tracers beside ours see the same runs as without it, whether they stand before it or after it."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers import LangChainTracer
from langsmith import Client

from langchain_costguard import CostCallbackHandler
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}


class Sink:
    """A loopback server that keeps what tracers send."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.requests.append((self.command, self.path, body))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_PATCH = _take  # noqa: N815 - http.server's names

            def log_message(self, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A fresh sink."""
    server = Sink()
    yield server
    server.close()


def run_everything(callbacks: list[Any]) -> None:
    """A chain, a stream, and a call that fails."""
    config: Any = {"callbacks": callbacks, "tags": ["checkout"], "metadata": {"user": "u1"}}
    model = ScriptedChatModel(
        responses=[Reply("fine", usage=USAGE), Reply("one two three", usage=USAGE), ValueError("no")],
        model_name="gpt-4o",
        provider="openai",
    )
    chain = ChatPromptTemplate.from_template("{q}") | model
    chain.invoke({"q": "hello"}, config=config)
    list(model.stream("count", config=config))
    with pytest.raises(ValueError, match="no"):
        chain.invoke({"q": "fail"}, config=config)


ORDERS: dict[str, Callable[[Any], list[Any]]] = {
    "before ours": lambda tracer: [tracer, CostCallbackHandler()],
    "after ours": lambda tracer: [CostCallbackHandler(), tracer],
}


def langsmith_runs(sink: Sink) -> list[tuple[Any, ...]]:
    """What LangSmith was told, in order, without ids and times."""
    told: list[tuple[Any, ...]] = []
    for method, path, body in sink.requests:
        if path.startswith("/runs"):
            run = json.loads(body)
            kept = [run.get(field) for field in ("name", "run_type", "tags", "inputs", "outputs")]
            text = json.dumps([*kept, bool(run.get("error"))], sort_keys=True, default=str)
            told.append((method, _without_ids(text)))
    return told


def _without_ids(text: str) -> str:
    import re

    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", text)


def trace_to_langsmith(sink: Sink, arrange: Callable[[Any], list[Any]]) -> list[tuple[Any, ...]]:
    """Run everything with a tracer that sends to the sink at once."""
    sink.requests.clear()
    client = Client(api_url=sink.url, api_key="key", auto_batch_tracing=False, info={})
    tracer = LangChainTracer(client=client)
    run_everything(arrange(tracer))
    tracer.wait_for_futures()
    return langsmith_runs(sink)


@pytest.mark.parametrize("order", ORDERS)
def test_langsmith_sees_the_same_runs_as_without_us(sink: Sink, order: str) -> None:
    """A team that traces with LangSmith must not lose or gain anything by adding costs."""
    alone = trace_to_langsmith(sink, lambda tracer: [tracer])
    together = trace_to_langsmith(sink, ORDERS[order])
    assert len(alone) >= 12
    assert together == alone


def trace_to_langfuse(sink: Sink, arrange: Callable[[Any], list[Any]], key: str) -> list[tuple[Any, ...]]:
    """Run everything with Langfuse's handler; its spans without ids and times."""
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.sdk.trace import TracerProvider

    sink.requests.clear()
    client = Langfuse(public_key=key, secret_key="secret", base_url=sink.url, tracer_provider=TracerProvider())  # noqa: S106 - of nothing
    run_everything(arrange(CallbackHandler(public_key=key)))
    client.flush()
    spans = []
    for _, path, body in sink.requests:
        if path.endswith("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans += [(span.name, _attributes(span), span.status.code) for span in scope.spans]
    return sorted(spans)


def _attributes(span: Any) -> tuple[tuple[str, str], ...]:
    kept = [(item.key, item.value.string_value) for item in span.attributes if "completion_start" not in item.key]
    return tuple(sorted((name, _without_ids(value)) for name, value in kept))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("order", ORDERS)
def test_langfuse_sees_the_same_runs_as_without_us(sink: Sink, order: str) -> None:
    """The same for Langfuse, whose handler is neither inline nor quick."""
    key = f"pk-{order.replace(' ', '-')}"
    alone = trace_to_langfuse(sink, lambda tracer: [tracer], f"{key}-alone")
    together = trace_to_langfuse(sink, ORDERS[order], key)
    assert len(alone) >= 6
    assert together == alone
